/*
 * utf8 - is this text UTF-8?
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>

/* True if ${s} is well-formed UTF-8: no overlong form, no surrogate, nothing over U+10FFFF. */
bool utf8_valid(const char *s);

#endif
