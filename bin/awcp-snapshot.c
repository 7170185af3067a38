/* awcp-snapshot - review and take, or refuse, what came back; the same engine on plain archives */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "delegation.h"
#include "file.h"
#include "jsonx.h"
#include "pack.h"
#include "snapshot.h"
#include "snapshot_diff.h"
#include "snapshot_show.h"
#include "unpack_into.h"

#define USAGE                                                                                 \
	"usage: awcp-snapshot list [-j] id...\n"                                              \
	"       awcp-snapshot show [-j] id [snap]\n"                                          \
	"       awcp-snapshot diff [--stat] id [snap] [path...]\n"                            \
	"       awcp-snapshot apply [-jn] id [snap]\n"                                        \
	"       awcp-snapshot discard id [snap]\n"                                            \
	"       awcp-snapshot export [-F zip|tar|tar.zst] id [snap] >archive\n"               \
	"       awcp-snapshot pack [-F zip|tar|tar.zst] [-i pattern]... [-x pattern]... dir " \
	">archive\n"                                                                          \
	"       awcp-snapshot unpack dir <archive\n"                                          \
	"  -F format  of the archive; without it export writes zip and pack tar.zst\n"        \
	"  -i pattern only what matches (as in .gitignore)\n"                                 \
	"  -j         NDJSON\n"                                                               \
	"  -n         only tell what would change\n"                                          \
	"  -x pattern leave out what matches (as in .gitignore)\n"                            \
	"An id may be cut short as long as it is unique; - reads ids from stdin.  Without a " \
	"snapshot\n"                                                                          \
	"it is the recommended or the latest one that is pending.\n"

struct options {
	bool json, dry, stat;
	enum pack_format format;
	struct filter *filter;
	char **operands;
	int count;
	const char *snapshot; /* or NULL */
};

static const struct {
	const char *name;
	enum pack_format format;
} formats[] = {{"zip", PACK_ZIP}, {"tar", PACK_TAR}, {"tar.zst", PACK_TAR_ZST}};

/* Open the delegation that ${prefix} names, to read. */
static int
open_record(const char *prefix, struct record *r, struct err *e)
{
	char id[ID_MAX + 1];
	*r = (struct record){.dirfd = -1, .lockfd = -1};
	return record_find(DELEGATIONS, prefix, id, e) < 0 ||
		       record_open(DELEGATIONS, id, false, r, e) < 0
		   ? -1
		   : 0;
}

static void
list_one(const json_t *s)
{
	char bytes[16];
	printf("%-17s %-9s %.19s %6lld files %8s  +%lld ~%lld -%lld  ", jsonx_text(s, "id", ""),
	       jsonx_text(s, "status", ""), jsonx_text(s, "createdAt", ""),
	       (long long)jsonx_number(s, "metadata.fileCount", 0),
	       command_bytes((uint64_t)jsonx_number(s, "metadata.totalBytes", 0), bytes),
	       (long long)jsonx_number(s, "metadata.added", 0),
	       (long long)jsonx_number(s, "metadata.changed", 0),
	       (long long)jsonx_number(s, "metadata.deleted", 0));
	command_text(jsonx_text(s, "summary", ""), false);
	printf("%s\n", json_is_true(json_object_get(s, "recommended")) ? " (recommended)" : "");
}

static int
list(void *arg, const char *prefix)
{
	const struct options *o = arg;
	struct record r;
	struct err e;
	json_t *snapshot;
	size_t i;
	int status = 0;
	if (open_record(prefix, &r, &e))
		status = command_fail(&e);
	else
		json_array_foreach(json_object_get(r.json, "snapshots"), i, snapshot)
		{
			if (o->json)
				command_json(snapshot);
			else
				list_one(snapshot);
		}
	record_close(&r);
	return status;
}

