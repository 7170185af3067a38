/*
 * rule - the three-way rule for one path.  Private to apply.
 */
#ifndef APPLY_RULE_H
#define APPLY_RULE_H

#include "apply/private.h"
#include "tree/walk.h"

#define STAYS 0 /* the fate of a directory; else the kind of the step that ends it */

struct frame {
	size_t length; /* of its path */
	char fate;
	bool here;             /* it is a directory of ours */
	bool made;             /* it will be one */
	bool remains;          /* something of ours stays in it */
	bool doomed;           /* theirs was chosen: nothing of ours stays in it */
	bool kept;             /* ours was chosen: nothing of theirs comes into it */
	uint64_t seen;         /* names of ours in it that the walk came by */
	mode_t mode;           /* for it to be made with, or to get */
	bool file;             /* theirs is no directory */
	bool dirty;            /* something comes or goes in it */
	bool opened;           /* it can be written to, or the plan sees to that */
	bool retimed;          /* theirs has another time, and nobody touched ours */
	int64_t mtime;         /* for it to get if one of these holds, or if it is made */
	struct entry before;   /* what ours is; without strings */
	struct plan_step step; /* at its end, if kind is set */
	char *target;
};

struct planner {
	struct transaction *t;
	const struct apply_job *job; /* of it */
	struct compare *compare;
	struct walk *walk;
	struct plan_writer *writer;
	int64_t fresh; /* ns; a change time from here on may have been the manifest's own */
	int64_t now;   /* ns; when the plan was begun */
	struct frame *frames;
	size_t depth, cap;
	char path[TREE_PATH + 1]; /* of the entry before, so of all frames */
};

/* What three sides say of one path. */
struct sides {
	const char *path;
	const struct entry *base, *theirs;
	struct entry *ours;
	unsigned delta;
	enum guarded guarded; /* what became of it */
};

/* Decide on ${v} and write the step.  What is to be known of a directory until its end goes into
 * ${f}; *${gone} if ours does not stay. */
int rule_decide(struct planner *p, const struct sides *v, struct frame *f, bool *gone,
		struct err *e);

/* Is ${v} a guarded path that the worker touched and the person has not asked for?  1: ours stays,
 * and it is reported as it should be; 0: rule_decide has the word; -1. */
int rule_hold_guarded(struct planner *p, const struct sides *v, struct frame *f, struct err *e);

/* Is ${o} of ours ${t}, what came back, but for its mode?  1, 0, -1. */
int rule_same_as_theirs(struct planner *p, const struct entry *t, struct entry *o, struct err *e);

/* Write ${step} to the plan, and before it what opens the directories for it. */
int rule_emit(struct planner *p, struct plan_step *step, struct err *e);

/* Is ours, which the walk has just come by, a mount point?  Nothing can take its place. */
bool rule_is_mount_point(const struct planner *p);

/* The time that the directory ${v}, of which ${f} tells, gets when something changed in it. */
void rule_directory_time(const struct planner *p, const struct sides *v, struct frame *f);

/* The bits of a directory that is made because of ${theirs}, or NULL; it gets no more of them than
 * the umask or an ACL lets it have. */
mode_t rule_directory_mode(const struct planner *p, const struct entry *theirs);

#endif
