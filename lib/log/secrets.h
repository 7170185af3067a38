/*
 * secrets - the expressions by which secrets are known: a table of ours, and the operator's.
 *
 * Each of ours has heads, such as "ghp_" or "token", and is tried where one of them stands, and
 * nowhere else: text is read once, at the speed of a table of three bytes, and an expression is
 * compiled when its head was first seen.  The operator's are in the file that AWCP_REDACT names,
 * one a line; they are tried on every line.
 */
#ifndef LOG_SECRETS_H
#define LOG_SECRETS_H

#include <stddef.h>

#include "base/err.h"

/* Read the operator's expressions, if there are any; to be called once, before there are threads.
 * ERR_CONFIG names the file and the line of what is wrong. */
int secrets_load(struct err *e);

/* How many sets of expressions there are: ours is 0, and each of the operator's one. */
size_t secrets_sets(void);

/* Find the next secret of ${set} in the line ${p} of ${n} bytes, from byte *${from} on.  Returns 1,
 * with the secret from *${from} to before *${to}: nothing behind the head of a private key that
 * goes on in the next line.  0 if there is none; -1 if that cannot be known. */
int secrets_find(size_t set, const char *p, size_t n, size_t *from, size_t *to);

/* The same for a line inside a private key: 1, and what of the line is of the key, perhaps
 * nothing; 0 if it is no such line. */
int secrets_find_key_line(const char *p, size_t n, size_t *from, size_t *to);

#endif
