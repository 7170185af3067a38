/* snapshot_take - how awcp-snapshot applies a snapshot, and undoes that.  See snapshot_take.h. */
#include <stdio.h>

#include "command.h"
#include "delegation/delegation.h"
#include "base/jsonx.h"
#include "snapshot_take.h"

static void
print_action(void *arg, enum apply_action action, const char *path, const char *why)
{
	static const struct {
		const char *letter, *name;
	} names[] = {
	    [APPLY_ADD] = {"A", "add"},        [APPLY_CHANGE] = {"M", "change"},
	    [APPLY_DELETE] = {"D", "delete"},  [APPLY_CONFLICT] = {"!", "conflict"},
	    [APPLY_SETTLED] = {"=", "settle"},
	};
	const struct snapshot_take *t = arg;
	if (t->json) {
		json_t *line = json_object();
		jsonx_set(line, "action", names[action].name);
		jsonx_set(line, "path", path);
		jsonx_set(line, "why", why);
		command_json(line);
		json_decref(line);
		return;
	}
	bool bad = action == APPLY_CONFLICT;
	FILE *out = bad ? stderr : stdout;
	fprintf(out, "%s  ", names[action].letter);
	command_text(path, bad);
	if (why)
		fprintf(out, ": %s", why);
	fputc('\n', out);
}

/* What the operands name: the snapshot's id, or NULL, and ${how}'s paths. */
static const char *
read_operands(const struct snapshot_take *t, const char *id, struct snapshot_taking *how)
{
	struct record r = {.dirfd = -1, .lockfd = -1};
	struct err none;

	*how = (struct snapshot_taking){.dry = t->dry,
					.settle = t->settle,
					.markers = t->markers,
					.report = print_action,
					.arg = (void *)t};
	if (t->count == 0)
		return NULL;
	bool named = t->settle == APPLY_ASK;
	if (!named && record_open(DELEGATIONS, id, false, &r, &none) == 0)
		named = snapshot_pick(r.json, t->operands[0], &none) != NULL;
	record_close(&r);
	how->paths = (const char *const *)t->operands + named;
	how->count = (size_t)t->count - named;
	return named ? t->operands[0] : NULL;
}

static int
end_action(const struct snapshot_take *t, const char *snap, const char *what,
	   const struct apply_totals *n)
{
	fflush(stdout);
	command_note("%s %s%s: %llu added, %llu changed, %llu deleted", snap,
		     t->dry ? "would be " : "is ", what, (unsigned long long)n->added,
		     (unsigned long long)n->changed, (unsigned long long)n->deleted);
	if (n->marked == 0)
		return 0;
	command_note("%llu %s conflict markers; look for <<<<<<<", (unsigned long long)n->marked,
		     n->marked == 1 ? "file has" : "files have");
	return 1;
}

int
snapshot_take(const struct snapshot_take *t, const char *prefix)
{
	struct snapshot_taking how;
	struct apply_totals totals;
	struct err e;
	char id[ID_MAX + 1], taken[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0)
		return command_fail(&e);
	const char *snap = read_operands(t, id, &how);
	if (snapshot_apply(id, snap, &how, &totals, taken, &e) == 0)
		return end_action(t, taken, "applied", &totals);
	if (e.code == ERR_CONFLICT && t->settle == APPLY_ASK)
		err_hint(&e, "nothing was changed; --theirs, --ours or --merge settles it");
	return command_fail(&e);
}

int
snapshot_take_back(const struct snapshot_take *t, const char *prefix)
{
	struct snapshot_taking how;
	struct apply_totals totals;
	struct err e;
	char id[ID_MAX + 1], undone[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0)
		return command_fail(&e);
	const char *snap = read_operands(t, id, &how);
	return snapshot_undo(id, snap, &how, &totals, undone, &e)
		   ? command_fail(&e)
		   : end_action(t, undone, "undone", &totals);
}
