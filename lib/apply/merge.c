/*
 * merge - puts together what two sides made of a file of text.  See private.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apply/stage.h"
#include "archive/unpack.h"
#include "apply/location.h"
#include "tree/compare.h"
#include "base/file.h"
#include "apply/git.h"

#define BINARY_LOOK 8000 /* bytes; a NUL among them says that it is no text, as with git */

struct merging {
	struct transaction *t;
	struct plan_writer *writer;
	int mergefd, basefd, theirsfd; /* merge/, merge/base/, merge/theirs/ */
	int freshfd;                   /* or -1 in a dry run */
};

static const char overlap[] = "changed on both sides, and the changes overlap";
static const char ours_name[] = "o", base_name[] = "b", theirs_name[] = "t";

int
apply_merge_needed(struct plan *draft, struct err *e)
{
	struct plan_step *step;
	int n;

	plan_rewind(draft);
	while ((n = plan_next(draft, &step, e)) > 0)
		if (step->kind == PLAN_MERGE)
			return 1;
	return n;
}

static int
refuse_merge(struct merging *m, const struct plan_step *step, const char *why)
{
	apply_report_conflict(m->t, step->path, why);
	return 0;
}

/* Is the file still the one that was compared? */
static bool
is_as_compared(int fd, const struct entry *before)
{
	struct location p = {.there = true};
	struct entry now;

	if (fstat(fd, &p.st))
		return false;
	location_entry(&p, &now);
	return now.type == 'f' && now.inode == before->inode && now.size == before->size &&
	       now.mtime == before->mtime && now.ctime == before->ctime;
}

/* Make merge/o of ours: 1, 0 if it is not what was compared any more, -1. */
static int
copy_ours(struct merging *m, const struct plan_step *step, struct err *e)
{
	struct stage *s = stage_of(m->t, step->path);
	int in = file_open_beneath(s->sourcefd, compare_relative(s->resource, step->path),
				   O_RDONLY | O_NONBLOCK, 0, e);

	if (in < 0)
		return location_is_gone() ? 0 : -1;
	int out = openat(m->mergefd, ours_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			 0600);
	int status = -1;
	if (out < 0)
		err_sys(e, "cannot copy %s", step->path);
	else if (!is_as_compared(in, &step->before))
		status = 0;
	else if (file_copy(in, out, e) == 0)
		status = is_as_compared(in, &step->before);
	file_close(out);
	close(in);
	return status;
}

/* Make merge/<name> of what was unpacked at ${path} below ${treefd}; ${optional}: or of nothing. */
static int
bring_side(struct merging *m, int treefd, const char *path, const char *name, bool optional,
	   struct err *e)
{
	const char *last;
	int parent = file_parent_beneath(treefd, path, &last, e);
	int status = parent < 0 ? -1 : renameat(parent, last, m->mergefd, name);

