/*
 * awcp-queue - the durable queue: to put, to take, to look at.
 */
#include <string.h>

#include "queue_command.h"

static const struct {
	const char *name;
	queue_subcommand *run;
} subcommands[] = {
    {"put", queue_do_put},       {"take", queue_do_take},     {"beat", queue_do_beat},
    {"done", queue_do_done},     {"fail", queue_do_fail},     {"return", queue_do_return},
    {"limit", queue_do_limit},   {"cancel", queue_do_cancel}, {"retry", queue_do_retry},
    {"pause", queue_do_pause},   {"resume", queue_do_resume}, {"list", queue_do_list},
    {"read", queue_do_read},     {"show", queue_do_show},     {"wait", queue_do_wait},
    {"output", queue_do_output}, {"stats", queue_do_stats},   {"check", queue_do_check},
    {"retire", queue_do_retire},
};
#define COUNT (sizeof subcommands / sizeof subcommands[0])

static const struct command self = {
    "awcp-queue", "",
    "usage: awcp-queue <command> [-h] [arg...]\n"
    "  put       put a task on a queue\n"
    "  take      claim the next task\n"
    "  beat      extend the lease of a claim, and report progress\n"
    "  done      complete a claim\n"
    "  fail      end a claim with a failure, which may be retried\n"
    "  return    hand a claim back, for another worker\n"
    "  limit     hand a claim back until a time, as a limit is reached\n"
    "  cancel    end a task, whatever it is doing\n"
    "  retry     run a task that has ended once more\n"
    "  pause     hold a task back\n"
    "  resume    let a paused task go on\n"
    "  list      list tasks or changes\n"
    "  read      mark tasks as read, unread or active\n"
    "  show      show all of a task\n"
    "  wait      wait for a task to end, or for a change\n"
    "  output    show what the command of a task printed\n"
    "  stats     count the tasks by state and lane\n"
    "  check     compare the index with the journal\n"
    "  retire    forget tasks that ended long ago\n"
    "A task is named as in review.17, or by its name in the queue of -q, a claim on it like\n"
    "review.17.1; - reads them from stdin.\n"};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT; i++)
		if (strcmp(argv[1], subcommands[i].name) == 0) {
			int status = subcommands[i].run(argc - 1, argv + 1);
			queue_of_close();
			return command_end(status);
		}
	while (command_option(&self, argc, argv) != -1)
		;
	if (optind < argc)
		command_usage("there is no command %s", argv[optind]);
	command_usage("say what to do: put, take, list, ...");
}
