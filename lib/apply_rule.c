/*
 * apply_rule - the three-way rule for one path.  See apply.h.
 */
#include <stdlib.h>
#include <string.h>

#include "apply_plan.h"
#include "apply_rule.h"

int
rule_emit(struct planner *p, struct plan_step *step, struct err *e)
{
	if (p->job->dry)
		apply_tell(p->job, step, p->totals);
	return plan_add(p->writer, step, e);
}

int
rule_conflict(struct planner *p, const char *path, const char *why)
{
	apply_tell_conflict(p->job, path, why, p->totals);
	return 0;
}

mode_t
rule_directory_mode(const struct planner *p, const struct entry *theirs)
{
	return p->job->fidelity && theirs ? theirs->mode & 0777 : 0755 & ~p->mask;
}

/* Something new comes at ${path}: see that the directories above it are there.  *${blocked} if one
 * of them is something else here. */
static int
make_parents(struct planner *p, bool *blocked, struct err *e)
{
	*blocked = false;
	for (size_t i = 0; i < p->depth; i++) {
		struct frame *f = &p->frames[i];
		if (f->here || f->made)
			continue;
		if (f->remains) {
			*blocked = true;
			return 0;
		}
		char end = p->path[f->length];
		struct plan_step s = {.kind = PLAN_DIRECTORY, .path = p->path};
		s.after.type = 'd';
		s.after.mode = f->mode;
		p->path[f->length] = '\0';
		int status = rule_emit(p, &s, e);
		p->path[f->length] = end;
		if (status)
			return -1;
		f->made = true;
	}
	return 0;
}

/* Is ours still what was sent, but for its mode?  1, 0, -1. */
static int
same_as_base(struct planner *p, const struct entry *b, struct entry *o, struct err *e)
{
	if (!o || o->type != b->type)
		return 0;
	if (o->type == 'd')
		return 1;
	bool stamped = b->ctime != 0 && o->ctime == b->ctime && o->mtime == b->mtime &&
		       o->inode == b->inode && o->size == b->size && o->ctime < p->fresh;
	if (stamped)
		return 1;
	if (o->type == 'l')
		return b->target && o->target && strcmp(b->target, o->target) == 0;
	if (o->size != b->size)
		return 0;
	if (!o->sha256[0] && tree_hash(p->tree, o, e))
		return -1;
	return strcmp(o->sha256, b->sha256) == 0;
}

/* Is ours what came back, but for its mode?  1, 0, -1. */
static int
same_as_theirs(struct planner *p, const struct entry *t, struct entry *o, struct err *e)
{
	if (!o || o->type != t->type)
		return 0;
	if (o->type == 'd')
		return 1;
	if (o->type == 'l')
		return t->target && o->target && strcmp(t->target, o->target) == 0;
	if (o->size != t->size)
		return 0;
	if (!o->sha256[0] && tree_hash(p->tree, o, e))
		return -1;
	return strcmp(o->sha256, t->sha256) == 0;
}

static void
step_begin(struct plan_step *s, char kind, const struct sides *v)
{
	*s = (struct plan_step){.kind = kind, .path = (char *)v->path};
	if (v->theirs)
		s->after = *v->theirs;
	if (v->ours)
		s->before = *v->ours;
}

/* The bits that a file of theirs gets here: ours, unless they changed them and we did not. */
static int
merge_mode(const struct planner *p, const struct sides *v, mode_t *mode)
{
	const struct entry *b = v->base, *t = v->theirs, *o = v->ours;
	bool had_mode = o && o->type == t->type;
	if (!p->job->fidelity) {
		*mode = had_mode ? o->mode & 0777 : 0644 & ~p->mask;
		return 0;
	}
	*mode = t->mode & 0777;
	if (!had_mode || !b || b->type != t->type || ((o->mode ^ t->mode) & 0777) == 0)
		return 0;
	if (((b->mode ^ t->mode) & 0777) == 0)
		*mode = o->mode & 0777;
	else if (((b->mode ^ o->mode) & 0777) != 0)
		return -1;
	return 0;
}

static int
plan_mode(struct planner *p, const struct sides *v, struct frame *f, struct err *e)
{
	struct plan_step s;
	step_begin(&s, PLAN_MODE, v);
	if (merge_mode(p, v, &s.after.mode))
		return rule_conflict(p, v->path, "mode changed here and there");
	if (((s.after.mode ^ v->ours->mode) & 0777) == 0)
		return 0;
	if (s.after.type != 'd')
		return rule_emit(p, &s, e);
	/* Last, so that a directory that becomes read-only can be filled before. */
	f->step = s;
	return 0;
}

