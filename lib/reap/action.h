/*
 * action - what the rules do to the state: asked for, or only reported in a dry run, logged,
 * counted.
 *
 * A rule describes what it is about to do, asks whether it may, does it, and says how that went.
 */
#ifndef REAP_ACTION_H
#define REAP_ACTION_H

#include "reap/context.h"

/* Was ${kind} asked for? */
bool reap_wants(const struct reap *r, enum reap_kind kind);

/* Fill ${action}. */
void reap_describe(struct reap_action *action, enum reap_kind kind, const char *id,
		   const char *verb, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* May ${action} be done now?  Not if it was not asked for; a dry run reports it instead. */
bool reap_may(struct reap *r, const struct reap_action *action);

/* The same of something that is removed for its age: not while the clock is in doubt. */
bool reap_may_remove(struct reap *r, const struct reap_action *action);

/* ${action} was done if ${status} is 0, else ${e} says why not: reported, and logged. */
void reap_done(struct reap *r, const struct reap_action *action, int status, const struct err *e);

/* Report something that a person should know of. */
void reap_warn(struct reap *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ${kind} ${id} was handled and is due again ${when}; 0: never.  Under the lock of its record. */
void reap_again(struct reap *r, const char *kind, const char *id, int64_t when);

#endif
