#include "http/http.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/delivery.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "log/logfmt.h"
#include "log/metrics.h"
#include "http/log.h"
#include "http/pool.h"
#include "http/route.h"
#include "http/throttle.h"

/* From here on bytes are written as records of our own.  libfcgi's are of 8 KiB at most, and the
 * web server wakes for each: an archive takes twice as long with them. */
#define BULK ((size_t)16384)
#define LARGE (256 * 1024) /* bytes of memory that go back at once */
#define ARENAS 4           /* of memory, each of which keeps some */
#define RETRY_S 5U         /* when nobody knows better */
#define UNKNOWN UINT64_MAX /* of a body that was sent in chunks */

struct http {
	FCGX_Request *fcgi;             /* NULL: plain CGI, stdin and stdout */
	const struct fastcgi *detached; /* not NULL: the connection of http_detached */
	const char *method;
	const struct http_route *route;
	char ids[ROUTE_IDS][ID_MAX + 1];
	uint64_t left;            /* bytes of the body still to come */
	bool begun;               /* the head of the answer is written */
	bool gone;                /* the peer takes no more */
	int refusal;              /* the status of http_refuse_with, or 0 */
	struct delivery delivery; /* of which step this is, if it is one */
	char about[ID_MAX + 1], owner[80];
};

static const struct http_route *routes;

