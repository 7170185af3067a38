/*
 * sensitive - what looks like a secret: by its name, or by how its content begins.
 *
 * The names are those that AWCP v1 lists and those under which programs keep passwords, tokens and
 * keys, in upper or lower case.  What is called an example of an environment (.env.example) is
 * none.  The content counts under any name: private keys, and stores of passwords.
 */
#ifndef TREE_SENSITIVE_H
#define TREE_SENSITIVE_H

#include <stdbool.h>

/* Does ${path}, relative, look like a secret's? */
bool sensitive_name(const char *path);

/* Does the file ${fd} have a private key in its first bytes?  Its offset stays. */
bool sensitive_content(int fd);

/* May ${path} be lent all the same, as ${allowed} says: names and patterns of glob.h, separated by
 * blanks or commas, each for the last components of a path. */
bool sensitive_allowed(const char *allowed, const char *path);

#endif
