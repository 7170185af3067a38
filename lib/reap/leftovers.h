/* leftovers - what a writer that died left in a directory. */
#ifndef REAP_LEFTOVERS_H
#define REAP_LEFTOVERS_H

#include "reap/context.h"

/* A directory of the collection without a record: what is left of a creation that was cut off. */
void reap_unrecorded(struct reap *r, const char *collection, const char *id);

/* Remove temporary files, which were to replace others, from ${dirfd}, the directory ${name} of
 * the state. */
void reap_temporary(struct reap *r, int dirfd, const char *name);

/* The same in the directory ${name}, and with ${deep} in those in it. */
void reap_temporaries(struct reap *r, const char *name, bool deep);

#endif
