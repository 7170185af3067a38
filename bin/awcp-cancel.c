/* awcp-cancel - stop delegations, here and at their executors */
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "delegation/delegation.h"
#include "config/settings.h"
#include "lend/session.h"

static const struct command command = {
    "awcp-cancel", "r:",
    "usage: awcp-cancel [-r reason] id...\n"
    "  -r reason  for the record\n"
    "An id may be cut short as long as it is unique; - reads ids from stdin.\n"};

struct options {
	const char *reason;
	long timeout;
};

static int
cancel(void *arg, const char *prefix)
{
	const struct options *o = arg;
	char id[ID_MAX + 1];
	struct err e;

	if (record_find(DELEGATIONS, prefix, id, &e) < 0 ||
	    lend_cancel(id, o->timeout, o->reason, &e) < 0)
		return command_fail(&e);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.reason = "cancelled by the delegator"};
	long long timeout;
	struct err e;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1)
		if (option == 'r')
			o.reason = optarg;
	if (optind == argc)
		command_usage("which delegation? awcp-list shows them");
	if (setting_number(SETTING_TIMEOUT, &timeout, &e) < 0)
		return command_fail(&e);
	o.timeout = timeout < 1 ? 1 : (long)timeout;
	return command_end(command_each(argc - optind, argv + optind, cancel, &o));
}
