/*
 * Every request is a transfer in one curl multi handle, and so is the event stream: whoever waits
 * for one of them runs them all.
 *
 * The time of a whole request has no bound, as an upload and an answer may be of any size; what is
 * bounded is the time in which nothing moves.  Only client_call, which is small, has a bound.
 */
#include "wire/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/transfer.h"

#define JSON_TYPE "application/json"
#define TICK 1000 /* ms; how late a timeout may be noticed */

struct client {
	CURLM *multi;
	char *token;
	bool own;     /* the token is for a program of this account alone */
	long timeout; /* s */
	struct transfer *stream;
};

/* A token goes into a header line: printable ASCII without spaces, of sane length. */
static bool
token_valid(const char *token)
{
	size_t n = 0;

	while (token[n] > 0x20 && token[n] < 0x7f)
		n++;
	return n > 0 && n <= 256 && token[n] == '\0';
}

struct client *
client_new(const char *token, bool own, long timeout, struct err *e)
{
	if (token != NULL && !token_valid(token)) {
		err_set(e, ERR_USAGE, "the token has characters that no token has");
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(e, ERR_INTERNAL, "cannot start libcurl");
		return NULL;
	}
	struct client *c = calloc(1, sizeof *c);
	if (c == NULL) {
		curl_global_cleanup();
		err_memory(e);
		return NULL;
	}
	c->own = own;
	c->timeout = timeout;
	c->multi = curl_multi_init();
	c->token = token != NULL ? strdup(token) : NULL;
	if (c->multi == NULL || (token != NULL && c->token == NULL)) {
		client_free(c);
		err_memory(e);
		return NULL;
	}
	return c;
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	client_stream_close(c);
	(void)curl_multi_cleanup(c->multi);
	free(c->token);
	free(c);
	curl_global_cleanup();
}

