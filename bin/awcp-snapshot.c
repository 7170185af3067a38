/* awcp-snapshot - review what came back and apply or discard it; the same engine on archives */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "snapshot/diff.h"
#include "snapshot_command.h"
#include "archive/unpack_into.h"

#define USAGE                                                                                 \
	"usage: awcp-snapshot list [-j] id...\n"                                              \
	"       awcp-snapshot show [-j] id [snap]\n"                                          \
	"       awcp-snapshot diff [--stat] id [snap] [path...]\n"                            \
	"       awcp-snapshot apply [-jmn] id [snap]\n"                                       \
	"       awcp-snapshot apply --theirs|--ours|--merge [--markers] [--guarded] [-jmn] "  \
	"id [snap] [path...]\n"                                                               \
	"       awcp-snapshot apply [-jmn] id [snap] [--theirs|--ours|--merge path...]...\n"  \
	"       awcp-snapshot undo [--ours] [-jn] id [snap] [path...]\n"                      \
	"       awcp-snapshot discard id [snap]\n"                                            \
	"       awcp-snapshot clear id [snap]\n"                                              \
	"       awcp-snapshot export [--guarded] [-F zip|tar|tar.zst] id [snap] >archive\n"   \
	"       awcp-snapshot pack [-F zip|tar|tar.zst] [-i pattern]... [-x pattern]... dir " \
	">archive\n"                                                                          \
	"       awcp-snapshot unpack [-m] dir <archive\n"                                     \
	"  -F format  of the archive; without it export writes zip and pack tar.zst\n"        \
	"  -i pattern only what matches (as in .gitignore)\n"                                 \
	"  -j         NDJSON\n"                                                               \
	"  -m         new files have the modes that came, whatever the umask\n"               \
	"  -n         only show what would change\n"                                          \
	"  -x pattern leave out what matches (as in .gitignore)\n"                            \
	"  --guarded  take guarded paths, too\n"                                              \
	"  --markers  leave what cannot be merged to you, between marks in the file\n"        \
	"  --merge    settle conflicts by merging text, line by line\n"                       \
	"  --ours     settle conflicts by leaving what is here\n"                             \
	"  --stat     only a line a file, and the sum\n"                                      \
	"  --theirs   settle conflicts by taking what came back\n"                            \
	"An id may be cut short as long as it is unique; - reads ids from stdin.  Without a " \
	"snapshot\n"                                                                          \
	"it is the recommended or the latest one that is pending.\n"

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
	if (record_find(DELEGATIONS, prefix, id, e) < 0)
		return -1;
	return record_open(DELEGATIONS, id, false, r, e);
}

/* The same, and the id of the snapshot that was named, or NULL. */
static const char *
open_snapshot(const struct snapshot_options *o, const char *prefix, struct record *r, struct err *e)
{
	const json_t *snapshot = NULL;

	if (open_record(prefix, r, e) >= 0)
		snapshot = snapshot_pick(r->json, o->snapshot, e);
	return snapshot != NULL ? snapshot_id(snapshot) : NULL;
}

static void
list_one(const json_t *s)
{
	char bytes[16];

	printf("%-17s %-9s %.19s %6lld files %8s  +%lld ~%lld -%lld  ", snapshot_id(s),
	       snapshot_status(s), snapshot_created_at(s), (long long)snapshot_file_count(s),
	       command_bytes((uint64_t)snapshot_total_bytes(s), bytes),
	       (long long)snapshot_added(s), (long long)snapshot_changed(s),
	       (long long)snapshot_deleted(s));
	command_prose(snapshot_summary(s), 0);
	printf("%s\n", snapshot_recommended(s) ? " (recommended)" : "");
}

static int
list_snapshots(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct record r;
	struct err e;
	json_t *snapshot;
	size_t i;

	if (open_record(prefix, &r, &e) < 0) {
		record_close(&r);
		return command_fail(&e);
	}
	json_array_foreach (delegation_snapshots(r.json), i, snapshot) {
		if (o->json)
			command_json(snapshot);
		else
			list_one(snapshot);
	}
	record_close(&r);
	return 0;
}

static int
show_changes(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct snapshot_shown s = {.json = o->json, .guarded = true};
	struct record r;
	struct err e;
	int status = 0;

	const char *id = open_snapshot(o, prefix, &r, &e);
	if (id != NULL)
		status = snapshot_changes(&r, id, snapshot_show, &s, &e);
	s.guarded = false;
	if (id == NULL || status < 0 || snapshot_changes(&r, id, snapshot_show, &s, &e) < 0) {
		status = command_fail(&e);
	} else if (!o->json) {
		const json_t *one = snapshot_pick(r.json, id, &e);
		snapshot_show_withheld(one);
		printf("%s is %s: ", id, snapshot_status(one));
		snapshot_show_sum(&s);
	}
	record_close(&r);
	return status;
}

