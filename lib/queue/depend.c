/* queue_depend - tasks that wait for other tasks of their queue. */
#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonx.h"

#define DEPENDANTS_MAX (64 << 20) /* bytes of their numbers */

/* The task that ${id} names, which must be of this queue. */
static int
number_of(const struct queue *q, const char *id, uint64_t *number, struct err *e)
{
	char queue[QUEUE_NAME + 1];
	struct queue_claim_id parsed;

	if (queue_parse_id(id == NULL ? "" : id, queue, &parsed, e) < 0)
		return -1;
	*number = parsed.number;
	if (strcmp(queue, q->name) == 0)
		return 0;
	err_set(e, ERR_BAD_DATA, "%.80s is not in queue %s", id, q->name);
	return err_hint(e, "tasks that depend on each other go through the same queue");
}

int
queue_count_dependencies(struct queue *q, const json_t *task, int64_t *left, const char **bad,
			 struct err *e)
{
	bool put = queue_state_named(jsonx_text(task, "state", "")) == QUEUE_NONE;
	bool any_end = json_is_true(json_object_get(task, "afterFailure"));
	struct queue_cell cell;
	uint64_t number;
	const json_t *id;
	size_t i;

	*left = 0;
	*bad = NULL;
	json_array_foreach (json_object_get(task, "dependsOn"), i, id) {
		if (number_of(q, json_string_value(id), &number, e) < 0)
			return -1;
		if (queue_find(q, number, &cell, e) < 0) {
			if (put || (e->code != ERR_NOT_FOUND && e->code != ERR_EXPIRED))
				return -1;
			cell.state = QUEUE_UNKNOWN; /* its lines were damaged, every one */
		}
		if (!queue_state_ended((enum queue_state)cell.state))
			++*left;
		else if (cell.state != QUEUE_COMPLETED && !any_end)
			*bad = json_string_value(id);
	}
	return 0;
}

/* Note that task ${number} waits for those of ${ids}. */
static int
note_dependants(struct queue *q, uint64_t number, const json_t *ids, struct err *e)
{
	char name[32], text[32];
	const json_t *id;
	uint64_t needed;
	size_t i;

	int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)number);
	json_array_foreach (ids, i, id) {
		struct err why;
		if (number_of(q, json_string_value(id), &needed, &why) < 0)
			continue; /* it was checked when it was put */
		(void)snprintf(name, sizeof name, "%llu", (unsigned long long)needed);
		int fd = openat(q->dependantsfd, name,
				O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		int status = fd < 0 ? err_sys(e, "cannot note a dependency")
				    : file_write(fd, text, (size_t)n, e);
		file_close(fd);
		if (status < 0)
			return -1;
		struct queue_cell *c = queue_index_cell(&q->index, needed, e);
		if (c == NULL)
			return -1;
		c->flags |= QUEUE_DEPENDANTS;
		queue_index_mark(&q->index, needed);
	}
	return 0;
}

int
queue_note_put(struct queue *q, const json_t *task, struct err *e)
{
	uint64_t number = (uint64_t)jsonx_number(task, "number", 0);
	const char *key = jsonx_text(task, "key", NULL);

	if (key != NULL && queue_key_set(q, jsonx_text(task, "tenant", NULL), key, number, e) < 0)
		return -1;
	return note_dependants(q, number, json_object_get(task, "dependsOn"), e);
}

/* One of the tasks that task ${number} waits for has ended.  Returns 1 if it still waits. */
static int
settle_one(struct queue *q, uint64_t number, struct err *e)
{
	struct queue_cell cell;
	const char *bad;
	int64_t left;
	char why[160];
	int status = -1;

	if (queue_find(q, number, &cell, NULL) < 0 || (cell.flags & QUEUE_DEPENDS) == 0 ||
	    queue_state_ended((enum queue_state)cell.state))
		return 0;
	json_t *task = queue_read(q, &cell, false, e);
	if (task == NULL || queue_count_dependencies(q, task, &left, &bad, e) < 0)
		goto out;
	if (bad == NULL && left == jsonx_number(task, "waitsFor", 0)) {
		status = 1;
		goto out;
	}
	if (json_object_set_new(task, "waitsFor", json_integer(bad == NULL ? left : 0)) < 0) {
		err_memory(e);
		goto out;
	}
	if (bad != NULL) {
		(void)snprintf(why, sizeof why, "%s, which it depends on, did not complete", bad);
		if (queue_set_error(task, "BLOCKED", why, e) < 0 ||
		    queue_step(task, QUEUE_BLOCK, e) < 0)
			goto out;
	} else {
		queue_release(task);
	}
	if (queue_change(q, task, false, e) == 0 && queue_write(q, 0, e) == 0)
		status = bad == NULL && left > 0;
out:
	json_decref(task);
	return status;
}

int
queue_settle(struct queue *q, struct err *e)
{
	struct buf numbers = BUF_INIT(DEPENDANTS_MAX);
	char name[32], *p, *end;
	int status = 0;

	/* What ends in consequence is added behind. */
	for (size_t i = 0; status >= 0 && i < q->ended_count; i++) {
		(void)snprintf(name, sizeof name, "%llu", (unsigned long long)q->ended[i]);
		buf_clear(&numbers);
		if (file_slurp(q->dependantsfd, name, &numbers, e) < 0) {
			status = errno == ENOENT ? 0 : -1;
			continue;
		}
		bool waits = false;
		for (p = numbers.data; status >= 0 && p != NULL && *p != '\0'; p = end) {
			uint64_t number = strtoull(p, &end, 10);
			if (end == p)
				break;
			status = settle_one(q, number, e);
			waits |= status == 1;
		}
		if (status >= 0 && !waits)
			(void)unlinkat(q->dependantsfd, name, 0); /* to look again does no harm */
	}
	buf_free(&numbers);
	q->ended_count = 0;
	return status < 0 ? -1 : 0;
}

/* True if task ${number} waits for others. */
static bool
still_waits(struct queue *q, uint64_t number)
{
	struct queue_cell cell;

	return queue_find(q, number, &cell, NULL) == 0 && (cell.flags & QUEUE_DEPENDS) != 0 &&
	       !queue_state_ended((enum queue_state)cell.state);
}

int
queue_awaited(struct queue *q, uint64_t number, struct err *e)
{
	struct buf numbers = BUF_INIT(DEPENDANTS_MAX);
	char name[32], *end;
	int status = 0;

	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
	if (file_slurp(q->dependantsfd, name, &numbers, e) < 0)
		status = errno == ENOENT ? 0 : -1;
	for (const char *p = numbers.data; status == 0 && p != NULL && *p != '\0'; p = end) {
		uint64_t dependant = strtoull(p, &end, 10);
		if (end == p)
			break;
		status = still_waits(q, dependant);
	}
	buf_free(&numbers);
	return status;
}

int
queue_forget_dependants(struct queue *q, uint64_t number, struct err *e)
{
	char name[32];

	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
	return unlinkat(q->dependantsfd, name, 0) < 0 && errno != ENOENT
		   ? err_sys(e, "cannot forget a dependency")
		   : 0;
}
