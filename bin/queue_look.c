/* queue_look - awcp-queue list, show, stats, wait and check */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "queue_command.h"
#include "queue/reader.h"

#define PAGE 50 /* tasks or changes that are listed, unless something else is said */

/* A list of things in one line, for eyes. */
static void
print_line(const json_t *task)
{
	const json_t *payload = json_object_get(task, "payload");
	char text[61] = "";

	if (json_is_string(payload))
		(void)snprintf(text, sizeof text, "%s", json_string_value(payload));
	else if (payload != NULL)
		(void)json_dumpb(payload, text, sizeof text - 1, JSON_COMPACT | JSON_ENCODE_ANY);
	text[strcspn(text, "\n")] = '\0';
	(void)printf("%-12s %-14s ", jsonx_text(task, "id", "?"), jsonx_text(task, "state", "?"));
	if (json_object_get(task, "mark") != NULL)
		(void)printf("%-7s ", jsonx_text(task, "mark", ""));
	(void)printf("%lld  %-12s %.19s  %-18s  ", (long long)jsonx_number(task, "priority", 0),
		     jsonx_text(task, "lane", "-"), jsonx_text(task, "createdAt", ""),
		     jsonx_text(task, "name", "?"));
	command_text(text, false);
	(void)putchar('\n');
}

struct listing {
	const struct queue_options *options;
	int64_t left; /* -1: no end */
	uint64_t last_version;
};

static int
list_one(void *arg, const json_t *task)
{
	struct listing *l = arg;

	if (l->options->json)
		command_json(task);
	else
		print_line(task);
	l->last_version = (uint64_t)jsonx_number(task, "version", 0);
	return l->left > 0 && --l->left == 0;
}

/* The changes, as they come if asked for; or, ${once}, the next ones. */
static int
list_changes(struct queue *q, struct listing *l, bool once, struct err *e)
{
	const struct queue_options *o = l->options;
	struct queue_waiter *w = NULL;
	int status;

	if ((o->wait || once) && (w = queue_waiter_open(q, QUEUE_CHANGE, e)) == NULL)
		return -1;
	l->last_version = (uint64_t)o->since;
	while ((status = queue_changes(q, l->last_version, list_one, l, e)) == 0 && w != NULL) {
		(void)fflush(stdout);
		if (ferror(stdout) || (once && l->last_version != (uint64_t)o->since))
			break;
		(void)queue_wait(w, QUEUE_POLL_MS, -1);
	}
	queue_waiter_close(w);
	return status;
}

/* The tasks, and what they are to a reader. */
static int
list_tasks(struct queue *q, const struct queue_filter *asked, struct listing *l, struct err *e)
{
	const struct queue_options *o = l->options;
	const struct queue_reader_name who = {NULL, o->reader};
	struct queue_reader r;

	if (o->reader == NULL)
		return queue_list(q, asked, list_one, l, e);
	struct queue_filter f = *asked;
	f.reader = &r;
	f.marks = o->marks;
	if (f.states == 0 && o->marks != 0)
		f.states = QUEUE_ALL_STATES; /* what has ended is news, too */
	int status = queue_reader_load(q, &who, &r, e);
	if (status == 0)
		status = queue_list(q, &f, list_one, l, e);
	queue_reader_free(&r);
	return status;
}

