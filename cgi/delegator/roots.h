/*
 * roots - the directories that callers may have lent out.
 *
 * AWCP_ROOTS names them, absolute, with colons between.  Without any, nothing may be lent: whoever
 * can send a request could otherwise read every file of this account.
 */
#ifndef DELEGATOR_ROOTS_H
#define DELEGATOR_ROOTS_H

#include <limits.h>

#include "base/err.h"

/* Read AWCP_ROOTS, once.  ERR_CONFIG if one is no directory. */
int roots_read(struct err *e);

/* Is ${path} a directory in one of the roots, all links followed?  Writes what it is to ${real}.
 * ERR_WORKDIR_DENIED for anything outside, be it there or not, and for what holds the state
 * directory or lies in it; ERR_WORKSPACE_NOT_FOUND and ERR_WORKSPACE_INVALID for what is inside. */
int roots_check(const char *path, char real[PATH_MAX], struct err *e);

#endif
