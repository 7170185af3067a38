/*
 * admit - whether directories may be sent.  See admit.h.
 */
#include "tree/admit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"
#include "tree/walk.h"

/* Names that AWCP v1 holds to be secrets: what they begin and end with; what has no star is the
 * whole name. */
static const struct {
	const char *begin, *end; /* ${end} NULL: the name is ${begin} */
} secrets[] = {
    {".env", NULL},
    {".env.", ""},
    {"", ".pem"},
    {"", ".key"},
    {"", ".p12"},
    {"", ".pfx"},
    {"id_rsa", ""},
    {"id_ed25519", ""},
    {"id_ecdsa", ""},
    {"credentials.json", NULL},
    {"service-account", ".json"},
    {".npmrc", NULL},
    {".pypirc", NULL},
};

static bool
is_secret(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		const char *begin = secrets[i].begin, *end = secrets[i].end;
		if (end == NULL) {
			if (strcmp(name, begin) == 0)
				return true;
			continue;
		}
		size_t b = strlen(begin), z = strlen(end);
		if (n >= b + z && strncmp(name, begin, b) == 0 && strcmp(name + n - z, end) == 0)
			return true;
	}
	return false;
}

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
	l->sensitive_ok = strcmp(setting_text(SETTING_SENSITIVE), "allow") == 0;
	return 0;
}

/* What is known of a walk while it goes on. */
struct admission {
	const struct tree_limits *limits;
	struct tree_totals *totals;
	uint64_t secrets;
	char secret[512]; /* path of the first, perhaps cut */
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
	if (size > l->file_bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE,
			"%s has %" PRIu64 " bytes; a file may have %" PRIu64, path, size,
			l->file_bytes);
		return too_large(e, SETTING_MAX_FILE_BYTES);
	}
	if (++totals->files > l->files) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "there are more than %" PRIu64 " files",
			l->files);
		return too_large(e, SETTING_MAX_FILES);
	}
	totals->bytes += size;
	if (totals->bytes > l->bytes) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "the files have more than %" PRIu64 " bytes",
			l->bytes);
		return too_large(e, SETTING_MAX_BYTES);
	}
	return 0;
}

static int
admit_file(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	if (tree_count(a->limits, entry->path, entry->size, a->totals, e) < 0)
		return -1;
	/* A file that cannot be read must be found out now, not when half of all is sent. */
	int fd = walk_open_file(w, e);
	if (fd < 0)
		return -1;
	(void)close(fd);
	return 0;
}

static int
admit_entry(struct walk *w, const struct entry *entry, struct admission *a, struct err *e)
{
	if (entry->type == 'd') {
		a->totals->directories++;
		return 0;
	}
	if (entry->type != 'f' && entry->type != 'l')
		return 0;
	if (is_secret(entry->path) && a->secrets++ == 0)
		(void)snprintf(a->secret, sizeof a->secret, "%s", entry->path);
	if (entry->type == 'f')
		return admit_file(w, entry, a, e);
	a->totals->links++;
	return 0;
}

int
tree_admit(const struct resource *r, size_t n, const struct tree_limits *l,
	   const struct tree_visitor *v, struct tree_totals *totals, struct err *e)
{
	struct admission a = {.limits = l, .totals = totals};
	struct entry *entry;
	int status;

	*totals = (struct tree_totals){0};
	struct walk *w = walk_open(r, n, e);
	if (w == NULL)
		return -1;
	while ((status = walk_next(w, &entry, e)) == 1) {
		if ((status = admit_entry(w, entry, &a, e)) < 0)
			break;
		if (v != NULL && (status = v->each(v->arg, entry)) != 0)
			break;
	}
	walk_close(w);
	if (status != 0)
		return status;
	if (a.secrets == 0 || l->sensitive_ok)
		return 0;
	if (a.secrets == 1)
		err_set(e, ERR_SENSITIVE_FILES, "%s looks like a secret", a.secret);
	else
		err_set(e, ERR_SENSITIVE_FILES, "%s and %" PRIu64 " more look like secrets",
			a.secret, a.secrets - 1);
	return err_hint(e, "leave them out with a pattern, or set AWCP_SENSITIVE=allow");
}
