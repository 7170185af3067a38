/* awcp-cancel - stop delegations, here and at their executors */
#include <limits.h>
#include <unistd.h>

#include "command.h"
#include "delegation/delegation.h"
#include "lend/session.h"

static const struct command command = {
    "awcp-cancel", "r:",
    "usage: awcp-cancel [-r reason] id...\n"
    "  -r reason  for the record\n"
    "An id may be cut short as long as it is unique; - reads ids from stdin.\n"};

static int
cancel(void *arg, const char *prefix)
{
	char id[ID_MAX + 1];
	struct err e;

	if (record_find(DELEGATIONS, prefix, id, &e) < 0 || lend_cancel(id, LONG_MAX, arg, &e) < 0)
		return command_fail(&e);
	return 0;
}

int
main(int argc, char **argv)
{
	char *reason = (char *)"cancelled by the delegator";
	int option;

	while ((option = command_option(&command, argc, argv)) != -1)
		if (option == 'r')
			reason = optarg;
	if (optind == argc)
		command_usage("which delegation? awcp-list shows them");
	return command_end(command_each(argc - optind, argv + optind, cancel, reason));
}
