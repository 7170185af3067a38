/*
 * pack_link - a link for a reader that keeps none: what it points to takes its place.
 *
 * A directory is walked by a walk of its own, under the link's name.  One that is being walked
 * already would have no end, and links in it that lead to each other would double it again and
 * again, so that there is a bound on all that links lead to.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/packer.h"

#define FOLLOWED_MAX 100000 /* entries; a directory that was begun is finished */

static int
send_file(struct packer *p, struct entry *entry, int fd, const struct stat *st, struct err *e)
{
	struct entry file = *entry;

	file.type = 'f';
	file.target = NULL;
	file.size = (uint64_t)st->st_size;
	file.mode = st->st_mode & 0777;
	return packer_send(p, &file, fd, entry->sha256, e);
}

/* Is the directory ${st} one that is being walked? */
static bool
is_walked(const struct packer *p, const struct stat *st)
{
	if (walk_is_in(p->walk, st))
		return true;
	for (const struct waiting_walk *w = p->waiting; w != NULL; w = w->above)
		if (walk_is_in(w->walk, st))
			return true;
	return false;
}

/* Put all entries of ${w} but the first, which takes the link's place. */
static int
put_entries(struct packer *p, struct walk *w, struct err *e)
{
	struct entry *entry;
	int n;

	if (walk_next(w, &entry, e) < 0 || packer_header(p, entry, e) < 0)
		return -1;
	while ((n = walk_next(w, &entry, e)) == 1) {
		p->followed++;
		if (p->put(p, entry, e) < 0)
			return -1;
	}
	return n;
}

static int
put_directory(struct packer *p, const struct entry *entry, int fd, struct err *e)
{
	const struct waiting_walk waiting = {p->walk, p->waiting};
	char source[40];
	const struct resource r = {.name = entry->path, .source = source};

	(void)snprintf(source, sizeof source, "/proc/self/fd/%d", fd);
	struct walk *w = walk_open(&r, 1, e);
	if (w == NULL)
		return -1;
	walk_heed(w, &p->o->interrupt);
	packer_tolerate(p, w);
	p->waiting = &waiting;
	p->walk = w;
	int status = put_entries(p, w, e);
	p->walk = waiting.walk;
	p->waiting = waiting.above;
	walk_close(w);
	return status;
}

/* The link ${entry} leads to the directory ${fd}. */
static int
take_directory(struct packer *p, struct entry *entry, int fd, const struct stat *st, struct err *e)
{
	entry->unsent = true; /* as a link */
	if (!p->o->lenient)
		return 0;
	if (is_walked(p, st) || p->followed > FOLLOWED_MAX)
		return err_set(e, ERR_WORKSPACE_INVALID, "%s is a link that leads %s: %s",
			       entry->path,
			       is_walked(p, st) ? "to a directory that it lies in"
						: "to more than can be sent",
			       entry->target);
	return put_directory(p, entry, fd, e);
}

int
packer_follow(struct packer *p, struct entry *entry, struct err *e)
{
	const struct waiting_walk *outermost = p->waiting;
	struct stat st;
	int fd;

	while (outermost != NULL && outermost->above != NULL)
		outermost = outermost->above;
	const struct resource *within =
	    walk_resource(outermost != NULL ? outermost->walk : p->walk);
	if (walk_follow(p->walk, within, entry, &fd, e) < 0)
		return -1;
	if (fd < 0) {
		entry->unsent = true;
		return 0;
	}
	int status = -1;
	if (fstat(fd, &st) < 0)
		err_sys(e, "cannot read %s", entry->path);
	else if (S_ISDIR(st.st_mode))
		status = take_directory(p, entry, fd, &st, e);
	else
		status = send_file(p, entry, fd, &st, e);
	(void)close(fd);
	return status;
}
