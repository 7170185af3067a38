/*
 * pattern - regular expressions of PCRE2 (pcre2pattern(3)), found in bytes.
 *
 * The library is loaded when the first expression is compiled: a program that needs none does not
 * pay for it.  How far a search may backtrack is bounded.
 */
#ifndef LOG_PATTERN_H
#define LOG_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pattern;

/* Compile ${text}.  With ${anchored} it matches only where a search begins; without it is compiled
 * to machine code, for searching much.  ERR_CONFIG says what is wrong with it, and where. */
struct pattern *pattern_new(const char *text, bool anchored, struct err *e);
void pattern_free(struct pattern *x);

/* Find ${x} in the ${n} bytes at ${p}, from byte *${from} on; its assertions see what is before it.
 * Returns 1, with the match from *${from} to before *${to}; 0 if there is none; -1 if that cannot
 * be known, since a bound was reached or memory is out.  Threads may share ${x}. */
int pattern_find(struct pattern *x, const char *p, size_t n, size_t *from, size_t *to);

#endif
