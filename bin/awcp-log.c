/* awcp-log - what happened: the logs of this state directory, as one */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "log/logfmt.h"
#include "log/read.h"
#include "state/record.h"

static const struct command command = {
    "awcp-log", "fj",
    "usage: awcp-log [-fj] [id... | -]\n"
    "  -f  follow: go on with new events\n"
    "  -j  NDJSON, an event a line\n"
    "  id  only what is about these delegations, assignments, tasks or tokens;\n"
    "      a unique prefix is enough; - reads them from stdin\n"};

/* What was asked for, and what it was found to be. */
struct subject {
	char id[129];
	bool prefix;     /* of an id that is not known yet */
	char found[129]; /* that id */
	bool seen;
};

struct options {
	bool follow, json;
	struct subject *subjects;
	size_t count;
};

static int
add_subject(void *arg, const char *operand)
{
	static const char *const collections[] = {"delegations", "assignments"};
	struct options *o = arg;
	struct err e;

	struct subject *more = realloc(o->subjects, (o->count + 1) * sizeof *more);
	if (more == NULL) {
		err_memory(&e);
		return command_fail(&e);
	}
	o->subjects = more;
	struct subject *s = &more[o->count];
	*s = (struct subject){.prefix = strchr(operand, '.') == NULL};
	if (operand[0] == '\0' || strlen(operand) >= sizeof s->id)
		command_usage("not an id: %.64s", operand);
	(void)snprintf(s->id, sizeof s->id, "%s", operand);
	o->count++;
	for (size_t i = 0; s->prefix && i < sizeof collections / sizeof collections[0]; i++) {
		if (record_find(collections[i], operand, s->id, &e) == 0)
			s->prefix = false;
		else if (e.code == ERR_USAGE && id_valid(operand))
			return command_fail(&e);
		else
			(void)snprintf(s->id, sizeof s->id, "%s", operand);
	}
	return 0;
}

/* Is ${line} about something that was asked for?  -1 if a prefix turns out to be ambiguous. */
static int
is_wanted(struct options *o, const json_t *line)
{
	struct err e;
	int wanted = o->count == 0;

	for (size_t i = 0; i < o->count; i++) {
		struct subject *s = &o->subjects[i];
		if (!log_read_about(line, s->id, s->prefix))
			continue;
		const char *id = jsonx_text(line, "id", "");
		s->prefix &= strcmp(id, s->id) != 0; /* it is whole */
		if (s->prefix && s->seen && strcmp(id, s->found) != 0) {
			err_set(&e, ERR_USAGE, "more than one id begins with %s", s->id);
			err_hint(&e, "give more of it");
			(void)command_fail(&e);
			return -1;
		}
		(void)snprintf(s->found, sizeof s->found, "%s", id);
		s->seen = true;
		wanted = 1;
	}
	return wanted;
}

/* Print what there is now.  Returns an exit status. */
static int
print_lines(struct options *o, struct log_reader *r)
{
	const char *text, *log;

	while (log_read_next(r, &text, &log) > 0) {
		json_t *line = log_read_parse(text, log);
		int wanted = line == NULL ? o->count == 0 && !o->json : is_wanted(o, line);
		if (wanted > 0 && o->json) {
			command_json(line);
		} else if (wanted > 0) {
			command_text(text, false);
			(void)putchar('\n');
		}
		json_decref(line);
		if (wanted < 0)
			return err_exit(ERR_USAGE);
		if (ferror(stdout) != 0)
			return 0; /* command_end says why */
	}
	return 0;
}

/* Is there nothing about what was asked for? */
static int
check_seen(const struct options *o)
{
	struct err e;
	int worst = 0;

	for (size_t i = 0; i < o->count; i++)
		if (!o->subjects[i].seen) {
			err_set(&e, ERR_NOT_FOUND, "nothing is logged about %s", o->subjects[i].id);
			worst = command_fail(&e);
		}
	return worst;
}

static int
show_logs(struct options *o)
{
	const char *elsewhere = logfmt_elsewhere();
	struct err e;

	if (elsewhere != NULL) {
		err_set(&e, ERR_NOT_FOUND, "the logs are not in files: AWCP_LOG is %s", elsewhere);
		err_hint(&e, strcmp(elsewhere, "journal") == 0
				 ? "look there: journalctl -t awcp, or AWCP_ID=id"
				 : "look where syslogd puts what awcp says");
		return command_fail(&e);
	}
	struct log_reader *r = log_read_open(&e);
	if (r == NULL)
		return command_fail(&e);
	int status;
	while ((status = print_lines(o, r)) == 0 && o->follow) {
		if (fflush(stdout) != 0 || ferror(stdout) != 0)
			break; /* command_end says why */
		log_read_wait(r);
	}
	log_read_close(r);
	return status != 0 || o->follow ? status : check_seen(o);
}

int
main(int argc, char **argv)
{
	struct options o = {.follow = false};
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		o.follow |= option == 'f';
		o.json |= option == 'j';
	}
	int status = command_each(argc - optind, argv + optind, add_subject, &o);
	/* Without ids on stdin nothing is wanted, rather than everything. */
	if (status != 0 || (o.count == 0 && optind < argc))
		goto out;
	status = show_logs(&o);
out:
	free(o.subjects);
	return command_end(status);
}
