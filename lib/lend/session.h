/*
 * lend - the delegator's side of a delegation, from INVITE to the end.
 *
 *	lend_begin     INVITE, pack, open the events, START
 *	lend_resume    INVITE and START again, if the executor has lost it
 *	lend_follow    read the events to the end, store what comes back, apply it
 *
 * All can be run again by anyone after a crash: every step is in the record, and what is not known
 * to have happened is asked of the executor.  A delegation has one follower at a time (flock on
 * follow.lock); another one reads the journal that the first one writes, and takes over if it dies.
 */
#ifndef LEND_SESSION_H
#define LEND_SESSION_H

#include "snapshot/snapshot.h"
#include "tree/admit.h"

/* Callbacks on progress; every member may be NULL. */
struct lend_observer {
	/* An event of the executor's, as in the journal (no archive in it). */
	void (*event)(void *arg, const json_t *event);
	/* ${done} of ${total} bytes (0: not known) of ${what}: "packing", "sending", "receiving".
	 */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	/* Something worth a line: "the connection was lost, trying again". */
	void (*note)(void *arg, const char *text);
	/* A path that apply changes, or that is in conflict. */
	snapshot_report *report;
	void *arg;
};

struct lend;

/* Open delegation ${id} to work on it: its lock as the one follower, its executor's token. ERR_BUSY
 * if another process follows it. */
struct lend *lend_open(const char *id, const struct lend_observer *o, struct err *e);
void lend_close(struct lend *l);

/* From "created", "invited" or "accepted" to "started": INVITE, pack, open the event stream, START.
 * Where START may have arrived before a crash, it is sent again, and another INVITE only if the
 * executor does not have it: the work must not be done twice.  A refusal ends the delegation with
 * that error; so does an executor that cannot be reached, for nothing was handed over. */
int lend_begin(struct lend *l, struct err *e);

/* lend_begin, if it was not handed over.  If it was, but its executor does not know it and nothing
 * of it was applied, hand the same over again, as base.archive has it, with a new lease. */
int lend_resume(struct lend *l, struct err *e);

/* From wherever it is to the end: lend_begin, if it was not handed over, and lend_follow. */
int lend_continue(struct lend *l, int64_t until, struct err *e);

/* Follow to the end, or until ${until} (clock_steady ms; 0: the end of the lease).  Returns 0 when
 * the delegation is completed (and applied, if its mode is auto); -1 with the delegation's error,
 * ERR_CONFLICT if applying found conflicts, ERR_BUSY if it goes on but the time is over or the
 * executor cannot be reached now. */
int lend_follow(struct lend *l, int64_t until, struct err *e);

/* Follow ${id} whoever works on it: as lend_open and lend_continue if nobody does, else by reading
 * the journal that the follower writes. */
int lend_watch(const char *id, int64_t until, const struct lend_observer *o, struct err *e);

/* Answer ${question} (NULL: the open one) of ${id} at its executor.  ERR_BAD_DATA if it takes
 * another answer, ERR_BAD_STATE if the question is over, ERR_NOT_FOUND if there is none. */
int lend_answer(const char *id, const char *question, const char *answer, struct err *e);

/* What the executor of ${delegation}, which need not be recorded yet, keeps of a tree; only peerUrl
 * and tokenFile are looked at.  Not known if it does not say, or cannot be reached. */
enum tree_peer lend_peer_of(json_t *delegation);

/* Cancel ${id} at its executor, which is to answer within ${max_s} seconds or AWCP_TIMEOUT, and
 * here;
 * ${reason} goes into the record.  ERR_BAD_STATE if it has ended. */
int lend_cancel(const char *id, long max_s, const char *reason, struct err *e);

#endif
