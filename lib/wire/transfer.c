#include "wire/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "wire/listener.h"

#define UPLOAD (64 * 1024)           /* a body over this is an upload */
#define UPLOAD_BUFFER (512L * 1024)  /* of curl */
#define RECEIVE_BUFFER (256L * 1024) /* of curl */
#define HEAD_MAX (256 * 1024)        /* bytes of an answer's head */
#define SPOOL_RATE (8 * 1024 * 1024) /* bytes/s at which a proxy hands on what it has spooled */

static size_t
on_header(char *p, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	const char *type = NULL;

	(void)one; /* is always 1 */
	t->head_size += n;
	if (t->head_size > HEAD_MAX) {
		err_set(&t->err, ERR_TRANSPORT_ERROR, "%s answered with an endless head",
			t->origin);
		return 0;
	}
	if (t->head || (*p != '\r' && *p != '\n'))
		return n;
	/* The empty line; an interim answer (1xx) is followed by another head. */
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	if (t->status < 200)
		return n;
	t->head = true;
	if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != NULL) {
		(void)snprintf(t->type, sizeof t->type, "%.*s", (int)strcspn(type, "; "), type);
		err_clean(t->type);
	}
	return n;
}

static size_t
on_data(char *p, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;

	(void)one;
	if (t->only != 0 ? t->status != t->only : t->status / 100 == 3)
		return n;
	if (t->sink(t->arg, p, n, &t->err) == 0)
		return n;
	if (t->err.code == ERR_NONE)
		err_set(&t->err, ERR_CANCELLED, "stopped");
	return n == 0 ? 1 : 0; /* anything but ${n} stops the transfer */
}

static size_t
on_read(char *p, size_t one, size_t n, void *arg)
{
	struct transfer *t = arg;
	uint64_t left = t->body->length - t->sent;

	n *= one;
	if (n > left)
		n = (size_t)left;
	if (n == 0)
		return 0;
	ssize_t got = t->body->read(t->body->arg, p, n, &t->err);
	if (got > 0) {
		t->sent += (uint64_t)got;
		return (size_t)got;
	}
	/* Without this the peer would wait for bytes that never come. */
	if (got == 0)
		err_set(&t->err, ERR_IO, "what was to be sent is %llu bytes short",
			(unsigned long long)left);
	else if (t->err.code == ERR_NONE)
		err_set(&t->err, ERR_IO, "cannot read what was to be sent");
	return CURL_READFUNC_ABORT;
}

/* The connection is there, and nothing has been sent. */
static int
on_connection(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	const struct listener_connection c = {local, peer, local_port, peer_port};
	struct transfer *t = arg;

	return listener_check(&c, &t->err) == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

int
transfer_header(struct transfer *t, const char *name, const char *value, struct err *e)
{
	char line[1024];

	int n = snprintf(line, sizeof line, *value != '\0' ? "%s: %s" : "%s:", name, value);
	if (n < 0 || (size_t)n >= sizeof line)
		return err_set(e, ERR_INTERNAL, "the header %s is too long", name);
	struct curl_slist *longer = curl_slist_append(t->headers, line);
	if (longer == NULL)
		return err_memory(e);
	t->headers = longer;
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK
		   ? 0
		   : err_memory(e);
}

/* Fill ${t}->origin; a URL that was not checked is shown as it is. */
static void
find_origin(struct transfer *t, const char *url)
{
	const char *path = strstr(url, "://");

	path = path != NULL ? path + 3 : url;
	(void)snprintf(t->origin, sizeof t->origin, "%.*s",
		       (int)((size_t)(path - url) + strcspn(path, "/?#")), url);
}

static int
set_options(struct transfer *t, const struct transfer_options *o, struct err *e)
{
	const char *authorities = getenv("CURL_CA_BUNDLE");
	CURL *h = t->easy;
	bool bad = false;

	/* Whose certificates are trusted can be said as to curl(1) and OpenSSL; libcurl itself does
	 * not ask. */
	if (authorities == NULL || authorities[0] == '\0')
		authorities = getenv("SSL_CERT_FILE");
	if (authorities != NULL && authorities[0] != '\0')
		bad |= curl_easy_setopt(h, CURLOPT_CAINFO, authorities) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_URL, o->url) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_PRIVATE, (void *)t) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
	/* One connection a request: an upload must not hold up the events. */
	bad |= curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, o->timeout) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_USERAGENT, "awcp/" AWCP_VERSION) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->detail) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_HEADERDATA, (void *)t) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data) != CURLE_OK;
	bad |= curl_easy_setopt(h, CURLOPT_WRITEDATA, (void *)t) != CURLE_OK;
	/* The token is sent only to a program of this account; a certificate proves as much. */
	if (o->own && strncasecmp(o->url, "https:", 6) != 0) {
		bad |= curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_connection) != CURLE_OK;
		bad |= curl_easy_setopt(h, CURLOPT_PREREQDATA, (void *)t) != CURLE_OK;
	}
	if (url_is_loopback(o->url)) /* a proxy of the environment cannot get here */
		bad |= curl_easy_setopt(h, CURLOPT_PROXY, "") != CURLE_OK;
	return bad ? err_set(e, ERR_INTERNAL, "cannot set up a request to %s", t->origin) : 0;
}

