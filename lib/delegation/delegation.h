/*
 * delegation - a task that we delegated: the delegator's side.
 *
 * In delegations/<id>/:
 *
 *	record.json    the record; its members are in delegation/members.h
 *	events.ndjson  what the executor reported, without archives; its last line is the end
 *	base.archive   what was sent
 *	base.manifest  the list of that
 *	snapshots/     what came back, see snapshot.h
 *	auth           the credential for the executor, see credential.h
 *	follow.lock    held by the one process that follows it
 */
#ifndef DELEGATION_DELEGATION_H
#define DELEGATION_DELEGATION_H

#include "access/token.h"
#include "base/id.h"
#include "state/record.h"
#include "tree/admit.h"
#include "wire/fsm.h"

#define DELEGATIONS "delegations"
/* What was sent, in a delegation's directory: a tree (tree/tree.h). */
#define BASE_MANIFEST "base.manifest"
#define BASE_ARCHIVE "base.archive"

#define DELEGATION_DUE "delegation" /* the kind of its entries in due/ */

/* So long after an apply began, reap checks whether it was interrupted. */
#define DELEGATION_CUT_OFF_MS 120000

/* What a caller asks for. */
struct delegation_request {
	const char *url;        /* the executor's address */
	const char *token_file; /* absolute path, or NULL: the token of the peer with that url */
	const char *description;
	const char *prompt; /* NULL: not known yet, for delegation_check */
	const char *access; /* "ro": no resource may be changed, whatever it says; or "rw" */
	bool narrower;      /* "ro" will do where "rw" is asked for */
	bool special;       /* what tree_admit counted as such is in the resources */
	const char *mode;   /* "auto", "staged" or "discard" */
	int64_t ttl;        /* seconds */
	const struct resource *resources; /* their filters are made from the patterns below */
	size_t count;
	json_t *exclude, *include; /* arrays of patterns for every resource; may be empty */
	/* The record's "environment", if each resource has patterns of its own; NULL: it is made of
	 * the members above. */
	json_t *environment;
	json_t *sandbox;    /* see sandbox_demand; or NULL */
	const char *owner;  /* who asked over HTTP: a token's name, or ""; or NULL */
	const json_t *auth; /* for the executor, see credential.h; or NULL */
};

/* Check ${q} as far as that needs neither its trees nor its executor; delegation_create does, too.
 */
int delegation_check(const struct delegation_request *q, struct err *e);

/* Check ${q}, record a delegation in state "created", and write its id.  The trees are not checked:
 * see tree_admit. */
int delegation_create(const struct delegation_request *q, char id[ID_MAX + 1], struct err *e);

/* Alters an open record.  Returns 1 if it is to be saved, 0 if nothing changed, or -1.  ${r}->hook
 * may name the hook to run once the record is saved and closed. */
typedef int delegation_work(struct record *r, void *arg, struct err *e);

/* Open ${id} for change, let ${work} alter it, save it if it says so, and close it.  Where the
 * delegation has ended, the journal says so afterwards, too.  The record is locked meanwhile:
 * ${work} makes no network calls. */
int delegation_change(const char *id, delegation_work *work, void *arg, bool durable,
		      struct err *e);

/* Save ${r}.  It stays in the index of unfinished ones while delegation_is_open. */
int delegation_save(struct record *r, bool durable, struct err *e);

/* Close ${r}, then run its hook with what was in it. */
void delegation_close(struct record *r);

/* End ${id} by ${event} (FSM_RECEIVE_ERROR, FSM_SEND_ERROR, FSM_CANCEL or FSM_EXPIRE) because of
 * ${why}.  One that has ended already stays as it is, and that is no error. */
int delegation_end(const char *id, enum fsm_event event, const struct err *why, struct err *e);

/* The same for ${r}, which is open for change and has not ended; it is saved, and its hook
 * is "error". */
int delegation_end_record(struct record *r, enum fsm_event event, const struct err *why,
			  struct err *e);

/* If ${r}, which is open for change, has ended, have its journal end with "done" or "error", once.
 * To be called after the record was saved, and again if a crash came between. */
int delegation_finish_journal(struct record *r, struct err *e);

/* Keep in ${r}, as "questions", which questions of the executor are open: ${event} may ask one, say
 * that one is over, or that the work begins anew.  Returns 2 for a new question, 1 if something
 * else changed in the record, 0, or -1; the caller saves it. */
int delegation_question(struct record *r, const json_t *event, struct err *e);

/* Question ${id} of ${r} was answered: 1 if that changed the record, or 0. */
int delegation_answered(struct record *r, const char *id);

/* The INVITE for ${delegation} (a record's JSON, as everywhere below); a new reference. */
json_t *delegation_invite(const json_t *delegation, struct err *e);

/* The bearer token for its executor; "" if there is none.  *${own}: it is one that this account
 * keeps for a program of its own (peers/), not one that was given for this. */
int delegation_token(const json_t *delegation, char token[TOKEN_MAX], bool *own, struct err *e);

/* Is its state ${state}? */
bool delegation_is(const json_t *delegation, const char *state);

/* Is its state a final one? */
bool delegation_ended(const json_t *delegation);

/* Is it completed, with a snapshot that mode "auto" has yet to apply?  Not one that a person undid.
 * "applyError" in the record says that it was tried in vain. */
bool delegation_waits(const json_t *delegation);

/* Is there something left to do without being asked: follow it to its end, or apply what came back
 * for the first time? */
bool delegation_is_open(const json_t *delegation);

/* 0 if it is completed; else -1 with its error, or "cancelled", "expired". */
int delegation_outcome(const json_t *delegation, struct err *e);

/* How long after an apply it can be undone: AWCP_UNDO_RETENTION, in ms. */
int delegation_undo_retention(long long *ms, struct err *e);

/* Until when it is kept once it has ended, ms since 1970; INT64_MAX: for good. */
int64_t delegation_kept_until(const json_t *delegation);

/* When its lease ends, or would if it were handed over now; ms since 1970, -1: not known. */
int64_t delegation_lease_end(const json_t *delegation);

#endif
