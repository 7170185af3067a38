/* What the files of access/ share. */
#ifndef ACCESS_PRIVATE_H
#define ACCESS_PRIVATE_H

#include <jansson.h>

#include "base/err.h"

#define TOKEN_RECORD 65536 /* bytes of a token's file */

#define NAME_LENGTH 64 /* longest name of a token or a peer */

/* Is ${name} one for a ${what} ("token", "peer")?  It names a file; a name that begins with a dot
 * is that of a file being written. */
int name_check(const char *what, const char *name, struct err *e);

/* The record in file ${name} of tokens/ to *${o}, NULL if there is none any more: it was removed,
 * or is damaged.  -1 if it cannot be read now. */
int token_load(int dirfd, const char *name, json_t **o, struct err *e);

#endif
