/*
 * rule - the three-way rule for one path.  See apply.h.
 */
#include <string.h>

#include "apply/rule.h"

/* As apply_settle_conflict, with the ways that the sides leave open. */
static enum apply_settle
settle_sides(struct planner *p, const struct sides *v, const char *why, bool content)
{
	const struct entry *b = v->base, *t = v->theirs, *o = v->ours;
	bool can[APPLY_MERGE + 1] = {[APPLY_OURS] = true};

	/* A device or a socket of ours cannot be kept. */
	can[APPLY_THEIRS] = o == NULL || o->type != '?';
	can[APPLY_MERGE] =
	    content && t && o && t->type == 'f' && o->type == 'f' && (b == NULL || b->type == 'f');
	return apply_settle_conflict(p->t, v->path, why, can);
}

mode_t
rule_directory_mode(const struct planner *p, const struct entry *theirs)
{
	return p->job->fidelity && theirs ? theirs->mode & 0777 : 0755;
}

void
rule_directory_time(const struct planner *p, const struct sides *v, struct frame *f)
{
	const struct entry *b = v->base, *t = v->theirs, *o = v->ours;
	bool known = p->job->times && t && t->type == 'd';
	bool untouched = b && o && b->type == 'd' && o->type == 'd' && o->mtime == b->mtime;

	f->file = t && t->type != 'd';
	bool kept = known && untouched && compare_same_time(b->mtime, t->mtime);
	f->retimed = known && untouched && !kept;
	f->mtime = kept ? b->mtime : known && (untouched || !f->here) ? t->mtime : p->now;
}

/* Something new comes at ${path}: see that the directories above it are there.  If one of them is
 * something else here it becomes a directory with ${force}, else *${blocked}. */
