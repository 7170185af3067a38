/* snapshot_show - how awcp-snapshot shows a change.  See snapshot_command.h. */
#include <stdio.h>

#include "command.h"
#include "base/jsonx.h"
#include "delegation/members.h"
#include "snapshot_command.h"

static json_t *
side_json(const struct entry *entry)
{
	static const struct {
		char type;
		const char *name;
	} names[] = {{'f', "file"}, {'d', "directory"}, {'l', "link"}};
	char mode[8];
	size_t i = 0;
	if (entry == NULL)
		return json_null();
	while (i < 2 && names[i].type != entry->type)
		i++;
	snprintf(mode, sizeof mode, "%04o", (unsigned)entry->mode & 07777);
	json_t *o = json_pack("{s:s, s:s, s:I}", "type", names[i].name, "mode", mode, "size",
			      (json_int_t)entry->size);
	if (entry->sha256[0])
		jsonx_set(o, "sha256", entry->sha256);
	if (entry->target)
		jsonx_set(o, "target", entry->target);
	return o;
}

static void
show_sizes(const struct snapshot_change *c)
{
	char before[16], after[16];

	if (c->before && c->before->type == 'f')
		printf("%8s", command_bytes(c->before->size, before));
	else
		printf("%8s", c->before ? c->before->type == 'd' ? "dir" : "link" : "");
	if (c->after && c->after->type == 'f')
		printf(" -> %-8s", command_bytes(c->after->size, after));
	else
		printf(" -> %-8s", c->after ? c->after->type == 'd' ? "dir" : "link" : "");
}

static bool
is_executable(const struct entry *entry)
{
	return entry != NULL && entry->type == 'f' && (entry->mode & 0111) != 0;
}

/* For programs: how a change is guarded. */
static const char *const guards[] = {
    [GUARD_NONE] = NULL, [GUARD_ASK] = "ask", [GUARD_NEVER] = "never"};

int
snapshot_show(void *arg, const struct snapshot_change *c, struct err *e)
{
	struct snapshot_shown *s = arg;
	char kind[2] = {c->kind, '\0'};

	(void)e;
	if ((c->guarded != GUARD_NONE) != s->guarded)
		return 0;
	const struct entry *it = c->after ? c->after : c->before;
	if (c->guarded == GUARD_NEVER) {
		s->withheld += it->type != 'd';
	} else if (it->type != 'd') {
		s->added += c->kind == 'A';
		s->deleted += c->kind == 'D';
		s->changed += c->kind != 'A' && c->kind != 'D';
		s->modes += c->kind == 'm';
		s->types += c->kind == 'T';
		s->before += c->before && c->before->type == 'f' ? c->before->size : 0;
		s->after += c->after && c->after->type == 'f' ? c->after->size : 0;
	}
	if (s->json) {
		json_t *o = json_object();
		jsonx_set(o, "change", kind);
		jsonx_set(o, "path", c->path);
		json_object_set_new(o, "before", side_json(c->before));
		json_object_set_new(o, "after", side_json(c->after));
		jsonx_set(o, "guarded", guards[c->guarded]);
		command_json(o);
		json_decref(o);
		return 0;
	}
	printf("%s  ", kind);
	show_sizes(c);
	printf("  ");
	command_text(c->path, false);
	printf("%s", it->type == 'd' ? "/" : "");
	if ((c->kind == 'M' || c->kind == 'm') && c->before && c->after &&
	    c->before->type == c->after->type && (c->before->mode ^ c->after->mode) & 0777)
		printf(" (%04o -> %04o)", (unsigned)c->before->mode & 0777,
		       (unsigned)c->after->mode & 0777);
	else if (is_executable(c->after) && !is_executable(c->before))
		printf(" (executable)");
	if (c->guarded != GUARD_NONE)
		printf(c->guarded == GUARD_NEVER ? " (never taken)" : " (guarded)");
	putchar('\n');
	return 0;
}

void
snapshot_show_withheld(const json_t *snapshot)
{
	const json_t *one;
	size_t i;

	json_array_foreach (snapshot_withheld(snapshot), i, one) {
		printf("!  cannot come back, and stays: ");
		command_text(json_string_value(one), false);
		putchar('\n');
	}
}

void
snapshot_show_sum(const struct snapshot_shown *s)
{
	char before[16], after[16];

	printf("%llu added, %llu changed", (unsigned long long)s->added,
	       (unsigned long long)s->changed);
	if (s->modes > 0)
		printf(" (%llu only in mode%s", (unsigned long long)s->modes,
		       s->types > 0 ? "" : ")");
	if (s->types > 0)
		printf("%s%llu in type)", s->modes > 0 ? ", " : " (", (unsigned long long)s->types);
	printf(", %llu deleted; %s before, %s after", (unsigned long long)s->deleted,
	       command_bytes(s->before, before), command_bytes(s->after, after));
	if (s->withheld > 0)
		printf("; %llu never taken", (unsigned long long)s->withheld);
	putchar('\n');
}
