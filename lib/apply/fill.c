/*
 * fill - puts what is new under its temporary names.  See stage.h and scene.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/scene.h"
#include "archive/unpack.h"
#include "base/array.h"
#include "base/file.h"
#include "base/pathset.h"
#include "tree/compare.h"

/* A file that is to come from an archive. */
struct todo {
	uint64_t hash; /* of its path; see pathset.h */
	off_t place;   /* of its step in the plan */
	bool done;
};

struct filling {
	struct transaction *t;
	struct todo *todo;
	size_t count, cap, done;
	struct todo *current; /* that is being written, */
	struct scene scene;   /* and its places */
	bool other;           /* see stages_fill */
};

static bool
is_script(int fd)
{
	char head[2];

	return pread(fd, head, 2, 0) == 2 && memcmp(head, "#!", 2) == 0;
}

/* It cannot be made here: a conflict. */
static int
refuse(struct filling *f, const struct plan_step *step, const char *why)
{
	f->other = true;
	apply_settle_conflict(f->t, step->path, why, NULL);
	return 0;
}

/* A file in the place of another one keeps what is attached to that. */
static int
take_attributes(const struct stage *s, const struct plan_step *step, int fd)
{
	int old = file_open_beneath(s->sourcefd, compare_relative(s->resource, step->path),
				    O_RDONLY | O_NONBLOCK, 0, NULL);

	if (old >= 0)
		location_copy_attributes(old, fd, false);
	file_close(old);
	return fchmod(fd, step->after.mode & 0777) < 0 && !location_modeless() ? -1 : 0;
}

/* What is new has the mode that it was made with: less than what came back has, where the umask or
 * an ACL says so. */
static int
take_mode(const struct transaction *t, const struct plan_step *step, int fd)
{
	struct stat st;
	mode_t mode = step->after.mode & 0777;

	if (fstat(fd, &st) < 0)
		return -1;
	if (!t->job->fidelity && is_script(fd))
		mode = (st.st_mode & 0777) | (st.st_mode >> 2 & 0111);
	else if (!t->job->fidelity || !t->job->modes)
		return 0;
	return fchmod(fd, mode) < 0 && !location_modeless() ? -1 : 0;
}

/* Give the file ${fd}, which is all there, its final looks, and make it durable. */
static int
finish_file(struct filling *f, const struct plan_step *step, int fd, struct err *e)
{
	struct transaction *t = f->t;
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct stat st, lent;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", step->path);
	if ((uint64_t)st.st_size != step->after.size)
		return err_set(e, ERR_BAD_DATA, "the archive has another %s than its list",
			       step->path);
	if ((step->before.type == 'f' ? take_attributes(stage_of(t, step->path), step, fd)
				      : take_mode(t, step, fd)) < 0)
		return err_sys(e, "%s", step->path);
	if (t->job->times)
		times[1] = tree_timespec(step->after.mtime);
	if (futimens(fd, times) || fstat(fd, &st))
		return err_sys(e, "%s", step->path);
	/* What is on a file system of its own is not synced with the directory that was lent. */
	bool elsewhere =
	    fstat(stage_of(t, step->path)->sourcefd, &lent) == 0 && lent.st_dev != st.st_dev;
	if ((elsewhere || t->steps <= SYNC_EACH) && fsync(fd) < 0)
		return err_sys(e, "%s", step->path);
	t->elsewhere = t->elsewhere || elsewhere;
	f->other = f->other || ((st.st_mode ^ step->after.mode) & 0777) != 0;
	return 0;
}