static int
show(void *arg, const char *prefix)
{
	const struct options *o = arg;
	struct snapshot_shown s = {.json = o->json};
	struct record r;
	struct err e;
	int status = 0;
	const json_t *snapshot = NULL;
	if (open_record(prefix, &r, &e) == 0)
		snapshot = snapshot_pick(r.json, o->snapshot, &e);
	if (!snapshot ||
	    snapshot_changes(&r, jsonx_text(snapshot, "id", ""), snapshot_show, &s, &e)) {
		status = command_fail(&e);
	} else if (!o->json) {
		printf("%s is %s: %llu added, %llu changed, %llu deleted\n",
		       jsonx_text(snapshot, "id", ""), jsonx_text(snapshot, "status", ""),
		       (unsigned long long)s.added, (unsigned long long)s.changed,
		       (unsigned long long)s.deleted);
	}
	record_close(&r);
	return status;
}

static int
diff(void *arg, const char *prefix)
{
	const struct options *o = arg;
	struct record r;
	struct err e, none;
	struct snapshot_trees trees;
	const json_t *snapshot = NULL;
	const char *const *paths = (const char *const *)o->operands + 1;
	size_t count = (size_t)o->count - 1;
	int status = 0;
	if (open_record(prefix, &r, &e) == 0) {
		/* What follows the id is a snapshot's if there is one of that name, else a path. */
		const char *name =
		    count > 0 && snapshot_pick(r.json, paths[0], &none) ? paths[0] : NULL;
		snapshot = snapshot_pick(r.json, name, &e);
		paths += name ? 1 : 0;
		count -= name ? 1 : 0;
	}
	if (!snapshot ||
	    snapshot_extract(&r, jsonx_text(snapshot, "id", ""), paths, count, &trees, &e)) {
		status = command_fail(&e);
	} else {
		fflush(stdout);
		if (snapshot_diff(&trees, o->stat, &e))
			status = command_fail(&e);
		snapshot_trees_remove(&trees);
	}
	record_close(&r);
	return status;
}

static void
report(void *arg, enum apply_action action, const char *path, const char *why)
{
	static const struct {
		const char *letter, *name;
	} names[] = {{"A", "add"}, {"M", "change"}, {"D", "delete"}, {"!", "conflict"}};
	const struct options *o = arg;
	if (o->json) {
		json_t *line = json_object();
		jsonx_set(line, "action", names[action].name);
		jsonx_set(line, "path", path);
		jsonx_set(line, "why", why);
		command_json(line);
		json_decref(line);
		return;
	}
	FILE *out = why ? stderr : stdout;
	fprintf(out, "%s  ", names[action].letter);
	command_text(path, why);
	if (why)
		fprintf(out, ": %s", why);
	fputc('\n', out);
}

static int
take(void *arg, const char *prefix)
{
	struct options *o = arg;
	struct apply_totals t;
	struct err e;
	char id[ID_MAX + 1], taken[ID_MAX + 1];
	if (record_find(DELEGATIONS, prefix, id, &e) < 0 ||
	    snapshot_apply(id, o->snapshot, o->dry, report, o, &t, taken, &e))
		return command_fail(&e);
	fflush(stdout);
	command_note("%s %s: %llu added, %llu changed, %llu deleted", taken,
		     o->dry ? "would be applied" : "is applied", (unsigned long long)t.added,
		     (unsigned long long)t.changed, (unsigned long long)t.deleted);
	return 0;
}

static int
discard(void *arg, const char *prefix)
{
	const struct options *o = arg;
	struct err e;
	char id[ID_MAX + 1];
	if (record_find(DELEGATIONS, prefix, id, &e) < 0 ||
	    snapshot_discard(id, o->snapshot, NULL, &e))
		return command_fail(&e);
	return 0;
}

static void
refuse_terminal(void)
{
	if (isatty(STDOUT_FILENO))
		command_usage("an archive is nothing for a terminal: redirect stdout");
}

static int export(void *arg, const char *prefix)
{
	const struct options *o = arg;
	struct record r;
	struct err e;
	const json_t *snapshot = NULL;
	int status = 0;
	refuse_terminal();
	if (open_record(prefix, &r, &e) == 0)
		snapshot = snapshot_pick(r.json, o->snapshot, &e);
	if (!snapshot ||
	    snapshot_export(&r, jsonx_text(snapshot, "id", ""), STDOUT_FILENO, o->format, &e))
		status = command_fail(&e);
	record_close(&r);
	return status;
}