static int
show_diff(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct record r;
	struct err e, none;
	struct snapshot_trees trees;
	const json_t *snapshot = NULL;
	const char *const *paths = (const char *const *)o->operands + 1;
	size_t count = (size_t)o->count - 1;
	int status = 0;

	if (open_record(prefix, &r, &e) >= 0) {
		/* What follows the id is a snapshot's if there is one of that name, else a path. */
		bool named = count > 0 && snapshot_pick(r.json, paths[0], &none) != NULL;
		snapshot = snapshot_pick(r.json, named ? paths[0] : NULL, &e);
		paths += named;
		count -= named;
	}
	if (snapshot == NULL ||
	    snapshot_extract(&r, snapshot_id(snapshot), paths, count, &trees, &e) < 0) {
		status = command_fail(&e);
	} else {
		fflush(stdout);
		if (snapshot_diff(&trees, o->stat, &e) < 0)
			status = command_fail(&e);
		snapshot_trees_remove(&trees);
	}
	record_close(&r);
	return status;
}

static int
discard_snapshot(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct err e;
	char id[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0 ||
	    snapshot_discard(id, o->snapshot, NULL, &e) < 0)
		return command_fail(&e);
	return 0;
}

static int
clear_snapshot(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct err e;
	char id[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0 || snapshot_clear(id, o->snapshot, &e) < 0)
		return command_fail(&e);
	return 0;
}

static void
refuse_terminal(void)
{
	if (isatty(STDOUT_FILENO))
		command_usage("an archive is nothing for a terminal: redirect stdout");
}

static int
export_snapshot(void *arg, const char *prefix)
{
	const struct snapshot_options *o = arg;
	struct snapshot_exporting how = {
	    .fd = STDOUT_FILENO, .format = o->format, .guarded = o->how.guarded};
	struct record r;
	struct err e;
	int status = 0;

	refuse_terminal();
	const char *id = open_snapshot(o, prefix, &r, &e);
	if (id == NULL || snapshot_export(&r, id, &how, &e) < 0)
		status = command_reader_gone() ? 0 : command_fail(&e);
	else if (how.withheld > 0)
		command_note("as sent, since guarded: %s%s", how.first,
			     how.withheld > 1 ? ", and others" : "");
	record_close(&r);
	return status;
}

static int
pack_directory(void *arg, const char *path)
{
	const struct snapshot_options *o = arg;
	struct pack_options how = {.format = o->format, .fidelity = true, .compress = true};
	const struct tree to = {.manifestfd = -1, .archivefd = STDOUT_FILENO};
	struct pack_totals totals;
	struct err e;
	int status = 0;

	refuse_terminal();
	char *source = realpath(path, NULL);
	if (source == NULL) {
		err_sys(&e, "%s", path);
		return command_fail(&e);
	}
	struct resource r = {.name = (char *)"", .source = source, .filter = o->filter};
	if (pack(&r, 1, &how, &to, &totals, &e) < 0)
		status = command_reader_gone() ? 0 : command_fail(&e);
	free(source);
	return status;
}

static int
unpack_directory(void *arg, const char *path)
{
	const struct snapshot_options *o = arg;
	struct unpack_totals totals;
	struct err e;

	if (isatty(STDIN_FILENO))
		command_usage("the archive is read from stdin");
	return unpack_into(STDIN_FILENO, path, o->how.modes, &totals, &e) ? command_fail(&e) : 0;
}

/* Long options; their values are not letters. */
enum { STAT = 256, THEIRS, OURS, MERGE, MARKERS, GUARDED };

static const struct option no_words[] = {{0}};
static const struct option diff_words[] = {{"stat", no_argument, NULL, STAT}, {0}};
static const struct option undo_words[] = {{"ours", optional_argument, NULL, OURS}, {0}};
static const struct option apply_words[] = {
    {"theirs", optional_argument, NULL, THEIRS}, {"ours", optional_argument, NULL, OURS},
    {"merge", optional_argument, NULL, MERGE},   {"markers", no_argument, NULL, MARKERS},
    {"guarded", no_argument, NULL, GUARDED},     {0}};
static const struct option export_words[] = {{"guarded", no_argument, NULL, GUARDED}, {0}};

#define ANY 1000000

