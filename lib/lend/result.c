/*
 * What an executor says of the result of a delegation: GET /result.
 *
 * Whatever stands between, a proxy, a tunnel, a web server whose program has just died, answers
 * something, too.  So only a clear word of the executor's counts (word_of); anything else is asked
 * again.  Nobody calls a delegation completed but through lend_result_fetch: with an archive that
 * has arrived, or with the word that it is completed and has none.
 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lend/private.h"
#include "log/redact.h"
#include "wire/message.h"

#define TRIES 3 /* of a result, also when the time is over */

/* The one place that says what an answer with ${http} means. */
static enum lend_word
word_of(int http, const json_t *o)
{
	static const struct {
		const char *status;
		int http; /* or 404, of what is not found */
		enum lend_word word;
	} words[] = {{"running", 200, LEND_RUNNING},
		     {"completed", 200, LEND_COMPLETED},
		     {"error", 200, LEND_FAILED},
		     {"not_found", 404, LEND_UNKNOWN},
		     {"not_found", 200, LEND_UNKNOWN}};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (http == words[i].http && strcmp(event_status(o), words[i].status) == 0)
			return words[i].word;
	return LEND_SILENT;
}

static int
read_result(void *arg, const char *p, size_t n, struct err *e)
{
	return jsplit_feed(arg, p, n, e);
}

/* GET /result into ${a}; -1 if there is no JSON. */
static int
get_result(struct lend *l, bool archive, struct lend_said *a, struct err *e)
{
	char url[4096];
	struct lend_request q = {.step = "result", .http.url = lend_task_url(l, "result", url)};
	bool named = false;

	lend_archive_abort(l);
	struct jsplit *split =
	    jsplit_new(lend_archive_member, MESSAGE_MAX, archive ? lend_archive_write : NULL, l, e);
	if (split != NULL && lend_send(l, &q, read_result, split, e) == 0)
		a->result = jsplit_finish(split, &named, e);
	jsplit_free(split);
	a->answered = a->result != NULL || (split != NULL && e->code != ERR_TRANSPORT_ERROR);
	a->archive = named && l->received > 0;
	if (a->result == NULL)
		return -1;
	redact_json(a->result);
	a->word = word_of(q.http.status, a->result);
	/* An empty archive is none. */
	if (a->word == LEND_COMPLETED && named && archive && !a->archive)
		a->word = LEND_SILENT;
	if (a->word == LEND_SILENT)
		err_set(e, ERR_TRANSPORT_ERROR, "it answered %d, and not with a result",
			q.http.status);
	return 0;
}

/* What the peer, or the way to it, is to blame for. */
static bool
is_theirs(const struct err *e)
{
	return e->code == ERR_TRANSPORT_ERROR || e->code == ERR_BAD_MESSAGE ||
	       e->code == ERR_TOO_LARGE;
}

int
lend_ask(struct lend *l, bool archive, struct lend_said *a, struct err *e)
{
	*a = (struct lend_said){.word = LEND_SILENT};
	int status = get_result(l, archive, a, e);
	if (a->word != LEND_COMPLETED)
		lend_archive_abort(l); /* of an answer of another kind nothing is taken */
	return status < 0 && !is_theirs(e) ? -1 : 0;
}

void
lend_said_free(struct lend_said *a)
{
	json_decref(a->result);
	a->result = NULL;
}

/* The id of the snapshot that ${done} would have taken: the recommended one, or the last. */
static const char *
wanted_id(const json_t *done)
{
	const json_t *ids = event_snapshot_ids(done);
	size_t n = json_array_size(ids);

	if (n == 0)
		return NULL;
	const char *best = event_recommended_id(done);
	return best != NULL ? best : json_string_value(json_array_get(ids, n - 1));
}

/* Is here what ${done} tells of? */
static bool
is_here(const struct lend *l, const json_t *done)
{
	const char *wanted = wanted_id(done);
	const json_t *list = delegation_snapshots(l->record), *one;
	size_t i;

	if (wanted == NULL)
		return json_array_size(list) > 0;
	json_array_foreach (list, i, one)
		if (strcmp(snapshot_id(one), wanted) == 0)
			return true;
	return false;
}

/* Store the archive that came with ${result}: under its own id, or that in ${done}, or a new one.
 */
static int
store_archive(struct lend *l, const json_t *result, const json_t *done, struct err *e)
{
	const char *id = event_snapshot_id(result), *wanted = wanted_id(done);
	char made[ID_MAX + 1];

	if (id[0] == '\0')
		id = wanted;
	if (id == NULL && id_make("snap_", 12, made, e) < 0)
		return -1;
	return lend_snapshot_store(l, id != NULL ? id : made, result, e);
}

enum fetched {
	FETCHED, /* or it is known that there is nothing to fetch */
	AGAIN,   /* because of ${e} */
	NEVER    /* because of ${e} */
};

/* Act on what the executor says of the result that ${done} tells of. */
static enum fetched
take_answer(struct lend *l, const struct lend_said *a, const json_t *done, struct err *e)
{
	bool named = wanted_id(done) != NULL || wanted_id(a->result) != NULL ||
		     event_snapshot_id(a->result)[0] != '\0';

	switch (a->word) {
	case LEND_COMPLETED:
		if (a->archive)
			return store_archive(l, a->result, done, e) < 0 ? NEVER : FETCHED;
		if (!named)
			return FETCHED;
		err_set(e, ERR_TRANSPORT_ERROR, "it does not give the snapshot that it names");
		return AGAIN;
	case LEND_FAILED:
		message_error(event_failure(a->result), e);
		if (e->code > ERR_NOT_FOUND) /* a word of ours, from somebody else */
			e->code = ERR_TASK_FAILED;
		return NEVER;
	case LEND_UNKNOWN:
		err_set(e, ERR_SSE_FAILED, "the executor was done, but has no result any more");
		return NEVER;
	case LEND_RUNNING:
		err_set(e, ERR_TRANSPORT_ERROR, "it says that the task is running");
		return AGAIN;
	default:
		return AGAIN;
	}
}

static enum fetched
fetch_once(struct lend *l, const json_t *done, struct err *e)
{
	struct lend_said a;
	enum fetched fetched = NEVER;

	if (lend_ask(l, true, &a, e) == 0)
		fetched = take_answer(l, &a, done, e);
	lend_archive_abort(l);
	lend_said_free(&a);
	return fetched;
}

static void
wait_for_try(int attempt, int64_t until)
{
	int64_t pause = clock_backoff(attempt);

	if (attempt >= TRIES && until - clock_steady() < pause)
		pause = until - clock_steady();
	if (pause > 0)
		(void)usleep((useconds_t)pause * 1000);
}

int
lend_result_fetch(struct lend *l, const json_t *done, int64_t until, struct err *e)
{
	struct err why;

	for (int attempt = 1; !is_here(l, done); attempt++) {
		enum fetched fetched = fetch_once(l, done, &why);
		if (fetched == FETCHED)
			break;
		if (fetched == NEVER) {
			*e = why;
			return -1;
		}
		if (attempt >= TRIES && clock_steady() >= until) {
			err_set(e, ERR_BUSY,
				"the executor of %s is done, but its result cannot be "
				"fetched: %s",
				l->id, why.message);
			return err_hint(e, "it is kept there; try again later: awcp-watch %s",
					l->id);
		}
		if (attempt == 1)
			lend_note(l, "the result cannot be fetched yet (%s); trying again",
				  why.message);
		wait_for_try(attempt, until);
		if (lend_has_ended(l))
			return 0;
	}
	return 1;
}
