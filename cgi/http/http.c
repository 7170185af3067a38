#include "http/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonx.h"
#include "http/log.h"

/* From this size on bytes are written as records of our own.  Those of libfcgi have 8 KiB at most,
 * and the web server wakes for each: an archive takes twice as long with them. */
#define BULK ((size_t)16384)

static const struct {
	int status;
	const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {206, "Partial Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {416, "Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

const char *
http_id(const struct http *h)
{
	return h->ids[0];
}

const char *
http_second_id(const struct http *h)
{
	return h->ids[1];
}

const char *
http_variable(const struct http *h, const char *name)
{
	return h->fcgi != NULL ? FCGX_GetParam(name, h->fcgi->envp) : getenv(name);
}

const char *
http_bearer(const struct http *h)
{
	const char *value = http_variable(h, "HTTP_AUTHORIZATION");

	if (value == NULL || value[0] == '\0')
		return NULL;
	if (strncasecmp(value, "Bearer ", 7) != 0)
		return "";
	return value + 7 + strspn(value + 7, " ");
}

void
http_known(const struct http *h)
{
	stranger_leave(h->stranger);
}

bool
http_has_body(const struct http *h)
{
	return h->left > 0;
}

bool
http_unknown(const struct http *h)
{
	return h->left > 0 && !h->stranger->known && h->stranger->taken == STRANGER_BYTES;
}

void
http_step(struct http *h, const char *step, const char *id, const char *owner)
{
	(void)snprintf(h->about, sizeof h->about, "%s", id_valid(id) ? id : "");
	(void)snprintf(h->owner, sizeof h->owner, "%s", owner != NULL ? owner : "");
	h->delivery.step = step;
}

void
http_outcome(struct http *h, enum err_code code)
{
	h->delivery.outcome = code;
}

uint64_t
http_sent(const struct http *h)
{
	return h->delivery.out;
}

bool
http_begun(const struct http *h)
{
	return h->begun;
}

ssize_t
http_read(struct http *h, char *p, size_t n, struct err *e)
{
	ssize_t got = 0;

	if (pass_check(&h->pass, e) < 0)
		return -1;
	if (n > h->left)
		n = (size_t)h->left;
	if (n > INT32_MAX)
		n = INT32_MAX;
	if (stranger_allow(h->stranger, h->fcgi != NULL ? h->fcgi->ipcFd : -1, &n, e) < 0)
		return -1;
	if (h->fcgi != NULL) {
		got = n > 0 ? FCGX_GetStr(p, (int)n, h->fcgi->in) : 0;
		if (FCGX_GetError(h->fcgi->in) != 0)
			goto broken;
	} else {
		got = file_read(STDIN_FILENO, p, n, e);
		if (got < 0)
			goto broken;
	}
	if (h->left != HTTP_UNKNOWN) {
		if ((size_t)got < n)
			goto broken;
		h->left -= (uint64_t)got;
	}
	stranger_took(h->stranger, (size_t)got);
	h->delivery.in += (uint64_t)got;
	return got;
broken:
	err_set(e, ERR_BAD_MESSAGE, "the request broke off before its end");
	return -1;
}

int
http_drain(struct http *h, size_t max, struct err *e)
{
	char piece[2048];
	ssize_t n;

	while ((n = http_read(h, piece, sizeof piece, e)) > 0) {
		if ((size_t)n > max)
			return err_set(e, ERR_TOO_LARGE, "this request takes no body");
		max -= (size_t)n;
	}
	return n < 0 ? -1 : 0;
}

static struct fastcgi
connection_of(const struct http *h)
{
	return (struct fastcgi){h->fcgi->ipcFd, (unsigned short)h->fcgi->requestId};
}

/* Nothing more is wanted: the head was sent, and nothing else was asked for. */
static bool
is_answered(const struct http *h)
{
	return h->bodiless && h->begun;
}

int
http_write(struct http *h, const char *p, size_t n)
{
	if (is_answered(h))
		return -1;
	h->delivery.out += n;
	if (h->fcgi != NULL && n >= BULK) {
		struct fastcgi c = connection_of(h);
		h->gone = http_flush(h) < 0 || fastcgi_write(&c, p, n) < 0;
		return h->gone ? -1 : 0;
	}
	if (h->detached != NULL) {
		h->gone = h->gone || fastcgi_write(h->detached, p, n) < 0;
		return h->gone ? -1 : 0;
	}
	while (n > 0 && !h->gone) {
		int piece = n < 1 << 20 ? (int)n : 1 << 20;
		if (h->fcgi != NULL)
			h->gone = FCGX_PutStr(p, piece, h->fcgi->out) != piece;
		else
			h->gone = fwrite(p, 1, (size_t)piece, stdout) != (size_t)piece;
		p += piece;
		n -= (size_t)piece;
	}
	return h->gone ? -1 : 0;
}

int
http_flush(struct http *h)
{
	if (h->detached != NULL)
		return h->gone ? -1 : 0;
	if (!h->gone && (h->fcgi != NULL ? FCGX_FFlush(h->fcgi->out) : fflush(stdout)) != 0)
		h->gone = true;
	return h->gone || is_answered(h) ? -1 : 0;
}

void
http_begin(struct http *h, int status, const char *type, const char *more)
{
	char head[1024];
	const char *reason = "Status";

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			reason = reasons[i].reason;
	int n = snprintf(head, sizeof head, "Status: %d %s\r\nContent-Type: %s\r\n%s\r\n", status,
			 reason, type, more);
	h->delivery.http = status;
	if (n > 0 && (size_t)n < sizeof head)
		(void)http_write(h, head, (size_t)n);
	else
		h->gone = true; /* ${more} is ours and short */
	h->begun = true;
}

void
http_json_with(struct http *h, int status, json_t *o, const char *more)
{
	char headers[256];

	char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (text == NULL) {
		http_log("out of memory");
		status = 500;
	}
	const char *body = text != NULL
			       ? text
			       : "{\"error\":\"the server "
				 "failed\",\"code\":\"INTERNAL\",\"hint\":\"try again later\"}";
	(void)snprintf(headers, sizeof headers,
		       "Content-Length: %zu\r\nCache-Control: no-store\r\n%s", strlen(body), more);
	http_begin(h, status, "application/json; charset=utf-8", headers);
	(void)http_write(h, body, strlen(body));
	free(text);
}

void
http_json(struct http *h, int status, json_t *o)
{
	http_json_with(h, status, o, "");
}

void
http_ok(struct http *h)
{
	http_json(h, 200, json_pack("{sb}", "ok", 1));
}

int
http_peer(const struct http *h)
{
	struct stat st;

	if (h->fcgi != NULL)
		return h->fcgi->ipcFd;
	/* poll(2) sees the other end of a pipe or socket close; a file is always ready. */
	if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return STDOUT_FILENO;
	return -1;
}

int
http_detach(struct http *h, struct fastcgi *c)
{
	char rest;

	if (h->fcgi == NULL || http_flush(h) < 0)
		return -1;
	/* The end of the body is a record, too. */
	if (FCGX_GetStr(&rest, 1, h->fcgi->in) != 0 || FCGX_GetError(h->fcgi->in) != 0)
		return -1;
	*c = connection_of(h);
	(void)fcntl(c->fd, F_SETFD, FD_CLOEXEC);
	FCGX_Free(h->fcgi, 0); /* frees what it holds, writes nothing, closes nothing */
	h->fcgi->ipcFd = -1;
	h->gone = true;
	h->delivery.step = NULL; /* whoever has it now logs its end */
	return 0;
}

int
http_detached(const struct fastcgi *c, const char *id, int (*send)(struct http *h, void *arg),
	      void *arg)
{
	struct http h = {.detached = c, .method = "", .begun = true};

	(void)snprintf(h.ids[0], sizeof h.ids[0], "%s", id);
	return send(&h, arg);
}
