/*
 * token - who may call us.
 *
 * A token is "awcp_" and 64 hex digits (256 random bits).  tokens/<sha256 of it> holds its owner's
 * name; the token itself is never stored here.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include <jansson.h>
#include <stddef.h>

#include "err.h"

#define TOKEN_MAX 256 /* longest credential that is looked at */
#define TOKEN_NAME 64

/* Make a token for ${name} ([A-Za-z0-9._-], unique) and write it to ${out}, 70 bytes. */
int token_add(const char *name, char out[70], struct err *e);

/* Remove the token of ${name}. */
int token_remove(const char *name, struct err *e);

/* Call ${each} for every token with {name, createdAt}. */
int token_list(int (*each)(void *arg, const json_t *token), void *arg, struct err *e);

/* Who holds ${credential}?  Copies the name; ERR_AUTH_FAILED if nobody does. */
int token_owner(const char *credential, char name[TOKEN_NAME + 1], struct err *e);

/* Read a token from the first line of ${path}; a file that others may read is refused. */
int token_read(const char *path, char out[TOKEN_MAX], struct err *e);

#endif