static const struct job {
	const char *name;
	struct command command;
	const struct option *words;
	int max; /* operands; -1: the first is one of many ids */
	enum pack_format format;
	int (*run)(void *arg, const char *operand);
} jobs[] = {
    {"list", {"awcp-snapshot", "j", USAGE}, no_words, -1, PACK_ZIP, list_snapshots},
    {"show", {"awcp-snapshot", "j", USAGE}, no_words, 2, PACK_ZIP, show_changes},
    {"diff", {"awcp-snapshot", "", USAGE}, diff_words, ANY, PACK_ZIP, show_diff},
    {"apply", {"awcp-snapshot", "jmn", USAGE}, apply_words, ANY, PACK_ZIP, snapshot_take},
    {"undo", {"awcp-snapshot", "jn", USAGE}, undo_words, ANY, PACK_ZIP, snapshot_take_back},
    {"discard", {"awcp-snapshot", "", USAGE}, no_words, 2, PACK_ZIP, discard_snapshot},
    {"clear", {"awcp-snapshot", "", USAGE}, no_words, 2, PACK_ZIP, clear_snapshot},
    {"export", {"awcp-snapshot", "F:", USAGE}, export_words, 2, PACK_ZIP, export_snapshot},
    {"pack", {"awcp-snapshot", "F:i:x:", USAGE}, no_words, 1, PACK_TAR_ZST, pack_directory},
    {"unpack", {"awcp-snapshot", "m", USAGE}, no_words, 1, PACK_ZIP, unpack_directory},
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
note_word(struct snapshot_options *o, enum apply_settle how, const char *text)
{
	o->words[o->word_count++] = (struct snapshot_word){how, text};
}

static void
read_options(const struct job *job, int argc, char **argv, struct snapshot_options *o)
{
	static const enum apply_settle ways[] = {[THEIRS - THEIRS] = APPLY_THEIRS,
						 [OURS - THEIRS] = APPLY_OURS,
						 [MERGE - THEIRS] = APPLY_MERGE};
	struct err e;
	int option, status = 0;

	while ((option = command_option_word(&job->command, job->words, argc, argv)) != -1) {
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
			o->how.dry = true;
			break;
		case STAT:
			o->stat = true;
			break;
		case 'm':
			o->how.modes = true;
			break;
		case THEIRS:
		case OURS:
		case MERGE:
			note_word(o, ways[option - THEIRS], optarg);
			break;
		case MARKERS:
			o->how.markers = true;
			break;
		case GUARDED:
			o->how.guarded = true;
			break;
		}
		if (status)
			exit(command_fail(&e));
	}
}

/* Read options and operands as they come: the paths that follow an option are what it is for. */
static void
read_mixed(const struct job *job, int argc, char **argv, struct snapshot_options *o)
{
	while (optind < argc) {
		int start = optind;
		read_options(job, argc, argv, o);
		bool rest = optind > start && strcmp(argv[optind - 1], "--") == 0;
		do {
			if (optind == argc)
				return;
			if (o->operands == NULL)
				o->operands = argv + optind;
			o->count++;
			note_word(o, APPLY_ASK, argv[optind++]);
		} while (rest);
	}
}

static const struct job *
find_job(const char *name)
{
	for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	command_usage("list, show, diff, apply, undo, discard, export, pack or unpack?");
}

int
main(int argc, char **argv)
{
	static const struct command all = {"awcp-snapshot", "", USAGE};
	struct snapshot_options o = {0};
	struct err e;

	while (command_option(&all, argc, argv) != -1)
		continue;
	argc -= optind;
	argv += optind;
	const struct job *job = find_job(argc > 0 ? *argv : "");
	o.format = job->format;
	o.filter = filter_new(&e);
	if (o.filter == NULL)
		return command_fail(&e);
	optind = 0; /* begin anew (glibc) */
	bool mixed = job->run == snapshot_take || job->run == snapshot_take_back;
	o.words = calloc((size_t)argc + 1, sizeof *o.words);
	if (o.words == NULL) {
		err_memory(&e);
		return command_fail(&e);
	}
	if (mixed) {
		optind = 1;
		read_mixed(job, argc, argv, &o);
	} else {
		read_options(job, argc, argv, &o);
		o.operands = argv + optind;
		o.count = argc - optind;
	}
	if (o.count == 0)
		command_usage("%s what?", job->name);
	if (!mixed && job->max >= 0 && o.count > job->max)
		command_usage("%s takes no %s", job->name, o.operands[job->max]);
	o.snapshot = job->max == 2 && o.count == 2 ? o.operands[1] : NULL;
	int status = command_each(job->max < 0 ? o.count : 1, o.operands, job->run, &o);
	filter_free(o.filter);
	free(o.words);
	return command_end(status);
}