struct transfer *
transfer_new(const struct transfer_options *o, client_sink *sink, void *arg, struct err *e)
{
	char bearer[512];
	struct transfer *t = calloc(1, sizeof *t);

	if (t == NULL || (t->easy = curl_easy_init()) == NULL) {
		err_memory(e);
		goto err;
	}
	t->sink = sink;
	t->arg = arg;
	t->moved_at = clock_steady();
	find_origin(t, o->url);
	if (set_options(t, o, e) < 0 || transfer_header(t, "Accept", o->accept, e) < 0)
		goto err;
	(void)snprintf(bearer, sizeof bearer, "Bearer %s", o->token != NULL ? o->token : "");
	if (o->token != NULL && transfer_header(t, "Authorization", bearer, e) < 0)
		goto err;
	return t;
err:
	transfer_free(t);
	return NULL;
}

/* What every POST has; the length is known, so that no peer needs to understand chunks. */
static int
set_post(struct transfer *t, uint64_t length, struct err *e)
{
	bool bad = curl_easy_setopt(t->easy, CURLOPT_POST, 1L) != CURLE_OK;

	bad |=
	    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length) != CURLE_OK;
	if (bad)
		return err_memory(e);
	if (transfer_header(t, "Content-Type", length > 0 ? "application/json" : "", e) < 0)
		return -1;
	return transfer_header(t, "Expect", "", e); /* not a round trip more */
}

int
transfer_post(struct transfer *t, const struct client_body *body, struct err *e)
{
	bool bad = false;

	if (body == NULL || body->length == 0)
		return transfer_post_text(t, "", e);
	t->body = body;
	bad |= curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read) != CURLE_OK;
	bad |= curl_easy_setopt(t->easy, CURLOPT_READDATA, (void *)t) != CURLE_OK;
	if (body->length > UPLOAD)
		bad |=
		    curl_easy_setopt(t->easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER) != CURLE_OK;
	/* On a connection that the peer is about to close the body would be lost half read. */
	bad |= curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK;
	return bad ? err_memory(e) : set_post(t, body->length, e);
}

int
transfer_post_text(struct transfer *t, const char *text, struct err *e)
{
	if (curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, text) != CURLE_OK)
		return err_memory(e);
	return set_post(t, strlen(text), e);
}

