/* What the files of access/ share. */
#ifndef ACCESS_PRIVATE_H
#define ACCESS_PRIVATE_H

#include <jansson.h>

#include "base/err.h"

#define TOKEN_RECORD 65536 /* bytes of a token's file */

/* The record in file ${name} of tokens/ to *${o}, NULL if there is none any more: it was removed,
 * or is damaged.  -1 if it cannot be read now. */
int token_load(int dirfd, const char *name, json_t **o, struct err *e);

#endif
