/*
 * roots - the directories that callers may delegate.
 *
 * AWCP_ROOTS names them, absolute, with colons between.  Without any, nothing may be delegated:
 * whoever can send a request could otherwise read every file of this account.
 */
#ifndef DELEGATOR_ROOTS_H
#define DELEGATOR_ROOTS_H

#include <limits.h>

#include "base/err.h"

/* Read AWCP_ROOTS, once.  ERR_CONFIG if one is not a directory. */
int roots_read(struct err *e);

/* Is ${path} a directory in one of the roots, all links followed?  Writes what it is to ${real}.
 * ERR_WORKDIR_DENIED for anything outside, whether it exists or not, and for what holds
 * the state directory or lies in it; ERR_WORKSPACE_NOT_FOUND and ERR_WORKSPACE_INVALID for what is
 * inside. */
int roots_check(const char *path, char real[PATH_MAX], struct err *e);

#endif
