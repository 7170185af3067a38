/* A delegation is watched, whoever follows it. */
#include "base/clock.h"
#include "base/file.h"
#include "lend/private.h"
#include "feed/feed.h"

/* Hand the new events to the observer; a damaged one is skipped. */
static int
read_events(struct feed_reader *reader, const struct lend_observer *o, struct err *e)
{
	json_t *event;
	int n;

	while ((n = feed_next(reader, &event, e)) > 0 || (n < 0 && e->code == ERR_BAD_MESSAGE)) {
		if (event != NULL && o->event != NULL)
			o->event(o->arg, event);
		json_decref(event);
	}
	return n;
}

/* How it is with a delegation that somebody else followed. */
enum watched { ENDED, ABANDONED, FOLLOWED };

/* Read what is new, once.  *${ended}: the record has.  -1 on failure. */
static int
watch_once(struct feed_reader *reader, const struct lend_observer *o, bool *ended, struct err *e)
{
	struct record r;
	int status = -1;

	if (record_open(DELEGATIONS, reader->feed.subject, false, &r, e) < 0)
		goto out;
	*ended = delegation_ended(r.json);
	if (read_events(reader, o, e) < 0)
		goto out;
	int lockfd = file_lock(r.dirfd, "follow.lock", false, NULL);
	file_close(lockfd);
	status = lockfd < 0 ? FOLLOWED : *ended ? ENDED : ABANDONED;
out:
	record_close(&r);
	return status;
}

/* Read the journal that its follower writes, until the record has ended, or nobody follows it any
 * more, or ${until} has passed (an error). */
static int
watch_journal(const char *id, int64_t until, const struct lend_observer *o, struct err *e)
{
	const struct feed feed = {.kind = &feed_journal, .collection = DELEGATIONS, .subject = id};
	struct feed_reader reader;
	bool ended;
	int status;

	feed_open(&reader, &feed, NULL);
	while ((status = watch_once(&reader, o, &ended, e)) == FOLLOWED) {
		if (until != 0 && clock_steady() >= until) {
			status = err_set(e, ERR_BUSY, "%s has not ended", id);
			break;
		}
		if (feed_wait(&reader, -1, ended ? 50 : WATCH_POLL_MS, e) < 0) {
			status = -1;
			break;
		}
	}
	feed_close(&reader);
	return status;
}

static int
outcome_of(const char *id, struct err *e)
{
	struct record r;

	int status = record_open(DELEGATIONS, id, false, &r, e);
	if (status == 0)
		status = delegation_outcome(r.json, e);
	record_close(&r);
	return status;
}

int
lend_watch(const char *id, int64_t until, const struct lend_observer *o, struct err *e)
{
	for (;;) {
		struct lend *l = lend_open(id, o, e);
		if (l != NULL) {
			int status = lend_continue(l, until, e);
			lend_close(l);
			return status;
		}
		if (e->code != ERR_BUSY)
			return -1;
		int watched = watch_journal(id, until, o, e);
		if (watched < 0)
			return -1;
		if (watched == ENDED)
			return outcome_of(id, e);
	}
}
