#include "queued/answers.h"

struct names {
	const struct tenant *tenant;
	json_t *list;
};

/* Has the tenant a task in queue ${name} that has not ended? */
static bool
has_tasks(const struct tenant *t, const char *name)
{
	const char *state;
	json_t *count;
	struct err ignored; /* a queue that cannot be read is awcp-doctor's business */
	json_int_t all = 0;

	struct queue *q = queues_borrow(name, false, &ignored);
	json_t *stats = q == NULL ? NULL : queue_stats(q, t->name, &ignored);
	queues_return(q);
	json_object_foreach (json_object_get(stats, "states"), state, count)
		all += json_integer_value(count);
	json_decref(stats);
	return all > 0;
}

static int
add_name(void *arg, const char *name)
{
	const struct names *n = arg;

	if (!tenant_may(n->tenant, name))
		return 0;
	if (n->tenant->name != NULL && !has_tasks(n->tenant, name))
		return 0;
	(void)json_array_append_new(n->list, json_string(name)); /* or it is out of memory */
	return 0;
}

int
names_answer(struct http *h, const struct tenant *t, struct err *e)
{
	struct names n = {t, json_array()};

	if (http_drain(h, 4096, e) < 0 || queue_each(add_name, &n, e) < 0) {
		json_decref(n.list);
		return -1;
	}
	http_json(h, 200, json_pack("{so}", "queues", n.list));
	return 0;
}
