/*
 * awcp-run - the worker: takes tasks from the queue and runs the operator's command for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "home.h"
#include "last_exec.h"
#include "process.h"
#include "sandbox.h"
#include "worker.h"

static const struct command self = {
    .name = "awcp-run",
    .options = "+1vc:q:R:S:",
    .usage = "usage: awcp-run [-1v] [-c jobs] [-q queue]... [-R retry|fail] [-S sandbox]\n"
	     "                -- command [arg...]\n"
	     "	-1		carry out one task and end; 75 if none is waiting\n"
	     "	-c jobs		tasks that run at the same time (1)\n"
	     "	-q queue	take tasks from there (default); several are looked at in turn\n"
	     "	-R retry|fail	when a worker died at a task: run it again (the default), or not\n"
	     "	-S sandbox	bwrap (the default), bwrap,no-network,memory=2G..., or none\n"
	     "	-v		tell what is taken and how it ended\n"
	     "The command gets the prompt on stdin and works in the directory it is started in.\n"
	     "Exit 0: done; 75: try again later; anything else: the task failed.\n",
};

static size_t
parse_jobs(const char *text)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < 1 ||
	    n > WORKER_JOBS)
		command_usage("-c takes a number from 1 to %d, not %s", WORKER_JOBS, text);
	return n;
}

static enum task_recovery
parse_recovery(const char *text)
{
	if (strcmp(text, "retry") != 0 && strcmp(text, "fail") != 0)
		command_usage("-R takes retry or fail, not %s", text);
	return strcmp(text, "fail") == 0 ? TASK_GIVE_UP : TASK_RETRY;
}

static void
tell(void *arg, bool trouble, const char *what, const char *text)
{
	const bool *verbose = arg;

	if (trouble || *verbose)
		command_note("%s: %s", what, text);
}

int
main(int argc, char **argv)
{
	bool verbose = false;
	struct worker_options o = {.jobs = 1, .task = {.report = tell, .report_arg = &verbose}};
	const char *sandbox = NULL;
	struct err e;
	int option;

	if (argc > 2 && strcmp(argv[1], LAST_EXEC_OPTION) == 0) { /* in the sandbox */
		(void)last_exec(argv + 2, &e);
		(void)fprintf(stderr, "awcp-run: %s\n", e.message);
		return err_exit(e.code);
	}
	while ((option = command_option(&self, argc, argv)) != -1)
		switch (option) {
		case '1':
			o.once = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'c':
			o.jobs = parse_jobs(optarg);
			break;
		case 'q':
			if (o.queue_count == WORKER_QUEUES)
				command_usage("at most %d queues", WORKER_QUEUES);
			o.queues[o.queue_count++] = optarg;
			break;
		case 'R':
			o.task.recovery = parse_recovery(optarg);
			break;
		case 'S':
			sandbox = optarg;
			break;
		}
	if (sandbox == NULL)
		sandbox = getenv("AWCP_SANDBOX");
	if (optind == argc)
		command_usage("no command to run; give it behind --");
	if (o.queue_count == 0)
		o.queues[o.queue_count++] = "default";
	char *program = process_find(argv[optind], &e);
	if (program == NULL)
		return command_fail(&e);
	argv[optind] = program;
	o.task.argv = argv + optind;
	int status = -1;
	if (sandbox_parse(sandbox, &o.task.sandbox, &e) == 0 && home_open(&e) >= 0 &&
	    task_limits(&o.task, &e) == 0 && sandbox_available(&o.task.sandbox, &e) == 0)
		status = worker_run(&o, &e);
	free(program);
	return command_end(status < 0 ? command_fail(&e) : 0);
}
