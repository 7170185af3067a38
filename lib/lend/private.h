/*
 * What lend.c (the whole), lend_begin.c (INVITE to START), lend_resume.c (the same again), follow.c
 * (the events), follow_keep.c (the archives) and follow_apply.c share.
 */
#ifndef LEND_PRIVATE_H
#define LEND_PRIVATE_H

#include <stdbool.h>

#include "base/base64.h"
#include "wire/client.h"
#include "delegation/delegation.h"
#include "wire/jsplit.h"
#include "lend/session.h"
#include "wire/sse.h"

struct lend {
	char id[ID_MAX + 1];
	char base[2048]; /* executor's address without trailing "/" and "/awcp" */
	char url[2048];  /* executor's address as given */
	int dirfd;       /* the delegation's directory */
	int lockfd;
	long timeout, quiet; /* s, see AWCP_QUIET */
	struct lend_observer observer;
	struct client *client;
	bool streaming; /* an event stream is open */
	bool discard;   /* snapshots are not kept */
	long long most; /* bytes of a snapshot's archive that are taken */

	/* the event that is being read */
	struct sse_reader sse;
	struct jsplit *split;
	struct base64_decoder decoder;
	struct snapshot_incoming incoming;
	bool receiving;       /* incoming is open */
	uint64_t received;    /* bytes of it */
	uint64_t behind;      /* see file_write_behind */
	int64_t stream_began; /* clock_steady */
	uint64_t stream_bytes;

	json_t *last;    /* the event (or result) that ends it, when it is known */
	bool ended;      /* and was acted upon */
	bool progressed; /* an event came since the last connection */
};

/* Tell the observer. */
void lend_note(const struct lend *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lend_progress(const struct lend *l, const char *what, uint64_t done, uint64_t total);

/* <base>/awcp/tasks/<id>/<what> */
const char *lend_task_url(const struct lend *l, const char *what, char out[4096]);

/* client_call and client_send, noted in delivery.log as a ${step}. */
int lend_call(struct lend *l, const char *step, const char *url, const char *json,
	      struct buf *answer, int *http, struct err *e);

struct lend_request {
	const char *step, *url;
	const struct client_body *body; /* of a POST; NULL: a GET */
	int attempt;                    /* from 1; 0: it is not counted */
};

int lend_send(struct lend *l, const struct lend_request *r, client_sink *sink, void *arg, int *http,
	      struct err *e);

/* Note that the event stream of ${attempt} has ended with ${status}, or ${e}. */
void lend_streamed(const struct lend *l, int attempt, int status, const struct err *e);

/* Turn an HTTP answer to ${what} that is not 200 into an error.  Returns -1. */
int lend_refused(const struct lend *l, const char *what, int http, const struct buf *answer,
		 struct err *e);

/* The record's JSON as it is now, a new reference. */
json_t *lend_record(const struct lend *l, struct err *e);

/* Send the INVITE for ${delegation}, check the ACCEPT, and note what it says. */
int lend_invite(struct lend *l, json_t *delegation, struct err *e);

/* Send START with base.archive, until it is known that it arrived. */
int lend_start(struct lend *l, const json_t *delegation, struct err *e);

/* Open the event stream; ${last_id} or NULL. */
int follow_connect(struct lend *l, const char *last_id, struct err *e);

/* A piece of an archive, in base64 (a jsplit_sink); what came so far is thrown away by follow_drop.
 */
int follow_take(void *arg, const char *p, size_t n, struct err *e);
void follow_drop(struct lend *l);

/* Keep the archive that has arrived as snapshot ${id}, and note it in the record with what ${event}
 * says. */
int follow_keep(struct lend *l, const char *id, const json_t *event, struct err *e);

/* GET /result.  Returns the object without the archive, which has been taken if ${archive};
 * *${http} is the status. */
json_t *follow_result(struct lend *l, bool archive, int *http, struct err *e);

/* Fetch the snapshot that "done" names, or that the executor has, if we do not have it. */
int follow_fetch(struct lend *l, const json_t *done, struct err *e);

/* Apply the snapshot that waits for it (delegation_waits), if there is one. */
int follow_apply(struct lend *l, const json_t *delegation, struct err *e);

/* Prepare the reader of events; freed by follow_end. */
int follow_begin(struct lend *l, struct err *e);
void follow_end(struct lend *l);

/* Note that START was answered, or that an event shows that it arrived. */
int follow_started(struct lend *l, bool running, struct err *e);

/* By which event ${why} ends a delegation. */
enum fsm_event follow_end_event(const struct err *why);

/* The member by which an archive comes, for jsplit. */
extern const char *const follow_archive[];

#endif
