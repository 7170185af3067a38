/* name - names of tokens and peers. */
#ifndef ACCESS_NAME_H
#define ACCESS_NAME_H

#include "base/err.h"

#define NAME_LENGTH 64 /* longest */

/* Is ${name} one for a ${what} ("token", "peer")?  It names a file; a name that begins with a dot
 * is that of a file being written. */
int name_check(const char *what, const char *name, struct err *e);

#endif
