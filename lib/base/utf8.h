/*
 * utf8 - is this text UTF-8, and of which characters?
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if ${s} is well-formed UTF-8: no overlong form, no surrogate, nothing over U+10FFFF. */
bool utf8_valid(const char *s);

/* The character at ${s} into *${c}; returns its bytes, 0 if it is not well formed. */
size_t utf8_decode(const char *s, uint32_t *c);

/* Write ${c}, up to U+10FFFF, to ${out}, up to 4 bytes; returns how many. */
size_t utf8_encode(uint32_t c, char *out);

/* Does ${c} change the order in which others are shown (U+202E and its like)?  Not the marks that
 * text from right to left needs. */
bool utf8_reorders(uint32_t c);

#endif
