/*
 * awcp-run - the worker: takes tasks from the queue and runs the operator's command for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "config/home.h"
#include "process/account.h"
#include "process/cgroup.h"
#include "process/exec_once.h"
#include "queue/queue.h"
#include "run_profiles.h"
#include "process/sandbox.h"
#include "worker/worker.h"
#include "config/settings.h"

#define MAX_DEATHS 1000

static const struct command self = {
    .name = "awcp-run",
    .options = "+1jvc:P:q:R:S:",
    .usage =
	"usage: awcp-run [-1v] [-c jobs] [-q queue]... [-P profile]... [-R policy] [-S sandbox]\n"
	"                [--limited pattern] [--cooldown span] [--deaths n] [--window span]\n"
	"                [--grace span] -- command [arg...]\n"
	"       awcp-run --profiles [-j]\n"
	"       awcp-run --clear name...\n"
	"	-1		run one task and exit; 75 if none is waiting\n"
	"	-c jobs		tasks that run at the same time (1)\n"
	"	-P name[:capability,...][=command]  a command to run tasks with; several are\n"
	"			preferred in this order; without =command, the one after --\n"
	"	-q queue	take tasks from there (default); several are polled in turn\n"
	"	-R retry|fail|unknown  when a worker died at a task: run it again, or not\n"
	"	-S sandbox	bwrap (the default), bwrap,no-network,memory=2G..., or none\n"
	"	-j		profiles as NDJSON\n"
	"	-v		report which tasks are taken and how they ended\n"
	"	--limited pattern  a command that failed with this in its last lines is\n"
	"			rate-limited (extended regular expression)\n"
	"	--cooldown span	pause after that (60s)\n"
	"	--deaths n	deaths that stop a profile or a queue (5); 0: no limit\n"
	"	--window span	span in which deaths count, and length of the stop (10m)\n"
	"	--grace span	time between the signal to stop and the kill (60s)\n"
	"	--profiles	list the known profiles and their pauses\n"
	"	--clear		end the pauses of the named profiles or queues\n"
	"The command gets the prompt on stdin and works in the directory it is started in.\n"
	"Exit 0: done; 75: rate-limited, try later; anything else: the task failed.\n",
};

enum word { LIMITED = 256, COOLDOWN, DEATHS, WINDOW, GRACE, LIST, CLEAR };

static const struct option words[] = {
    {"limited", required_argument, NULL, LIMITED}, {"cooldown", required_argument, NULL, COOLDOWN},
    {"deaths", required_argument, NULL, DEATHS},   {"window", required_argument, NULL, WINDOW},
    {"grace", required_argument, NULL, GRACE},     {"profiles", no_argument, NULL, LIST},
    {"clear", no_argument, NULL, CLEAR},           {NULL, 0, NULL, 0},
};

struct options {
	struct worker_options worker;
	struct profiles profiles;
	const char *sandbox;
	bool verbose, json;
	int action; /* LIST or CLEAR, or 0: work */
};

static size_t
parse_number(const char *option, const char *text, size_t min, size_t max)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		command_usage("%s takes a number from %zu to %zu, not %s", option, min, max, text);
	return n;
}

/* A span in ms. */
static int64_t
parse_span(const char *option, const char *text)
{
	int64_t seconds;
	struct err e;

	if (clock_parse_span(text, &seconds, &e) < 0)
		command_usage("%s: %s", option, e.message);
	return seconds * 1000;
}

/* End with a usage message for ERR_USAGE, and with the error itself for any other. */
static void
must(int status, const struct err *e)
{
	if (status < 0 && e->code == ERR_USAGE)
		command_usage("%s%s%s", e->message, e->hint[0] != '\0' ? "; " : "", e->hint);
	if (status < 0)
		exit(command_end(command_fail(e)));
}

static void
parse_word(struct options *o, int option)
{
	struct err e;

	switch (option) {
	case LIMITED:
		must(profiles_match(&o->profiles, optarg, &e), &e);
		break;
	case COOLDOWN:
		o->profiles.cooldown = parse_span("--cooldown", optarg);
		break;
	case DEATHS:
		o->profiles.rule.deaths = (unsigned)parse_number("--deaths", optarg, 0, MAX_DEATHS);
		break;
	case WINDOW:
		o->profiles.rule.window = parse_span("--window", optarg);
		break;
	case GRACE:
		o->worker.grace = strcmp(optarg, "0") == 0 ? 0 : parse_span("--grace", optarg);
		break;
	default:
		o->action = option;
	}
}

static void
parse_option(struct options *o, int option)
{
	struct worker_options *w = &o->worker;
	struct err e;

	switch (option) {
	case '1':
		w->once = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'c':
		w->jobs = parse_number("-c", optarg, 1, WORKER_JOBS);
		break;
	case 'P':
		must(profiles_add(&o->profiles, optarg, &e), &e);
		break;
	case 'q':
		if (w->queue_count == WORKER_QUEUES)
			command_usage("at most %d queues", WORKER_QUEUES);
		w->queues[w->queue_count++] = optarg;
		break;
	case 'R':
		if (queue_recovery_named(optarg, &w->task.recovery, &e) < 0)
			command_usage("-R takes retry, fail or unknown, not %s", optarg);
		w->own_recovery = true;
		break;
	case 'S':
		o->sandbox = optarg;
		break;
	default:
		parse_word(o, option);
	}
}

static void
report_event(void *arg, bool trouble, const char *what, const char *text)
{
	const struct options *o = arg;

	if (trouble || o->verbose)
		command_note("%s: %s", what, text);
}

static int
run_worker(struct options *o, char *const *argv)
{
	struct worker_options *w = &o->worker;
	struct err e;

	if (w->queue_count == 0)
		w->queues[w->queue_count++] = "default";
	must(profiles_complete(&o->profiles, argv, w->queues[0], &e), &e);
	w->task.profiles = &o->profiles;
	w->task.report = report_event;
	w->task.report_arg = o;
	if (sandbox_parse(o->sandbox, &w->task.sandbox, &e) < 0 || home_open(&e) < 0 ||
	    task_limits(&w->task, &e) < 0 || sandbox_available(&w->task.sandbox, &e) < 0)
		return command_fail(&e);
	for (size_t i = 0; i < o->profiles.count; i++)
		if (account_may_run(&w->task.sandbox, o->profiles.profile[i].program, &e) < 0)
			return command_fail(&e);
	cgroup_prepare(&w->task.sandbox);
	return worker_run(w, &e) < 0 ? command_fail(&e) : 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.worker = {.jobs = 1, .grace = 60000},
			    .profiles = {.cooldown = 60000, .rule = {5, 600000}}};
	int option, status;
	struct err e;

	if (argc > 2 && strcmp(argv[1], EXEC_ONCE_OPTION) == 0) { /* in the sandbox */
		(void)exec_once(argv + 2, &e);
		(void)fprintf(stderr, "awcp-run: %s\n", e.message);
		return err_exit(e.code);
	}
	while ((option = command_option_word(&self, words, argc, argv)) != -1)
		parse_option(&o, option);
	if (o.sandbox == NULL)
		o.sandbox = setting_text(SETTING_SANDBOX);
	if (o.action == LIST && optind < argc)
		command_usage("--profiles takes no operand");
	if (o.action == CLEAR && optind == argc)
		command_usage("--clear takes names of profiles or queues");
	if (o.action == LIST)
		status = run_list(o.json);
	else if (o.action == CLEAR)
		status = command_each(argc - optind, argv + optind, run_clear, NULL);
	else
		status = run_worker(&o, argv + optind);
	profiles_free(&o.profiles);
	return command_end(status);
}
