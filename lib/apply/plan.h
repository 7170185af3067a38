/*
 * plan - the steps of an apply, as a file that outlives a crash.
 *
 * Text: a first line "awcp-plan 2 <token>", a line a step, a last line "end <count>".  A step is
 *
 *	number kind holder type mode size mtime sha256 type mode size mtime ctime inode
 *		path[ TAB target]
 *
 * in one line: how many bytes of the path name the directory that holds what the step puts in its
 * place or takes away (see scene.h), then what is to be there after it, then what is there before;
 * "-" for a type means nothing, for a hash that there is none; a path is escaped as in a manifest.
 * In this order the steps can be done one by one, in the reverse order undone: the file is read in
 * both directions.  Plans of earlier versions begin with "awcp-plan 1" and know no holder.
 */
#ifndef APPLY_PLAN_H
#define APPLY_PLAN_H

#include "tree/tree.h"

enum plan_kind {
	PLAN_ADD = 'A',    /* a staged file or link where nothing is */
	PLAN_CHANGE = 'C', /* a staged file or link in place of a file, link or empty directory */
	PLAN_DIRECTORY = 'D', /* a directory where nothing is */
	PLAN_CONVERT = 'X',   /* a directory in place of a file or link */
	PLAN_REMOVE = 'R',    /* no file or link any more */
	PLAN_EMPTY = 'E',     /* no directory any more, if nothing is left in it */
	PLAN_MODE = 'M',      /* only other permission bits */
	PLAN_TIMES = 'T',     /* only another mtime; a directory gets it when all is in place */
	PLAN_MARKED = 'K',    /* as PLAN_CHANGE, and the new content has conflict markers */
	PLAN_OPEN = 'O',  /* the directory is written to: which one it is, and the mode it has until
			     all is done */
	PLAN_MERGE = 'G', /* only in a draft: a change by merging is to be tried */
};

#define PLAN_TOKEN 16 /* hex digits */

struct plan_step {
	uint64_t number; /* from 1 */
	char kind;       /* enum plan_kind */
	char *path;      /* with the resource's name in front */
	size_t holder;   /* so many bytes of it name the directory with the temporary names */
	/* Only type ('-': nothing), mode, size, mtime, sha256 and target are kept of after; type,
	 * mode, size, mtime, ctime and inode of before. */
	struct entry after, before;
};

/* Does ${step} put a file or link in place that was staged? */
bool plan_is_staged(const struct plan_step *step);

/* Is it the time of a directory, which has to wait until nothing moves in it any more? */
bool plan_is_last(const struct plan_step *step);

struct plan_writer;

/* Begin a plan in ${fd}, which stays the caller's.  ${token} tells its temporary names from those
 * of others. */
struct plan_writer *plan_writer_new(int fd, const char *token, struct err *e);

/* Append ${step}; numbers it. */
int plan_add(struct plan_writer *w, struct plan_step *step, struct err *e);

/* Append ${step} as it is: its number is that of another plan. */
int plan_copy(struct plan_writer *w, const struct plan_step *step, struct err *e);

/* Write the end. */
int plan_finish(struct plan_writer *w, struct err *e);
void plan_writer_free(struct plan_writer *w);

struct plan;

/* Read the plan in ${fd} (pread; ${fd} stays the caller's). ERR_BAD_DATA if it is none. */
struct plan *plan_open(int fd, struct err *e);

/* Its token; "" for one that an earlier version left. */
const char *plan_token(const struct plan *p);

/* Go to the place before the first step, or after the last: ERR_BAD_DATA if it has no end. */
void plan_rewind(struct plan *p);
int plan_to_end(struct plan *p, struct err *e);

/* This place, and back to it. */
off_t plan_tell(const struct plan *p);
void plan_seek(struct plan *p, off_t place);

/* How many steps it has; known when plan_to_end was called. */
uint64_t plan_count(const struct plan *p);

/* The step after this place, or before it, going there: 1 and *${step} (valid until the next
 * call), 0 when there is none, -1. */
int plan_next(struct plan *p, struct plan_step **step, struct err *e);
int plan_previous(struct plan *p, struct plan_step **step, struct err *e);

void plan_close(struct plan *p);

#endif
