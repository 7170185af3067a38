/*
 * guarded - holds back what the worker made of guarded paths until the person asks for it.  See
 * rule.h; which paths those are says tree/guard.h.
 */
#include "apply/rule.h"

#include "tree/guard.h"

/* Does the person know what they take: all that is guarded, or this by its name? */
static bool
is_asked_for(const struct transaction *t, const char *path)
{
	bool named;
	enum apply_settle how = apply_choice_of(t, path, &named);

	return (named && how == APPLY_THEIRS) ||
	       (t->job->guarded && (named || t->job->choice_count == 0));
}

/* Is ours as it would be if theirs were taken?  1, 0, -1. */
static int
is_taken(struct planner *p, const struct sides *v, struct err *e)
{
	const struct entry *t = v->theirs, *o = v->ours;

	if (t == NULL)
		return o == NULL;
	int same = rule_same_as_theirs(p, t, v->ours, e);
	if (same <= 0 || t->type != 'f' || !p->job->fidelity)
		return same;
	mode_t bits = v->delta & COMPARE_ADDED ? 0100 : 0777;
	return ((o->mode ^ t->mode) & bits) == 0;
}

static const char *
reason(const struct sides *v)
{
	if (v->delta & COMPARE_ADDED && guard_deceives(v->path))
		return "guarded for its name, and made there";
	return v->delta & COMPARE_ADDED     ? "guarded, and made there"
	       : v->delta & COMPARE_DELETED ? "guarded, and deleted there"
					    : "guarded, and changed there";
}

/* What is to become of a directory that came or went, or changed its mode: 1 to hold it, or 0. */
static int
hold_directory(const struct sides *v, struct frame *f)
{
	if (!(v->delta & COMPARE_ADDED))
		return 0; /* it goes only if nothing in it stays */
	/* It comes with what is taken in it, and that has to come into it. */
	f->mode |= 0700;
	return 1;
}

int
rule_hold_guarded(struct planner *p, const struct sides *v, struct frame *f, struct err *e)
{
	const struct frame *above = p->depth > 0 ? &p->frames[p->depth - 1] : NULL;

	if (above && above->doomed && compare_untouchable(p->compare, v->path))
		return 1;
	if (v->guarded == GUARD_NONE || (v->delta & ~(unsigned)COMPARE_TIMES) == 0 ||
	    (above && above->kept) || is_asked_for(p->t, v->path))
		return 0;
	bool directory = (v->base == NULL || v->base->type == 'd') &&
			 (v->theirs == NULL || v->theirs->type == 'd') &&
			 (v->ours == NULL || v->ours->type == 'd');
	if (directory)
		return hold_directory(v, f);
	bool named;
	int taken = is_taken(p, v, e);
	if (taken != 0)
		return taken < 0 ? -1 : 0;
	if (apply_choice_of(p->t, v->path, &named) == APPLY_OURS) {
		apply_report_settled(p->t, v->path, reason(v), APPLY_OURS);
		f->kept = true;
	} else {
		apply_report_guarded(p->t, v->path, reason(v));
	}
	return 1;
}
