/*
 * delegation_due - when a delegation is to be looked at, because of nothing but the time.
 *
 * One that is under way should be followed by somebody; one that has ended is kept until its
 * retention is over, counted from the last change, and the files for an undo for some time.
 */
#ifndef DELEGATION_DUE_H
#define DELEGATION_DUE_H

#include <jansson.h>
#include <stdint.h>

#include "state/record.h"

#define DELEGATION_DUE "delegation" /* the kind of its entries in due/ */

/* After that it is looked whether an apply was cut off. */
#define DELEGATION_CUT_OFF_MS 120000

/* Note in due/ when ${r}, which is about to be saved, is to be looked at.  One that is under way
 * gets an entry when its state has changed only. */
void delegation_note_due(const struct record *r);

/* How long after an apply it can be undone: AWCP_UNDO_RETENTION seconds, in ms. */
int delegation_undo_retention(long long *ms, struct err *e);

/* Until when the ended ${delegation} is kept, ms since 1970; INT64_MAX: for good. */
int64_t delegation_kept_until(const json_t *delegation);

/* When its lease ends; of one that was not handed over, when it would have; -1: not known. */
int64_t delegation_lease_end(const json_t *delegation);

#endif
