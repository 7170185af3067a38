/*
 * glob - the patterns of gitignore(5), matched byte by byte.
 *
 * fnmatch(3) knows no "**" and depends on the locale; this matcher does neither, and its time grows
 * with the product of both lengths at worst, whatever the pattern.
 */
#ifndef TREE_GLOB_H
#define TREE_GLOB_H

#include <stdbool.h>

/* True if ${pattern} matches all of ${text}.  '*', '?' and [] match no slash; "**" does where it
 * stands alone between slashes or ends.  A pattern that is not well formed matches nothing. */
bool glob_match(const char *pattern, const char *text);

#endif
