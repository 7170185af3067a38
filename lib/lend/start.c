/* START, until it is known that it arrived. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "lend/private.h"
#include "wire/message.h"
#include "wire/upload.h"

#define TRIES 3
#define PAUSE_US 250000U /* doubled each time */

static void
report_sent(void *arg, uint64_t done, uint64_t size)
{
	lend_progress(arg, "sending", done, size);
}

/* The START, and the lease that it gives, counted from now. */
static json_t *
make_start(struct lend *l, struct err *e)
{
	int64_t ttl = delegation_ttl(l->record), max = delegation_executor_max_ttl(l->record);
	char expires[CLOCK_TEXT];
	json_t *m = json_object();

	if (ttl > max)
		ttl = max;
	(void)clock_format(clock_now() + ttl * 1000, expires);
	l->expires = clock_steady() + ttl * 1000;
	/* upload_new expects the last two in this order. */
	if (start_set_expires_at(m, expires) < 0 ||
	    start_set_access_mode(m, delegation_access_mode(l->record)) < 0 ||
	    start_set_transport(m, "archive") < 0 || start_set_workspace(m, "") < 0 ||
	    start_set_checksum(m, UPLOAD_CHECKSUM) < 0) {
		json_decref(m);
		m = NULL;
	}
	return message_new("START", l->id, m, e);
}

static int
record_lease(struct record *r, void *arg, struct err *e)
{
	const json_t *start = arg;

	if (delegation_is(r->json, "cancelled"))
		return delegation_outcome(r->json, e);
	delegation_drop_last_event_id(r->json);
	if (delegation_set_active_lease(r->json, json_incref(start_lease(start))) < 0)
		return err_memory(e);
	return 1;
}

/* The reference implementation refuses with HTTP 200. */
static int
check_answer(const struct buf *answer, struct err *e)
{
	json_t *o = answer->len > 0 ? jsonx_parse(answer->data, answer->len, NULL) : NULL;

	int status = strcmp(message_kind(o), "ERROR") == 0 ? message_error(o, e) : 0;
	json_decref(o);
	return status;
}

enum sent { ARRIVED, RETRY, REFUSED };

static enum sent
send_start_once(struct lend *l, struct upload *u, int attempt, struct err *e)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	struct client_body body = upload_body(u);
	struct lend_request q = {
	    .step = "start", .http = {.url = l->url, .body = &body}, .attempt = attempt};
	enum sent sent = RETRY;

	if (lend_send(l, &q, lend_collect, &answer, e) < 0)
		goto out;
	int http = q.http.status;
	/* A START that was taken, but whose answer was lost, is not taken twice. */
	if (attempt > 1 && (http == 409 || http == 500)) {
		sent = ARRIVED;
	} else if (http == 200) {
		sent = check_answer(&answer, e) < 0 ? REFUSED : ARRIVED;
	} else {
		lend_refused(l, "START", http, &answer, e);
		/* A web server whose program has just died answers for it. */
		sent = http == 502 || http == 504 ? RETRY : REFUSED;
	}
out:
	buf_free(&answer);
	return sent;
}

/* Send ${u} until it arrived, or an event shows that it did. */
static int
send_start(struct lend *l, struct upload *u, struct err *e)
{
	for (int attempt = 1; l->last == NULL; attempt++) {
		enum sent sent = send_start_once(l, u, attempt, e);
		if (sent == ARRIVED)
			return 0;
		if (sent == REFUSED || attempt == TRIES)
			return -1;
		lend_note(l, "START did not get through (%s); trying again", e->message);
		(void)usleep(PAUSE_US << attempt);
	}
	return -1; /* the caller sees the event */
}

int
lend_start(struct lend *l, struct err *e)
{
	uint64_t size = (uint64_t)delegation_base_archive_bytes(l->record);
	struct upload *u = NULL;
	int fd = -1, status = -1;

	json_t *start = make_start(l, e);
	if (start == NULL)
		goto out;
	if ((fd = openat(l->dirfd, BASE_ARCHIVE, O_RDONLY | O_CLOEXEC)) < 0) {
		err_sys(e, "cannot read " BASE_ARCHIVE);
		goto out;
	}
	/* The lease is recorded first, so that whoever follows knows when it ends.  What was
	 * cancelled since the INVITE is not started. */
	if ((u = upload_new(start, fd, size, report_sent, l, e)) == NULL ||
	    lend_change(l, record_lease, start, true, e) < 0 || send_start(l, u, e) < 0)
		goto out;
	status = 0;
	if (fdatasync(fd) < 0) /* diff and merge need it later */
		status = err_sys(e, "cannot write " BASE_ARCHIVE);
out:
	upload_free(u);
	json_decref(start);
	file_close(fd);
	return status;
}