int
transfer_check(struct transfer *t, long timeout, struct err *e)
{
	int64_t now = clock_steady(), limit = timeout;
	curl_off_t up = 0, down = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	up += down + (curl_off_t)t->head_size;
	if (up != t->moved) {
		t->moved = up;
		t->moved_at = now;
		return 0;
	}
	bool sent = t->body == NULL || t->sent == t->body->length;
	if (t->body != NULL && sent)
		limit += (int64_t)(t->body->length / SPOOL_RATE);
	if (now - t->moved_at < limit * 1000)
		return 0;
	err_set(e, ERR_TRANSPORT_ERROR, "%s %s for %lld s", t->origin,
		t->head ? "sent nothing more"
		: sent  ? "did not answer"
			: "took no more data",
		(long long)limit);
	return err_hint(e, "the executor may be stuck or hard to reach");
}

/* "cannot reach …" and why. */
static int
cannot_reach(const struct transfer *t, struct err *e)
{
	long number = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
	err_set(e, ERR_TRANSPORT_ERROR, "cannot reach %s: %s", t->origin,
		number != 0 ? strerror((int)number) : t->detail);
	return err_hint(e, "is the executor running there?");
}

/* The answer came in full, though the connection broke (while the rest of a refused body was still
 * being sent, as a rule). */
static bool
is_complete(const struct transfer *t)
{
	curl_off_t length = -1, got = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	(void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &got);
	return length >= 0 && got == length;
}

int
transfer_outcome(const struct transfer *t, struct err *e)
{
	static const struct {
		CURLcode code;
		const char *text; /* after the origin */
	} texts[] = {
	    {CURLE_OPERATION_TIMEDOUT, "did not answer in time"},
	    {CURLE_GOT_NOTHING, "closed the connection without an answer"},
	    {CURLE_PARTIAL_FILE, "broke off in its answer"},
	    {CURLE_RECV_ERROR, "broke the connection off"},
	    {CURLE_SEND_ERROR, "broke the connection off while the request was being sent"},
	    {CURLE_SEND_FAIL_REWIND, "broke the connection off while the request was being sent"},
	    {CURLE_WEIRD_SERVER_REPLY, "does not speak HTTP"},
	    {CURLE_UNSUPPORTED_PROTOCOL, "does not speak HTTP"},
	};

	if (t->err.code != ERR_NONE) {
		*e = t->err;
		return -1;
	}
	if (t->head && (t->code == CURLE_OK || is_complete(t)))
		return 0;
	if (t->code == CURLE_OK) /* a head that ends early is none */
		return err_set(e, ERR_TRANSPORT_ERROR, "%s broke off in its answer", t->origin);
	if (t->code == CURLE_COULDNT_CONNECT)
		return cannot_reach(t, e);
	if (t->code == CURLE_COULDNT_RESOLVE_HOST) {
		err_set(e, ERR_TRANSPORT_ERROR, "cannot reach %s: no such host", t->origin);
		return err_hint(e, "check the address");
	}
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].code == t->code)
			return err_set(e, ERR_TRANSPORT_ERROR, "%s %s", t->origin, texts[i].text);
	err_set(e, ERR_TRANSPORT_ERROR, "%s: %s", t->origin,
		t->detail[0] != '\0' ? t->detail : curl_easy_strerror(t->code));
	if (t->code == CURLE_PEER_FAILED_VERIFICATION || t->code == CURLE_SSL_CACERT_BADFILE)
		err_hint(e, "if its certificate is of an authority of your own, name the file with "
			    "that one's in SSL_CERT_FILE");
	return -1;
}

int
transfer_refused(const struct transfer *t, struct err *e)
{
	const char *to = NULL;

	if (t->status / 100 == 3) {
		(void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
		err_set(e, ERR_TRANSPORT_ERROR, "%s answered %ld, a redirect", t->origin,
			t->status);
		return to == NULL ? -1 : err_hint(e, "if you trust it, give %s instead", to);
	}
	if (t->status != 401 && t->status != 403)
		return 0;
	err_set(e, ERR_AUTH_FAILED, "%s refused the %s (%ld)", t->origin,
		t->status == 401 ? "token" : "request", t->status);
	return err_hint(e, "a token of that executor is needed");
}

void
transfer_free(struct transfer *t)
{
	if (t == NULL)
		return;
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}
