/* text - makes text of an unknown program safe to show. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character at ${s} if it must not be shown as it is, since it is a control character
 * (a newline, too) or changes the order of others; 0 if it may. */
size_t text_unshown(const char *s);

/* True if there is nothing in ${text} but white space: a prompt that says nothing. */
bool text_is_blank(const char *text);

/* Is ${word}, which is not empty, one of those in ${list}, between which are ${separator}s? */
bool text_lists(const char *list, const char *separator, const char *word);

/* Write the ${n} bytes of ${p} as clean text to ${out} (${size} bytes with the NUL): no escape
 * sequence, no control character but tab and newline, no part of a UTF-8 character at the end. */
void text_clean(const char *p, size_t n, char *out, size_t size);

/* Cut an incomplete UTF-8 character off the end of the ${n} bytes of ${s}; returns the length. */
size_t text_trim(char *s, size_t n);

#endif