	file_close(parent);
	if (status == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "cannot lay out %s", path);
	if (!optional)
		return err_set(e, ERR_BAD_DATA, "the archive lacks %s", path);
	int fd =
	    openat(m->mergefd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot lay out %s", path);
	close(fd);
	return 0;
}

static int
is_text(struct merging *m, const char *name, bool *text, struct err *e)
{
	char head[BINARY_LOOK];
	int fd = openat(m->mergefd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot read what is to be merged");
	ssize_t n = file_read(fd, head, sizeof head, e);
	close(fd);
	if (n < 0)
		return -1;
	*text = *text && !memchr(head, '\0', (size_t)n);
	return 0;
}

/* Write ${step}, whose new content is merge/o. */
static int
emit_merged(struct merging *m, struct plan_step *step, const char *previous, struct err *e)
{
	struct location merged = {.dirfd = m->mergefd, .name = ours_name};
	struct timespec now;
	char number[24];

	if (location_look(&merged) || location_hash(&merged, step->after.sha256))
		return err_sys(e, "cannot read what was merged");
	if (step->kind == PLAN_CHANGE && strcmp(step->after.sha256, previous) == 0) {
		/* All that they changed was here already. */
		step->kind = PLAN_MODE;
		return ((step->after.mode ^ step->before.mode) & 0777) == 0
			   ? 0
			   : plan_add(m->writer, step, e);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	step->after.size = (uint64_t)merged.st.st_size;
	step->after.mtime = tree_time(now);
	if (plan_add(m->writer, step, e) < 0)
		return -1;
	snprintf(number, sizeof number, "%" PRIu64, step->number);
	if (m->freshfd >= 0 && renameat(m->mergefd, ours_name, m->freshfd, number))
		return err_sys(e, "cannot keep what was merged");
	return 0;
}

static int
merge_file(struct merging *m, struct plan_step *step, struct err *e)
{
	static const char *const git[] = {"git",     "merge-file", "-q", "-L",     "ours",
					  "-L",      "base",       "-L", "theirs", ours_name,
					  base_name, theirs_name,  NULL};
	static const char *const names[] = {ours_name, base_name, theirs_name};
	struct location ours = {.dirfd = m->mergefd, .name = ours_name};
	char previous[SHA256_HEX];
	bool text = true;
	int code = copy_ours(m, step, e);

	if (code < 0)
		return -1;
	if (code == 0)
		return refuse_merge(m, step, "changed while it was compared");
	if (bring_side(m, m->basefd, step->path, base_name, true, e) < 0 ||
	    bring_side(m, m->theirsfd, step->path, theirs_name, false, e) < 0)
		return -1;
	for (size_t i = 0; i < 3; i++)
		if (is_text(m, names[i], &text, e) < 0)
			return -1;
	if (!text)
		return refuse_merge(m, step, "changed on both sides, and not text");
	if (location_hash(&ours, previous))
		return err_sys(e, "cannot read %s", step->path);
	if (git_run(&(struct git_call){.dirfd = m->mergefd, .argv = git}, &code, e) < 0)
		return -1;
	/* It exits with the number of overlaps, at most 127. */
	if (code > 127)
		return err_set(e, ERR_IO, "git merge-file cannot merge %s", step->path);
	if (code > 0 && !m->t->job->markers)
		return refuse_merge(m, step, overlap);
	apply_report_settled(m->t, step->path, code > 0 ? overlap : "changed on both sides",
			     APPLY_MERGE);
	step->kind = code > 0 ? PLAN_MARKED : PLAN_CHANGE;
	return emit_merged(m, step, previous, e);
}

static int
merge_all(struct merging *m, struct err *e)
{
	struct plan_step *step;
	struct plan *draft = m->t->plan;
	struct pathset paths = {0};
	int n, status = -1;

	plan_rewind(draft);
	while ((n = plan_next(draft, &step, e)) > 0)
		if (step->kind == PLAN_MERGE && pathset_add(&paths, step->path, e) < 0)
			goto out;
	if (n < 0 || unpack_paths(m->t->job->theirs->base->archivefd, m->basefd, &paths, e) < 0 ||
	    unpack_paths(m->t->job->theirs->archivefd, m->theirsfd, &paths, e) < 0)
		goto out;
	plan_rewind(draft);
	while ((n = plan_next(draft, &step, e)) > 0)
		if (step->kind == PLAN_MERGE ? merge_file(m, step, e)
					     : plan_add(m->writer, step, e))
			goto out;
	status = n < 0 ? -1 : plan_finish(m->writer, e);
out:
	pathset_free(&paths);
	return status;
}

int
apply_merge(struct transaction *t, int planfd, struct err *e)
{
	struct merging m = {.t = t, .mergefd = -1, .basefd = -1, .theirsfd = -1, .freshfd = -1};
	int statefd = t->job->statefd, status = -1;

	m.writer = plan_writer_new(planfd, m.t->token, e);
	if (m.writer == NULL || file_remove_tree(statefd, "merge", e) < 0)
		goto out;
	m.mergefd = file_enter_dir(statefd, "merge", e);
	if (m.mergefd < 0)
		goto out;
	m.basefd = file_enter_dir(m.mergefd, "base", e);
	m.theirsfd = file_enter_dir(m.mergefd, "theirs", e);
	if (m.basefd < 0 || m.theirsfd < 0)
		goto out;
	if (!t->job->dry && (m.freshfd = file_enter_dir(statefd, "fresh", e)) < 0)
		goto out;
	status = merge_all(&m, e);
out:
	file_close(m.mergefd);
	file_close(m.basefd);
	file_close(m.theirsfd);
	file_close(m.freshfd);
	plan_writer_free(m.writer);
	/* What is left of merge/ if this fails goes with the next merge, or with the snapshot. */
	file_remove_tree(statefd, "merge", NULL);
	return status;
}
