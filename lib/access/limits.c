/* The limits of a token: on a command line, in its record, and where they are checked. */
#include "access/token.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/settings.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "base/text.h"

/* The limits that are numbers, by their names in a record and on a command line. */
static const struct {
	const char *name;
	size_t offset;
} numbers[] = {{"active", offsetof(struct token_limits, active)},
	       {"ttl", offsetof(struct token_limits, ttl)},
	       {"bytes", offsetof(struct token_limits, bytes)},
	       {"rate", offsetof(struct token_limits, rate)},
	       {"connections", offsetof(struct token_limits, connections)},
	       {"streams", offsetof(struct token_limits, streams)},
	       {"tasks", offsetof(struct token_limits, tasks)},
	       {"disk", offsetof(struct token_limits, disk)},
	       {"questions", offsetof(struct token_limits, questions)},
	       {"events", offsetof(struct token_limits, events)}};

#define NUMBERS (sizeof numbers / sizeof numbers[0])

static long long *
limit_value(struct token_limits *l, size_t i)
{
	return (long long *)(void *)((char *)l + numbers[i].offset);
}

/* Add the names in ${text}, separated by commas, to the queues of ${l}. */
static int
add_queues(struct token_limits *l, const char *text, struct err *e)
{
	char one[ID_MAX + 1];

	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ","), have = strlen(l->queues);
		(void)snprintf(one, sizeof one, "%.*s", (int)(n > ID_MAX ? 0 : n), p);
		if (!id_valid(one))
			return err_set(e, ERR_USAGE, "not the name of a queue: %.*s",
				       (int)(n > ID_MAX ? ID_MAX : n), p);
		if (have + n + 2 > sizeof l->queues)
			return err_set(e, ERR_USAGE, "too many queues for one token");
		(void)snprintf(l->queues + have, sizeof l->queues - have, "%s%s",
			       have > 0 ? "," : "", one);
		p += n;
		if (*p == '\0')
			return 0;
	}
}

int
token_limit(struct token_limits *l, const char *text, struct err *e)
{
	size_t n = strcspn(text, "=");
	int64_t seconds;
	long long value = 0;

	if (text[n] == '=' && strncmp(text, "queue=", 6) == 0)
		return add_queues(l, text + 6, e);
	for (size_t i = 0; i < NUMBERS && text[n] == '='; i++) {
		if (strlen(numbers[i].name) != n || strncmp(text, numbers[i].name, n) != 0)
			continue;
		if (strcmp(numbers[i].name, "ttl") == 0) {
			if (clock_parse_span(text + n + 1, &seconds, e) < 0)
				return err_add(e, "%.80s", text);
			value = seconds;
		} else if (setting_parse_number(text + n + 1, &value) < 0 || value < 1) {
			return err_set(e, ERR_USAGE, "not a number from 1: %.80s", text);
		}
		*limit_value(l, i) = value;
		return 0;
	}
	err_set(e, ERR_USAGE, "not a limit: %.80s", text);
	return err_hint(e,
			"active=n, ttl=time, bytes=n, rate=n (a minute), connections=n, streams=n, "
			"tasks=n, disk=n, questions=n, events=n or queue=name");
}

bool
token_allows(const struct token_limits *l, const char *queue)
{
	return text_lists(l->queues, ",", queue);
}

json_t *
token_limits_describe(const struct token_limits *l)
{
	json_t *o = json_object();

	for (size_t i = 0; i < NUMBERS; i++) {
		long long value = *limit_value((struct token_limits *)(uintptr_t)l, i);
		if (value > 0)
			(void)json_object_set_new(o, numbers[i].name, json_integer(value));
	}
	if (l->queues[0] != '\0')
		(void)json_object_set_new(o, "queues", json_array());
	for (const char *p = l->queues; *p != '\0'; p += *p == ',') {
		size_t n = strcspn(p, ",");
		(void)json_array_append_new(json_object_get(o, "queues"), json_stringn(p, n));
		p += n;
	}
	if (json_object_size(o) > 0)
		return o;
	json_decref(o);
	return NULL;
}

int
token_limits_read(const json_t *token, struct token_limits *l, struct err *e)
{
	const json_t *o = json_object_get(token, "limits"), *one;
	size_t i;

	*l = (struct token_limits){.active = 0};
	for (i = 0; i < NUMBERS; i++)
		*limit_value(l, i) = jsonx_number(o, numbers[i].name, 0);
	json_array_foreach (json_object_get(o, "queues"), i, one)
		if (!json_is_string(one) || add_queues(l, json_string_value(one), e) < 0)
			return -1;
	return 0;
}
