/* queue_control - awcp-queue cancel, retry, pause and resume */
#include "queue_command.h"

struct control {
	const char *queue, *reason;
	enum queue_event event;
};

static int
control_one(void *arg, const char *id)
{
	const struct control *x = arg;
	struct queue_claim_id task;
	struct err e;

	struct queue *q = queue_of(x->queue, id, &task, &e);
	if (q == NULL || queue_control(q, task.number, x->event, x->reason, &e) < 0)
		return command_fail(&e);
	return 0;
}

static int
control_all(const struct command *self, enum queue_event event, int argc, char **argv)
{
	struct control x = {.queue = QUEUE_DEFAULT, .event = event};
	const struct queue_option options[] = {
	    {"m", queue_text, &x.reason, 0}, {"q", queue_text, &x.queue, 0}, {0}};

	queue_options(self, options, argc, argv);
	return queue_each_operand(argc, argv, "task", control_one, &x);
}

int
queue_do_cancel(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue cancel", "m:q:",
	    "usage: awcp-queue cancel [-m why] [-q queue] task...\n"
	    "  -m why    for the record\n"
	    "  -q queue  where tasks are that are called by their name (default)\n"};

	return control_all(&self, QUEUE_CANCEL, argc, argv);
}

#define ONLY_QUEUE(name)                                                                    \
	{                                                                                   \
		"awcp-queue " name, "q:",                                                   \
		    "usage: awcp-queue " name " [-q queue] task...\n"                       \
		    "  -q queue  where tasks are that are called by their name (default)\n" \
	}

int
queue_do_retry(int argc, char **argv)
{
	static const struct command self = ONLY_QUEUE("retry");

	return control_all(&self, QUEUE_RETRY, argc, argv);
}

int
queue_do_pause(int argc, char **argv)
{
	static const struct command self = ONLY_QUEUE("pause");

	return control_all(&self, QUEUE_PAUSE, argc, argv);
}

int
queue_do_resume(int argc, char **argv)
{
	static const struct command self = ONLY_QUEUE("resume");

	return control_all(&self, QUEUE_RESUME, argc, argv);
}