static int
make_parents(struct planner *p, bool force, bool *blocked, struct err *e)
{
	*blocked = false;
	for (size_t i = 0; i < p->depth; i++) {
		struct frame *f = &p->frames[i];
		if (f->here || f->made)
			continue;
		if (f->remains && (!force || f->before.type == '?')) {
			*blocked = true;
			return 0;
		}
		char end = p->path[f->length];
		struct plan_step s = {.kind = PLAN_DIRECTORY, .path = p->path};
		if (f->remains) {
			s.kind = PLAN_CONVERT;
			s.before = f->before;
			f->remains = false;
		}
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

int
rule_same_as_theirs(struct planner *p, const struct entry *t, struct entry *o, struct err *e)
{
	if (o == NULL || o->type != t->type)
		return 0;
	if (o->type == 'd')
		return 1;
	if (o->type == 'l')
		return t->target && o->target && strcmp(t->target, o->target) == 0;
	if (o->size != t->size)
		return 0;
	if (!o->sha256[0] && walk_hash(p->walk, o, e) < 0)
		return -1;
	return strcmp(o->sha256, t->sha256) == 0;
}

/* Is ours still ${b}, what was sent, but for its mode?  Its time stamps may say so. */
static int
same_as_base(struct planner *p, const struct entry *b, struct entry *o, struct err *e)
{
	if (o != NULL && o->type == b->type && b->ctime != 0 && o->ctime == b->ctime &&
	    o->mtime == b->mtime && o->inode == b->inode && o->size == b->size &&
	    o->ctime < p->fresh)
		return 1;
	return rule_same_as_theirs(p, b, o, e);
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
		*mode = had_mode ? o->mode & 0777 : 0644;
		return 0;
	}
	*mode = t->mode & 0777;
	if (!had_mode || b == NULL || b->type != t->type || ((o->mode ^ t->mode) & 0777) == 0)
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
	if (merge_mode(p, v, &s.after.mode)) {
		if (settle_sides(p, v, "mode changed on both sides", false) != APPLY_THEIRS)
			return 0;
		s.after.mode = v->theirs->mode & 0777;
	}
	if (((s.after.mode ^ v->ours->mode) & 0777) == 0)
		return 0;
	if (s.after.type != 'd')
		return rule_emit(p, &s, e);
	/* Last, so that a directory that becomes read-only can be filled before. */
	f->step = s;
	return 0;
}

/* Only the time was changed there: who touched ours, in whatever way, has the last word. */
static int
plan_times(struct planner *p, const struct sides *v, struct err *e)
{
	const struct entry *b = v->base, *o = v->ours;
	struct plan_step s;

	if (o == NULL || o->type != b->type || o->mtime != b->mtime || o->size != b->size)
		return 0;
	step_begin(&s, PLAN_TIMES, v);
	return rule_emit(p, &s, e);
}

/* Theirs was not chosen. */
static int
leave_ours(struct frame *f, enum apply_settle how)
{
	f->kept = how == APPLY_OURS;
	return 0;
}

/* Did we change the mode of what we were sent? */
static bool
mode_is_ours(const struct sides *v)
{
	return v->ours->type == v->base->type && v->ours->type != 'l' &&
	       ((v->ours->mode ^ v->base->mode) & 0777) != 0;
}

static int
keep_mount(struct planner *p, const struct sides *v, struct frame *f)
{
	const char *why = "a mount point, which cannot be replaced";

	return leave_ours(f, apply_settle_conflict(p->t, v->path, why, NULL));
}

/* Ours goes, with all that is in it. */
static int
plan_removal(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	struct plan_step s;

	if (rule_is_mount_point(p))
		return keep_mount(p, v, f);
	if (v->ours->type == 'd') {
		step_begin(&f->step, PLAN_EMPTY, v);
		f->fate = PLAN_EMPTY;
		return 0;
	}
	*gone = true;
	step_begin(&s, PLAN_REMOVE, v);
	return rule_emit(p, &s, e);
}

static int
plan_deleted(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	if (v->ours == NULL)
		return 0;
	int same = same_as_base(p, v->base, v->ours, e);
	if (same < 0)
		return -1;
	if (!same || mode_is_ours(v)) {
		enum apply_settle how = settle_sides(p, v, "changed here, deleted there", false);
		if (how != APPLY_THEIRS)
			return leave_ours(f, how);
		f->doomed = v->ours->type == 'd';
	}
	return plan_removal(p, v, f, gone, e);
}

/* It is in a directory of ours that is to go. */
static int
plan_doomed(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	if (v->ours == NULL || v->ours->type == '?')
		return 0;
	int same = v->base ? same_as_base(p, v->base, v->ours, e) : 0;
	if (same < 0)
		return -1;
	if (!same)
		apply_report_settled(p->t, v->path,
				     v->base ? "changed here, deleted there"
					     : "added here, where there is no directory",
				     APPLY_THEIRS);
	return plan_removal(p, v, f, gone, e);
}

/* Theirs comes where ours has nothing. */
static int
plan_new(struct planner *p, const struct sides *v, struct frame *f, struct err *e)
{
	struct plan_step s;
	bool blocked;

	if (make_parents(p, false, &blocked, e) < 0)
		return -1;
	if (blocked) {
		enum apply_settle how =
		    settle_sides(p, v, "added there, where there is no directory here", false);
		if (how != APPLY_THEIRS)
			return leave_ours(f, how);
		if (make_parents(p, true, &blocked, e) < 0)
			return -1;
	}
	step_begin(&s, v->theirs->type == 'd' ? PLAN_DIRECTORY : PLAN_ADD, v);
	if (v->theirs->type != 'd') {
		merge_mode(p, v, &s.after.mode);
		return rule_emit(p, &s, e);
	}
	s.after.mode = rule_directory_mode(p, v->theirs) | 0700;
	f->made = true;
	if (rule_emit(p, &s, e) < 0)
		return -1;
	if (s.after.mode != f->mode) {
		f->step = s;
		f->step.kind = PLAN_MODE;
		f->step.before = s.after;
		f->step.before.inode = 0;
		f->step.after.mode = f->mode;
	}
	return 0;
}

/* Theirs comes in place of ours; ${settled}: because it was chosen. */
static int
plan_replacement(struct planner *p, const struct sides *v, bool settled, struct frame *f,
		 bool *gone, struct err *e)
{
	struct plan_step s;
	bool named;

	if (rule_is_mount_point(p))
		return keep_mount(p, v, f);
	step_begin(&s, v->theirs->type == 'd' ? PLAN_CONVERT : PLAN_CHANGE, v);
	if (v->theirs->type == 'd') {
		s.after.mode = rule_directory_mode(p, v->theirs) | 0700;
	} else if (merge_mode(p, v, &s.after.mode)) {
		enum apply_settle how =
		    settled ? APPLY_THEIRS
			    : settle_sides(p, v, "mode changed on both sides", false);
		if (how == APPLY_ASK)
			return 0;
		s.after.mode = (how == APPLY_THEIRS ? v->theirs : v->ours)->mode & 0777;
	}
	if (v->ours->type != 'd') {
		*gone = true;
		f->made = true;
		return rule_emit(p, &s, e);
	}
	f->fate = PLAN_CHANGE;
	f->doomed = apply_choice_of(p->t, v->path, &named) == APPLY_THEIRS;
	f->step = s;
	if (s.after.target && !(f->target = strdup(s.after.target)))
		return err_memory(e);
	return 0;
}

/* Both have another content, and it is to be merged. */
static int
plan_merge(struct planner *p, const struct sides *v, struct err *e)
{
	struct plan_step s;

	step_begin(&s, PLAN_MERGE, v);
	if (merge_mode(p, v, &s.after.mode)) {
		settle_sides(p, v, "mode changed on both sides", false);
		return 0;
	}
	return rule_emit(p, &s, e);
}

/* Theirs and ours differ, and ours is not what was sent. */
static int
plan_conflict(struct planner *p, const struct sides *v, const char *why, struct frame *f,
	      bool *gone, struct err *e)
{
	enum apply_settle how = settle_sides(p, v, why, true);

	if (how == APPLY_MERGE)
		return plan_merge(p, v, e);
	if (how != APPLY_THEIRS)
		return leave_ours(f, how);
	return v->ours ? plan_replacement(p, v, true, f, gone, e) : plan_new(p, v, f, e);
}

static int
plan_added(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	if (v->ours == NULL)
		return plan_new(p, v, f, e);
	int same = rule_same_as_theirs(p, v->theirs, v->ours, e);
	if (same < 0)
		return -1;
	bool executable = ((v->ours->mode ^ v->theirs->mode) & 0100) != 0;
	if (same && !(p->job->fidelity && v->theirs->type == 'f' && executable))
		return 0;
	return plan_conflict(
	    p, v, same ? "added on both sides, with different modes" : "added on both sides", f,
	    gone, e);
}

/* Content or type changed there. */
static int
plan_changed(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	if (v->ours == NULL) {
		bool excluded = v->delta == COMPARE_MODE && v->theirs->type == 'd';
		if (excluded)
			return 0;
		if (compare_excluded(p->compare, v->path, v->theirs->type == 'd', &excluded, e) < 0)
			return -1;
		return excluded ? 0
				: plan_conflict(p, v, "deleted here, changed there", f, gone, e);
	}
	int same = rule_same_as_theirs(p, v->theirs, v->ours, e);
	if (same < 0)
		return -1;
	if (same)
		return v->ours->type == 'f' ? plan_mode(p, v, f, e) : 0;
	same = same_as_base(p, v->base, v->ours, e);
	if (same < 0)
		return -1;
	if (same && v->theirs->type != v->ours->type && mode_is_ours(v))
		return plan_conflict(p, v, "mode changed here, something else there", f, gone, e);
	return same ? plan_replacement(p, v, false, f, gone, e)
		    : plan_conflict(p, v, "changed on both sides", f, gone, e);
}

/* Is it among what the person wants to stay as it is here? */
static bool
stays_ours(struct planner *p, const struct sides *v, struct frame *f)
{
	bool named;

	if (apply_choice_of(p->t, v->path, &named) != APPLY_OURS || !named)
		return false;
	/* A time is nobody's change. */
	if (v->delta != COMPARE_TIMES)
		apply_report_settled(p->t, v->path, "changed there", APPLY_OURS);
	f->kept = true;
	return true;
}

int
rule_decide(struct planner *p, const struct sides *v, struct frame *f, bool *gone, struct err *e)
{
	/* The directory that was lent is the person's, whatever they did to it. */
	size_t i = compare_resource(p->t->resources, p->t->count, v->path);
	if (i == p->t->count || *compare_relative(&p->t->resources[i], v->path) == '\0')
		return 0;
	if (p->depth > 0 && p->frames[p->depth - 1].kept)
		return 0;
	if (v->delta != 0 && stays_ours(p, v, f))
		return 0;
	if (p->depth > 0 && p->frames[p->depth - 1].doomed)
		return plan_doomed(p, v, f, gone, e);
	if (v->delta & COMPARE_DELETED)
		return plan_deleted(p, v, f, gone, e);
	if (v->delta & COMPARE_ADDED)
		return plan_added(p, v, f, gone, e);
	if (v->delta & (COMPARE_CONTENT | COMPARE_TYPE))
		return plan_changed(p, v, f, gone, e);
	if (v->delta & COMPARE_TIMES && plan_times(p, v, e) < 0)
		return -1;
	if (!(v->delta & COMPARE_MODE))
		return 0;
	if (v->ours == NULL || v->ours->type != v->theirs->type)
		return plan_changed(p, v, f, gone, e);
	return plan_mode(p, v, f, e);
}