int
queue_do_list(const struct queue_options *o)
{
	struct queue_filter f = {.states = o->states,
				 .lane = o->lane,
				 .key = o->key,
				 .session = o->session,
				 .labels = o->labels,
				 .payload = true};
	struct listing l = {.options = o, .left = o->limit};
	char name[QUEUE_NAME + 1];
	struct queue_claim_id task;
	struct err e;

	if (o->marks != 0 && o->reader == NULL)
		command_usage("whose marks? (--reader)");
	if (l.left < 0)
		l.left = o->wait ? 0 : PAGE;
	if (l.left == 0)
		l.left = -1;
	(void)snprintf(name, sizeof name, "%s", o->queue);
	if (o->count > 1)
		command_usage("list takes one task, behind which it goes on");
	if (o->count == 1 && !queue_is_name(o->operands[0], &f.after)) {
		if (queue_parse_id(o->operands[0], name, &task, &e) < 0)
			return command_fail(&e);
		f.after = task.number;
	}
	struct queue *q = queue_open(name, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = o->since >= 0 ? list_changes(q, &l, false, &e) : list_tasks(q, &f, &l, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

/* One member a line. */
static void
print_members(const json_t *task)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)task, name, value) {
		if (strcmp(name, "payload") == 0)
			continue;
		(void)printf("%-12s ", name);
		if (json_is_string(value))
			command_text(json_string_value(value), false);
		else
			(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
		(void)putchar('\n');
	}
	value = json_object_get(task, "payload");
	(void)putchar('\n');
	if (json_is_string(value))
		(void)fputs(json_string_value(value), stdout);
	else
		(void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	(void)putchar('\n');
}

static int
show_one(void *arg, const char *id)
{
	const struct queue_options *o = arg;
	struct queue_claim_id claim;
	json_t *task = NULL;
	struct err e;

	struct queue *q = queue_of(o, id, &claim, &e);
	if (q == NULL || (task = queue_show(q, claim.number, &e)) == NULL)
		return command_fail(&e);
	if (o->json)
		command_json(task);
	else
		print_members(task);
	json_decref(task);
	return 0;
}

int
queue_do_show(const struct queue_options *o)
{
	if (o->count == 0)
		command_usage("which task?");
	return command_each(o->count, o->operands, show_one, (void *)(uintptr_t)o);
}

static void
print_states(const char *label, const json_t *states)
{
	const char *name;
	json_t *count;

	command_text(label, false);
	json_object_foreach ((json_t *)(uintptr_t)states, name, count)
		if (json_integer_value(count) > 0)
			(void)printf("  %s %lld", name, (long long)json_integer_value(count));
	(void)putchar('\n');
}

static void
print_stats(const json_t *stats)
{
	const json_t *lane;
	size_t i;

	print_states(jsonx_text(stats, "queue", ""), json_object_get(stats, "states"));
	(void)printf("oldest %.19s  ended in the last minute %lld, hour %lld  version %lld\n",
		     jsonx_text(stats, "oldest", "-"),
		     (long long)jsonx_number(stats, "lastMinute", 0),
		     (long long)jsonx_number(stats, "lastHour", 0),
		     (long long)jsonx_number(stats, "version", 0));
	json_array_foreach (json_object_get(stats, "lanes"), i, lane) {
		print_states(jsonx_text(lane, "lane", "?"), json_object_get(lane, "states"));
	}
}

/* The numbers of queue ${name}. */
static int
stats_of(void *arg, const char *name)
{
	const struct queue_options *o = arg;
	struct err e;

	struct queue *q = queue_open(name, false, &e);
	json_t *stats = q == NULL ? NULL : queue_stats(q, NULL, &e);
	queue_close(q);
	if (stats == NULL)
		return command_fail(&e);
	if (o->json)
		command_json(stats);
	else
		print_stats(stats);
	json_decref(stats);
	return 0;
}

int
queue_do_stats(const struct queue_options *o)
{
	struct err e;
	int status;

	for (;;) {
		if (o->wait && isatty(STDOUT_FILENO))
			(void)fputs("\033[H\033[2J", stdout);
		status = o->all ? queue_each(stats_of, (void *)(uintptr_t)o, &e)
				: stats_of((void *)(uintptr_t)o, o->queue);
		if (status < 0)
			return command_fail(&e);
		if (status != 0 || !o->wait || fflush(stdout) != 0)
			return status;
		(void)sleep(1);
	}
}

/* Until the task has ended: 0 if it completed, 1 if not. */
static int
wait_one(void *arg, const char *id)
{
	const struct queue_options *o = arg;
	struct queue_claim_id claim;
	struct err e;
	struct queue_waiter *w = NULL;
	json_t *task = NULL;
	enum queue_state state = QUEUE_NONE;

	struct queue *q = queue_of(o, id, &claim, &e);
	if (q == NULL || (w = queue_waiter_open(q, QUEUE_CHANGE, &e)) == NULL)
		return command_fail(&e);
	for (;;) {
		json_decref(task);
		task = queue_show(q, claim.number, &e);
		if (task == NULL)
			break;
		state = queue_state_named(jsonx_text(task, "state", ""));
		if (queue_state_ended(state))
			break;
		(void)queue_wait(w, QUEUE_POLL_MS, -1);
	}
	queue_waiter_close(w);
	if (task == NULL)
		return command_fail(&e);
	if (o->json)
		command_json(task);
	else
		(void)printf("%s %s\n", jsonx_text(task, "id", ""), queue_state_name(state));
	json_decref(task);
	return state == QUEUE_COMPLETED ? 0 : 1;
}

/* Until something has changed: the changes. */
static int
wait_for_change(const struct queue_options *o)
{
	struct listing l = {.options = o, .left = -1};
	struct err e;

	struct queue *q = queue_open(o->queue, false, &e);
	int status = q == NULL ? -1 : list_changes(q, &l, true, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

int
queue_do_wait(const struct queue_options *o)
{
	if (o->count > 0 && o->since >= 0)
		command_usage("either tasks or --since");
	if (o->since >= 0)
		return wait_for_change(o);
	if (o->count == 0)
		command_usage("which task?");
	return command_each(o->count, o->operands, wait_one, (void *)(uintptr_t)o);
}

static void
report(void *arg, const char *text)
{
	(void)arg;
	command_note("%s", text);
}

int
queue_do_check(const struct queue_options *o)
{
	struct err e;

	struct queue *q = queue_open(o->queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int wrong = queue_check(q, o->repair, report, NULL, &e);
	queue_close(q);
	if (wrong < 0)
		return command_fail(&e);
	return wrong > 0 && !o->repair ? EX_DATAERR : 0;
}

int
queue_do_retire(const struct queue_options *o)
{
	struct queue_retired done = {0};
	struct err e;

	struct queue *q = queue_open(o->queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = queue_retire(q, o->older, SIZE_MAX, o->dry, &done, &e);
	queue_close(q);
	(void)printf("tasks %llu  rewritten %llu  segments %llu\n", (unsigned long long)done.tasks,
		     (unsigned long long)done.rewritten, (unsigned long long)done.segments);
	return status < 0 ? command_fail(&e) : 0;
}
