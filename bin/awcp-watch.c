/* awcp-watch - follow delegations to their end, from whatever is known */
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "delegation/delegation.h"
#include "display.h"

static const struct command command = {
    "awcp-watch", "jqw:",
    "usage: awcp-watch [-jq] [-w seconds] id...\n"
    "  -j          print the events as NDJSON\n"
    "  -q          quiet: errors only\n"
    "  -w seconds  wait at most this long for each, then exit 75\n"
    "An id may be cut short as long as it is unique; - reads ids from stdin.\n"};

struct options {
	struct display display;
	int64_t wait; /* ms, 0: as long as it takes */
};

static int
watch(void *arg, const char *prefix)
{
	struct options *o = arg;
	struct lend_observer observer = display_observer(&o->display);
	char id[ID_MAX + 1];
	struct err e;

	if (record_find(DELEGATIONS, prefix, id, &e) < 0)
		return command_fail(&e);
	int64_t until = o->wait > 0 ? clock_steady() + o->wait : 0;
	int status = lend_watch(id, until, &observer, &e);
	display_clear(&o->display);
	return status < 0 ? command_fail(&e) : 0;
}

int
main(int argc, char **argv)
{
	struct options o = {.display = {.events = true}};
	int64_t seconds = 0;
	struct err e;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		switch (option) {
		case 'j':
			o.display.json = true;
			break;
		case 'q':
			o.display.quiet = true;
			o.display.events = false;
			break;
		case 'w':
			if (clock_parse_span(optarg, &seconds, &e) < 0)
				return command_fail(&e);
			break;
		}
	}
	if (optind == argc)
		command_usage("which delegation? awcp-list shows them");
	o.wait = seconds * 1000;
	return command_end(command_each(argc - optind, argv + optind, watch, &o));
}
