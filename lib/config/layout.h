/*
 * layout - which layout a state directory has, so that programs of one version do not misread what
 * those of another have written.
 *
 * The file version in it holds the number.  A directory from before there was that file has layout
 * 1; so it is enough that the file is written before anything else.
 */
#ifndef CONFIG_LAYOUT_H
#define CONFIG_LAYOUT_H

#include "base/err.h"

#define LAYOUT 2 /* what this version writes */

/* The layout of the state directory ${fd} into *${layout}; a new one gets ours.  ERR_CONFIG if its
 * file makes no sense. */
int layout_read(int fd, int *layout, struct err *e);

/* Is ${layout} ours?  ERR_CONFIG says what to do with the state directory ${path} if not. */
int layout_check(int layout, const char *path, struct err *e);

/* Note that the state directory ${fd} has ${layout} now; durable. */
int layout_write(int fd, int layout, struct err *e);

#endif
