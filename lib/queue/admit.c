#include "queue/rules.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "queue/index.h"

#define TEXT_MAX 200 /* bytes of a lane, a label, a session, ... */
#define LIST_MAX 64  /* labels, capabilities */
#define NEEDS_MAX 1000

static int
is_text(const json_t *s)
{
	size_t n = json_string_length(s);

	if (!json_is_string(s) || n == 0 || n > TEXT_MAX)
		return 0;
	for (const char *p = json_string_value(s), *end = p + n; p < end; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return 0;
	return 1;
}

/* How each member that may be asked for is checked. */
enum kind { ANY, TEXT, TEXTS, IDS, NUMBER, TRUTH, TIME, POLICY };

static const struct member {
	const char *(*name)(void);
	enum kind kind;
	int64_t min, max;
} members[] = {
    {task_payload_path, ANY, 0, 0},
    {task_priority_path, NUMBER, 0, QUEUE_PRIORITIES - 1},
    {task_lane_path, TEXT, 0, 0},
    {task_labels_path, TEXTS, 0, LIST_MAX},
    {task_key_path, TEXT, 0, 0},
    {task_unique_path, TRUTH, 0, 0},
    {task_depends_on_path, IDS, 0, NEEDS_MAX},
    {task_after_failure_path, TRUTH, 0, 0},
    {task_not_before_path, TIME, 0, 0},
    {task_timeout_path, NUMBER, 1, 366 * 86400},
    {task_retries_path, NUMBER, 0, 1000},
    {task_backoff_path, NUMBER, 0, 366 * 86400},
    {task_max_deaths_path, NUMBER, 0, 1000},
    {task_recovery_path, POLICY, 0, 0},
    {task_requires_path, TEXTS, 1, LIST_MAX},
    {task_session_path, TEXT, 0, 0},
    {task_tenant_path, TEXT, 0, 0},
};
#define MEMBERS (sizeof members / sizeof members[0])

static int
check_list(const struct member *m, const json_t *value, struct err *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > (size_t)m->max ||
	    json_array_size(value) < (size_t)m->min)
		return err_set(e, ERR_BAD_DATA, "%s must be an array of at most %lld strings",
			       m->name(), (long long)m->max);
	json_array_foreach (value, i, item)
		if (!is_text(item))
			return err_set(e, ERR_BAD_DATA,
				       "%s[%zu] must be a text of 1 to %d bytes on one line",
				       m->name(), i, TEXT_MAX);
	return 0;
}

static int
check_member(const struct member *m, const json_t *asked, const json_t *value, struct err *e)
{
	enum queue_event policy;
	int64_t number;

	switch (m->kind) {
	case TEXT:
		if (!is_text(value))
			return err_set(e, ERR_BAD_DATA,
				       "%s must be a text of 1 to %d bytes on one line", m->name(),
				       TEXT_MAX);
		break;
	case TEXTS:
	case IDS:
		return check_list(m, value, e);
	case NUMBER:
		if (jsonx_integer(asked, m->name(), m->min, m->max, &number, e) < 0) {
			e->code = ERR_BAD_DATA;
			return -1;
		}
		break;
	case TRUTH:
		if (!json_is_boolean(value))
			return err_set(e, ERR_BAD_DATA, "%s must be true or false", m->name());
		break;
	case TIME:
		if (!json_is_string(value) ||
		    clock_parse(json_string_value(value), &number, e) < 0) {
			err_set(e, ERR_BAD_DATA, "%s must be a time", m->name());
			return err_hint(e, "for example 2026-11-20T09:05:42Z");
		}
		break;
	case POLICY:
		if (!json_is_string(value) ||
		    queue_recovery_named(json_string_value(value), &policy, e) < 0)
			return err_set(e, ERR_BAD_DATA, "recovery must be retry, fail or unknown");
		break;
	case ANY:
		break;
	}
	return 0;
}

int
queue_admit(json_t *asked, struct err *e)
{
	const char *name;
	json_t *value;

	if (task_payload(asked) == NULL) {
		err_set(e, ERR_BAD_DATA, "payload is missing");
		return err_hint(e, "it is what the worker gets: any JSON, or a prompt as a string");
	}
	json_object_foreach (asked, name, value) {
		size_t i = 0;
		while (i < MEMBERS && strcmp(members[i].name(), name) != 0)
			i++;
		if (i == MEMBERS) {
			err_set(e, ERR_BAD_DATA, "there is no member %.40s", name);
			return err_hint(e, "what is yours goes into payload");
		}
		if (check_member(&members[i], asked, value, e) < 0)
			return -1;
	}
	if (json_object_get(asked, task_unique_path()) != NULL && task_key(asked) == NULL)
		return err_set(e, ERR_BAD_DATA, "unique needs a key");
	const char *prompt = json_string_value(task_payload(asked));
	if (prompt != NULL && text_is_blank(prompt) &&
	    strlen(prompt) == json_string_length(task_payload(asked)))
		return err_set(e, ERR_BAD_DATA, "the prompt is empty");
	size_t size = json_dumpb(task_payload(asked), NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	if (size == 0 || size > QUEUE_PAYLOAD) {
		err_set(e, ERR_TOO_LARGE, "the payload has %zu bytes, more than %d", size,
			QUEUE_PAYLOAD);
		return err_hint(e, "put it into a file, and name that");
	}
	return 0;
}
