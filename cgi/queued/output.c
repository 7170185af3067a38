#include "queued/answers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "http/query.h"

#define FOLLOWERS 256 /* at a time: each has a thread */
#define LOOK_MS 200
#define TYPE "text/plain; charset=utf-8"
/* What a program printed is text, whatever it looks like. */
#define ALWAYS "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"

static atomic_int followers;

struct output {
	struct http *h;
	const struct tenant *tenant;
	uint64_t number;
	int64_t follow, from;
	off_t offset;
};

/* Open the output as it is now. */
static int
open_output(const struct output *t, bool *over, struct err *e)
{
	*over = true;
	struct queue *q = queues_borrow(t->tenant->queue, false, e);
	int fd = q == NULL || tenant_owns(t->tenant, q, t->number, e) < 0
		     ? -1
		     : queue_output(q, t->number, over, e);

	queues_return(q);
	return fd;
}

/* Send what there is from t->offset to ${end}: 0, or -1 when nobody listens. */
static int
send_to(struct output *t, int fd, off_t end)
{
	char piece[16384];

	while (t->offset < end) {
		off_t left = end - t->offset;
		size_t want = left < (off_t)sizeof piece ? (size_t)left : sizeof piece;
		ssize_t n = pread(fd, piece, want, t->offset);
		if (n <= 0)
			return n == 0 ? 0 : -1;
		if (http_write(t->h, piece, (size_t)n) < 0)
			return -1;
		t->offset += n;
	}
	return 0;
}

/* The first and the last byte that "bytes=..." asks for of ${size}: 1, 0 if that is no range that
 * can be understood, -1 if there is nothing in it. */
static int
parse_range(const char *text, off_t size, off_t *first, off_t *last)
{
	char *end;

	if (text == NULL || strncasecmp(text, "bytes=", 6) != 0)
		return 0;
	text += 6;
	bool suffix = *text == '-';
	const char *p = suffix ? text + 1 : text;
	if (*p < '0' || *p > '9')
		return 0;
	long long n = strtoll(p, &end, 10);
	*first = suffix ? (n < size ? size - n : 0) : n;
	*last = size - 1;
	if (!suffix && *end == '-' && end[1] >= '0' && end[1] <= '9') {
		n = strtoll(end + 1, &end, 10);
		if (n < *first)
			return 0;
		*last = n < *last ? n : *last;
	} else if (!suffix && *end == '-') {
		end++;
	}
	if (*end != '\0')
		return 0;
	return *first < size && (!suffix || n > 0) ? 1 : -1;
}

/* What there is, or a part of it. */
static int
send_now(struct output *t, struct err *e)
{
	char headers[256];
	struct stat st;
	off_t first = 0, last;
	bool over;

	int fd = open_output(t, &over, e);
	if (fd < 0 || fstat(fd, &st) < 0) {
		file_close(fd);
		return fd < 0 ? -1 : err_sys(e, "cannot look at the output");
	}
	last = st.st_size - 1;
	int part = parse_range(http_variable(t->h, "HTTP_RANGE"), st.st_size, &first, &last);
	int n = snprintf(headers, sizeof headers, ALWAYS "Accept-Ranges: bytes\r\n");
	if (part == 0) {
		first = 0;
		last = st.st_size - 1;
	}
	if (part > 0)
		n += snprintf(headers + n, sizeof headers - (size_t)n,
			      "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)first,
			      (long long)last, (long long)st.st_size);
	if (part < 0) {
		first = last + 1;
		n += snprintf(headers + n, sizeof headers - (size_t)n,
			      "Content-Range: bytes */%lld\r\n", (long long)st.st_size);
	}
	off_t length = last - first + 1;
	(void)snprintf(headers + n, sizeof headers - (size_t)n, "Content-Length: %lld\r\n",
		       (long long)length);
	http_begin(t->h, part == 0 ? 200 : part > 0 ? 206 : 416, TYPE, headers);
	t->offset = first;
	(void)send_to(t, fd, last + 1);
	file_close(fd);
	return 0;
}

/* Send what is new; true if there will be more. */
static bool
send_more(struct output *t)
{
	struct stat st;
	struct err why;
	bool over = true;

	if (pass_check(caller_pass(t->h), &why) < 0)
		return false;
	/* Whether it is over comes first: what it printed is there then. */
	int fd = open_output(t, &over, &why);
	if (fd < 0)
		return why.code == ERR_NOT_FOUND && !over;
	bool goes_on = fstat(fd, &st) == 0;
	if (goes_on && st.st_size < t->offset)
		t->offset = 0; /* another attempt has begun */
	goes_on = goes_on && send_to(t, fd, st.st_size) == 0 && http_flush(t->h) == 0 && !over;
	file_close(fd);
	return goes_on;
}

static int
follow_output(struct output *t, struct err *e)
{
	struct watch *w = NULL;
	bool over = true;

	int fd = open_output(t, &over, e);
	if (fd < 0 && (e->code != ERR_NOT_FOUND || over))
		return -1;
	file_close(fd);
	struct queue *q = queues_borrow(t->tenant->queue, false, e);
	if (q != NULL)
		w = queue_watch(q, QUEUE_CHANGE, e);
	queues_return(q);
	if (w == NULL)
		return -1;
	http_begin(t->h, 200, TYPE, ALWAYS "X-Accel-Buffering: no\r\n");
	t->offset = t->from;
	while (http_flush(t->h) == 0 && send_more(t) &&
	       watch_wait(w, http_peer(t->h), LOOK_MS) != 2)
		continue;
	watch_close(w);
	return 0;
}

static int
read_query(void *arg, const char *name, const char *value, struct err *e)
{
	struct output *t = arg;

	if (strcmp(name, "follow") == 0)
		return query_number(name, value, 0, 1, &t->follow, e);
	if (strcmp(name, "from") == 0)
		return query_number(name, value, 0, INT64_MAX, &t->from, e);
	return query_unknown(name, "follow from", e);
}

int
output_answer(struct http *h, const struct tenant *tenant, struct err *e)
{
	struct output t = {.h = h, .tenant = tenant};
	int status = -1;

	if (tenant_task(h, &t.number, e) < 0 || query_each(h, read_query, &t, e) < 0 ||
	    http_drain(h, 4096, e) < 0)
		return -1;
	if (t.follow == 0)
		return send_now(&t, e);
	const struct pass *pass = caller_pass(h);
	if (pass_take(pass, HOLDER_OUTPUT, FOLLOWERS, e) < 0)
		return -1;
	if (atomic_fetch_add(&followers, 1) < FOLLOWERS)
		status = follow_output(&t, e);
	else
		err_set(e, ERR_BUSY, "too many follow an output");
	(void)atomic_fetch_sub(&followers, 1);
	pass_release(pass, HOLDER_OUTPUT);
	return status;
}
