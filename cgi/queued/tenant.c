#include "queued/tenant.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/jsonx.h"
#include "config/settings.h"

int
visit_begin(const struct http *h, struct visit *v, struct err *e)
{
	*v = (struct visit){.queue = http_id(h)};
	if (caller_admit(h, &v->caller, e) < 0)
		return -1;
	const char *name = v->caller.owner;
	if (v->caller.token.limits.queues[0] != '\0' &&
	    !token_allows(&v->caller.token.limits, v->queue)) {
		err_set(e, ERR_DECLINED, "this token may not use queue %s", v->queue);
		return err_hint(e, "it may use %.200s", v->caller.token.limits.queues);
	}
	if (name[0] != '\0' && !caller_listed(SETTING_OPERATORS, name, false))
		v->tenant = name;
	return 0;
}

static int
no_task(const char *queue, const char *number, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no task %s.%s", queue, number);
}

int
visit_owns(const struct visit *v, struct queue *q, uint64_t number, struct err *e)
{
	char text[32];

	if (v->tenant == NULL)
		return 0;
	json_t *task = queue_show(q, number, e);
	if (task == NULL && e->code != ERR_EXPIRED)
		return -1;
	/* Whose one was that is not kept any more, nobody knows. */
	bool theirs = strcmp(jsonx_text(task, "tenant", ""), v->tenant) == 0;
	json_decref(task);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	return theirs ? 0 : no_task(v->queue, text, e);
}

int
visit_number(const struct http *h, uint64_t *number, struct err *e)
{
	char id[2 * ID_MAX + 2], queue[QUEUE_NAME + 1];
	uint32_t attempt;

	(void)snprintf(id, sizeof id, "%s.%s", http_id(h), http_second_id(h));
	return queue_parse_id(id, queue, number, &attempt, e) < 0
		   ? no_task(http_id(h), http_second_id(h), e)
		   : 0;
}
