/*
 * delegation - what we lent out: the delegator's side.
 *
 * delegations/<id>/record.json holds what AWCP v1 calls a delegation record (id, state, peerUrl,
 * environment, task, leaseConfig, retentionMs, snapshotPolicy, snapshots, result, error, createdAt,
 * updatedAt, and what ACCEPT told), and of ours: resources' exclude and include patterns, fidelity,
 * narrower, owner, tokenFile, auth (see credential), base {files, bytes, archiveBytes, sha256},
 * lastEventId. events.ndjson has what the executor told, without archives; base.archive and
 * base.manifest what was sent.
 */
#ifndef DELEGATION_DELEGATION_H
#define DELEGATION_DELEGATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/fsm.h"
#include "base/id.h"
#include "state/record.h"
#include "access/token.h"
#include "tree/admit.h"

#define DELEGATIONS "delegations"

/* What was sent, in a delegation's directory: a tree (tree/tree.h). */
#define BASE_MANIFEST "base.manifest"
#define BASE_ARCHIVE "base.archive"

/* What a person asks for. */
struct delegation_order {
	const char *url;        /* the executor's address */
	const char *token_file; /* absolute path, or NULL: the token of the peer with that url */
	const char *description;
	const char *prompt;
	const char *access; /* "ro": no resource may be changed, whatever it says; or "rw" */
	bool narrower;      /* where "rw" is asked for and "ro" given, that will do */
	const char *mode;   /* "auto", "staged" or "discard" */
	int64_t ttl;        /* seconds */
	const struct resource *resources; /* their filters are made from the patterns below */
	size_t count;
	json_t *exclude, *include; /* arrays of patterns for every resource; may be empty */
	/* What the record says of the resources, if each has patterns of its own; or NULL: what the
	 * three above say. */
	json_t *environment;
	json_t *sandbox;    /* see sandbox_demand; or NULL */
	const char *owner;  /* who asked for it over HTTP: a token's name, or ""; or NULL */
	const json_t *auth; /* for the executor, see credential; or NULL */
};

/* Check ${o}, record the delegation in state "created" and write its id.  The tree is not looked
 * at: see tree_admit. */
int delegation_create(const struct delegation_order *o, char id[ID_MAX + 1], struct err *e);

/* Change the state of ${r}, which is open for change, by ${event}; the caller saves it with
 * delegation_save. */
int delegation_step(struct record *r, enum fsm_event event, struct err *e);

/* Save ${r}; it stays in the index of unfinished ones until it has ended and what came back was
 * applied, or could not be. */
int delegation_save(struct record *r, bool durable, struct err *e);

/* Close ${r}, and then tell hook ${hook} (NULL: none) what is in it. */
void delegation_close(struct record *r, const char *hook);

/* End ${id} by ${event} (FSM_RECEIVE_ERROR, FSM_SEND_ERROR, FSM_CANCEL or FSM_EXPIRE) because of
 * ${why}.  One that has ended already stays as it is, and that is no error. */
int delegation_end(const char *id, enum fsm_event event, const struct err *why, struct err *e);

/* The same for ${r}, which is open for change and has not ended; the hook "error" is for the caller
 * to tell. */
int delegation_end_record(struct record *r, enum fsm_event event, const struct err *why,
			  struct err *e);

/* If ${r}, which is open for change, has ended, make its journal end with that, too: in "done" or
 * "error", once.  So after the record was saved, and after a crash that came between. */
int delegation_settle(struct record *r, struct err *e);

/* ${event} of its executor may ask a question, or say that one is over, or that the work begins
 * anew: note in ${r}, as "questions", which are open.  Returns 2 for a new question, 1 if something
 * else changed in the record, 0, or -1; the caller saves it. */
int delegation_question(struct record *r, const json_t *event, struct err *e);

/* Question ${id} of ${r} was answered: 1 if that changed the record, or 0. */
int delegation_answered(struct record *r, const char *id);

/* The INVITE for ${delegation} (record's JSON); a new reference. */
json_t *delegation_invite(const json_t *delegation, struct err *e);

/* The bearer token for ${delegation}'s executor; "" if there is none to show. */
int delegation_token(const json_t *delegation, char token[TOKEN_MAX], struct err *e);

/* True if its state is an end. */
bool delegation_ended(const json_t *delegation);

/* True if it is completed and what came back is still to be applied without being asked: its mode
 * is auto, and nothing was applied, or undone by a person, who knows better.  "applyError" in the
 * record says that this was tried in vain. */
bool delegation_waits(const json_t *delegation);

/* 0 if ${delegation} completed; else -1 with its error, or "cancelled", "expired". */
int delegation_outcome(const json_t *delegation, struct err *e);

#endif
