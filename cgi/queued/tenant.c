#include "queued/request.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"

bool
tenant_may(const struct tenant *t, const char *queue)
{
	const struct token_limits *l = &t->caller->token.limits;

	return l->queues[0] == '\0' || token_allows(l, queue);
}

int
tenant_admit(const struct http *h, struct tenant *t, struct err *e)
{
	const struct caller *c = caller_of(h);

	*t = (struct tenant){.caller = c, .queue = http_id(h)};
	if (t->queue[0] != '\0' && !tenant_may(t, t->queue)) {
		err_set(e, ERR_DECLINED, "this token may not use queue %s", t->queue);
		return err_hint(e, "it may use %.200s", c->token.limits.queues);
	}
	if ((c->token.rights & RIGHT_ADMIN) == 0)
		t->name = c->owner;
	return 0;
}

static int
no_task(const char *queue, const char *number, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no task %s.%s", queue, number);
}

int
tenant_owns(const struct tenant *t, struct queue *q, uint64_t number, struct err *e)
{
	char text[32];

	if (t->name == NULL)
		return 0;
	json_t *task = queue_show(q, number, e);
	if (task == NULL && e->code != ERR_EXPIRED)
		return -1;
	/* Whose one was that is not kept any more, nobody knows. */
	const char *owner = task_tenant(task);
	bool theirs = owner != NULL && strcmp(owner, t->name) == 0;
	json_decref(task);
	(void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
	return theirs ? 0 : no_task(t->queue, text, e);
}

int
tenant_task(const struct http *h, uint64_t *number, struct err *e)
{
	char id[2 * ID_MAX + 2], queue[QUEUE_NAME + 1];
	struct queue_claim_id task;

	(void)snprintf(id, sizeof id, "%s.%s", http_id(h), http_second_id(h));
	if (queue_parse_id(id, queue, &task, e) < 0)
		return no_task(http_id(h), http_second_id(h), e);
	*number = task.number;
	return 0;
}