/* A file to write the new content of ${c} to; -1. */
static int
make_file(const struct scene *c, struct err *e)
{
	/* Content that takes the place of other is nobody's business until it has its mode. */
	mode_t mode = c->step->before.type == 'f' ? 0600 : c->step->after.mode & 0777;
	int fd = openat(c->staged.dirfd, c->staged.name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? scene_failed(c, e) : fd;
}

/* Put what is in fresh/ there: what was merged is a new file, what an undo puts back is the very
 * file; it can only be copied to another file system. */
static int
place_fresh(struct filling *f, int freshfd, const struct scene *c, struct err *e)
{
	char number[24];
	int status = -1;

	snprintf(number, sizeof number, "%llu", (unsigned long long)c->step->number);
	const struct location fresh = {.dirfd = freshfd, .name = number};
	const struct location *to = c->made.dirfd >= 0 ? &c->made : &c->staged;
	if (f->t->job->undo)
		return linkat(freshfd, number, to->dirfd, to->name, 0) < 0
			   ? location_copy(&fresh, to, e)
			   : 0;
	int in = openat(freshfd, number, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int out = in < 0 ? err_sys(e, "%s", c->step->path) : make_file(c, e);
	if (out >= 0 && file_copy(in, out, e) == 0)
		status = finish_file(f, c->step, out, e);
	file_close(in);
	file_close(out);
	return status;
}

/* Does errno say that the file system cannot have such a thing at all? */
static bool
cannot_be(void)
{
	return errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS;
}

static int
place_link(struct filling *f, const struct scene *c, struct err *e)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW},
					  f->t->job->times
					      ? tree_timespec(c->step->after.mtime)
					      : (struct timespec){.tv_nsec = UTIME_NOW}};

	if (symlinkat(c->step->after.target ? c->step->after.target : "", c->staged.dirfd,
		      c->staged.name) < 0)
		return cannot_be() ? refuse(f, c->step, "a link, which cannot be here")
				   : scene_failed(c, e);
	/* Not every file system keeps the time of a link, and nothing depends on it. */
	(void)utimensat(c->staged.dirfd, c->staged.name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* Put what is not in the archive there, and note what is. */
static int
place_step(struct filling *f, int freshfd, off_t place, const struct plan_step *step, struct err *e)
{
	char number[24];
	struct scene c;
	struct stage *s = stage_of(f->t, step->path);
	bool fresh;
	int status = -1;

	snprintf(number, sizeof number, "%llu", (unsigned long long)step->number);
	fresh = freshfd >= 0 && faccessat(freshfd, number, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!fresh && step->after.type == 'f' && plan_is_staged(step) && !f->t->job->undo) {
		struct todo *todo = array_grow(f->todo, f->count + 1, &f->cap, sizeof *f->todo, e);
		if (todo == NULL)
			return -1;
		f->todo = todo;
		f->todo[f->count++] = (struct todo){pathset_hash(step->path), place, false};
		return 0;
	}
	if (s == NULL || (!fresh && !plan_is_staged(step)))
		return 0;
	if (scene_open(s, step, &c, e) < 0)
		goto out;
	if (c.lost)
		err_set(e, ERR_BUSY, "%s: its directory is gone", step->path);
	else if (fresh)
		status = place_fresh(f, freshfd, &c, e);
	else if (step->after.type == 'l' && !f->t->job->undo)
		status = place_link(f, &c, e);
	else
		err_set(e, ERR_INTERNAL, "a kept file was not staged");
out:
	scene_close(&c);
	return status;
}

static int
place_all(struct filling *f, struct err *e)
{
	struct transaction *t = f->t;
	struct plan_step *step;
	int n;
	int freshfd =
	    openat(t->job->statefd, "fresh", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (freshfd < 0 && errno != ENOENT)
		return err_sys(e, "cannot open what was merged or kept");
	plan_rewind(t->plan);
	for (;;) {
		off_t place = plan_tell(t->plan);
		n = plan_next(t->plan, &step, e);
		if (n <= 0)
			break;
		bool placed = plan_is_staged(step) || step->after.type == 'd';
		if (placed && place_step(f, freshfd, place, step, e) < 0) {
			n = -1;
			break;
		}
	}
	file_close(freshfd);
	return n < 0 ? -1 : file_remove_tree(t->job->statefd, "fresh", e);
}

static int
by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct todo *)a)->hash, y = ((const struct todo *)b)->hash;

	return x < y ? -1 : x > y;
}

/* Find the step for ${path} and what is noted of it; both NULL if there is none. */
static int
find_step(struct filling *f, const char *path, struct todo **todo, struct plan_step **step,
	  struct err *e)
{
	const struct todo key = {.hash = pathset_hash(path)};
	struct todo *one = bsearch(&key, f->todo, f->count, sizeof *f->todo, by_hash);

