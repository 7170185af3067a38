/* queue_list - awcp-queue list and wait: tasks, and changes as they come */
#include <stdio.h>
#include <string.h>

#include "queue/reader.h"
#include "queue_command.h"

#define LIMIT 50 /* tasks or changes that are listed by default */

/* A task in one line, for people. */
static void
print_line(const json_t *task)
{
	const json_t *payload = task_payload(task);
	char text[61] = "";

	if (json_is_string(payload))
		(void)snprintf(text, sizeof text, "%s", json_string_value(payload));
	else if (payload != NULL)
		(void)json_dumpb(payload, text, sizeof text - 1, JSON_COMPACT | JSON_ENCODE_ANY);
	text[strcspn(text, "\n")] = '\0';
	const char *lane = task_lane(task), *mark = task_mark(task);
	(void)printf("%-12s %-14s ", task_id(task), task_state(task));
	if (mark != NULL)
		(void)printf("%-7s ", mark);
	(void)printf("%lld  %-12s %.19s  %-18s  ", (long long)task_priority(task),
		     lane != NULL ? lane : "-", task_created(task), task_name(task));
	command_text(text, false);
	if (task_unfit(task) != NULL) {
		(void)fputs("  ", stdout);
		command_text(task_unfit(task), false);
	}
	(void)putchar('\n');
}

/* What is to be listed, and how much of it so far. */
struct list {
	struct queue_filter filter;
	const char *queue, *reader;
	int64_t limit, since; /* -1: not given */
	bool json, follow;
	struct queue_words labels;
	int64_t left; /* -1: no end */
};

static int
list_one(void *arg, const json_t *task)
{
	struct list *l = arg;

	if (l->json)
		command_json(task);
	else
		print_line(task);
	return l->left > 0 && --l->left == 0;
}

/* The changes, as they come if asked for; or, ${once}, the next ones. */
static int
list_changes(struct queue *q, struct list *l, bool once, struct err *e)
{
	const struct queue_reader_name who = {NULL, l->reader};
	const struct queue_selection wanted = {&l->filter, list_one, l};
	uint64_t last = (uint64_t)l->since;
	struct watch *w = NULL;
	int status;

	if ((l->follow || once) && (w = queue_watch(q, QUEUE_CHANGE, e)) == NULL)
		return -1;
	while ((status = queue_reader_changes(q, &who, &wanted, &last, e)) == 0 && w != NULL) {
		if (command_cut_off() || (once && last != (uint64_t)l->since))
			break;
		(void)watch_wait(w, -1, QUEUE_POLL_MS);
	}
	watch_close(w);
	return status;
}

static void
read_state(const struct queue_option *o)
{
	if (queue_filter_state(o->value, optarg) < 0)
		command_usage("there is no state %s", optarg);
}

static const struct command list_command = {
    "awcp-queue list", "jk:L:l:q:s:W",
    "usage: awcp-queue list [-j] [-q queue] [-k key] [-L label]... [-l lane] [-s state]...\n"
    "                  [--limit n] [--session name] [--since version [-W]]\n"
    "                  [--reader name [--mark mark]...] [task]\n"
    "  -j               JSON, a line each\n"
    "  -k key           only tasks with it\n"
    "  -L label         only tasks with it\n"
    "  -l lane          only its tasks\n"
    "  -q queue         to list (default)\n"
    "  -s state         only those, or all; without it all that have not ended\n"
    "  -W               go on with changes as they come\n"
    "  --limit n        at most so many tasks or changes (50, with -W all; 0: all)\n"
    "  --mark mark      only what is unread, read or active to the reader\n"
    "  --reader name    show what the tasks are to whoever reads by this name\n"
    "  --session name   only its tasks\n"
    "  --since version  the changes after it, instead of tasks\n"
    "After a task the list goes on with the next one.\n"};

/* The queue to be listed, and after which task. */
static int
read_task(struct list *l, const char *id, char name[QUEUE_NAME + 1], struct err *e)
{
	struct queue_claim_id task;

	if (queue_is_name(id, &l->filter.after))
		return 0;
	if (queue_parse_id(id, name, &task, e) < 0)
		return -1;
	l->filter.after = task.number;
	l->queue = name;
	return 0;
}

