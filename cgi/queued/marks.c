#include "queued/answers.h"

#include "http/body.h"
#include "queue/reader.h"

#define BODY_MAX (QUEUE_PAYLOAD + (size_t)65536)
#define MARKS_MAX 1000 /* tasks that are marked at once */
#define READER_MAX 64  /* bytes of a reader's name */

/* The numbers in ${tasks}, which must be the caller's. */
static int
read_numbers(const struct tenant *t, struct queue *q, const json_t *tasks, uint64_t *numbers,
	     struct err *e)
{
	const json_t *task;
	size_t i;

	if (!json_is_array(tasks) || json_array_size(tasks) > MARKS_MAX)
		return err_set(e, ERR_BAD_DATA, "tasks must be an array of at most %d numbers",
			       MARKS_MAX);
	json_array_foreach (tasks, i, task) {
		if (!json_is_integer(task) || json_integer_value(task) < 1)
			return err_set(e, ERR_BAD_DATA, "tasks[%zu] must be a number", i);
		numbers[i] = (uint64_t)json_integer_value(task);
		if (tenant_owns(t, q, numbers[i], e) < 0)
			return -1;
	}
	return 0;
}

static int
set_marks(const struct tenant *t, struct queue *q, const json_t *o, struct err *e)
{
	const json_t *tasks = json_object_get(o, "tasks");
	const struct queue_reader_name who = {t->name, jsonx_string(o, "reader", READER_MAX, e)};
	enum queue_mark mark = queue_mark_named(jsonx_text(o, "mark", "read"));
	uint64_t numbers[MARKS_MAX];
	int64_t version;

	if (who.reader == NULL)
		return -1;
	if (mark == QUEUE_MARKS)
		return err_set(e, ERR_BAD_DATA, "a mark is unread, read or active");
	if (tasks == NULL && mark != QUEUE_READ)
		return err_set(e, ERR_BAD_DATA, "which tasks are %s?", queue_mark_name(mark));
	if (tasks != NULL) {
		if (read_numbers(t, q, tasks, numbers, e) < 0)
			return -1;
		return queue_reader_set(q, &who, numbers, json_array_size(tasks), mark, e);
	}
	if (jsonx_integer(o, "version", 0, INT64_MAX, &version, e) < 0)
		return -1;
	return queue_reader_set_all(q, &who, (uint64_t)version, e);
}

int
marks_answer(struct http *h, const struct tenant *t, struct err *e)
{
	json_t *o = body_json(h, BODY_MAX, false, e);
	struct queue *q = NULL;
	int status = -1;

	if (o != NULL && body_only(o, "reader mark tasks version", e) == 0)
		q = queues_borrow(t->queue, false, e);
	if (q != NULL)
		status = set_marks(t, q, o, e);
	queues_return(q);
	json_decref(o);
	if (status == 0)
		http_ok(h);
	return status;
}
