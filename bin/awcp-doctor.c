/* awcp-doctor - is all well with this machine and this account, and if not, what can be done? */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config/config.h"
#include "doctor/doctor.h"
#include "doctor/upgrade.h"

static const struct command command = {
    "awcp-doctor", "jqu",
    "usage: awcp-doctor [-jqu]\n"
    "  -j  NDJSON, a finding a line\n"
    "  -q  only what is not ok\n"
    "  -u  first bring the state directory of an older version up to date\n"
    "Exits with 1 if something is bad.\n"};

struct options {
	bool json;
	bool quiet;
	bool upgrade;
};

static void
show_finding(void *arg, const struct doctor_finding *f)
{
	const struct options *o = arg;

	if (o->quiet && f->grade == DOCTOR_OK)
		return;
	if (o->json) {
		json_t *line =
		    json_pack("{ss ss ss ss}", "check", f->check, "grade",
			      doctor_grade_name(f->grade), "text", f->text, "advice", f->advice);
		command_json(line);
		json_decref(line);
		return;
	}
	(void)printf("%-4s  %-10s  ", doctor_grade_name(f->grade), f->check);
	command_text(f->text, false);
	if (f->advice[0] != '\0') {
		(void)fputs("; ", stdout);
		command_text(f->advice, false);
	}
	(void)putchar('\n');
}

static void
upgraded(void *arg, int to, const char *what)
{
	(void)arg;
	command_note("the state has layout %d now: %s", to, what);
}

static int
upgrade(void)
{
	struct err e;

	if (config_load(&e) < 0 || upgrade_run(upgraded, NULL, &e) < 0)
		return command_fail(&e);
	return 0;
}

int
main(int argc, char **argv)
{
	char self[PATH_MAX] = "", libexec[PATH_MAX + 32], share[PATH_MAX + 32];
	struct options o = {.json = false};
	int option, status = 0;

	command_skip_config(); /* what is wrong in it is a finding */
	while ((option = command_option(&command, argc, argv)) != -1)
		switch (option) {
		case 'j':
			o.json = true;
			break;
		case 'q':
			o.quiet = true;
			break;
		case 'u':
			o.upgrade = true;
			break;
		}
	if (optind < argc)
		command_usage("it takes no operands");
	if (o.upgrade && (status = upgrade()) != 0)
		return command_end(status);
	/* Beside this program, as everything of ours. */
	if (readlink("/proc/self/exe", self, sizeof self - 1) > 0)
		*strrchr(self, '/') = '\0';
	(void)snprintf(libexec, sizeof libexec, "%s/../libexec/awcp", self);
	(void)snprintf(share, sizeof share, "%s/../share/awcp", self);
	struct doctor d = {.libexec = libexec, .share = share, .report = show_finding, .arg = &o};
	doctor_examine(&d);
	return command_end(d.worst == DOCTOR_BAD ? 1 : 0);
}