static int
pack_directory(void *arg, const char *path)
{
	const struct options *o = arg;
	struct pack_options how = {.format = o->format, .fidelity = true, .compress = true};
	struct pack_totals totals;
	struct err e;
	int status = 0;
	refuse_terminal();
	char *source = realpath(path, NULL);
	if (!source) {
		err_sys(&e, "%s", path);
		return command_fail(&e);
	}
	struct resource r = {.name = (char *)"", .source = source, .filter = o->filter};
	if (pack(&r, 1, &how, STDOUT_FILENO, -1, &totals, &e))
		status = command_fail(&e);
	free(source);
	return status;
}

static int
unpack_directory(void *arg, const char *path)
{
	struct unpack_totals totals;
	struct err e;
	(void)arg;
	if (isatty(STDIN_FILENO))
		command_usage("the archive is read from stdin");
	return unpack_into(STDIN_FILENO, path, &totals, &e) ? command_fail(&e) : 0;
}

static const struct job {
	const char *name;
	struct command command;
	int most; /* operands; -1: the first is one of many ids */
	enum pack_format format;
	int (*run)(void *arg, const char *operand);
} jobs[] = {
    {"list", {"awcp-snapshot", "j", USAGE}, -1, PACK_ZIP, list},
    {"show", {"awcp-snapshot", "j", USAGE}, 2, PACK_ZIP, show},
    {"diff", {"awcp-snapshot", "S", USAGE}, 1000, PACK_ZIP, diff},
    {"apply", {"awcp-snapshot", "jn", USAGE}, 2, PACK_ZIP, take},
    {"discard", {"awcp-snapshot", "", USAGE}, 2, PACK_ZIP, discard},
    {"export", {"awcp-snapshot", "F:", USAGE}, 2, PACK_ZIP, export},
    {"pack", {"awcp-snapshot", "F:i:x:", USAGE}, 1, PACK_TAR_ZST, pack_directory},
    {"unpack", {"awcp-snapshot", "", USAGE}, 1, PACK_ZIP, unpack_directory},
};

static enum pack_format
format_of(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return formats[i].format;
	command_usage("there is no format %s", name);
}

static void
read_options(const struct job *job, int argc, char **argv, struct options *o)
{
	struct err e;
	int option, status = 0;
	while ((option = command_option(&job->command, argc, argv)) != -1) {
		switch (option) {
		case 'F':
			o->format = format_of(optarg);
			break;
		case 'i':
			status = filter_include(o->filter, optarg, &e);
			break;
		case 'x':
			status = filter_exclude(o->filter, optarg, &e);
			break;
		case 'j':
			o->json = true;
			break;
		case 'n':
			o->dry = true;
			break;
		case 'S':
			o->stat = true;
			break;
		default:
			break;
		}
		if (status)
			exit(command_fail(&e));
	}
}

static const struct job *
find_job(const char *name)
{
	for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	static const struct command all = {"awcp-snapshot", "", USAGE};
	struct options o = {0};
	struct err e;
	while (command_option(&all, argc, argv) != -1)
		continue;
	argc -= optind;
	argv += optind;
	const struct job *job = argc > 0 ? find_job(*argv) : NULL;
	if (!job)
		command_usage("list, show, diff, apply, discard, export, pack or unpack?");
	o.format = job->format;
	o.filter = filter_new(&e);
	if (!o.filter)
		return command_fail(&e);
	/* The only long option there is. */
	for (int k = 1; k < argc && argv[k][0] == '-' && strcmp(argv[k], "--") != 0; k++)
		if (job->run == diff && strcmp(argv[k], "--stat") == 0)
			argv[k] = (char *)"-S";
	optind = 0; /* begin anew (glibc) */
	read_options(job, argc, argv, &o);
	o.operands = argv + optind;
	o.count = argc - optind;
	if (o.count == 0)
		command_usage("%s what?", job->name);
	if (job->most >= 0 && o.count > job->most)
		command_usage("%s takes no %s", job->name, o.operands[job->most]);
	o.snapshot = job->most == 2 && o.count == 2 ? o.operands[1] : NULL;
	int status = command_each(job->most < 0 ? o.count : 1, o.operands, job->run, &o);
	filter_free(o.filter);
	return command_end(status);
}
