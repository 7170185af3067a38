/* snapshot_take - how awcp-snapshot applies a snapshot, and undoes that.  See snapshot_command.h.
 */
#include <stdio.h>

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

/* The id of the snapshot that the operands name, or NULL; the rest are paths. */
static const char *
read_operands(struct snapshot_options *o, const char *id)
{
	struct record r = {.dirfd = -1, .lockfd = -1};
	struct err none;

	o->how.report = print_action;
	o->how.arg = o;
	if (o->count == 1)
		return NULL;
	bool named = o->how.settle == APPLY_ASK && !o->how.guarded;
	if (!named && record_open(DELEGATIONS, id, false, &r, &none) == 0)
		named = snapshot_pick(r.json, o->operands[1], &none) != NULL;
	record_close(&r);
	o->how.paths = (const char *const *)o->operands + 1 + named;
	o->how.count = (size_t)o->count - 1 - named;
	return named ? o->operands[1] : NULL;
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

int
snapshot_take(void *arg, const char *prefix)
{
	struct snapshot_options *o = arg;
	struct apply_totals totals;
	struct err e;
	char id[ID_MAX + 1], taken[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0)
		return command_fail(&e);
	const char *snap = read_operands(o, id);
	if (snapshot_apply(id, snap, &o->how, &totals, taken, &e) == 0)
		return end_action(o->how.dry, taken, "applied", &totals);
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
	char id[ID_MAX + 1], undone[ID_MAX + 1];

	if (record_find(DELEGATIONS, prefix, id, &e) < 0)
		return command_fail(&e);
	const char *snap = read_operands(o, id);
	if (snapshot_undo(id, snap, &o->how, &totals, undone, &e) < 0)
		return command_fail(&e);
	return end_action(o->how.dry, undone, "undone", &totals);
}
