/* awcp-reap - end what is over, remove what need not be kept, go on with what was cut off */
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "reap/reap.h"

static const struct command command = {
    "awcp-reap", "jnvk:",
    "usage: awcp-reap [-jnv] [-k kind]...\n"
    "  -j       print what is done as NDJSON\n"
    "  -k kind  only this: leases, queue, retention, followers, applies, breakers,\n"
    "           orphans, peers, readers or space\n"
    "  -n       only print what would be done, and why\n"
    "  -v       say on standard error in a line what was done\n"};

struct printing {
	bool json, text;
};

static void
report(void *arg, const struct reap_action *action)
{
	const struct printing *p = arg;

	if (p->json) {
		json_t *o = json_pack("{ss ss ss ss}", "kind", reap_kind_name(action->kind), "id",
				      action->id, "action", action->verb, "why", action->why);
		if (o != NULL)
			command_json(o);
		json_decref(o);
	} else if (p->text) {
		(void)printf("%-9s %-12s %s  ", reap_kind_name(action->kind), action->verb,
			     action->id);
		command_text(action->why, false);
		(void)putchar('\n');
	}
}

static void
warn(void *arg, const char *text)
{
	(void)arg;
	command_note("%s", text);
}

/* "3 leases, 1 orphans" into ${out}; "nothing". */
static void
summarize(const struct reap_totals *t, char out[256])
{
	int n = 0;

	(void)snprintf(out, 256, "nothing");
	for (int i = 0; i < REAP_KINDS; i++)
		if (t->done[i] > 0)
			n += snprintf(out + n, 256 - (size_t)n, "%s%zu %s", n > 0 ? ", " : "",
				      t->done[i], reap_kind_name((enum reap_kind)i));
}

int
main(int argc, char **argv)
{
	struct printing printing = {.json = false};
	struct reap_options o = {.report = report, .warn = warn, .arg = &printing};
	struct reap_totals totals;
	bool verbose = false;
	char summary[256];
	struct err e;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		switch (option) {
		case 'j':
			printing.json = true;
			break;
		case 'k':
			if (reap_kind_named(optarg) == REAP_KINDS)
				command_usage("there is no kind %s", optarg);
			o.kinds |= 1U << reap_kind_named(optarg);
			break;
		case 'n':
			o.dry = true;
			break;
		case 'v':
			verbose = true;
			break;
		}
	}
	if (optind < argc)
		command_usage("it takes no operands");
	printing.text = o.dry;
	if (reap_run(&o, &totals, &e) < 0)
		return command_end(command_fail(&e));
	summarize(&totals, summary);
	if (verbose)
		command_note("%s%s, in %lld ms", o.dry ? "would do: " : "", summary,
			     (long long)totals.took);
	return command_end(totals.failed > 0 ? 1 : 0);
}
