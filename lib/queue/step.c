/* queue_step - what a change does to a task's object. */
#include "queue/private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "log/redact.h"

int
queue_step(json_t *task, enum queue_event event, struct err *e)
{
	enum queue_state state = queue_state_named(jsonx_text(task, "state", ""));

	state = queue_state_next(state, event, e);
	if (state == QUEUE_NONE)
		return -1;
	if (jsonx_set(task, "state", queue_state_name(state)) < 0)
		return err_memory(e);
	return 0;
}

void
queue_release(json_t *task)
{
	if (jsonx_number(task, "waitsFor", 0) == 0 && queue_time(task) <= clock_now())
		(void)queue_step(task, QUEUE_DUE, NULL); /* where it does wait */
}

int64_t
queue_time(const json_t *task)
{
	const char *text = jsonx_text(task, "notBefore", NULL);
	int64_t ms;

	return text != NULL && clock_parse(text, &ms, NULL) == 0 ? ms : 0;
}

int
queue_set_time(json_t *task, int64_t ms, struct err *e)
{
	char text[CLOCK_TEXT];

	return jsonx_set(task, "notBefore", ms == 0 ? NULL : clock_format(ms, text)) < 0
		   ? err_memory(e)
		   : 0;
}

int
queue_set_reason(json_t *o, const char *member, const char *text)
{
	char *kept = text == NULL ? NULL : strdup(text);

	if (text != NULL && kept == NULL)
		return -1;
	if (kept != NULL)
		redact_text(kept); /* what a command wrote */
	if (kept != NULL && strlen(kept) > QUEUE_REASON) {
		size_t n = QUEUE_REASON;
		while (n > QUEUE_REASON - 4 && ((unsigned char)kept[n] & 0xc0) == 0x80)
			n--; /* not amid a character */
		kept[n] = '\0';
	}
	int status = jsonx_set(o, member, kept);
	free(kept);
	return status;
}

int
queue_set_error(json_t *task, const char *code, const char *message, struct err *e)
{
	json_t *error = json_object();

	if (error == NULL || jsonx_set(error, "code", code) < 0 ||
	    queue_set_reason(error, "message", message) < 0) {
		json_decref(error);
		return err_memory(e);
	}
	return json_object_set_new(task, "error", error) < 0 ? err_memory(e) : 0;
}

int
queue_attempt_end(json_t *task, const char *outcome, const char *why, struct err *e)
{
	json_t *attempts = json_object_get(task, "attempts");
	json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);
	char now[CLOCK_TEXT];

	if (last == NULL || json_object_get(last, "endedAt") != NULL)
		return 0;
	return jsonx_set(last, "outcome", outcome) < 0 ||
		       queue_set_reason(last, "reason", why) < 0 ||
		       jsonx_set(last, "endedAt", clock_format(clock_now(), now)) < 0
		   ? err_memory(e)
		   : 0;
}
