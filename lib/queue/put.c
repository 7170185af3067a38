/* queue_put - new tasks: what is asked for is checked, completed and written. */
#include "queue/private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/jsonx.h"

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
	const char *name;
	enum kind kind;
	int64_t least, most;
} members[] = {
    {"payload", ANY, 0, 0},
    {"priority", NUMBER, 0, QUEUE_PRIORITIES - 1},
    {"lane", TEXT, 0, 0},
    {"labels", TEXTS, 0, LIST_MAX},
    {"key", TEXT, 0, 0},
    {"unique", TRUTH, 0, 0},
    {"dependsOn", IDS, 0, NEEDS_MAX},
    {"afterFailure", TRUTH, 0, 0},
    {"notBefore", TIME, 0, 0},
    {"timeout", NUMBER, 1, 366 * 86400},
    {"retries", NUMBER, 0, 1000},
    {"backoff", NUMBER, 0, 366 * 86400},
    {"maxDeaths", NUMBER, 0, 1000},
    {"recovery", POLICY, 0, 0},
    {"requires", TEXTS, 1, LIST_MAX},
    {"session", TEXT, 0, 0},
    {"tenant", TEXT, 0, 0},
};
#define MEMBERS (sizeof members / sizeof members[0])

static int
check_list(const struct member *m, const json_t *value, struct err *e)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) > (size_t)m->most ||
	    json_array_size(value) < (size_t)m->least)
		return err_set(e, ERR_BAD_DATA, "%s must be an array of at most %lld strings",
			       m->name, (long long)m->most);
	json_array_foreach (value, i, item)
		if (!is_text(item))
			return err_set(e, ERR_BAD_DATA,
				       "%s[%zu] must be a text of 1 to %d bytes on one line",
				       m->name, i, TEXT_MAX);
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
				       "%s must be a text of 1 to %d bytes on one line", m->name,
				       TEXT_MAX);
		break;
	case TEXTS:
	case IDS:
		return check_list(m, value, e);
	case NUMBER:
		if (jsonx_integer(asked, m->name, m->least, m->most, &number, e) < 0) {
			e->code = ERR_BAD_DATA;
			return -1;
		}
		break;
	case TRUTH:
		if (!json_is_boolean(value))
			return err_set(e, ERR_BAD_DATA, "%s must be true or false", m->name);
		break;
	case TIME:
		if (!json_is_string(value) ||
		    clock_parse(json_string_value(value), &number, e) < 0) {
			err_set(e, ERR_BAD_DATA, "%s must be a time", m->name);
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

/* Every member is known and as it must be. */
static int
check(json_t *asked, struct err *e)
{
	const char *name;
	json_t *value;

	if (json_object_get(asked, "payload") == NULL) {
		err_set(e, ERR_BAD_DATA, "payload is missing");
		return err_hint(e, "it is what the worker gets: any JSON, or a prompt as a string");
	}
	json_object_foreach (asked, name, value) {
		size_t i = 0;
		while (i < MEMBERS && strcmp(members[i].name, name) != 0)
			i++;
		if (i == MEMBERS) {
			err_set(e, ERR_BAD_DATA, "there is no member %.40s", name);
			return err_hint(e, "what is yours goes into payload");
		}
		if (check_member(&members[i], asked, value, e) < 0)
			return -1;
	}
	if (json_object_get(asked, "unique") != NULL && json_object_get(asked, "key") == NULL)
		return err_set(e, ERR_BAD_DATA, "unique needs a key");
	size_t size =
	    json_dumpb(json_object_get(asked, "payload"), NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	if (size == 0 || size > QUEUE_PAYLOAD) {
		err_set(e, ERR_TOO_LARGE, "the payload has %zu bytes, more than %d", size,
			QUEUE_PAYLOAD);
		return err_hint(e, "put it into a file, and name that");
	}
	return 0;
}

static bool
is_same(const json_t *a, const json_t *b, const char *member)
{
	const json_t *x = json_object_get(a, member), *y = json_object_get(b, member);

	return x == y || json_equal(x, y) == 1;
}

/* Whether a task with this key is there already: 1, 0, or -1. */
static int
known(struct queue *q, const json_t *asked, struct queue_receipt *r, struct err *e)
{
	const char *key = jsonx_text(asked, "key", NULL);
	struct queue_cell cell;
	uint64_t number;

	if (key == NULL)
		return 0;
	if (queue_key_find(q, jsonx_text(asked, "tenant", NULL), key, &number, e) < 0)
		return -1;
	if (number == 0 || queue_find(q, number, &cell, NULL) < 0 ||
	    cell.key != (uint32_t)queue_hash(key))
		return 0;
	json_t *old = queue_read(q, &cell, true, e);
	if (old == NULL)
		return -1;
	/* The note may be of a task that was not put after all. */
	bool noted = is_same(old, asked, "key") && is_same(old, asked, "tenant");
	bool same = is_same(old, asked, "payload");
	json_decref(old);
	if (!noted)
		return 0;
	*r = (struct queue_receipt){number, QUEUE_WAS_THERE};
	if (json_is_true(json_object_get(asked, "unique")))
		return !queue_state_ended((enum queue_state)cell.state);
	if (same)
		return 1;
	err_set(e, ERR_KEY_REUSED, "the key %.80s was used for another payload, %s.%llu", key,
		q->name, (unsigned long long)number);
	return err_hint(e, "take a key of its own for each task");
}

/* The task as it will be: what was asked for, and what is ours. */
static json_t *
complete(struct queue *q, json_t *asked, uint64_t number, struct err *e)
{
	const struct queue_claim_id self = {number, 0};
	char id[QUEUE_ID], name[64], now[CLOCK_TEXT];

	json_t *task = json_object();
	queue_format_id(q->name, self, id);
	queue_human_name(number, name);
	if (task == NULL || jsonx_set(task, "id", id) < 0 || jsonx_set(task, "name", name) < 0 ||
	    json_object_set_new(task, "number", json_integer((json_int_t)number)) < 0 ||
	    jsonx_set(task, "createdAt", clock_format(clock_now(), now)) < 0 ||
	    jsonx_set(task, "state", queue_state_name(QUEUE_NONE)) < 0 ||
	    json_object_update(task, asked) < 0) {
		json_decref(task);
		err_memory(e);
		return NULL;
	}
	return task;
}

/* Its first state. */
static int
begin(struct queue *q, json_t *task, struct err *e)
{
	const char *bad = NULL;
	char why[300];
	int64_t left = 0;

	if (queue_count_dependencies(q, task, &left, &bad, e) < 0)
		return -1;
	if (left > 0 && bad == NULL &&
	    json_object_set_new(task, "waitsFor", json_integer(left)) < 0)
		return err_memory(e);
	bool waits = left > 0 || bad != NULL || queue_time(task) > clock_now();
	if (queue_step(task, waits ? QUEUE_HOLD : QUEUE_PUT, e) < 0)
		return -1;
	if (bad == NULL)
		return 0;
	(void)snprintf(why, sizeof why, "%s, which it depends on, did not complete", bad);
	return queue_set_error(task, "BLOCKED", why, e) < 0 ? -1 : queue_step(task, QUEUE_BLOCK, e);
}

static int
put_one(struct queue *q, json_t *asked, struct queue_receipt *r, struct err *e)
{
	bool looks = json_object_get(asked, "key") != NULL ||
		     json_array_size(json_object_get(asked, "dependsOn")) > 0;

	/* Those before it in the batch may have the same key, or be what it depends on. */
	if (looks && queue_write(q, QUEUE_KEEP_NEW, e) < 0)
		return -1;
	int there = known(q, asked, r, e);
	if (there != 0)
		return there < 0 ? -1 : 0;
	uint64_t number = q->index.head.count + q->changes + 1;
	json_t *task = complete(q, asked, number, e);
	int status = task == NULL || begin(q, task, e) < 0 || queue_note_put(q, task, e) < 0 ||
			     queue_change(q, task, true, e) < 0
			 ? -1
			 : 0;
	json_decref(task);
	*r = (struct queue_receipt){number, QUEUE_WAS_PUT};
	return status;
}

int
queue_put(struct queue *q, json_t *const *asked, size_t n, struct queue_receipt *receipts,
	  size_t *done, struct err *e)
{
	struct err late;
	size_t i = 0;
	int status = 0;

	*done = 0;
	if (queue_begin(q, e) < 0)
		return -1;
	while (status == 0 && i < n) {
		status =
		    check(asked[i], e) < 0 || put_one(q, asked[i], &receipts[i], e) < 0 ? -1 : 0;
		if (status == 0)
			*done = ++i - q->changes; /* the last ones are not written yet */
	}
	/* Those before one that cannot be put are. */
	bool pending = q->changes > 0;
	if (queue_write(q, QUEUE_KEEP_NEW, status == 0 ? e : &late) < 0)
		status = -1;
	else if (pending)
		*done = i;
	if (queue_end(q, true, status == 0 ? e : &late) == 0)
		return status;
	if (status == 0)
		*done = 0;
	return -1;
}
