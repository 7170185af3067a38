/*
 * output - what the command of a task printed: whole, in part, or as it comes.
 */
#ifndef QUEUED_OUTPUT_H
#define QUEUED_OUTPUT_H

#include "http/http.h"
#include "queued/tenant.h"

/* Answer ${h} with the output of the task in its path.  "Range: bytes=" (RFC 9110; one range) asks
 * for a part of what there is.  "?follow=1" goes on until the task has ended, from byte "?from=";
 * that takes a thread, so that only so many may (ERR_BUSY).  -1 if nothing was sent. */
int output_answer(struct http *h, const struct tenant *t, struct err *e);

#endif
