#include "base/listing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

#define BATCH (512 * 1024) /* bytes of names */

void
listing_free(struct listing *l)
{
	free(l->names);
	free(l->order);
	*l = (struct listing){0};
}

static int
by_name(const void *a, const void *b, void *names)
{
	const char *base = names;

	return strcmp(base + *(const uint32_t *)a, base + *(const uint32_t *)b);
}

static void
sort_names(struct listing *l)
{
	if (l->count > 0)
		qsort_r(l->order, l->count, sizeof *l->order, by_name, l->names);
}

static int
append_name(struct listing *l, const char *name, struct err *e)
{
	size_t n = strlen(name) + 1;

	char *names = array_grow(l->names, l->used + n, &l->cap, 1, e);
	if (names == NULL)
		return -1;
	l->names = names;
	uint32_t *order = array_grow(l->order, l->count + 1, &l->order_cap, sizeof *order, e);
	if (order == NULL)
		return -1;
	l->order = order;
	memcpy(l->names + l->used, name, n);
	l->order[l->count++] = (uint32_t)l->used;
	l->used += n;
	return 0;
}

/* Keep the first half of the names, sorted, and copy the last of them to ${bound}. */
static int
halve(struct listing *l, char bound[NAME_MAX + 1], struct err *e)
{
	struct listing all = *l;
	int status = -1;

	sort_names(&all);
	l->names = NULL;
	l->order = NULL;
	l->used = l->cap = l->count = l->order_cap = 0;
	l->more = true;
	for (size_t i = 0; i < all.count / 2; i++) {
		(void)snprintf(bound, NAME_MAX + 1, "%s", all.names + all.order[i]);
		if (append_name(l, bound, e) < 0)
			goto out;
	}
	status = 0;
out:
	listing_free(&all);
	return status;
}

/* Fill the batch from ${dir} with the first names in order after ${after} (NULL: of all). */
static int
collect(struct listing *l, DIR *dir, const char *after, struct err *e)
{
	char bound[NAME_MAX + 1] = "";
	struct dirent *d;

	l->used = l->count = l->next = 0;
	l->more = false;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		const char *name = d->d_name;
		size_t n = strlen(name) + 1;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    (after != NULL && strcmp(name, after) <= 0) ||
		    (l->more && strcmp(name, bound) > 0))
			continue;
		if (l->used + n > BATCH) {
			if (halve(l, bound, e) < 0)
				return -1;
			if (strcmp(name, bound) > 0)
				continue;
		}
		if (append_name(l, name, e) < 0)
			return -1;
	}
	if (errno != 0)
		return err_sys(e, "cannot read the directory");
	sort_names(l);
	return 0;
}

static int
read_batch(struct listing *l, int dirfd, const char *after, struct err *e)
{
	DIR *dir = file_list(dirfd, ".");

	if (dir == NULL)
		return err_sys(e, "cannot read the directory");
	int status = collect(l, dir, after, e);
	(void)closedir(dir);
	return status;
}

int
listing_next(struct listing *l, int dirfd, const char **name, struct err *e)
{
	*name = NULL;
	if (!l->started) {
		l->started = true;
		if (read_batch(l, dirfd, NULL, e) < 0)
			return -1;
	} else if (l->next == l->count && l->more) {
		char after[NAME_MAX + 1];
		strcpy(after, l->names + l->order[l->count - 1]);
		if (read_batch(l, dirfd, after, e) < 0)
			return -1;
	}
	if (l->next < l->count)
		*name = l->names + l->order[l->next++];
	return 0;
}