static int
check_multi(CURLMcode code, struct err *e)
{
	return code == CURLM_OK
		   ? 0
		   : err_set(e, ERR_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
}

/* Do what can be done now, for every transfer. */
static int
perform(struct client *c, struct err *e)
{
	int running, left;
	CURLMsg *m;

	if (check_multi(curl_multi_perform(c->multi, &running), e) < 0)
		return -1;
	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct transfer *t = NULL;
		if (m->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
			continue;
		t->code = m->data.result;
		t->done = true;
	}
	return 0;
}

/* Wait for something to do, at most until ${until} (clock_steady ms; 0: never). */
static int
wait_for(struct client *c, int64_t until, struct err *e)
{
	int64_t ms = TICK;

	if (until != 0 && until - clock_steady() < ms)
		ms = until - clock_steady();
	return check_multi(curl_multi_poll(c->multi, NULL, 0, ms > 0 ? (int)ms : 0, NULL), e);
}

static void
end_transfer(struct client *c, struct transfer *t)
{
	if (t == NULL)
		return;
	(void)curl_multi_remove_handle(c->multi, t->easy); /* one that was never added is fine */
	transfer_free(t);
}

/* A GET of ${url} for content of type ${accept}. */
static struct transfer *
new_transfer(const struct client *c, const char *url, const char *accept, client_sink *sink,
	     void *arg, struct err *e)
{
	const struct transfer_options o = {url, c->token, c->own, accept, c->timeout};

	return transfer_new(&o, sink, arg, e);
}

/* Run ${t} until it is answered, or until the ${head} of its answer is here; the stream runs
 * along. */
static int
run_transfer(struct client *c, struct transfer *t, bool head, struct err *e)
{
	if (check_multi(curl_multi_add_handle(c->multi, t->easy), e) < 0)
		return -1;
	for (;;) {
		if (perform(c, e) < 0)
			return -1;
		if (head && t->head)
			return 0;
		if (t->done)
			return transfer_outcome(t, e);
		if (transfer_check(t, c->timeout, e) < 0 || wait_for(c, 0, e) < 0)
			return -1;
	}
}

int
client_send(struct client *c, struct client_request *q, client_sink *sink, void *arg, struct err *e)
{
	struct transfer *t = new_transfer(c, q->url, JSON_TYPE, sink, arg, e);
	int r = -1;

	q->status = 0;
	if (t == NULL)
		return -1;
	if (strcmp(q->method, "POST") == 0 && transfer_post(t, q->body, e) < 0)
		goto out;
	if (run_transfer(c, t, false, e) < 0 ||
	    (t->status / 100 == 3 && transfer_refused(t, e) < 0))
		goto out;
	q->status = (int)t->status;
	r = 0;
out:
	end_transfer(c, t);
	return r;
}

struct answer {
	struct buf *text;
	enum { BLANK, JSON, OTHER } kind;
};

/* Collect an answer that begins as JSON does; of any other nothing is kept. */
static int
take_json(void *arg, const char *p, size_t n, struct err *e)
{
	struct answer *a = arg;

	for (; a->kind == BLANK && n > 0; p++, n--) {
		if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
			continue;
		a->kind = *p == '{' || *p == '[' ? JSON : OTHER;
		break;
	}
	if (a->kind == OTHER)
		return err_set(e, ERR_TRANSPORT_ERROR, "not JSON");
	return n > 0 ? buf_add(a->text, p, n, e) : 0;
}

/* Say what came instead of ${wanted}. */
static int
unexpected(const struct transfer *t, const char *url, bool empty, const char *wanted, struct err *e)
{
	if (transfer_refused(t, e) < 0)
		return -1;
	err_set(e, ERR_TRANSPORT_ERROR, "%s answered %ld %s, not %s", url, t->status,
		empty                ? "with nothing"
		: t->type[0] != '\0' ? t->type
				     : "without a type",
		wanted);
	return err_hint(e, "give the executor's AWCP address, it usually ends in /awcp");
}

int
client_call(struct client *c, struct client_request *q, struct buf *answer, struct err *e)
{
	struct answer a = {answer, BLANK};
	struct transfer *t = new_transfer(c, q->url, JSON_TYPE, take_json, &a, e);
	int r = -1;

	q->status = 0;
	if (t == NULL)
		return -1;
	/* Also for a peer that sends a byte now and then. */
	if (curl_easy_setopt(t->easy, CURLOPT_TIMEOUT, 2 * c->timeout) != CURLE_OK) {
		err_memory(e);
		goto out;
	}
	if (strcmp(q->method, "POST") == 0 &&
	    transfer_post_text(t, q->json != NULL ? q->json : "", e) < 0)
		goto out;
	r = run_transfer(c, t, false, e);
	if (a.kind == OTHER || (r == 0 && a.kind == BLANK))
		r = unexpected(t, q->url, a.kind == BLANK, "JSON", e);
	else if (r < 0 && e->code == ERR_TOO_LARGE)
		err_add(e, "the answer of %s", q->url);
	q->status = (int)t->status;
out:
	end_transfer(c, t);
	return r;
}

int
client_stream(struct client *c, const char *url, const char *last_id, client_sink *sink, void *arg,
	      struct err *e)
{
	client_stream_close(c);
	struct transfer *t = new_transfer(c, url, "text/event-stream", sink, arg, e);
	if (t == NULL)
		return -1;
	t->only = 200;
	if (last_id != NULL && transfer_header(t, "Last-Event-ID", last_id, e) < 0)
		goto err;
	if (run_transfer(c, t, true, e) < 0)
		goto err;
	if (t->status != 200 || strcmp(t->type, "text/event-stream") != 0) {
		unexpected(t, url, false, "an event stream", e);
		goto err;
	}
	c->stream = t;
	return 0;
err:
	end_transfer(c, t);
	return -1;
}

int
client_run(struct client *c, long quiet, int64_t until, struct err *e)
{
	struct transfer *t = c->stream;

	if (t == NULL)
		return err_set(e, ERR_INTERNAL, "no event stream is open");
	for (;;) {
		if (perform(c, e) < 0)
			return -1;
		if (t->done)
			break;
		if (until != 0 && clock_steady() >= until)
			return 0;
		if (transfer_check(t, quiet, e) < 0) {
			e->code = ERR_SSE_FAILED;
			return -1;
		}
		if (wait_for(c, until, e) < 0)
			return -1;
	}
	if (transfer_outcome(t, e) == 0)
		return 1;
	if (t->err.code == ERR_NONE)
		e->code = ERR_SSE_FAILED;
	return -1;
}

void
client_stream_close(struct client *c)
{
	end_transfer(c, c->stream);
	c->stream = NULL;
}
