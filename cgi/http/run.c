/* The program's life: set up, then hand each request to its route. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "config/config.h"
#include "config/home.h"
#include "http/browser.h"
#include "http/log.h"
#include "http/pool.h"
#include "http/private.h"
#include "log/secrets.h"
#include "process/inherited.h"

#define LARGE (256 * 1024) /* bytes of memory that go back at once */
#define ARENAS 4           /* of memory, each of which keeps some */
#define MAX_THREADS 65536

static const struct http_route *routes;

bool
http_serves(void)
{
	return FCGX_IsCGI() == 0;
}

/* How many bytes of a body there are. */
static uint64_t
body_length(const struct http *h)
{
	const char *length = http_variable(h, "CONTENT_LENGTH");
	const char *protocol = http_variable(h, "SERVER_PROTOCOL");

	if (length != NULL && length[0] != '\0')
		return strtoumax(length, NULL, 10);
	/* In HTTP/1 chunks are announced; later versions need not say anything. */
	bool none = protocol != NULL && strncmp(protocol, "HTTP/1", 6) == 0 &&
		    http_variable(h, "HTTP_TRANSFER_ENCODING") == NULL;
	return h->fcgi == NULL || none ? 0 : HTTP_UNKNOWN;
}

/* Whether the program answers at all: for whoever watches it, and nothing that they may not know.
 */
static void
get_healthz(struct http *h)
{
	http_json(h, 200, json_pack("{ss}", "status", "ok"));
}

static const struct http_route everywhere[] = {{"GET", "/healthz", ROUTE_PUBLIC, get_healthz},
					       {NULL, NULL, 0, NULL}};

/* What answers ${h}, or NULL after a refusal.  Every request of every program passes here. */
static const struct http_route *
find_answer(struct http *h)
{
	char allow[ROUTE_METHODS], header[ROUTE_METHODS + 16];
	struct err e;

	const char *path = http_variable(h, "PATH_INFO");
	if (path == NULL || path[0] == '\0')
		path = "/";
	const char *method = h->bodiless ? "GET" : h->method;
	const struct http_route *r = route_find(everywhere, method, path, h->ids, allow, &e);
	if (r == NULL && allow[0] == '\0')
		r = route_find(routes, method, path, h->ids, allow, &e);
	if (caller_is_open() && browser_check(h, &e) < 0) {
		http_refuse(h, &e, json_object(), "");
		return NULL;
	}
	if (r == NULL) {
		(void)snprintf(header, sizeof header, "Allow: %s\r\n", allow);
		http_refuse(h, &e, json_object(), allow[0] != '\0' ? header : "");
	}
	return r;
}

static void
dispatch(struct http *h)
{
	struct err e;

	h->method = http_variable(h, "REQUEST_METHOD");
	if (h->method == NULL)
		h->method = "GET";
	h->bodiless = strcmp(h->method, "HEAD") == 0;
	h->left = body_length(h);
	h->route = find_answer(h);
	if (h->route == NULL)
		return;
	h->delivery.began = clock_steady();
	if (caller_admit(h, &e) < 0)
		http_fail(h, &e);
	else
		h->route->answer(h);
	caller_leave(h);
	stranger_leave(h->stranger);
	/* What nobody is known to have tried in vain is counted with the failures. */
	bool failed = h->delivery.outcome != ERR_NONE || h->delivery.http >= 400;
	if (failed && h->caller.owner == NULL)
		return;
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
	struct stranger stranger = {.known = false};
	struct http h = {.fcgi = r, .stranger = &stranger};

	dispatch(&h);
}

/* Answer the requests, with at most ${threads} threads, or the one of the CGI environment. */
static int
run(unsigned threads, struct err *e)
{
	struct rlimit files;

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
		struct stranger stranger = {.known = false};
		struct http h = {.fcgi = NULL, .stranger = &stranger};
		dispatch(&h);
		(void)http_flush(&h);
		return 0;
	}
	/* A stream holds a descriptor.  libfcgi polls, so they may go beyond FD_SETSIZE. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* then there are fewer streams */
	}
	if (stranger_start(pool_limit(threads), e) < 0)
		return -1;
	return pool_run(threads, answer_fastcgi, e);
}

/* Does every route of ${table} say what it asks of its caller? */
static int
check_routes(const struct http_route *table, struct err *e)
{
	for (const struct http_route *r = table; r->method != NULL; r++)
		if ((r->asks & (RIGHTS_ALL | ROUTE_PUBLIC)) == 0)
			return err_set(e, ERR_INTERNAL, "%s %s asks for no right", r->method,
				       r->path);
	return 0;
}

int
http_main(const char *name, const struct http_route *table, int (*prepare)(struct err *e))
{
	long long threads;
	struct err e;

	inherited_settle();
	http_log_name(name);
	routes = table;
	if (check_routes(table, &e) == 0 && config_load(&e) == 0 && secrets_load(&e) == 0 &&
	    home_open(&e) >= 0 && caller_policy(&e) == 0 &&
	    setting_number(SETTING_THREADS, &threads, &e) == 0 && prepare(&e) == 0 &&
	    run(threads > MAX_THREADS ? MAX_THREADS : (unsigned)threads, &e) == 0)
		return 0;
	(void)fprintf(stderr, "%s: %s%s%s\n", name, e.message, e.hint[0] != '\0' ? "; " : "",
		      e.hint);
	return err_exit(e.code);
}
