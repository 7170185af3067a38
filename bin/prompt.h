/*
 * prompt - a text that a person gives: what is to be done, or asked, or the answer.
 */
#ifndef PROMPT_H
#define PROMPT_H

#include "base/buf.h"

/* Read ${what} ("prompt") into ${b}: the ${argc} operands with spaces between, or ${file} ("-":
 * stdin), or without both stdin.  One that is empty is ERR_USAGE, and one with a NUL, or that is
 * not UTF-8, ERR_BAD_DATA: no byte of it is ever replaced. */
int prompt_read(const char *what, const char *file, int argc, char **argv, struct buf *b,
		struct err *e);

/* The first line of ${prompt}, as a description; to be freed. */
char *prompt_first_line(const char *prompt);

#endif
