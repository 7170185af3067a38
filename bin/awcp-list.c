/* awcp-list - delegations lent out, or assignments taken on */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "assignment/assignment.h"
#include "assignment/members.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "wire/members.h"

#define STATES 16

static const struct command command = {
    "awcp-list", "ajs:",
    "usage: awcp-list [-aj] [-s state]... [delegations|assignments]\n"
    "  -a        also those that have ended\n"
    "  -j        NDJSON, a record a line\n"
    "  -s state  only these states (implies -a)\n"};

struct options {
	const char *collection;
	bool json;
	const char *states[STATES];
	size_t count;
	int worst;
	bool any; /* something was listed */
};

static bool
wanted(const struct options *o, const char *state)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->states[i], state) == 0)
			return true;
	return o->count == 0;
}

static void
print_record(const char *id, const json_t *o, bool lent)
{
	(void)printf("%-37s %-9s %.19s  ", id, lent ? record_state(o) : record_state(o),
		     lent ? record_created_at(o) : record_created_at(o));
	command_prose(lent ? delegation_description(o) : invite_description(assignment_invite(o)),
		      0);
	(void)putchar('\n');
}

static int
list_record(void *arg, const char *id)
{
	struct options *o = arg;
	struct record r;
	struct err e;

	if (record_open(o->collection, id, false, &r, &e) < 0) {
		/* Removed meanwhile, or begun and not recorded yet: no news. */
		if (e.code != ERR_NOT_FOUND)
			o->worst = command_fail(&e);
		record_close(&r);
		return 0;
	}
	bool lent = strcmp(o->collection, DELEGATIONS) == 0;
	const char *state = lent ? record_state(r.json) : record_state(r.json);
	if (wanted(o, state)) {
		o->any = true;
		if (o->json) {
			command_json(r.json);
		} else {
			print_record(id, r.json, lent);
		}
	}
	record_close(&r);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.collection = DELEGATIONS};
	bool all = false;
	struct err e;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		switch (option) {
		case 'a':
			all = true;
			break;
		case 'j':
			o.json = true;
			break;
		case 's':
			if (!fsm_known(&fsm_delegation, optarg) &&
			    !fsm_known(&fsm_assignment, optarg))
				command_usage("there is no state %s", optarg);
			if (o.count == STATES)
				command_usage("too many states");
			o.states[o.count++] = optarg;
			all = true;
			break;
		}
	}
	if (optind < argc)
		o.collection = argv[optind++];
	if (optind < argc ||
	    (strcmp(o.collection, DELEGATIONS) != 0 && strcmp(o.collection, ASSIGNMENTS) != 0))
		command_usage("list delegations or assignments");
	if (record_list(o.collection, all, list_record, &o, &e) < 0)
		return command_end(command_fail(&e));
	if (!all && !o.any && isatty(STDOUT_FILENO) == 1)
		command_note("nothing is under way; -a lists what has ended, too");
	return command_end(o.worst);
}
