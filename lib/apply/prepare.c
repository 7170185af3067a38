/*
 * prepare - writes the plan of an apply and stages what it needs.  See private.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/stage.h"
#include "base/file.h"
#include "base/id.h"

/* A new file for a plan; in a dry run it has no name. */
static int
new_plan(const struct transaction *t, struct err *e)
{
	int statefd = t->job->statefd;
	const char *name = PLAN_NEW;

	if (unlinkat(statefd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot write the plan");
	int fd = openat(statefd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || (t->job->dry && unlinkat(statefd, name, 0) < 0))
		err_sys(e, "cannot write the plan");
	return fd;
}

/* Replace the plan, a draft, by what ${write} makes of it, if that is ${needed} (1, 0, -1). */
static int
rewrite(struct transaction *t, int needed,
	int (*write)(struct transaction *t, int planfd, struct err *e), struct err *e)
{
	int fd = needed <= 0 ? -1 : new_plan(t, e);

	if (needed == 0)
		return 0;
	if (fd < 0)
		return -1;
	int status = write(t, fd, e);
	transaction_close_plan(t);
	t->planfd = fd;
	return status < 0 ? -1 : transaction_read_plan(t, e);
}

/* Have the plan say what was staged.  The one before stays until then: it knows all the names. */
static int
correct_plan(struct transaction *t, struct err *e)
{
	static const char part[] = "plan.part";
	int statefd = t->job->statefd;
	int fd = openat(statefd, part, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "cannot write the plan");
	if (stages_correct(t, fd, e) < 0)
		goto err;
	if (fsync(fd) < 0 || renameat(statefd, part, statefd, PLAN_NEW) < 0) {
		err_sys(e, "cannot write the plan");
		goto err;
	}
	transaction_close_plan(t);
	t->planfd = fd;
	return transaction_read_plan(t, e);
err:
	close(fd);
	unlinkat(statefd, part, 0);
	return -1;
}

/* Put what is new under its temporary names: those the plan knows, which is durable before. */
static int
fill_stages(struct transaction *t, struct err *e)
{
	bool other = false;

	if (transaction_count(t, e) < 0)
		return -1;
	if (t->steps == 0)
		return 0;
	if (fsync(t->planfd) < 0)
		return err_sys(e, "cannot write the plan");
	if (file_sync_dir(t->job->statefd, e) < 0)
		return -1;
	t->staged = true;
	if (stages_unlock(t, e) < 0 || stages_make(t, e) < 0 || stages_fill(t, &other, e) < 0)
		return -1;
	if (t->totals->conflicts == 0 && other && correct_plan(t, e) < 0)
		return -1;
	if (t->totals->conflicts == 0 && stages_check(t, e) < 0 && t->totals->conflicts == 0)
		return -1;
	return t->totals->conflicts > 0 ? transaction_conflicts(t, e) : 0;
}

int
transaction_prepare(struct transaction *t, struct err *e)
{
	char token[ID_MAX + 1];

	if (id_make("", PLAN_TOKEN, token, e) < 0)
		return -1;
	memcpy(t->token, token, sizeof t->token);
	if (file_remove_tree(t->job->statefd, "fresh", e) < 0)
		return -1;
	t->planfd = new_plan(t, e);
	if (t->planfd < 0)
		return -1;
	if ((t->job->undo ? apply_undo_plan(t, e) : apply_decide(t, e)) < 0)
		return -1;
	if (transaction_read_plan(t, e) < 0 ||
	    rewrite(t, apply_merge_needed(t->plan, e), apply_merge, e) < 0 ||
	    rewrite(t, apply_fold_needed(t, t->plan, e), apply_fold, e) < 0)
		return -1;
	if (t->job->dry && transaction_report(t, e) < 0)
		return -1;
	if (t->totals->conflicts > 0)
		return transaction_conflicts(t, e);
	return t->job->dry ? 0 : fill_stages(t, e);
}
