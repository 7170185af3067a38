#include "lend/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/in_child.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"
#include "feed/feed.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "wire/message.h"
#include "archive/pack.h"
#include "wire/question.h"
#include "wire/upload.h"
#include "wire/members.h"
#include "base/watch.h"
#include "delegation/members.h"

#define MOST_QUIET_S 86400

void
lend_note(const struct lend *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (l->observer.note == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_clean(text);
	l->observer.note(l->observer.arg, text);
}

void
lend_progress(const struct lend *l, const char *what, uint64_t done, uint64_t total)
{
	if (l->observer.progress != NULL)
		l->observer.progress(l->observer.arg, what, done, total);
}

const char *
lend_task_url(const struct lend *l, const char *what, char out[4096])
{
	(void)snprintf(out, 4096, "%s/awcp/tasks/%s/%s", l->base, l->id, what);
	return out;
}

/* Learn the addresses of ${url}: PROTOCOL "Who talks to whom" strips "/" and then "/awcp". */
static int
set_addresses(struct lend *l, const char *url, struct err *e)
{
	size_t n = strlen(url);

	if (url_check(url, e) < 0)
		return -1;
	if (n >= sizeof l->url)
		return err_set(e, ERR_USAGE, "the executor's address is too long");
	strcpy(l->url, url);
	while (n > 0 && l->url[n - 1] == '/')
		l->url[--n] = '\0';
	strcpy(l->base, l->url);
	if (n >= 5 && strcmp(l->base + n - 5, "/awcp") == 0)
		l->base[n - 5] = '\0';
	return 0;
}

static int
set_up(struct lend *l, const json_t *delegation, struct err *e)
{
	char token[TOKEN_MAX];
	long long quiet;

	l->discard = strcmp(delegation_snapshot_mode(delegation), "discard") == 0;
	if (setting_number(SETTING_MAX_SNAPSHOT, &l->most, e) < 0 ||
	    setting_number(SETTING_QUIET, &quiet, e) < 0 ||
	    set_addresses(l, delegation_peer_url(delegation), e) < 0 ||
	    delegation_token(delegation, token, e) < 0)
		return -1;
	l->quiet = quiet < 1 ? 1 : quiet > MOST_QUIET_S ? MOST_QUIET_S : (long)quiet;
	l->client = client_new(token[0] != '\0' ? token : NULL, l->timeout, e);
	explicit_bzero(token, sizeof token);
	return l->client == NULL ? -1 : follow_begin(l, e);
}

struct lend *
lend_open(const char *id, long timeout, const struct lend_observer *o, struct err *e)
{
	struct lend *l = calloc(1, sizeof *l);
	struct record r;

	if (l == NULL) {
		err_memory(e);
		return NULL;
	}
	l->lockfd = l->dirfd = -1;
	l->timeout = timeout;
	if (o != NULL)
		l->observer = *o;
	if (record_open(DELEGATIONS, id, false, &r, e) < 0)
		goto err;
	strcpy(l->id, r.id);
	l->dirfd = r.dirfd;
	r.dirfd = -1;
	l->lockfd = file_lock(l->dirfd, "follow.lock", false, e);
	if (l->lockfd < 0 || set_up(l, r.json, e) < 0)
		goto err;
	record_close(&r);
	return l;
err:
	record_close(&r);
	lend_close(l);
	return NULL;
}

void
lend_close(struct lend *l)
{
	if (l == NULL)
		return;
	follow_end(l);
	client_free(l->client);
	file_close(l->lockfd);
	file_close(l->dirfd);
	free(l);
}

int
lend_refused(const struct lend *l, const char *what, int http, const struct buf *answer,
	     struct err *e)
{
	json_t *o = answer->len > 0 ? jsonx_parse(answer->data, answer->len, NULL) : NULL;
	const char *code = error_code(o);
	const char *text = jsonx_text(o, "error", error_message(o));
	enum err_code c = code != NULL                 ? err_from_name(code)
			  : http == 401 || http == 403 ? ERR_AUTH_FAILED
			  : http == 413                ? ERR_WORKSPACE_TOO_LARGE
			  : http == 429 || http == 503 ? ERR_BUSY
						       : ERR_TRANSPORT_ERROR;

	err_set(e, c, "%s was refused by %s (HTTP %d): %s", what, l->url, http, text);
	/* Its hint speaks to whoever writes clients; ours to who runs this one. */
	err_hint(e, "%s",
		 c == ERR_AUTH_FAILED ? "give the executor's token with -T file"
		 : http == 413        ? "it takes no request of that size; leave files out with -x"
				      : error_hint(o));
	json_decref(o);
	return -1;
}

/* Somebody else follows ${id}: read the journal that is written, until the record has ended (0), or
 * nobody follows any more (1), or ${until} has passed. */
static int
read_along(const char *id, int64_t until, const struct lend_observer *o, struct err *e)
{
	const struct feed feed = {&feed_journal, DELEGATIONS, id, NULL};
	struct feed_reader reader;
	struct record r;
	json_t *event;
	int status;

	feed_open(&reader, &feed, NULL);
	for (;;) {
		if ((status = record_open(DELEGATIONS, id, false, &r, e)) < 0)
			break;
		bool ended = delegation_ended(r.json);
		int n;
		while ((n = feed_next(&reader, &event, e)) > 0 ||
		       (n < 0 && e->code == ERR_BAD_MESSAGE)) {
			if (event != NULL && o->event != NULL)
				o->event(o->arg, event);
			json_decref(event);
		}
		int lockfd = n < 0 ? -1 : file_lock(r.dirfd, "follow.lock", false, NULL);
		file_close(lockfd);
		record_close(&r);
		status = n < 0 ? -1 : lockfd >= 0 && !ended;
		if (status != 0 || (ended && lockfd >= 0))
			break;
		if (until != 0 && clock_steady() >= until) {
			status = err_set(e, ERR_BUSY, "%s has not ended", id);
			break;
		}
		if (feed_wait(&reader, -1, ended ? 50 : WATCH_POLL_MS, e) < 0) {
			status = -1;
			break;
		}
	}
	if (status != 0)
		record_close(&r);
	feed_close(&reader);
	return status;
}

int
lend_watch(const char *id, long timeout, int64_t until, const struct lend_observer *o,
	   struct err *e)
{
	struct record r;

	for (;;) {
		struct lend *l = lend_open(id, timeout, o, e);
		if (l != NULL) {
			int status = lend_go_on(l, until, e);
			lend_close(l);
			return status;
		}
		if (e->code != ERR_BUSY)
			return -1;
		int status = read_along(id, until, o, e);
		if (status < 0)
			return -1;
		if (status > 0)
			continue;
		status = record_open(DELEGATIONS, id, false, &r, e);
		if (status == 0)
			status = delegation_outcome(r.json, e);
		record_close(&r);
		return status;
	}
}

/* POST ${json} (NULL: nothing) to the executor of ${r}: at ${place} "cancel", or below the task's
 * own address. */
static int
call(const struct record *r, long timeout, const char *place, const char *json, struct lend *l,
     struct buf *answer, int *http, struct err *e)
{
	char url[4096];

	*l = (struct lend){.timeout = timeout, .dirfd = -1, .lockfd = -1};
	strcpy(l->id, r->id);
	int status = set_up(l, r->json, e);
	if (strcmp(place, "cancel") == 0)
		(void)snprintf(url, sizeof url, "%s/cancel/%s", l->url, l->id);
	else
		(void)lend_task_url(l, place, url);
	if (status == 0)
		status = lend_call(l, place, url, json, answer, http, e);
	follow_end(l);
	client_free(l->client);
	return status;
}

/* ERR_BAD_STATE if ${r} has ended. */
static int
check_under_way(const struct record *r, struct err *e)
{
	if (!delegation_ended(r->json))
		return 0;
	err_set(e, ERR_BAD_STATE, "%s is %s already", r->id, delegation_state(r->json));
	return err_hint(e, "awcp-show %s", r->id);
}

/* The one question that is known to be open, or NULL: then its executor knows. */
static const char *
only_question(const struct record *r)
{
	const json_t *list = delegation_questions(r->json);

	return json_array_size(list) == 1 ? jsonx_text(json_array_get(list, 0), "id", NULL) : NULL;
}

static int
send_answer(const struct record *r, long timeout, const char *question, const char *answer,
	    struct err *e)
{
	struct buf text = BUF_INIT(MESSAGE_MAX), reply = BUF_INIT(MESSAGE_MAX);
	json_t *body = json_object();
	struct lend l;
	int http = 0;

	int status =
	    jsonx_set(body, "question", question) < 0 || jsonx_set(body, "answer", answer) < 0
		? err_memory(e)
		: jsonx_dump(body, &text, e);
	if (status == 0)
		status = call(r, timeout, "answer", text.data, &l, &reply, &http, e);
	if (status == 0 && http != 200)
		status = lend_refused(&l, "the answer", http, &reply, e);
	json_decref(body);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	buf_free(&reply);
	return status;
}

int
lend_answer(const char *id, long timeout, const char *question, const char *answer, struct err *e)
{
	char known[QUESTION_ID] = "";
	struct record r;

	int status = record_open(DELEGATIONS, id, false, &r, e);
	if (status == 0)
		status = check_under_way(&r, e);
	if (status == 0 && question == NULL && (question = only_question(&r)) != NULL) {
		(void)snprintf(known, sizeof known, "%s", question);
		question = known;
	}
	if (status == 0)
		status = send_answer(&r, timeout, question, answer, e);
	record_close(&r);
	if (status < 0 || question == NULL)
		return status;
	/* The event that says so may be long in coming; if this is not noted, it is then. */
	if (record_open(DELEGATIONS, id, true, &r, NULL) == 0 &&
	    delegation_answered(&r, question) == 1)
		(void)delegation_save(&r, false, NULL);
	record_close(&r);
	return 0;
}

int
lend_cancel(const char *id, long timeout, const char *reason, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	struct lend l;
	struct record r;
	struct err why;
	int http = 0;

	int status = record_open(DELEGATIONS, id, false, &r, e);
	if (status == 0)
		status = check_under_way(&r, e);
	if (status == 0 && strcmp(delegation_state(r.json), "created") != 0) {
		status = call(&r, timeout, "cancel", NULL, &l, &answer, &http, e);
		if (status == 0 && http == 409) {
			err_set(e, ERR_BAD_STATE, "%s has ended at its executor", r.id);
			status = err_hint(e, "fetch the outcome: awcp-watch %s", r.id);
		} else if (status == 0 && http != 200 && http != 404) {
			status = lend_refused(&l, "the cancellation", http, &answer, e);
		}
	}
	if (status == 0) {
		err_set(&why, ERR_CANCELLED, "%s", reason);
		status = delegation_end(r.id, FSM_CANCEL, &why, e);
	}
	record_close(&r);
	buf_free(&answer);
	return status;
}
