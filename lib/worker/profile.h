/*
 * worker/profile - a command that a worker runs, under a name: what it can do, and whether it may
 *be used.
 *
 * A worker may have several, in the order in which they are preferred.  A task goes to the first
 * that can do all that the task requires and that no breaker holds back.  So a profile is the unit
 * that cools down when its provider is rate-limited, and that is stopped when it only dies.
 *
 *	profiles/<name>   {"name", "capabilities", "program", "usedAt"}: all that were ever used
 */
#ifndef WORKER_PROFILE_H
#define WORKER_PROFILE_H

#include <jansson.h>
#include <regex.h>

#include "state/breaker.h"

#define PROFILES 16 /* of a worker */
#define PROFILE_NAME 64
#define PROFILE_CAPABILITIES 32

struct profile {
	char *text; /* what the names below are part of */
	const char *name;
	const char *capabilities[PROFILE_CAPABILITIES + 1]; /* NULL-terminated */
	char **argv;   /* argv[0] an absolute path; NULL: the command is yet to be given */
	char *program; /* that path */
};

struct profiles {
	struct profile profile[PROFILES];
	size_t count;
	bool matches;             /* there is a pattern */
	regex_t limited;          /* what a failed command prints when it is rate-limited */
	int64_t cooldown;         /* ms that it is given no work then */
	struct breaker_rule rule; /* when it is stopped */
};

/* Add "name[:capability,...][=word ...]", in which blanks divide the words of the command.  Quotes
 * and other characters that mean something to a shell are ERR_USAGE, as the operator might expect a
 * shell to read them. */
int profiles_add(struct profiles *all, const char *text, struct err *e);

/* The options have ended: ${argv} (ended by NULL, may be empty) is the command of the profile that
 * has none yet, or else of one more, ${name}.  Finds all programs (ERR_CONFIG if one is missing).
 * ${argv} must stay. */
int profiles_complete(struct profiles *all, char *const *argv, const char *name, struct err *e);

/* A failed command whose last lines match ${pattern} (POSIX ERE) is rate-limited. */
int profiles_match(struct profiles *all, const char *pattern, struct err *e);

void profiles_free(struct profiles *all);

/* Note in the state that these are used. */
int profiles_note(const struct profiles *all, struct err *e);

/* When one that can do all that ${task} requires may be used: ms since 1970, 0 for now.
 * It is known that ${except} may not be before ${then}. */
int64_t profiles_ready(const struct profiles *all, const json_t *task, const struct profile *except,
		       int64_t then);

/* Call ${each} for every profile that was ever used, in order of name, until it returns non-zero,
 * which is returned: with {"name", "capabilities", "program", "usedAt", "state": "ready", "cooling"
 * or "stopped", "deaths"}, and "until" and "why" if it is not ready. */
int profile_list(int (*each)(void *arg, const json_t *profile), void *arg, struct err *e);

#endif
