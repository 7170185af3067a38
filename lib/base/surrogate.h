/*
 * surrogate - halves of characters in the text of JSON.
 *
 * In JavaScript, and so in what its programs send, a string may have one half of a surrogate pair
 * ("\ud83d" without "\ude00" after it), which is no character and cannot be UTF-8.
 */
#ifndef BASE_SURROGATE_H
#define BASE_SURROGATE_H

#include <stddef.h>

/* If there are such halves in the ${n} bytes at ${p}, *${mended} is a copy of as many bytes with
 * U+FFFD in the place of each, which is what JavaScript takes them for itself when it writes them
 * out; free(3) it.  Else it is NULL.  -1 if memory is out. */
int surrogate_mend(const char *p, size_t n, char **mended);

#endif
