/* queue_show - awcp-queue show and stats */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "queue_command.h"

struct show {
	const char *queue; /* NULL: all */
	bool json, refresh;
	int worst; /* exit status of those so far */
};

/* One member a line. */
static void
print_members(const json_t *task)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)task, name, value) {
		if (strcmp(name, task_payload_path()) == 0)
			continue;
		(void)printf("%-12s ", name);
		if (json_is_string(value))
			command_text(json_string_value(value), false);
		else
			(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
		(void)putchar('\n');
	}
	value = task_payload(task);
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
	const struct show *s = arg;
	struct queue_claim_id claim;
	json_t *task = NULL;
	struct err e;

	struct queue *q = queue_of(s->queue, id, &claim, &e);
	if (q != NULL)
		task = queue_show(q, claim.number, &e);
	if (task == NULL)
		return command_fail(&e);
	if (s->json)
		command_json(task);
	else
		print_members(task);
	json_decref(task);
	return 0;
}

int
queue_do_show(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue show", "jq:",
	    "usage: awcp-queue show [-j] [-q queue] task...\n"
	    "  -j        JSON\n"
	    "  -q queue  where tasks are that are called by their name (default)\n"};
	struct show s = {.queue = QUEUE_DEFAULT};
	const struct queue_option options[] = {
	    {"j", queue_flag, &s.json, 0}, {"q", queue_text, &s.queue, 0}, {0}};

	queue_options(&self, options, argc, argv);
	return queue_each_operand(argc, argv, "task", show_one, &s);
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

/* One that is damaged does not hide the others. */
static int
show_stats(void *arg, const char *name)
{
	struct show *s = arg;
	struct err e;

	struct queue *q = queue_open(name, false, &e);
	json_t *stats = q == NULL ? NULL : queue_stats(q, NULL, &e);
	queue_close(q);
	if (stats == NULL) {
		int status = command_fail(&e);
		if (status > s->worst)
			s->worst = status;
		return 0;
	}
	if (s->json)
		command_json(stats);
	else
		print_stats(stats);
	json_decref(stats);
	return 0;
}

int
queue_do_stats(int argc, char **argv)
{
	static const struct command self = {"awcp-queue stats", "jq:W",
					    "usage: awcp-queue stats [-jW] [-q queue]\n"
					    "  -j        JSON\n"
					    "  -q queue  to count (all)\n"
					    "  -W        refresh every second\n"};
	struct show s = {.queue = NULL};
	const struct queue_option options[] = {{"j", queue_flag, &s.json, 0},
					       {"q", queue_text, &s.queue, 0},
					       {"W", queue_flag, &s.refresh, 0},
					       {0}};
	struct err e;

	queue_options(&self, options, argc, argv);
	queue_no_operands(argc, argv);
	for (;;) {
		if (s.refresh && isatty(STDOUT_FILENO))
			(void)fputs("\033[H\033[2J", stdout);
		if (s.queue != NULL)
			(void)show_stats(&s, s.queue);
		else if (queue_each(show_stats, &s, &e) < 0)
			return command_fail(&e);
		if (!s.refresh || command_cut_off() || (s.queue != NULL && s.worst != 0))
			return s.worst;
		(void)sleep(1);
	}
}
