/*
 * assignment - what we were lent: the executor's side of a delegation.
 *
 * assignments/<id>/ holds record.json (see members.h), events.ndjson (what /events sends),
 * workspace.archive (as received), work/ (where the task runs), output.log and result.archive.
 * The record is written before the journal.  A journal that lacks its last event after a crash gets
 * it from the record, by assignment_finish_journal.
 */
#ifndef ASSIGNMENT_ASSIGNMENT_H
#define ASSIGNMENT_ASSIGNMENT_H

#include <sys/stat.h>

#include "state/record.h"
#include "process/sandbox.h"
#include "access/token.h"

#define ASSIGNMENTS "assignments" /* the collection, see record.h */

/* What the executor allows; from the environment. */
struct assignment_policy {
	long long max_active;    /* AWCP_MAX_ACTIVE, 256 accepted and unfinished at once */
	long long max_ttl;       /* AWCP_MAX_TTL, 3600 s */
	long long max_retention; /* AWCP_MAX_RETENTION, 604800 s */
	long long max_archive;   /* AWCP_MAX_ARCHIVE, 16G: bytes of a received workspace */
	long long max_load;      /* AWCP_MAX_LOAD, 0 (any): load average of one minute */
	long long start_within;  /* AWCP_START_WITHIN, 600 s: from INVITE to START */
	bool read_only;          /* AWCP_ACCESS is "ro": nothing may be changed */
	bool strict;             /* AWCP_STRICT is 1: an id alone is nobody's credential */
	struct sandbox sandbox;  /* AWCP_SANDBOX: announced in ACCEPT */
};

/* Read the environment; ERR_CONFIG if it makes no sense.  assignment_open obeys ${p}->strict from
 * then on. */
int assignment_policy(struct assignment_policy *p, struct err *e);

/* The smaller of the limit of all and the limit of one, who may have none (0). */
long long assignment_limit(long long all, long long own);

/* Who sends an INVITE. */
struct assignment_inviter {
	const char *owner;         /* a tenant, or "" */
	const struct token *token; /* whose it is; .name "": nobody is asked for one */
	bool capability;           /* the token came in the message itself */
};

/* INVITE (checked by message_check_invite) from ${by}: admit it, record it, and return the ACCEPT.
 * An id that its owner already has is a resume; one of another owner is ERR_DECLINED in the words
 * of a hook that gives no reason.  NULL with ERR_DECLINED and a hint when it is not admitted, and
 * with a time to try again (err_retry) when that may help. */
json_t *assignment_accept(const json_t *invite, const struct assignment_inviter *by,
			  const struct assignment_policy *p, struct err *e);

/* Open ${id} for ${owner} to read or to change; another owner's is ERR_NOT_FOUND.  ${owner} is a
 * tenant, "" where no token is required, or NULL if no credential was shown: then the record must
 * say that its INVITE carried the credential in itself ("capability": its peer has no header to
 * show, and knows the unguessable id), and that credential must still be good. */
int assignment_open(const char *id, const char *owner, bool change, struct record *r,
		    struct err *e);

/* The record of the token that came in the INVITE of ${id}, which is a capability, into ${file}; ""
 * if an earlier version did not note it. */
int assignment_credential(const char *id, char file[SHA256_HEX], struct err *e);

/* How many bytes lie here for ${owner}, of what it has sent and what it has not taken back yet,
 * into
 * *${bytes}. */
int assignment_disk(const char *owner, uint64_t *bytes, struct err *e);

/* Has the assignment of ${record} ended? */
bool assignment_ended(const json_t *record);

/* A START for ${r} begins to arrive.  Returns a descriptor that keeps its INVITE from expiring
 * until it is closed; -1 if another START holds it, or on failure. */
int assignment_hold_invite(const struct record *r);

/* The archive of a START: file ${name} of directory ${dirfd}. */
struct assignment_archive {
	int dirfd;
	const char *name;
	uint64_t size;      /* bytes */
	const char *sha256; /* in hex */
	bool in_time;       /* the START was in time when it began to arrive: do not ask again */
};

/* START (checked by message_check_start; without its archive, which is ${a}).  On success the
 * archive is renamed away and the task is on the queue; on failure the archive is left,
 * unless there is no space.  A checksum that does not fit is ERR_CHECKSUM_MISMATCH and changes
 * nothing: report it with assignment_refuse. */
int assignment_start(const char *id, const char *owner, const struct assignment_policy *p,
		     const json_t *start, const struct assignment_archive *a, struct err *e);

/* Would ${record} take a START now?  ERR_BAD_STATE, or ERR_START_EXPIRED when its INVITE is too
 * old. */
int assignment_startable(const json_t *record, const struct assignment_policy *p, struct err *e);

/* A START that cannot be used because of ${why}: the pending assignment ends with that error. */
int assignment_refuse(const char *id, const char *owner, const struct err *why, struct err *e);

/*
 * The worker's side.  A task on queue ASSIGNMENT_QUEUE has {"assignment": id, "run": number} as its
 * payload.  The run counts the INVITEs of an id, so that a worker that was overtaken by a resume
 * can change nothing.  All of these fail with ERR_BAD_STATE when the assignment is no longer active
 * in that run: it was cancelled, resumed, or has ended.
 */
#define ASSIGNMENT_QUEUE "default"

/* Read the record for run ${run} (waits for a START that is just being recorded); it is not locked
 * afterwards.  Also shows whether the task should continue; ${seen} gets the status of the record's
 * file, which is another one when that has changed. */
int assignment_task(const char *id, int64_t run, struct record *r, struct stat *seen,
		    struct err *e);

/* The task runs now (event "status" running; also when it is run again). */
int assignment_running(const char *id, int64_t run, struct err *e);

/* A line of progress for the delegator. */
int assignment_progress(const char *id, int64_t run, const char *text, struct err *e);

/* A question of the task, asked or closed: event "status" "progress" with the question as an
 * extension (question.h). */
int assignment_question(const char *id, int64_t run, const json_t *question, struct err *e);

/* The task ended well.  ${result} is {summary, highlights?}; result.archive lies in the
 * assignment's directory; ${metadata} (or NULL) goes with the snapshot. */
int assignment_complete(const char *id, int64_t run, const json_t *result, const json_t *metadata,
			struct err *e);

/* The task, or its setup, failed because of ${why}. */
int assignment_fail(const char *id, int64_t run, const struct err *why, struct err *e);

/* The delegator answers question ${question} (NULL: the only open one) of ${id}, as
 * queue_answer. */
int assignment_answer(const char *id, const char *owner, const char *question, const char *answer,
		      struct err *e);

/* CANCEL, or ERROR from the delegator (${why} says which code). ERR_BAD_STATE if ended. */
int assignment_cancel(const char *id, const char *owner, const struct err *why, struct err *e);

/* Make the journal end as the record says, after a crash between the two.  Does nothing while
 * ${r} is unfinished. */
int assignment_finish_journal(struct record *r, struct err *e);

/* The same for ${id} of ${owner}. */
int assignment_repair_journal(const char *id, const char *owner, struct err *e);

/* The delegator has the result: an ended assignment is removed with all its files. */
int assignment_acknowledge(const char *id, const char *owner, struct err *e);

/* {pendingInvitations, activeDelegations, completedDelegations, delegations:[…]}; only what
 * belongs to ${owner} is listed (id, workPath, startedAt); counts are of all. */
json_t *assignment_status(const char *owner, struct err *e);

#endif
