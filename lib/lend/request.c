/* The requests of a delegation: sent, and noted in delivery.log. */
#include <string.h>

#include "base/clock.h"
#include "log/delivery.h"
#include "lend/private.h"

/* ${d} has ended with ${status} and ${http}, or ${e}. */
static void
note(struct delivery *d, const struct lend *l, int status, int http, const struct err *e)
{
	d->side = "delegator";
	d->id = l->id;
	d->peer = l->url;
	d->http = http;
	d->outcome = status < 0 ? e->code : http / 100 > 2 ? ERR_TRANSPORT_ERROR : ERR_NONE;
	delivery_end(d);
}

int
lend_call(struct lend *l, const char *step, const char *url, const char *json, struct buf *answer,
	  int *http, struct err *e)
{
	struct delivery d = {.step = step, .began = clock_steady()};
	size_t before = answer->len;

	*http = 0;
	int status = client_call(l->client, "POST", url, json, answer, http, e);
	d.in = answer->len - before;
	d.out = json != NULL ? strlen(json) : 0;
	note(&d, l, status, *http, e);
	return status;
}

/* Counts what a sink takes. */
struct counted {
	client_sink *sink;
	void *arg;
	uint64_t bytes;
};

static int
count(void *arg, const char *p, size_t n, struct err *e)
{
	struct counted *c = arg;

	c->bytes += n;
	return c->sink(c->arg, p, n, e);
}

int
lend_send(struct lend *l, const struct lend_request *r, client_sink *sink, void *arg, int *http,
	  struct err *e)
{
	struct delivery d = {.step = r->step, .began = clock_steady(), .attempt = r->attempt};
	struct counted c = {sink, arg, 0};

	*http = 0;
	int status = client_send(l->client, r->body != NULL ? "POST" : "GET", r->url, r->body,
				 count, &c, http, e);
	d.in = c.bytes;
	d.out = r->body != NULL ? r->body->length : 0;
	note(&d, l, status, *http, e);
	return status;
}

void
lend_streamed(const struct lend *l, int attempt, int status, const struct err *e)
{
	struct delivery d = {
	    .step = "events", .began = l->stream_began, .in = l->stream_bytes, .attempt = attempt};

	note(&d, l, status, 0, e);
}
