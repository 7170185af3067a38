/*
 * http - answers HTTP requests behind a web server: FastCGI with threads, or one request as plain
 * CGI (RFC 3875) when the program is run by hand or by a server without FastCGI.
 *
 * A program is a table of routes and a call of http_main.  A route's path is what follows the
 * program's own address (PATH_INFO), and ":id" in it stands for a component that is an id; there
 * may be two. Every refusal is JSON {error, code, hint} and names nothing that the caller did not
 * name.
 *
 * Each request has a thread.  A thread is started when a request finds none idle, and ends when too
 * many are.  A request that only waits (an event stream) is detached from its thread, so that
 * streams never starve the small requests.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"
#include "http/fastcgi.h"

struct http;

/* A route says what it asks of its caller: the rights (access/token.h) of which one is enough.  It
 * is checked before anything else of the request is looked at (caller_admit), and a program with a
 * route that asks for nothing does not start.  Beside rights there are
 *	ROUTE_BY_ID	who shows no credential may know an id that is one: the function checks that
 *	ROUTE_MESSAGE	the message may hold the credential: the function calls caller_identify
 *	ROUTE_PUBLIC	anybody may, without any right
 *	ROUTE_ADDS	more is kept here after it, which ends nothing: not where the disk is nearly
 *			full (state/space.h)
 */
#define ROUTE_BY_ID 0x1000U
#define ROUTE_MESSAGE 0x2000U
#define ROUTE_PUBLIC 0x4000U
#define ROUTE_ADDS 0x8000U

struct http_route {
	const char *method; /* "GET" */
	const char *path;   /* "/", "/tasks/:id/events" */
	unsigned asks;
	void (*answer)(struct http *h);
};

/* All of a program: read its configuration, let it ${prepare} itself, then answer requests by
 * ${routes}, which end with a NULL method, as long as the web server sends any, with at most
 * AWCP_THREADS threads; or answer the one of the CGI environment.  ${name} is the program's, for
 * what it logs to stderr.  Returns the exit status: after CGI, or when it cannot go on. */
int http_main(const char *name, const struct http_route *routes, int (*prepare)(struct err *e));

/* True if the program answers requests as long as there are any, not only the one of CGI. */
bool http_serves(void);

/* The id in the path, which passed id_valid; "" if the route has none. */
const char *http_id(const struct http *h);

/* The second one. */
const char *http_second_id(const struct http *h);

/* A variable of the request (RFC 3875), such as "HTTP_LAST_EVENT_ID"; NULL if it is not there. */
const char *http_variable(const struct http *h, const char *name);

/* The credential of "Authorization: Bearer" (RFC 6750), borrowed; "" if the header is there but is
 * not of that form, NULL if there is none. */
const char *http_bearer(const struct http *h);

/* It is known who sends ${h}: any number of bytes may be read of it. */
void http_known(const struct http *h);

/* Is there more of the body, as far as is known before it is read? */
bool http_has_body(const struct http *h);

/* As much was read as may be before it is known who sends ${h}, and there is more. */
bool http_unknown(const struct http *h);

/* Read up to ${n} bytes of the request's body, fewer only at its end.  Returns 0 after the last;
 * -1 with ERR_BAD_MESSAGE if it broke off early, or what pass_check says: a token that is removed
 * sends nothing more.  Every body is read here, and until http_known no more of it than stranger.h
 * allows: ERR_AUTH_FAILED, or ERR_BUSY. */
ssize_t http_read(struct http *h, char *p, size_t n, struct err *e);

/* Read and discard what is left of the body; -1 if that is more than ${max} bytes. */
int http_drain(struct http *h, size_t max, struct err *e);

/* Begin the answer: ${status}, Content-Type ${type}, and ${more} header lines (each ended by CRLF;
 * "" for none).  What follows is written with http_write. */
void http_begin(struct http *h, int status, const char *type, const char *more);

/* Write ${n} bytes of the answer.  -1 if the peer is gone, or asked for no more than its head:
 * nothing more need be written then. */
int http_write(struct http *h, const char *p, size_t n);

/* Hand everything written so far to the web server.  -1 as http_write. */
int http_flush(struct http *h);

/* The whole answer: ${o}, whose reference is taken (NULL: out of memory). */
void http_json(struct http *h, int status, json_t *o);

/* The whole answer: {"ok": true}. */
void http_ok(struct http *h);

/* As http_json, with ${more} header lines as for http_begin, 200 bytes of them at most. */
void http_json_with(struct http *h, int status, json_t *o, const char *more);

/* The whole answer: {error, code, hint} of ${e}, with its HTTP status.  What is no business of
 * a peer (paths in an I/O error) goes to the log instead. */
void http_fail(struct http *h, const struct err *e);

/* As http_fail, with the members added to ${o}, whose reference is taken. */
void http_fail_with(struct http *h, const struct err *e, json_t *o);

/* Count and log a request without a right token, which ${e} says; http_fail does that, too.  -1 and
 * ERR_RATE_LIMITED if there were too many from there. */
int http_count_stranger(const struct http *h, struct err *e);

/* From now on ${status} is the answer to every error in the request itself; an error about
 * the caller (401, 429), the size of the request (413), or the server (5xx) keeps its own. */
void http_refuse_with(struct http *h, int status);

/* The status of a refusal with ${code}. */
int http_status(const struct http *h, enum err_code code);

/* Add to ${o}, whose reference is taken, what http_fail says of ${e}; NULL out of memory. */
json_t *http_refusal(const struct http *h, const struct err *e, json_t *o);

/* The request is ${step} of delegation ${id}, by ${owner} (or NULL): its end is logged in
 * delivery.log (delivery), unless it is detached.  http_outcome: it failed, though its status does
 * not say so. */
void http_step(struct http *h, const char *step, const char *id, const char *owner);
void http_outcome(struct http *h, enum err_code code);

/* Bytes of the answer so far. */
uint64_t http_sent(const struct http *h);

/* True once an answer was begun. */
bool http_begun(const struct http *h);

/* A descriptor that becomes readable, or is hung up, when the peer goes away; -1 if there is none.
 * Drain the body first. */
int http_peer(const struct http *h);

/* Take the connection away from the request, whose body was drained: what was written is on its
 * way, more is written with http_detached, and ${c}, which now owns it, must be ended
 * (fastcgi_end) and closed.  ${h} writes nothing any more.  -1 if the peer is gone; then, and as
 * plain CGI, nothing was taken. */
int http_detach(struct http *h, struct fastcgi *c);

/* Let ${send} write more of the answer that began before ${c} was detached, to the request with
 * ${id} in its path.  Returns what it does. */
int http_detached(const struct fastcgi *c, const char *id, int (*send)(struct http *h, void *arg),
		  void *arg);

#endif
