/*
 * assignment - what we were lent: the executor's side of a delegation.
 *
 * assignments/<id>/ holds record.json {id, state, owner, invite (without auth), accessMode, queue,
 * maxArchiveBytes, retentionMs, lease, createdAt, invitedAt, startedAt, completedAt, result, error,
 * updatedAt}, events.ndjson (what /events sends), workspace.archive (as received), work/ (where the
 * task runs), output.log, result.archive.
 * The record is written before the journal; a journal that lacks its last event after a crash gets
 * it from the record, by assignment_settle.
 */
#ifndef ASSIGNMENT_ASSIGNMENT_H
#define ASSIGNMENT_ASSIGNMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "state/record.h"
#include "process/sandbox.h"
#include "access/token.h"

/* What the executor allows; from the environment. */
struct assignment_policy {
	long long max_active;    /* AWCP_MAX_ACTIVE, 256 accepted and unfinished at once */
	long long max_ttl;       /* AWCP_MAX_TTL, 3600 s */
	long long max_retention; /* AWCP_MAX_RETENTION, 604800 s */
	long long max_archive;   /* AWCP_MAX_ARCHIVE, 16G: bytes of a received workspace */
	long long min_free;      /* AWCP_MIN_FREE, 1G: bytes that stay free on the disk */
	long long max_load;      /* AWCP_MAX_LOAD, 0 (any): load average of one minute */
	long long start_within;  /* AWCP_START_WITHIN, 600 s: from INVITE to START */
	bool read_only;          /* AWCP_ACCESS is "ro": nothing is taken to be changed */
	bool strict;             /* AWCP_STRICT is 1: an id alone is nobody's credential */
	struct sandbox sandbox;  /* AWCP_SANDBOX: announced in ACCEPT */
};

/* Read the environment; ERR_CONFIG if it makes no sense.  From then on assignment_open keeps to
 * what it says, too. */
int assignment_policy(struct assignment_policy *p, struct err *e);

/* The smaller of what is allowed to all and to one, who may have no limit (0) of their own. */
long long assignment_limit(long long all, long long own);

/* Who sends an INVITE. */
struct assignment_guest {
	const char *owner;          /* the name of a token, or "" */
	struct token_limits limits; /* of the token */
	bool capability;            /* the token came in the message itself */
};

/* INVITE (checked by message_check_invite) from ${g}: admit, record, and return the ACCEPT.
 * An id that its owner already has is a resume; one of another owner is ERR_DECLINED in the words
 * in which a hook without words declines.  NULL with ERR_DECLINED and a hint when it is not
 * admitted, and with a time to come back (err_retry) when that may help. */
json_t *assignment_invite(const json_t *invite, const struct assignment_guest *g,
			  const struct assignment_policy *p, struct err *e);

/* Open ${id} for ${owner} to read or to change; another owner's is ERR_NOT_FOUND.  ${owner} is the
 * name of a token, "" where nobody is asked for one, or NULL if no credential was shown: then the
 * record must say that its INVITE carried the credential in itself ("capability": its peer has no
 * header to show, and the unguessable id is what it knows). */
int assignment_open(const char *id, const char *owner, bool change, struct record *r,
		    struct err *e);

/* A START for ${r} begins to arrive.  Returns a descriptor that keeps its INVITE from being too
 * long ago, until it is closed; -1 if somebody else is doing that, or if it cannot be helped. */
int assignment_arriving(const struct record *r);

/* START (checked by message_check_start; without its archive), which was ${in_time} when it began
 * to arrive: else that is asked now.  The archive, ${size} bytes with SHA-256 ${sha256}, lies in
 * file ${name} of directory ${dirfd}; on success it is renamed away and the task is on the queue,
 * on failure it is left.  A checksum that does not fit is ERR_CHECKSUM_MISMATCH and changes
 * nothing: tell it with assignment_refuse. */
int assignment_start(const char *id, const char *owner, const struct assignment_policy *p,
		     const json_t *start, int dirfd, const char *name, uint64_t size,
		     const char *sha256, bool in_time, struct err *e);

/* Would ${record} take a START now?  ERR_BAD_STATE, or ERR_START_EXPIRED when its INVITE is too
 * long ago. */
int assignment_startable(const json_t *record, const struct assignment_policy *p, struct err *e);

/* A START that cannot be used for ${why}: the pending assignment ends with that error. */
int assignment_refuse(const char *id, const char *owner, const struct err *why, struct err *e);

/*
 * The worker's side.  A task on queue ASSIGNMENT_QUEUE is {"assignment": id, "run": number}; the
 * run counts the INVITEs of an id, so that a worker that was overtaken by a resume can change
 * nothing. All of these fail with ERR_BAD_STATE when the assignment is not active in that run any
 * more: it was cancelled, resumed, or has ended.
 */
#define ASSIGNMENT_QUEUE "default"

/* Read the record for run ${run} (waits for a START that is just being recorded); it is not locked
 * afterwards.  Also the way to see whether the task should go on; ${seen} gets the status of the
 * record's file, which is another one when that has changed. */
int assignment_task(const char *id, int64_t run, struct record *r, struct stat *seen,
		    struct err *e);

/* The task runs now (event "status" running; also when it is run again). */
int assignment_running(const char *id, int64_t run, struct err *e);

/* A line of progress for the delegator. */
int assignment_progress(const char *id, int64_t run, const char *text, struct err *e);

/* A question that the task asks, or that is over: event "status" "progress" with the question as an
 * extension (question.h). */
int assignment_question(const char *id, int64_t run, const json_t *question, struct err *e);

/* The task ended well.  ${result} is {summary, highlights?}; result.archive lies in the
 * assignment's directory; ${metadata} (or NULL) goes with the snapshot. */
int assignment_complete(const char *id, int64_t run, const json_t *result, const json_t *metadata,
			struct err *e);

/* The task, or its setup, failed with ${why}. */
int assignment_fail(const char *id, int64_t run, const struct err *why, struct err *e);

/* The delegator answers question ${question} (NULL: the only open one) of ${id}, as queue_answer.
 */
int assignment_answer(const char *id, const char *owner, const char *question, const char *answer,
		      struct err *e);

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