	*todo = NULL;
	*step = NULL;
	while (one != NULL && one > f->todo && one[-1].hash == key.hash)
		one--;
	for (; one != NULL && one < f->todo + f->count && one->hash == key.hash; one++) {
		plan_seek(f->t->plan, one->place);
		if (plan_next(f->t->plan, step, e) < 0)
			return -1;
		if (strcmp((*step)->path, path) == 0) {
			*todo = one;
			return 0;
		}
	}
	return 0;
}

/* As struct unpack_taker has it. */
static int
open_file(void *arg, const struct entry *entry, struct err *e)
{
	struct filling *f = arg;
	struct plan_step *step;

	if (f->count == 0 || find_step(f, entry->path, &f->current, &step, e) < 0)
		return f->count == 0 ? UNPACK_UNWANTED : -1;
	if (f->current == NULL || f->current->done)
		return UNPACK_UNWANTED;
	struct stage *s = stage_of(f->t, step->path);
	int fd = -1;
	if (scene_open(s, step, &f->scene, e) < 0)
		goto out;
	if (f->scene.staged.dirfd < 0)
		err_set(e, ERR_BUSY, "%s: its directory is gone", step->path);
	else
		fd = make_file(&f->scene, e);
out:
	scene_close(&f->scene);
	return fd;
}

static int
end_file(void *arg, const struct entry *entry, int fd, struct err *e)
{
	struct filling *f = arg;
	int status = finish_file(f, f->scene.step, fd, e);

	if (close(fd) < 0 && status == 0)
		status = err_sys(e, "%s", entry->path);
	if (status < 0)
		return -1;
	f->current->done = true;
	f->done++;
	return 0;
}

/* From what came back; what is not in it is as it was sent. */
static int
fill_from_archives(struct filling *f, struct err *e)
{
	const struct unpack_taker taker = {open_file, end_file, f};
	const struct tree *theirs = f->t->job->theirs;
	struct plan_step *step;

	if (f->count == 0)
		return 0;
	qsort(f->todo, f->count, sizeof *f->todo, by_hash);
	if (unpack_take(theirs->archivefd, &taker, e) < 0)
		return -1;
	if (f->done < f->count && unpack_take(theirs->base->archivefd, &taker, e) < 0)
		return -1;
	for (size_t i = 0; i < f->count; i++) {
		if (f->todo[i].done)
			continue;
		plan_seek(f->t->plan, f->todo[i].place);
		return plan_next(f->t->plan, &step, e) < 0
			   ? -1
			   : err_set(e, ERR_BAD_DATA, "the archive lacks %s", step->path);
	}
	return 0;
}

int
stages_fill(struct transaction *t, bool *other, struct err *e)
{
	struct filling f = {.t = t};
	int status = -1;

	t->staged = true;
	if (place_all(&f, e) < 0 || fill_from_archives(&f, e) < 0)
		goto out;
	for (size_t i = 0; t->steps > SYNC_EACH && i < t->count; i++)
		if (syncfs(t->stages[i].sourcefd) < 0) {
			err_sys(e, "cannot sync %s", t->resources[i].source);
			goto out;
		}
	*other = f.other;
	status = 0;
out:
	free(f.todo);
	return status;
}

/* Take ${step} over as it was staged. */
static int
correct_step(struct transaction *t, struct plan_writer *w, struct plan_step *step, struct err *e)
{
	struct stage *s = stage_of(t, step->path);
	struct scene c;
	int status = 0;

	if (plan_is_staged(step) && s != NULL) {
		status = scene_open(s, step, &c, e);
		bool there = c.staged.there;
		if (step->after.type == 'f' && there)
			step->after.mode = c.staged.st.st_mode & 0777;
		scene_close(&c);
		if (status < 0 || !there)
			return status < 0 ? -1 : 0;
	}
	return plan_copy(w, step, e);
}

int
stages_correct(struct transaction *t, int planfd, struct err *e)
{
	struct plan_writer *w = plan_writer_new(planfd, t->token, e);
	struct plan_step *step;
	int n, status = -1;

	if (w == NULL)
		return -1;
	plan_rewind(t->plan);
	while ((n = plan_next(t->plan, &step, e)) > 0)
		if (correct_step(t, w, step, e) < 0)
			goto out;
	if (n == 0)
		status = plan_finish(w, e);
out:
	plan_writer_free(w);
	return status;
}
