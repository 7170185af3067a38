#include "queue/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log/redact.h"

#define ATTEMPTS_KEPT 20 /* in the record; the journal has all */

enum queue_state
queue_task_state(const json_t *task)
{
	return queue_state_named(task_state(task));
}

int
queue_task_step(json_t *task, enum queue_event event, struct err *e)
{
	enum queue_state state = queue_state_next(queue_task_state(task), event, e);

	if (state == QUEUE_NONE)
		return -1;
	return task_set_state(task, queue_state_name(state)) < 0 ? err_memory(e) : 0;
}

int64_t
queue_task_time(const json_t *task)
{
	const char *text = task_not_before(task);
	int64_t ms;

	return text != NULL && clock_parse(text, &ms, NULL) == 0 ? ms : 0;
}

int
queue_task_set_time(json_t *task, int64_t ms, struct err *e)
{
	char text[CLOCK_TEXT];

	if (task_set_not_before(task, ms == 0 ? NULL : clock_format(ms, text)) < 0)
		return err_memory(e);
	return 0;
}

void
queue_task_release(json_t *task)
{
	if (task_waits_for(task) == 0 && queue_task_time(task) <= clock_now())
		(void)queue_task_step(task, QUEUE_DUE, NULL); /* refused unless it waits */
}

int
queue_task_set_reason(json_t *o, int (*set)(json_t *o, const char *text), const char *text,
		      struct err *e)
{
	char *kept = text == NULL ? NULL : strdup(text);

	if (text != NULL && kept == NULL)
		return err_memory(e);
	if (kept != NULL)
		redact_text(kept); /* it may be what a command wrote */
	if (kept != NULL && strlen(kept) > QUEUE_REASON) {
		size_t n = QUEUE_REASON;
		while (n > QUEUE_REASON - 4 && ((unsigned char)kept[n] & 0xc0) == 0x80)
			n--; /* not within a character */
		kept[n] = '\0';
	}
	int status = set(o, kept);
	free(kept);
	return status < 0 ? err_memory(e) : 0;
}

int
queue_task_set_error(json_t *task, const char *code, const char *message, struct err *e)
{
	task_drop_error(task);
	if (task_set_error_code(task, code) < 0)
		return err_memory(e);
	return queue_task_set_reason(task, task_set_error_message, message, e);
}

json_t *
queue_task_last_attempt(const json_t *task)
{
	json_t *attempts = task_attempts(task);

	return json_array_get(attempts, json_array_size(attempts) - 1);
}

int
queue_task_begin_attempt(json_t *task, uint32_t number, const char *worker, int64_t lease,
			 struct err *e)
{
	char now[CLOCK_TEXT];

	if (task_attempts(task) == NULL && task_set_attempts(task, json_array()) < 0)
		return err_memory(e);
	/* An attempt still runs only if the line with its end was damaged. */
	if (queue_task_end_attempt(task, "lost", NULL, e) < 0)
		return -1;
	json_t *attempts = task_attempts(task);
	while (json_array_size(attempts) >= ATTEMPTS_KEPT)
		(void)json_array_remove(attempts, 0);
	json_t *one = json_object();
	if (json_array_append_new(attempts, one) < 0 || attempt_set_number(one, number) < 0 ||
	    attempt_set_started(one, clock_format(clock_now(), now)) < 0 ||
	    attempt_set_lease(one, lease) < 0 || attempt_set_worker(one, worker) < 0 ||
	    task_set_attempt(task, number) < 0)
		return err_memory(e);
	return 0;
}

int
queue_task_end_attempt(json_t *task, const char *outcome, const char *why, struct err *e)
{
	json_t *last = queue_task_last_attempt(task);
	char now[CLOCK_TEXT];

	if (last == NULL || attempt_ended(last) != NULL)
		return 0;
	if (attempt_set_outcome(last, outcome) < 0)
		return err_memory(e);
	if (queue_task_set_reason(last, attempt_set_reason, why, e) < 0)
		return -1;
	if (attempt_set_ended(last, clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	return 0;
}
