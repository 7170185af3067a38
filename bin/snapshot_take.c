/* snapshot_take - how awcp-snapshot applies a snapshot, and undoes that.  See snapshot_command.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "delegation/delegation.h"
#include "base/jsonx.h"
#include "snapshot_command.h"

static void
print_action(void *arg, enum apply_action action, const char *path, const char *why)
{
	static const struct {
		const char *letter, *name;
	} names[] = {
	    [APPLY_ADD] = {"A", "add"},           [APPLY_CHANGE] = {"M", "change"},
	    [APPLY_DELETE] = {"D", "delete"},     [APPLY_CONFLICT] = {"!", "conflict"},
	    [APPLY_SETTLED] = {"=", "settle"},    [APPLY_GUARDED] = {"!", "guarded"},
	    [APPLY_WITHHELD] = {"-", "withheld"},
	};
	const struct snapshot_options *o = arg;
	if (o->json) {
		json_t *line = json_object();
		jsonx_set(line, "action", names[action].name);
		jsonx_set(line, "path", path);
		jsonx_set(line, "why", why);
		command_json(line);
		json_decref(line);
		return;
	}
	bool bad = action == APPLY_CONFLICT || action == APPLY_GUARDED;
	FILE *out = bad ? stderr : stdout;
	fprintf(out, "%s  ", names[action].letter);
	command_text(path, bad);
	if (why)
		fprintf(out, ": %s", why);
	fputc('\n', out);
}

/* What the words of the command say. */
struct reading {
	struct snapshot_options *o;
	struct snapshot_choice *choices; /* and paths: as many as there are words */
	const char **paths;
	const char *snapshot;
	bool undo;
	enum apply_settle way; /* of the last option, */
	bool used;             /* for which a path was named */
};

/* The last option is over: if no path was named it is for all that have no other. */
static void
end_way(struct reading *r)
{
	if (r->way == APPLY_ASK || r->used)
		return;
	if (r->o->how.settle != APPLY_ASK)
		command_usage("--theirs, --ours or --merge, only one of them for all paths");
	r->o->how.settle = r->way;
}

static void
take_path(struct reading *r, const char *path)
{
	struct snapshot_taking *how = &r->o->how;

	r->used = true;
	/* For an apply such are paths that --guarded is for. */
	if (r->way == APPLY_ASK && r->undo)
		r->paths[how->only_count++] = path;
	else
		r->choices[how->choice_count++] = (struct snapshot_choice){r->way, path};
}

/* Is what follows the id a snapshot's? */
static bool
is_snapshot(const char *id, const char *word)
{
	struct record r = {.dirfd = -1, .lockfd = -1};
	struct err none;
	bool is = record_open(DELEGATIONS, id, false, &r, &none) == 0 &&
		  snapshot_pick(r.json, word, &none) != NULL;

	record_close(&r);
	return is;
}

/* Read the words of the command for the delegation ${id}.  The caller frees choices and paths. */
static int
read_words(struct reading *r, const char *id, struct err *e)
{
	struct snapshot_options *o = r->o;
	bool paths = r->undo || o->how.guarded; /* some may come without an option before them */
	bool after_id = false, known = false, merges = false;

	r->choices = calloc(o->word_count + 1, sizeof *r->choices);
	r->paths = calloc(o->word_count + 1, sizeof *r->paths);
	if (r->choices == NULL || r->paths == NULL)
		return err_memory(e);
	o->how.settle = APPLY_ASK;
	o->how.choice_count = o->how.only_count = 0;
	for (size_t i = 0; i < o->word_count; i++) {
		const struct snapshot_word *w = &o->words[i];
		bool first = after_id;
		after_id = false;
		if (w->how != APPLY_ASK) {
			end_way(r);
			r->way = w->how;
			r->used = false;
			merges = merges || w->how == APPLY_MERGE;
			if (w->text != NULL)
				take_path(r, w->text);
		} else if (!known) {
			known = after_id = true;
		} else if (first && ((r->way == APPLY_ASK && !paths) || is_snapshot(id, w->text))) {
			r->snapshot = w->text;
		} else if (r->way == APPLY_ASK && !paths) {
			command_usage("apply takes no %s without --theirs, --ours or --merge",
				      w->text);
		} else {
			take_path(r, w->text);
		}
	}
	end_way(r);
	if (o->how.markers && !merges)
		command_usage("--markers goes with --merge");
	o->how.choices = r->choices;
	o->how.only = r->paths;
	o->how.report = print_action;
	o->how.arg = o;
	return 0;
}

static int
end_action(bool dry, const char *snap, const char *what, const struct apply_totals *n)
{
	fflush(stdout);
	char executable[48] = "", withheld[48] = "";

	if (n->executable > 0)
		(void)snprintf(executable, sizeof executable, ", %llu executable now",
			       (unsigned long long)n->executable);
	if (n->withheld > 0)
		(void)snprintf(withheld, sizeof withheld, ", %llu never taken",
			       (unsigned long long)n->withheld);
	command_note("%s %s%s: %llu added, %llu changed, %llu deleted%s%s", snap,
		     dry ? "would be " : "is ", what, (unsigned long long)n->added,
		     (unsigned long long)n->changed, (unsigned long long)n->deleted, executable,
		     withheld);
	if (n->marked == 0)
		return 0;
	command_note("%llu %s conflict markers; look for <<<<<<<", (unsigned long long)n->marked,
		     n->marked == 1 ? "file has" : "files have");
	return 1;
}

static int
take(struct snapshot_options *o, const char *prefix, bool undo, struct apply_totals *totals,
     struct err *e)
{
	struct reading words = {.o = o, .undo = undo};
	char id[ID_MAX + 1], taken[ID_MAX + 1];
	int status = -1;

	*totals = (struct apply_totals){0};
	if (record_find(DELEGATIONS, prefix, id, e) < 0)
		return -1;
	if (read_words(&words, id, e) == 0)
		status = (undo ? snapshot_undo : snapshot_apply)(id, words.snapshot, &o->how,
								 totals, taken, e);
	free(words.choices);
	free(words.paths);
	return status < 0 ? -1 : end_action(o->how.dry, taken, undo ? "undone" : "applied", totals);
}

int
snapshot_take(void *arg, const char *prefix)
{
	struct snapshot_options *o = arg;
	struct apply_totals totals;
	struct err e;

	int status = take(o, prefix, false, &totals, &e);
	if (status >= 0)
		return status;
	bool ask = e.code == ERR_CONFLICT && o->how.settle == APPLY_ASK;
	if (ask && totals.conflicts > totals.guarded)
		err_hint(&e, "nothing was changed; --theirs, --ours or --merge settles it");
	else if (ask)
		err_hint(&e, "nothing was changed; --guarded takes %s, --ours leaves %s",
			 totals.guarded == 1 ? "it" : "them", totals.guarded == 1 ? "it" : "them");
	return command_fail(&e);
}

int
snapshot_take_back(void *arg, const char *prefix)
{
	struct snapshot_options *o = arg;
	struct apply_totals totals;
	struct err e;

	int status = take(o, prefix, true, &totals, &e);
	if (status >= 0)
		return status;
	if (e.code == ERR_CONFLICT && o->how.settle == APPLY_ASK)
		err_hint(&e, "nothing was changed; --ours leaves these as they are, and paths "
			     "undo only those");
	return command_fail(&e);
}