int
queue_do_list(int argc, char **argv)
{
	struct list l = {
	    .filter = {.payload = true}, .queue = QUEUE_DEFAULT, .limit = -1, .since = -1};
	char name[QUEUE_NAME + 1];
	const struct queue_option options[] = {{"j", queue_flag, &l.json, 0},
					       {"k", queue_text, &l.filter.key, 0},
					       {"L", queue_words, &l.labels, 0},
					       {"l", queue_text, &l.filter.lane, 0},
					       {"q", queue_text, &l.queue, 0},
					       {"s", read_state, &l.filter, 0},
					       {"W", queue_flag, &l.follow, 0},
					       {"limit", queue_number, &l.limit, INT32_MAX},
					       {"mark", queue_marks, &l.filter.marks, 0},
					       {"reader", queue_text, &l.reader, 0},
					       {"session", queue_text, &l.filter.session, 0},
					       {"since", queue_number, &l.since, INT64_MAX},
					       {0}};
	struct err e;

	queue_options(&list_command, options, argc, argv);
	l.filter.labels = l.labels.text;
	if (l.filter.marks != 0 && l.reader == NULL)
		command_usage("whose marks? (--reader)");
	if (argc - optind > 1)
		command_usage("list takes one task, after which it goes on");
	int64_t limit = l.limit >= 0 ? l.limit : l.follow ? 0 : LIMIT;
	l.left = limit == 0 ? -1 : limit;
	if (optind < argc && read_task(&l, argv[optind], name, &e) < 0)
		return command_fail(&e);
	struct queue *q = queue_open(l.queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	const struct queue_reader_name who = {NULL, l.reader};
	int status = l.since >= 0 ? list_changes(q, &l, false, &e)
				  : queue_reader_list(q, &who, &l.filter, list_one, &l, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

/* The task once it has ended, a new reference; NULL on failure. */
static json_t *
wait_for_end(struct queue *q, uint64_t number, struct err *e)
{
	struct watch *w = queue_watch(q, QUEUE_CHANGE, e);
	json_t *task = NULL;
	bool told = false;

	while (w != NULL && (task = queue_show(q, number, e)) != NULL &&
	       !queue_state_ended(queue_state_named(task_state(task)))) {
		if (task_unfit(task) != NULL && !told)
			command_note("%s waits: %s", task_id(task), task_unfit(task));
		told = task_unfit(task) != NULL;
		json_decref(task);
		(void)watch_wait(w, -1, QUEUE_POLL_MS);
	}
	watch_close(w);
	return task;
}

/* Until the task has ended: 0 if it completed, 1 if not. */
static int
wait_one(void *arg, const char *id)
{
	const struct list *l = arg;
	struct queue_claim_id claim;
	json_t *task = NULL;
	struct err e;

	struct queue *q = queue_of(l->queue, id, &claim, &e);
	if (q != NULL)
		task = wait_for_end(q, claim.number, &e);
	if (task == NULL)
		return command_fail(&e);
	if (l->json)
		command_json(task);
	else
		(void)printf("%s %s\n", task_id(task), task_state(task));
	int status = queue_state_named(task_state(task)) == QUEUE_COMPLETED ? 0 : 1;
	json_decref(task);
	return status;
}

/* Until something has changed: the changes. */
static int
wait_for_change(struct list *l)
{
	struct err e;

	struct queue *q = queue_open(l->queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = list_changes(q, l, true, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

int
queue_do_wait(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue wait", "jq:",
	    "usage: awcp-queue wait [-j] [-q queue] [--since version | task...]\n"
	    "  -j               JSON\n"
	    "  -q queue         whose change, or where tasks are that are called by their name\n"
	    "                   (default)\n"
	    "  --since version  wait for a change after it\n"};
	struct list l = {.queue = QUEUE_DEFAULT, .since = -1, .left = -1};
	const struct queue_option options[] = {{"j", queue_flag, &l.json, 0},
					       {"q", queue_text, &l.queue, 0},
					       {"since", queue_number, &l.since, INT64_MAX},
					       {0}};

	queue_options(&self, options, argc, argv);
	if (optind < argc && l.since >= 0)
		command_usage("either tasks or --since");
	if (l.since >= 0)
		return wait_for_change(&l);
	return queue_each_operand(argc, argv, "task", wait_one, &l);
}
