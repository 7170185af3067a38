/*
 * admit - an archive's entry, once it has been found to be harmless.  See admit.h.
 */
#include "archive/admit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int
admit_refuse(const struct admit *i, const char *why, struct err *e)
{
	return err_set(e, ERR_WORKSPACE_INVALID, "the archive's entry %.256s%s %s", i->path,
		       strlen(i->path) > 256 ? "…" : "", why);
}

/* What follows the top that the path lies in, "" for the top itself; NULL if it lies in none. */
static const char *
below_top(const struct admit *i)
{
	for (const char *const *top = i->limits->tops; *top != NULL; top++) {
		size_t n = strlen(*top);
		if (strncmp(*top, i->path, n) == 0 && (i->path[n] == '/' || i->path[n] == '\0'))
			return i->path + n;
	}
	return NULL;
}

/* May the path occur?  A top and what is above it are directories. */
static bool
top_allowed(const struct admit *i)
{
	size_t n = strlen(i->path);

	if (i->limits->tops == NULL)
		return true;
	const char *below = below_top(i);
	if (below != NULL)
		return *below != '\0' || i->entry.type == 'd';
	for (const char *const *top = i->limits->tops; *top != NULL; top++)
		if (strncmp(*top, i->path, n) == 0 && (*top)[n] == '/')
			return i->entry.type == 'd';
	return false;
}

/* Check the components of the path. */
static int
check_path(const struct admit *i, struct err *e)
{
	unsigned depth = 0;

	if (i->path[0] == '/')
		return admit_refuse(i, "has an absolute path", e);
	for (const char *p = i->path;; p++) {
		size_t n = strcspn(p, "/");
		if (n == 0 || (n <= 2 && strncmp(p, "..", n) == 0))
			return admit_refuse(i, "has an empty, \".\" or \"..\" name in its path", e);
		if (n > NAME_MAX)
			return admit_refuse(i, "has a name of more than 255 bytes", e);
		if (++depth > i->limits->depth)
			return admit_refuse(i, "lies too deep", e);
		p += n;
		if (*p == '\0')
			break;
	}
	if (!top_allowed(i))
		return admit_refuse(i, "does not belong to a requested resource", e);
	return 0;
}

/* Take over the path, without "./" in front (tar writes it) and a trailing slash (directories).
 * 1, 0 for the top itself, -1. */
static int
take_path(struct admit *i, struct archive_entry *h, struct err *e)
{
	const char *path = archive_entry_pathname(h);

	if (path == NULL || *path == '\0')
		return admit_refuse(i, "is followed by one without a usable name", e);
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	size_t n = strlen(path);
	if (i->entry.type == 'd' && n > 0 && path[n - 1] == '/')
		n--;
	if (i->entry.type == 'd' && (n == 0 || (n == 1 && *path == '.')) && path[0] != '/')
		return 0;
	(void)snprintf(i->path, sizeof i->path, "%.*s", (int)(n < TREE_PATH ? n : TREE_PATH), path);
	if (n > TREE_PATH)
		return admit_refuse(i, "has a path that is too long", e);
	return check_path(i, e) < 0 ? -1 : 1;
}

/* Take over the target of the link at hand, if it has one that can be followed. */
static int
take_target(struct admit *i, const char *target, struct err *e)
{
	const char *inside = i->path;

	if (target == NULL || strlen(target) > TREE_PATH)
		return admit_refuse(i, "is a link without a usable target", e);
	if (i->limits->tops != NULL)
		inside = below_top(i) + 1;
	if (!tree_link_inside(inside, target))
		return admit_refuse(i, "is a link that leads out of its resource", e);
	strcpy(i->target, target);
	i->entry.target = i->target;
	i->entry.size = strlen(target);
	return 0;
}

int
admit_take(struct admit *i, struct archive_entry *h, struct err *e)
{
	char type = tree_type(archive_entry_filetype(h));

	i->entry = (struct entry){.path = i->path, .type = type};
	int status = take_path(i, h, e);
	if (status <= 0)
		return status;
	if (archive_entry_hardlink(h) != NULL)
		return admit_refuse(i, "is a hard link", e);
	if (i->entry.type == '?')
		return admit_refuse(i, "is neither a file nor a directory nor a link", e);
	if (archive_entry_is_encrypted(h))
		return admit_refuse(i, "is encrypted", e);
	i->entry.mode = archive_entry_perm(h) & 0777;
	int64_t seconds = archive_entry_mtime_is_set(h) ? archive_entry_mtime(h) : 0;
	if (seconds > INT64_MAX / 1000000000 - 1 || seconds < INT64_MIN / 1000000000 + 1)
		return admit_refuse(i, "has an impossible time", e);
	i->entry.mtime = seconds * 1000000000 + archive_entry_mtime_nsec(h);
	if (i->entry.type == 'l' && take_target(i, archive_entry_symlink(h), e) < 0)
		return -1;
	return 1;
}

int
admit_listed(struct admit *i, const struct entry *entry, struct err *e)
{
	i->entry = *entry;
	i->entry.path = strcpy(i->path, entry->path);
	if (check_path(i, e) < 0)
		return -1;
	if (entry->unsent || entry->mode > 0777)
		return admit_refuse(i, "has a mark or a mode that is not allowed in a list", e);
	return entry->type == 'l' ? take_target(i, entry->target, e) : 0;
}
