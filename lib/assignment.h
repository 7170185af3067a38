/*
 * assignment - what we were lent: the executor's side of a delegation.
 *
 * assignments/<id>/ holds record.json {id, state, owner, invite (without auth), retentionMs, lease,
 * createdAt, startedAt, completedAt, result, error, updatedAt}, events.ndjson (what /events sends),
 * workspace.zip (as received), work/ (where the task runs), output.log, result.zip.
 * The record is written before the journal; a journal that lacks its last event after a crash gets
 * it from the record, by assignment_settle.
 */
#ifndef ASSIGNMENT_H
#define ASSIGNMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "record.h"

/* What the executor allows; from the environment. */
struct assignment_policy {
	long long max_active;       /* AWCP_MAX_ACTIVE, 256 accepted and unfinished at once */
	long long max_ttl;          /* AWCP_MAX_TTL, 3600 s */
	long long max_retention;    /* AWCP_MAX_RETENTION, 604800 s */
	long long max_archive;      /* AWCP_MAX_ARCHIVE, 16G: bytes of a received workspace */
	bool sandboxed;             /* AWCP_SANDBOX is not "none": announced in ACCEPT */
};
int assignment_policy(struct assignment_policy *p, struct err *e);

/* INVITE (checked by message_check_invite) from ${owner}: admit, record, and return the ACCEPT.
 * An id that ${owner} already has is a resume; one of another owner is ERR_DECLINED with no word of
 * why.  NULL with ERR_DECLINED and a hint when it is not admitted. */
json_t *assignment_invite(const json_t *invite, const char *owner,
    const struct assignment_policy *p, struct err *e);

/* Open ${id} for ${owner} to read or to change; another owner's is ERR_NOT_FOUND. */
int assignment_open(const char *id, const char *owner, bool change, struct record *r,
    struct err *e);

/* START arrives in three steps.  assignment_receive opens the file that takes the archive (the
 * record must be pending; a second START at the same time is ERR_BUSY).  assignment_start, when the
 * archive is there with ${size} and ${sha256}, checks it against ${start} (without the archive),
 * records it, and puts the task on the queue.  assignment_drop throws the file away; with ${why}
 * the assignment ends with that error. */
struct assignment_upload {
	char id[129];
	int fd;     /* write the archive here */
	int lockfd; /* private */
	int dirfd;  /* private */
};
int assignment_receive(const char *id, const char *owner, struct assignment_upload *u,
    struct err *e);
int assignment_start(struct assignment_upload *u, const char *owner, const json_t *start,
    uint64_t size, const char *sha256, struct err *e);
void assignment_drop(struct assignment_upload *u, const char *owner, const struct err *why);

/* The worker: the task runs now (event "status" running; also when it is run again). */
int assignment_running(const char *id, struct err *e);

/* The worker: a line of progress for the delegator. */
int assignment_progress(const char *id, const char *text, struct err *e);

/* The worker: the task ended well.  ${result} is {summary, highlights?}; result.zip lies in the
 * assignment's directory; ${metadata} (or NULL) goes with the snapshot. Returns -1 with
 * ERR_BAD_STATE if it was cancelled meanwhile. */
int assignment_complete(const char *id, const json_t *result, const json_t *metadata,
    struct err *e);

/* The task, or its setup, failed with ${why}. ERR_BAD_STATE if it had ended already. */
int assignment_fail(const char *id, const struct err *why, struct err *e);

/* CANCEL, or ERROR from the delegator (${why} says which code). ERR_BAD_STATE if ended. */
int assignment_cancel(const char *id, const char *owner, const struct err *why, struct err *e);

/* Make the journal end as the record says, after a crash between the two. */
int assignment_settle(struct record *r, struct err *e);

/* The delegator has the result: an ended assignment is removed with all its files. */
int assignment_acknowledge(const char *id, const char *owner, struct err *e);

/* {pendingInvitations, activeDelegations, completedDelegations, delegations:[…]}; only what
 * belongs to ${owner} is listed (id, workPath, startedAt); counts are of all. */
json_t *assignment_status(const char *owner, struct err *e);

#endif