static int
plan_deleted(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	struct plan_step s;
	if (!v->ours)
		return 0;
	int same = same_as_base(p, v->base, v->ours, e);
	if (same < 0)
		return -1;
	if (v->ours->type == 'd' && same) {
		step_begin(&f->step, PLAN_EMPTY, v);
		f->fate = PLAN_EMPTY;
		return 0;
	}
	if (!same || (v->ours->type == 'f' && ((v->ours->mode ^ v->base->mode) & 0777) != 0))
		return rule_conflict(p, v->path, "changed here, deleted there");
	*gone = true;
	step_begin(&s, PLAN_REMOVE, v);
	return rule_emit(p, &s, e);
}

static int
plan_added(struct planner *p, const struct sides *v, struct frame *f, struct err *e)
{
	struct plan_step s;
	if (v->ours) {
		int same = same_as_theirs(p, v->theirs, v->ours, e);
		if (same < 0)
			return -1;
		bool executable = ((v->ours->mode ^ v->theirs->mode) & 0100) != 0;
		if (same && !(p->job->fidelity && v->theirs->type == 'f' && executable))
			return 0;
		return rule_conflict(p, v->path, "added here and there");
	}
	bool blocked;
	if (make_parents(p, &blocked, e))
		return -1;
	if (blocked)
		return rule_conflict(p, v->path, "added there, where here is no directory");
	step_begin(&s, v->theirs->type == 'd' ? PLAN_DIRECTORY : PLAN_ADD, v);
	if (v->theirs->type != 'd') {
		merge_mode(p, v, &s.after.mode);
		return rule_emit(p, &s, e);
	}
	s.after.mode = rule_directory_mode(p, v->theirs) | 0700;
	f->made = true;
	if (rule_emit(p, &s, e))
		return -1;
	if (s.after.mode != f->mode) {
		f->step = s;
		f->step.kind = PLAN_MODE;
		f->step.before = s.after;
		f->step.after.mode = f->mode;
	}
	return 0;
}

/* Content or type changed there. */
static int
plan_changed(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	struct plan_step s;
	if (!v->ours) {
		bool excluded = v->delta == COMPARE_MODE && v->theirs->type == 'd';
		if (excluded)
			return 0;
		if (compare_excluded(p->compare, v->path, v->theirs->type == 'd', &excluded, e))
			return -1;
		return excluded ? 0 : rule_conflict(p, v->path, "deleted here, changed there");
	}
	int same = same_as_theirs(p, v->theirs, v->ours, e);
	if (same < 0)
		return -1;
	if (same)
		return v->ours->type == 'f' ? plan_mode(p, v, f, e) : 0;
	same = same_as_base(p, v->base, v->ours, e);
	if (same < 0)
		return -1;
	if (!same)
		return rule_conflict(p, v->path, "changed here and there");
	step_begin(&s, v->theirs->type == 'd' ? PLAN_CONVERT : PLAN_CHANGE, v);
	if (v->theirs->type == 'd')
		s.after.mode = rule_directory_mode(p, v->theirs) | 0700;
	else if (merge_mode(p, v, &s.after.mode))
		return rule_conflict(p, v->path, "mode changed here and there");
	if (v->ours->type != 'd') {
		*gone = true;
		f->made = true;
		return rule_emit(p, &s, e);
	}
	f->fate = PLAN_CHANGE;
	f->step = s;
	if (s.after.target && !(f->target = strdup(s.after.target)))
		return err_memory(e);
	return 0;
}

int
rule_decide(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	/* The directory that was lent is the person's, whatever they did to it. */
	size_t i = compare_resource(p->resources, p->count, v->path);
	if (i == p->count || *compare_relative(&p->resources[i], v->path) == '\0')
		return 0;
	if (v->delta & COMPARE_DELETED)
		return plan_deleted(p, v, f, gone, e);
	if (v->delta & COMPARE_ADDED)
		return plan_added(p, v, f, e);
	if (v->delta & (COMPARE_CONTENT | COMPARE_TYPE))
		return plan_changed(p, v, f, gone, e);
	if (!(v->delta & COMPARE_MODE))
		return 0;
	if (!v->ours || v->ours->type != v->theirs->type)
		return plan_changed(p, v, f, gone, e);
	return plan_mode(p, v, f, e);
}
