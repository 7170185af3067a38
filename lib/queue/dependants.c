#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define DEPENDANTS_MAX (64 << 20) /* bytes of their numbers */

int
queue_number_of(const struct queue *q, const char *id, uint64_t *number, struct err *e)
{
	char queue[QUEUE_NAME + 1];
	struct queue_claim_id task;

	if (queue_parse_id(id == NULL ? "" : id, queue, &task, e) < 0)
		return -1;
	*number = task.number;
	if (strcmp(queue, q->name) == 0)
		return 0;
	err_set(e, ERR_BAD_DATA, "%.80s is not in queue %s", id, q->name);
	return err_hint(e, "tasks that depend on each other go through the same queue");
}

const char *
queue_file_of(uint64_t number, char name[QUEUE_FILE])
{
	(void)snprintf(name, QUEUE_FILE, "%llu", (unsigned long long)number);
	return name;
}

/* Note that task ${number} may wait for ${needed}. */
static int
note_dependant(struct queue *q, uint64_t needed, uint64_t number, struct err *e)
{
	char name[QUEUE_FILE], text[32];
	int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)number);

	int fd = openat(q->dependantsfd, queue_file_of(needed, name),
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "cannot note a dependency");
	int status = file_write(fd, text, (size_t)n, e);
	file_close(fd);
	if (status < 0)
		return -1;
	struct queue_cell *c = queue_index_cell(&q->index, needed, e);
	if (c == NULL)
		return -1;
	c->flags |= QUEUE_DEPENDANTS;
	queue_index_mark(&q->index, needed);
	return 0;
}

int
queue_note_put(struct queue *q, const json_t *task, struct err *e)
{
	uint64_t number = (uint64_t)task_number(task), needed;
	const char *key = task_key(task);
	const json_t *id;
	size_t i;

	if (key != NULL && queue_key_set(q, task_tenant(task), key, number, e) < 0)
		return -1;
	json_array_foreach (task_depends_on(task), i, id) {
		if (queue_number_of(q, json_string_value(id), &needed, NULL) < 0)
			continue; /* it was checked when the task was put */
		if (note_dependant(q, needed, number, e) < 0)
			return -1;
	}
	return 0;
}

int
queue_each_dependant(struct queue *q, uint64_t number, int (*each)(void *arg, uint64_t dependant),
		     void *arg, struct err *e)
{
	struct buf numbers = BUF_INIT(DEPENDANTS_MAX);
	char name[QUEUE_FILE], *end;
	int status = 0;

	if (file_slurp(q->dependantsfd, queue_file_of(number, name), &numbers, e) < 0)
		status = errno == ENOENT ? 0 : -1;
	for (const char *p = numbers.data; !status && p != NULL && *p != '\0'; p = end) {
		uint64_t dependant = strtoull(p, &end, 10);
		if (end == p)
			break;
		status = each(arg, dependant);
	}
	buf_free(&numbers);
	return status;
}

int
queue_forget_dependants(struct queue *q, uint64_t number, struct err *e)
{
	char name[QUEUE_FILE];

	if (unlinkat(q->dependantsfd, queue_file_of(number, name), 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot forget a dependency");
	return 0;
}
