/* The requests of a delegation: sent, and noted in delivery.log. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "lend/private.h"
#include "log/delivery.h"

const char *
lend_task_url(const struct lend *l, const char *what, char out[4096])
{
	(void)snprintf(out, 4096, "%s/awcp/tasks/%s/%s", l->base, l->id, what);
	return out;
}

const char *
lend_cancel_url(const struct lend *l, char out[4096])
{
	(void)snprintf(out, 4096, "%s/cancel/%s", l->url, l->id);
	return out;
}

/* ${d} has ended with ${status} and ${http}, or ${e}. */
static void
log_delivery(struct delivery *d, const struct lend *l, int status, int http, const struct err *e)
{
	d->side = "delegator";
	d->id = l->id;
	d->peer = l->url;
	d->http = http;
	d->outcome = status < 0 ? e->code : http / 100 > 2 ? ERR_TRANSPORT_ERROR : ERR_NONE;
	delivery_end(d);
}

int
lend_call(struct lend *l, struct lend_request *q, struct buf *answer, struct err *e)
{
	struct delivery d = {.step = q->step, .began = clock_steady()};
	size_t before = answer->len;

	q->http.method = "POST";
	int status = client_call(l->client, &q->http, answer, e);
	d.in = answer->len - before;
	d.out = q->http.json != NULL ? strlen(q->http.json) : 0;
	log_delivery(&d, l, status, q->http.status, e);
	return status;
}

int
lend_collect(void *arg, const char *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n, e);
}

/* Counts what a sink takes. */
struct counted_sink {
	client_sink *sink;
	void *arg;
	uint64_t bytes;
};

static int
count_bytes(void *arg, const char *p, size_t n, struct err *e)
{
	struct counted_sink *c = arg;

	c->bytes += n;
	return c->sink(c->arg, p, n, e);
}

int
lend_send(struct lend *l, struct lend_request *q, client_sink *sink, void *arg, struct err *e)
{
	struct delivery d = {.step = q->step, .began = clock_steady(), .attempt = q->attempt};
	struct counted_sink c = {sink, arg, 0};

	q->http.method = q->http.body != NULL ? "POST" : "GET";
	int status = client_send(l->client, &q->http, count_bytes, &c, e);
	d.in = c.bytes;
	d.out = q->http.body != NULL ? q->http.body->length : 0;
	log_delivery(&d, l, status, q->http.status, e);
	return status;
}

void
lend_streamed(const struct lend *l, int attempt, int status, const struct err *e)
{
	struct delivery d = {
	    .step = "events", .began = l->stream_began, .in = l->stream_bytes, .attempt = attempt};

	log_delivery(&d, l, status, 0, e);
}

/* What is meant by HTTP status ${http} without an error code. */
static enum err_code
meaning_of(int http)
{
	switch (http) {
	case 401:
	case 403:
		return ERR_AUTH_FAILED;
	case 413:
		return ERR_WORKSPACE_TOO_LARGE;
	case 429:
	case 503:
		return ERR_BUSY;
	default:
		return ERR_TRANSPORT_ERROR;
	}
}

int
lend_refused(const struct lend *l, const char *what, int http, const struct buf *answer,
	     struct err *e)
{
	json_t *o = answer->len > 0 ? jsonx_parse(answer->data, answer->len, NULL) : NULL;
	const char *code = error_code(o), *text = jsonx_text(o, "error", error_message(o));
	enum err_code c = code != NULL ? err_from_name(code) : meaning_of(http);

	err_set(e, c, "%s was refused by %s (HTTP %d): %s", what, l->url, http, text);
	/* The peer's hint is for whoever writes clients; ours for whoever runs this one. */
	if (c == ERR_AUTH_FAILED)
		err_hint(e, "give the executor's token with -T file");
	else if (http == 413)
		err_hint(e, "it takes no request of that size; leave files out with -x");
	else
		err_hint(e, "%s", error_hint(o));
	json_decref(o);
	return -1;
}
