/* queue_tidy - awcp-queue check and retire */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "queue_command.h"

static void
report_line(void *arg, const char *text)
{
	(void)arg;
	command_note("%s", text);
}

int
queue_do_check(int argc, char **argv)
{
	static const struct command self = {"awcp-queue check", "q:",
					    "usage: awcp-queue check [-q queue] [--repair]\n"
					    "  -q queue  to check (default)\n"
					    "  --repair  make the index anew\n"};
	const char *queue = QUEUE_DEFAULT;
	bool repair = false;
	const struct queue_option options[] = {
	    {"q", queue_text, &queue, 0}, {"repair", queue_flag, &repair, 0}, {0}};
	struct err e;

	queue_options(&self, options, argc, argv);
	queue_no_operands(argc, argv);
	struct queue *q = queue_open(queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int wrong = queue_check(q, repair, report_line, NULL, &e);
	queue_close(q);
	if (wrong < 0)
		return command_fail(&e);
	return wrong > 0 && !repair ? EX_DATAERR : 0;
}

/* A span, or 0: what has ended by now. */
static void
read_older(const struct queue_option *o)
{
	if (strcmp(optarg, "0") == 0)
		*(int64_t *)o->value = 0;
	else
		queue_span(o);
}

int
queue_do_retire(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue retire", "nq:",
	    "usage: awcp-queue retire [-n] [-q queue] [--older span]\n"
	    "  -n            only say what would be done\n"
	    "  -q queue      to forget tasks of (default)\n"
	    "  --older span  what ended so long ago (as the queue says, 7d)\n"};
	struct queue_retired done = {0};
	const char *queue = QUEUE_DEFAULT;
	int64_t older = -1;
	bool dry = false;
	const struct queue_option options[] = {{"n", queue_flag, &dry, 0},
					       {"q", queue_text, &queue, 0},
					       {"older", read_older, &older, 0},
					       {0}};
	struct err e;

	queue_options(&self, options, argc, argv);
	queue_no_operands(argc, argv);
	struct queue *q = queue_open(queue, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = queue_retire(q, older < 0 ? -1 : older * 1000, SIZE_MAX, dry, &done, &e);
	queue_close(q);
	(void)printf("tasks %llu  rewritten %llu  segments %llu\n", (unsigned long long)done.tasks,
		     (unsigned long long)done.rewritten, (unsigned long long)done.segments);
	return status < 0 ? command_fail(&e) : 0;
}