static const struct {
	int status;
	const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

/* What such an error says is for whoever runs the program: paths, and the system's reasons. */
static const struct {
	enum err_code code;
	const char *told;
} inward[] = {
    {ERR_PERMISSION, "the server may not do that"},
    {ERR_CANNOT_CREATE, "the server cannot store that"},
    {ERR_NO_SPACE, "the server has no space left"},
    {ERR_IO, "the server failed"},
    {ERR_CONFIG, "the server is not set up right"},
    {ERR_INTERNAL, "the server failed"},
};

bool
http_serves(void)
{
	return FCGX_IsCGI() == 0;
}

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

	if (n > h->left)
		n = (size_t)h->left;
	if (n > INT32_MAX)
		n = INT32_MAX;
	if (h->fcgi != NULL) {
		got = n > 0 ? FCGX_GetStr(p, (int)n, h->fcgi->in) : 0;
		if (FCGX_GetError(h->fcgi->in) != 0)
			goto broken;
	} else {
		while ((size_t)got < n) {
			ssize_t more = read(STDIN_FILENO, p + got, n - (size_t)got);
			if (more == 0)
				break;
			if (more > 0)
				got += more;
			else if (errno != EINTR)
				goto broken;
		}
	}
	if (h->left != UNKNOWN) {
		if ((size_t)got < n)
			goto broken;
		h->left -= (uint64_t)got;
	}
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

int
http_write(struct http *h, const char *p, size_t n)
{
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
	return h->gone ? -1 : 0;
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
	h->begun = true;
	h->delivery.http = status;
	if (n > 0 && (size_t)n < sizeof head)
		(void)http_write(h, head, (size_t)n);
	else
		h->gone = true; /* ${more} is ours and short */
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

int
http_status(const struct http *h, enum err_code code)
{
	int status = err_http(code);
	bool told = status == 401 || status == 429 || status >= 500 || code == ERR_TOO_LARGE;

	return h->refusal != 0 && !told ? h->refusal : status;
}

json_t *
http_refusal(const struct http *h, const struct err *e, json_t *o)
{
	const char *told = e->message, *hint = e->hint;

	for (size_t i = 0; i < sizeof inward / sizeof inward[0]; i++)
		if (inward[i].code == e->code) {
			http_log("%s %s: %s%s%s", h->method,
				 h->route != NULL ? h->route->path : "?", e->message,
				 e->hint[0] != '\0' ? "; " : "", e->hint);
			told = inward[i].told;
			hint = "ask whoever runs it; its log says more";
		}
	if (o != NULL &&
	    (jsonx_set(o, "error", told) < 0 || jsonx_set(o, "code", err_name(e->code)) < 0 ||
	     jsonx_set(o, "hint", hint) < 0)) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

static void
fail(struct http *h, const struct err *e, json_t *o, const char *more)
{
	http_json_with(h, http_status(h, e->code), http_refusal(h, e, o), more);
}

/* Count and log a request without a right credential; the answer is ${e}, or once there were too
 * many, ${limited}. */
static const struct err *
count_failure(const struct http *h, const struct err *e, struct err *limited)
{
	const char *from = http_variable(h, "REMOTE_ADDR");
	const char *path = h->route != NULL ? h->route->path : NULL;
	int first;

	if (from == NULL)
		return e; /* run by hand */
	unsigned wait = throttle_failure(from, &first);
	if (wait == 0 || first)
		logfmt_write("lifecycle", wait == 0 ? "auth-failed" : "auth-throttled", "from",
			     from, "method", h->method, "path", path, "why", e->message,
			     LOGFMT_END);
	if (wait == 0)
		return e;
	err_set(limited, ERR_RATE_LIMITED,
		"too many requests without a right token came from this address");
	err_hint(limited, "try again in %u s", wait);
	err_retry(limited, wait);
	return limited;
}

void
http_fail_with(struct http *h, const struct err *e, json_t *o)
{
	char more[64] = "";
	struct err limited;

	if (e->code == ERR_AUTH_FAILED)
		e = count_failure(h, e, &limited);
	http_outcome(h, e->code);
	metrics_count(METRIC_ERRORS, "http", err_name(e->code), 1);
	if (e->code == ERR_AUTH_FAILED)
		(void)snprintf(more, sizeof more, "WWW-Authenticate: Bearer\r\n");
	else if (e->retry > 0 || e->code == ERR_BUSY)
		(void)snprintf(more, sizeof more, "Retry-After: %u\r\n",
			       e->retry > 0 ? e->retry : RETRY_S);
	fail(h, e, o, more);
}

void
http_refuse_with(struct http *h, int status)
{
	h->refusal = status;
}

void
http_fail(struct http *h, const struct err *e)
{
	http_fail_with(h, e, json_object());
}

int
http_peer(const struct http *h)
{
	struct stat st;

	if (h->fcgi != NULL)
		return h->fcgi->ipcFd;
	/* Of a pipe or socket poll(2) tells that the other end is closed; a file is always ready.
	 */
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
	h->delivery.step = NULL; /* whoever has it now tells of its end */
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

static void
answer(struct http *h)
{
	char allow[ROUTE_METHODS], header[ROUTE_METHODS + 16];
	struct err e;

	h->method = http_variable(h, "REQUEST_METHOD");
	if (h->method == NULL)
		h->method = "GET";
	const char *path = http_variable(h, "PATH_INFO");
	if (path == NULL || path[0] == '\0')
		path = "/";
	const char *length = http_variable(h, "CONTENT_LENGTH");
	h->left = length != NULL && length[0] != '\0' ? strtoumax(length, NULL, 10)
		  : h->fcgi != NULL                   ? UNKNOWN
						      : 0;
	h->route = route_find(routes, h->method, path, h->ids, allow, &e);
	if (h->route == NULL) {
		(void)snprintf(header, sizeof header, "Allow: %s\r\n", allow);
		fail(h, &e, json_object(), allow[0] != '\0' ? header : "");
		return;
	}
	h->delivery.began = clock_steady();
	h->route->answer(h);
	if (h->delivery.step == NULL)
		return;
	h->delivery.side = "executor";
	h->delivery.id = h->about;
	h->delivery.peer = h->owner;
	delivery_end(&h->delivery);
}

static void
answer_fastcgi(FCGX_Request *r)
{
	struct http h = {.fcgi = r};

	answer(&h);
}

int
http_run(const char *name, const struct http_route *table, unsigned threads, struct err *e)
{
	struct rlimit files;

	http_log_name(name);
	routes = table;
	if (FCGX_Init() != 0)
		return err_set(e, ERR_INTERNAL, "cannot set up FastCGI");
	/* libfcgi catches SIGTERM to end after the next request, which a thread that waits for one
	 * never sees.  We may be stopped at any instruction. */
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGUSR1, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	json_object_seed(0);
	/* Else each thread would keep for good what the largest of its requests took. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	(void)mallopt(M_ARENA_MAX, ARENAS);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * LARGE);
	if (!http_serves()) {
		struct http h = {.fcgi = NULL};
		answer(&h);
		(void)http_flush(&h);
		return 0;
	}
	/* A stream holds a descriptor.  libfcgi polls, so they may go beyond FD_SETSIZE. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* then there are fewer streams */
	}
	return pool_run(threads, answer_fastcgi, e);
}
