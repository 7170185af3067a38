/*
 * admit - whether directories may be sent.  See admit.h.
 */
#include "tree/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/settings.h"
#include "tree/carry.h"
#include "tree/sensitive.h"
#include "tree/walk.h"

int
tree_limits(struct tree_limits *l, struct err *e)
{
	const struct {
		enum setting_id id;
		uint64_t *value;
	} limits[] = {
	    {SETTING_MAX_BYTES, &l->bytes},
	    {SETTING_MAX_FILES, &l->files},
	    {SETTING_MAX_FILE_BYTES, &l->file_bytes},
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		long long value;
		if (setting_number(limits[i].id, &value, e) < 0)
			return -1;
		*limits[i].value = (uint64_t)value;
	}
	l->sensitive = setting_text(SETTING_SENSITIVE);
	l->sensitive_ok = strcmp(l->sensitive, "allow") == 0;
	return 0;
}

/* What is known of a walk while it goes on. */
struct admission {
	const struct tree_limits *limits;
	const struct tree_visitor *visitor;
	struct tree_totals *totals;
	bool full;        /* a limit of all was passed, and told */
	struct err first; /* of what was refused */
};

static int
too_large(struct err *e, enum setting_id limit)
{
	return err_hint(e, "raise %s, or leave something out with a pattern",
			settings[limit].variable);
}

int
tree_count(const struct tree_limits *l, const char *path, uint64_t size, struct tree_totals *totals,
	   struct err *e)
{
	totals->files++;
	totals->bytes += size;
	if (size > l->file_bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE,
			"%s has %" PRIu64 " bytes; a file may have %" PRIu64, path, size,
			l->file_bytes);
		return too_large(e, SETTING_MAX_FILE_BYTES);
	}
	if (totals->files > l->files) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "there are more than %" PRIu64 " files",
			l->files);
		return too_large(e, SETTING_MAX_FILES);
	}
	if (totals->bytes > l->bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "the files have more than %" PRIu64 " bytes",
			l->bytes);
		return too_large(e, SETTING_MAX_BYTES);
	}
	return 0;
}

/* Something is refused because of ${e}.  0 to go on, for there may be more. */
static int
refuse(struct admission *a, const struct err *e)
{
	if (a->totals->refused++ == 0)
		a->first = *e;
	if (a->visitor != NULL && a->visitor->refused != NULL)
		a->visitor->refused(a->visitor->arg, e);
	return 0;
}

static int
refuse_unread(void *arg, const char *path, struct err *e)
{
	(void)path;
	return refuse(arg, e);
}

/* Count a file.  What is too much in all is said once. */
static void
admit_size(const struct entry *entry, uint64_t size, struct admission *a)
{
	struct tree_limits limits = *a->limits;
	struct err e;

	if (a->full)
		limits.bytes = limits.files = UINT64_MAX;
	if (tree_count(&limits, entry->path, size, a->totals, &e) == 0)
		return;
	a->full = a->full || size <= limits.file_bytes;
	(void)refuse(a, &e);
}

/* Check what the link ${entry} leads to, which is sent in its place, and count it in ${a} (or
 * NULL).
 */
static int
admit_followed(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	struct stat st;
	int fd;

	if (walk_follow(w, walk_resource(w), entry, &fd, e) < 0)
		return -1;
	if (a != NULL && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		admit_size(entry, (uint64_t)st.st_size, a);
	file_close(fd);
	return 0;
}

/* Does the link last returned lead to something? */
static bool
leads_somewhere(const struct walk *w)
{
	const char *name;
	struct stat st;
	int dirfd = walk_at(w, &name);

	return fstatat(dirfd, name, &st, 0) == 0;
}

static int
admit_link(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	size_t top = strlen(walk_resource(w)->name);
	struct err plain;

	a->totals->links++;
	if (a->limits->peer == TREE_PEER_PLAIN)
		return admit_followed(w, entry, a, e);
	int status = carry_link(entry, top, e);
	if (a->limits->peer == TREE_PEER_KEEPS || (status == 0 && leads_somewhere(w)))
		return status;
	if (status < 0 && admit_followed(w, entry, NULL, &plain) < 0)
		return -1; /* it can be sent to nobody */
	a->totals->special++;
	return 0;
}

/* ${entry} is not to be sent: its name, or the ${key} in it, is that of a secret. */
static void
refuse_secret(struct admission *a, const struct entry *entry, bool key)
{
	struct err e;

	if (a->limits->sensitive_ok ||
	    (a->limits->sensitive != NULL && sensitive_allowed(a->limits->sensitive, entry->path)))
		return;
	err_set(&e, ERR_SENSITIVE_FILES, "%s %s", entry->path,
		key ? "has a private key in it" : "looks like a secret");
	err_hint(&e, "leave it out with a pattern, or name in AWCP_SENSITIVE what may be lent");
	(void)refuse(a, &e);
}

static int
admit_file(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	admit_size(entry, entry->size, a);
	/* A file that cannot be read must be found out now, not when half of all is sent. */
	int fd = walk_open_file(w, e);
	if (fd < 0)
		return -1;
	if (!sensitive_name(entry->path) && sensitive_content(fd))
		refuse_secret(a, entry, true);
	(void)close(fd);
	return 0;
}

/* Can ${entry} be sent?  -1 if not, and ${e} says why. */
static int
admit_entry(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	struct err special;

	if (strchr("fdl", entry->type) == NULL)
		return 0;
	if (a->limits->peer != TREE_PEER_KEEPS && carry_name(entry, &special) < 0) {
		a->totals->special++;
		if (a->limits->peer == TREE_PEER_PLAIN)
			(void)refuse(a, &special);
	}
	if (entry->type == 'd') {
		a->totals->directories++;
		return 0;
	}
	if (sensitive_name(entry->path))
		refuse_secret(a, entry, false);
	return entry->type == 'f' ? admit_file(w, entry, a, e) : admit_link(w, entry, a, e);
}

/* Walk, until all is known, or, if nobody wants to know all, until it is too much. */
static int
admit_entries(struct walk *w, struct admission *a, struct err *e)
{
	const struct tree_visitor *v = a->visitor;
	bool all = v != NULL && v->refused != NULL;
	struct entry *entry;
	int status = 0;

	while ((all || !a->full) && (status = walk_next(w, &entry, e)) == 1) {
		if (admit_entry(w, entry, a, e) < 0) {
			if (e->code != ERR_PERMISSION && e->code != ERR_WORKSPACE_INVALID)
				return -1;
			(void)refuse(a, e);
		}
		if (v != NULL && v->each != NULL)
			v->each(v->arg, entry);
	}
	return !all && a->full ? 0 : status;
}

int
tree_admit(const struct resource *r, size_t n, const struct tree_limits *l,
	   const struct tree_visitor *v, struct tree_totals *totals, struct err *e)
{
	struct admission a = {.limits = l, .visitor = v, .totals = totals};

	*totals = (struct tree_totals){0};
	if (tree_check_apart(r, n, e) < 0)
		return -1;
	struct walk *w = walk_open(r, n, e);
	if (w == NULL)
		return -1;
	walk_tolerate(w, refuse_unread, &a);
	int status = admit_entries(w, &a, e);
	walk_close(w);
	if (status < 0)
		return -1;
	if (totals->refused == 0)
		return 0;
	*e = a.first;
	size_t used = strlen(e->message);
	if (totals->refused > 1)
		(void)snprintf(e->message + used, sizeof e->message - used,
			       ", and %" PRIu64 " more, which awcp-invite -n names",
			       totals->refused - 1);
	return -1;
}
