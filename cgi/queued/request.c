#include "queued/request.h"

#include "base/text.h"
#include "http/body.h"

#define BODY_MAX (QUEUE_PAYLOAD + (size_t)65536) /* a result may be in it */

json_t *
request_body(struct http *h, struct err *e)
{
	return body_json(h, BODY_MAX, true, e);
}

int
request_number(const json_t *o, const char *name, int64_t min, int64_t max, int64_t *value,
	       struct err *e)
{
	return json_object_get(o, name) == NULL ? 0 : jsonx_integer(o, name, min, max, value, e);
}

int
request_text(const json_t *o, const char *name, size_t max, const char **value, struct err *e)
{
	*value = NULL;
	if (json_object_get(o, name) == NULL)
		return 0;
	*value = jsonx_string(o, name, max, e);
	return *value == NULL ? -1 : 0;
}

int
request_bool(const json_t *o, const char *name, bool *value, struct err *e)
{
	const json_t *v = json_object_get(o, name);

	*value = json_is_true(v);
	if (v == NULL || json_is_boolean(v))
		return 0;
	return err_set(e, ERR_BAD_DATA, "%s must be true or false", name);
}

/* Who asks, for which task, and with what; the queue is borrowed. */
static int
open_request(struct http *h, struct task_request *r, struct err *e)
{
	int64_t attempt = 0;

	if (tenant_admit(h, &r->tenant, e) < 0)
		return -1;
	r->body = request_body(h, e);
	if (r->body == NULL || tenant_task(h, &r->claim.number, e) < 0 ||
	    body_only(r->body, r->action->members, e) < 0)
		return -1;
	if (text_lists(r->action->members, " ", "attempt") &&
	    jsonx_integer(r->body, "attempt", 1, UINT32_MAX, &attempt, e) < 0)
		return err_hint(e, "it is the claim's");
	r->claim.attempt = (uint32_t)attempt;
	r->queue = queues_borrow(r->tenant.queue, false, e);
	return r->queue == NULL ? -1 : tenant_owns(&r->tenant, r->queue, r->claim.number, e);
}

void
request_task(struct http *h, const struct task_action *action)
{
	struct task_request r = {.action = action};
	struct err e;

	int status = open_request(h, &r, &e) < 0 ? -1 : action->act(&r, &e);
	queues_return(r.queue);
	json_decref(r.body);
	if (status < 0)
		http_fail(h, &e);
	else if (r.answer != NULL)
		http_json(h, 200, r.answer);
	else
		http_ok(h);
}
