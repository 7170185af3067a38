/*
 * client - HTTP to a peer, by libcurl.
 *
 * One client runs any number of requests and one event stream side by side, in one thread: while a
 * request is answered, events go on arriving.  Only http and https; redirects are not followed (a
 * token must not travel to where nobody sent it).
 */
#ifndef WIRE_CLIENT_H
#define WIRE_CLIENT_H

#include <sys/types.h>

#include "base/buf.h"

struct client;

/* ${token} (or NULL) is sent as a bearer token with everything; copied.  ${own}: it is one that
 * this account keeps for a program of its own, and on this machine it goes to no other account's
 * (see listener.h); that is ERR_TRANSPORT_ERROR then.  ${timeout} in seconds bounds connecting, and
 * waiting for the answer to a small request. */
struct client *client_new(const char *token, bool own, long timeout, struct err *e);
void client_free(struct client *c);

/* The bytes of a request: ${read} fills up to ${n} bytes and returns how many, 0 at the end, -1 on
 * failure; ${length} is the sum of all. */
struct client_body {
	ssize_t (*read)(void *arg, char *p, size_t n, struct err *e);
	void *arg;
	uint64_t length;
};

/* Takes a piece of the answer; 0, or -1 to stop.  It must not call the client. */
typedef int client_sink(void *arg, const char *p, size_t n, struct err *e);

struct client_request {
	const char *method; /* "GET" or "POST" */
	const char *url;
	const struct client_body *body; /* for client_send, JSON; or NULL */
	const char *json;               /* for client_call; or NULL */
	int status;                     /* set to the answer's HTTP status; 0: there is none */
};

/* Send ${q} and hand the answer of any status to ${sink}.  A big upload may take as long as it
 * moves; one that does not move for the client's timeout fails.  Fails with ERR_TRANSPORT_ERROR
 * when the peer cannot be reached, breaks off, or redirects (the hint names where to). */
int client_send(struct client *c, struct client_request *q, client_sink *sink, void *arg,
		struct err *e);

/* As client_send, for small JSON both ways: the answer goes to ${answer}, whose bound holds.  An
 * answer that is not JSON is ERR_TRANSPORT_ERROR and says what it was instead (ERR_AUTH_FAILED with
 * 401 and 403). */
int client_call(struct client *c, struct client_request *q, struct buf *answer, struct err *e);

/* Open the event stream at ${url}; its bytes go to ${sink} whenever the client runs.  ${last_id}
 * (or NULL) is sent as Last-Event-ID.  Returns when the answer's head is here (or the stream ended
 * already); any status but 200 fails, 401 and 403 with ERR_AUTH_FAILED. */
int client_stream(struct client *c, const char *url, const char *last_id, client_sink *sink,
		  void *arg, struct err *e);

/* Run the stream until it ends, ${sink} stops it, nothing (no keepalive either) came for ${quiet}
 * seconds, or ${until} (clock_steady ms; 0: never) has passed.  Returns 1 at the stream's end, 0
 * when ${until} has passed, -1 with what the sink said or ERR_SSE_FAILED. */
int client_run(struct client *c, long quiet, int64_t until, struct err *e);

/* Close the stream, if one is open. */
void client_stream_close(struct client *c);

/* True if the host in ${url} is this machine by name: localhost, 127.x or ::1. */
bool url_is_loopback(const char *url);

/* ${url} as it is best written: scheme and host in small letters, 127.0.0.1 for localhost, no port
 * that need not be named.  To be freed; NULL if it is none or memory is out. */
char *url_plain(const char *url);

/* Check that ${url} is http or https with a host; ERR_USAGE says what an address looks like. */
int url_check(const char *url, struct err *e);

#endif
