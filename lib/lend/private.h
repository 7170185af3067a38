/*
 * What the files of lib/lend share; session.h is for others.
 */
#ifndef LEND_PRIVATE_H
#define LEND_PRIVATE_H

#include "base/base64.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "lend/session.h"
#include "wire/client.h"
#include "wire/jsplit.h"
#include "wire/members.h"
#include "wire/sse.h"

/* What an executor says of a result. */
enum lend_word {
	LEND_SILENT, /* nothing that is to be believed, whatever came: ask again */
	LEND_RUNNING,
	LEND_COMPLETED,
	LEND_FAILED, /* with "error" */
	LEND_UNKNOWN /* it does not know the delegation */
};

struct lend {
	char id[ID_MAX + 1];
	char base[2048]; /* executor's address without trailing "/" and "/awcp" */
	char url[2048];  /* executor's address as given */
	int dirfd;       /* the delegation's directory */
	int lockfd;      /* follow.lock */
	long timeout;    /* s, of a request */
	int64_t expires; /* clock_steady: the end of the lease that START gave; 0: it was given
			    before */
	long quiet;      /* s, see AWCP_QUIET */
	struct lend_observer observer;
	struct client *client;
	bool discard;           /* snapshots are not kept */
	long long max_snapshot; /* bytes of a snapshot's archive */

	/* The record as it was last read or written here.  Whatever handles events replaces it, so
	 * that nothing of it may be held on to meanwhile. */
	json_t *record;

	/* the event stream */
	bool streaming; /* it is open */
	struct sse_reader sse;
	struct jsplit *split;
	int64_t stream_began; /* clock_steady */
	uint64_t stream_bytes;
	bool progressed; /* an event came since it was opened */

	/* the archive in the event that is being read */
	struct base64_decoder decoder;
	struct snapshot_incoming incoming;
	bool receiving;    /* incoming is open */
	uint64_t received; /* bytes of it */
	uint64_t flushed;  /* see file_write_behind */

	enum lend_word word; /* what the executor said last of the result */
	json_t *last;        /* the event (or result) that ends it, when it is known */
	bool ended;          /* and was acted upon */
};

/* session.c */

/* Notify the observer. */
void lend_note(const struct lend *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lend_progress(const struct lend *l, const char *what, uint64_t done, uint64_t total);

/* Fill ${l} for ${id}, with its record; not as its follower.  To be given back with lend_detach,
 * also after a failure. */
int lend_attach(struct lend *l, const char *id, struct err *e);
void lend_detach(struct lend *l);

/* Get ready to call the executor: its address, our token, a client.  A request may take
 * AWCP_TIMEOUT, but at most ${max_s} seconds. */
int lend_connect(struct lend *l, long max_s, struct err *e);

/* Read the record anew. */
int lend_read(struct lend *l, struct err *e);

/* delegation_change, after which l->record is what was changed; ${work} NULL changes nothing. */
int lend_change(struct lend *l, delegation_work *work, void *arg, bool durable, struct err *e);

/* Throw away what has arrived of an archive. */
void lend_archive_abort(struct lend *l);

/* request.c */

struct lend_request {
	const char *step; /* for delivery.log */
	struct client_request http;
	int attempt; /* from 1; 0: it is not counted */
};

/* client_call and client_send, noted in delivery.log. */
int lend_call(struct lend *l, struct lend_request *q, struct buf *answer, struct err *e);
int lend_send(struct lend *l, struct lend_request *q, client_sink *sink, void *arg, struct err *e);

/* A sink that appends to a struct buf. */
int lend_collect(void *arg, const char *p, size_t n, struct err *e);

/* Note that the event stream of ${attempt} has ended with ${status}, or ${e}. */
void lend_streamed(const struct lend *l, int attempt, int status, const struct err *e);

/* Turn an HTTP answer to ${what} that is not 200 into an error.  Returns -1. */
int lend_refused(const struct lend *l, const char *what, int http, const struct buf *answer,
		 struct err *e);

/* <base>/awcp/tasks/<id>/<what> and <url>/cancel/<id> */
const char *lend_task_url(const struct lend *l, const char *what, char out[4096]);
const char *lend_cancel_url(const struct lend *l, char out[4096]);

/* receive.c */

/* The member by which an archive comes, for jsplit. */
extern const char *const lend_archive_member[];

/* Write a piece of an archive, in base64 (a jsplit_sink). */
int lend_archive_write(void *arg, const char *p, size_t n, struct err *e);

/* Store the archive that has arrived as snapshot ${id}, and record it with what ${event} says. */
int lend_snapshot_store(struct lend *l, const char *id, const json_t *event, struct err *e);

/* result.c */

struct lend_said {
	enum lend_word word;
	json_t *result; /* without the archive; NULL if it was no JSON */
	bool answered;  /* somebody did, whatever it was */
	bool archive;   /* one has arrived, see lend_snapshot_store */
};

/* GET /result, with the archive if ${archive}.  -1 if something failed here; what the peer or the
 * way to it fails at is LEND_SILENT, with the reason in ${e}.  ${a} is to be freed in any case. */
int lend_ask(struct lend *l, bool archive, struct lend_said *a, struct err *e);
void lend_said_free(struct lend_said *a);

/* Fetch the snapshot that ${done} names, or that the executor has, unless it was received: until
 * ${until} (clock_steady), and a few times in any case.  1 if it is here, or if the executor says
 * that there is none; 0 if the delegation was ended here meanwhile; -1 with ERR_BUSY if it can be
 * fetched later, or with the reason why never. */
int lend_result_fetch(struct lend *l, const json_t *done, int64_t until, struct err *e);

/* stream.c */

/* Open the event stream; ${last_id} or NULL. */
int lend_stream_open(struct lend *l, const char *last_id, struct err *e);
void lend_stream_close(struct lend *l);

/* Record that START was answered, or that an event shows that it arrived. */
int lend_started(struct lend *l, bool running, struct err *e);

/* Has it ended, be it that somebody here cancelled it? */
bool lend_has_ended(struct lend *l);

/* peer.c */

/* What the executor keeps of a tree. */
enum tree_peer lend_peer(struct lend *l);

/* invite.c, start.c, begin.c */

/* Send the INVITE, check the ACCEPT, and record its terms. */
int lend_invite(struct lend *l, struct err *e);

/* Send START with base.archive, until it is known that it arrived. */
int lend_start(struct lend *l, struct err *e);

/* The event by which ${why} ends a delegation. */
enum fsm_event lend_end_event(const struct err *why);

/* apply.c */

/* Apply the snapshot that waits for it (delegation_waits), if there is one. */
int lend_apply(struct lend *l, struct err *e);

#endif
