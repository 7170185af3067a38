/* remove - how files and records are removed, and how old they are. */
#ifndef REAP_REMOVE_H
#define REAP_REMOVE_H

#include "reap/context.h"

/* Rename ${name} of ${dirfd} into tmp/ and remove it there. */
int reap_remove(int dirfd, const char *name, struct err *e);

/* The same of a record that is open for change; lifecycle.log gets the kind of ${action}. */
int reap_remove_record(struct record *record, const struct reap_action *action, struct err *e);

/* ${age}, ms, in words: "8 days". */
const char *reap_span(int64_t age, char out[32]);

/* How long ago ${name} in ${dirfd} was changed, ms; -1 if it is gone. */
int64_t reap_age(const struct reap *r, int dirfd, const char *name);

#endif
