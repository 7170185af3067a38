/*
 * What the parts of reap share: reap.c (one run), reap_state.c (from one run to the next),
 * reap_walk.c (all records, a few at a time), and the rules.
 */
#ifndef REAP_PRIVATE_H
#define REAP_PRIVATE_H

#include <dirent.h>

#include "assignment/assignment.h"
#include "state/due.h"
#include "reap/reap.h"
#include "state/record.h"

#define REAP_WAIT_MS 600000 /* after something could not be done */

/* Limits that the environment sets; ms, if nothing else is said. */
struct reap_limits {
	long long age;     /* AWCP_LEFTOVER_AGE, 1 h: untouched for so long, it is nobody's */
	long long follow;  /* AWCP_FOLLOW_AFTER, 5 min without a follower */
	long long undo;    /* AWCP_UNDO_RETENTION, 7 d */
	long long logs;    /* AWCP_LOG_RETENTION, 30 d, of logs set aside */
	long long corrupt; /* AWCP_CORRUPT_RETENTION, 30 d */
	long long peers;   /* AWCP_PEER_RETENTION; 0: for good */
	long long readers; /* AWCP_READER_RETENTION, 90 d; 0: forever */
	long long doubt;   /* AWCP_CLOCK_DOUBT, 1 h without a removal after a jump */
};

/* What is done now and then, in a fixed order. */
enum reap_sweep_id {
	REAP_SWEEP_QUEUES,
	REAP_SWEEP_TASKS,
	REAP_SWEEP_BREAKERS,
	REAP_SWEEP_OPEN,
	REAP_SWEEP_TMP,
	REAP_SWEEP_SERVERS,
	REAP_SWEEP_PROCESSES,
	REAP_SWEEP_LOGS,
	REAP_SWEEP_CORRUPT,
	REAP_SWEEP_PEERS,
	REAP_SWEEP_SPACE,
	REAP_SWEEP_READERS,
	REAP_SWEEP_TERMINALS,
	REAP_SWEEPS
};

enum reap_walk_id { REAP_WALK_ASSIGNMENTS, REAP_WALK_DELEGATIONS, REAP_WALKS };

/* due/.state: what one run tells the next. */
struct reap_state {
	char boot[40];              /* which boot of the system that was */
	int64_t wall, steady;       /* both clocks then, ms */
	int64_t doubt;              /* by the steady clock: nothing is removed until then */
	int64_t told;               /* wall clock of the last complaint about the disk */
	int64_t next[REAP_SWEEPS];  /* wall clock, when it is its turn again */
	int64_t cursor[REAP_WALKS]; /* position in the directory; 0: the beginning */
};

struct reap {
	const struct reap_options *options;
	struct reap_totals *totals;
	struct assignment_policy policy;
	struct reap_limits limits;
	struct reap_state state;
	int64_t now;
	bool doubt;  /* the clock cannot be trusted */
	int started; /* programs, in this run */

	/* The entry of due/ that is looked at, or NULL. */
	struct due *due;
	const struct due_entry *entry;
};

/* Read due/.state; what is not there or makes no sense is zero.  Sees whether the clock jumped. */
void reap_state_read(struct reap *r);

/* Write it.  If that fails the next run begins with the old one. */
void reap_state_write(const struct reap *r);

/* Was kind ${kind} asked for? */
bool reap_wants(const struct reap *r, enum reap_kind kind);

/* Fill ${d}. */
void reap_deed(struct reap_deed *d, enum reap_kind kind, const char *id, const char *action,
	       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Is ${d} to be done now?  Not if it was not asked for; in a dry run it is told instead. */
bool reap_should(struct reap *r, const struct reap_deed *d);

/* The same of something that removes what is too old: not while the clock is in doubt. */
bool reap_should_remove(struct reap *r, const struct reap_deed *d);

/* ${d} was done if ${status} is 0, else ${e} says why not: told, and written to the log. */
void reap_did(struct reap *r, const struct reap_deed *d, int status, const struct err *e);

/* A person should know. */
void reap_trouble(struct reap *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ${kind} ${id} was looked at and is due again ${when}; 0: never.  Under the lock of its record. */
void reap_again(struct reap *r, const char *kind, const char *id, int64_t when);

/* Rename ${name} of ${dirfd} into tmp/ and remove it there. */
int reap_remove(int dirfd, const char *name, struct err *e);

/* The same of a record, which is open for change; lifecycle.log says that it was for ${d}. */
int reap_remove_record(struct record *record, const struct reap_deed *d, struct err *e);

/* ${age}, ms, in words: "8 days". */
const char *reap_span(int64_t age, char out[32]);

/* How long ago ${name} in ${dirfd} was changed, ms; -1 if it is gone. */
int64_t reap_age(const struct reap *r, int dirfd, const char *name);

/* Start program ${argv}[0] of ours for the work on ${delegation}, and do not wait for it; what it
 * has to say goes to the delegation's follow.log.  ERR_BUSY if enough was started in this run. */
int reap_start(struct reap *r, const struct record *delegation, char *const *argv, struct err *e);

/* Look after the snapshots of ${delegation}: an apply or undo that was cut off, files for an undo,
 * one that is too many.  Returns when there is something to do next, INT64_MAX: never, -1: it could
 * not be done now. */
int64_t reap_snapshots(struct reap *r, struct record *delegation);

/* Does somebody work with a snapshot of ${delegation}, or did until that was cut off? */
bool reap_snapshot_at_work(const struct record *delegation);

/* What a program of ours that is gone left: processes, and a directory. */
struct reap_left {
	enum reap_kind kind;
	const char *owner; /* the program, "awcp-serve" */
	int dirfd;
	const char *name; /* the directory, in ${dirfd} */
	const char *mark; /* in the environment of all that it started: "AWCP_SERVE=<path>" */
	const char *cwd;  /* or NULL: nginx, which writes over that, works here */
	bool outside;     /* the directory is not in the state */
};

/* Ask the processes of ${l} to end, half a minute later kill them; then remove the directory. */
void reap_clear_left(struct reap *r, const struct reap_left *l);

/* The rules.  A look is at one record, and calls reap_again if it is done with it. */
void reap_assignment(struct reap *r, const char *id);
void reap_delegation(struct reap *r, const char *id);

/* A directory of the collection without a record: what is left of a creation that was cut off. */
void reap_unrecorded(struct reap *r, const char *collection, const char *id);

/* Remove what a writer that died left in ${dirfd}, the directory ${name} of the state: the file
 * that was to replace another one. */
void reap_temporary(struct reap *r, int dirfd, const char *name);

/* Look at some of all records, from where the last run ended. */
void reap_walk(struct reap *r, enum reap_walk_id which);

/* Sweeps. */
void reap_queues(struct reap *r);
void reap_tasks(struct reap *r);
void reap_breakers(struct reap *r);
void reap_open(struct reap *r);
void reap_tmp(struct reap *r);
void reap_servers(struct reap *r);
void reap_processes(struct reap *r);
void reap_logs(struct reap *r);
void reap_corrupt(struct reap *r);
void reap_peers(struct reap *r);
void reap_space(struct reap *r);
void reap_readers(struct reap *r);
void reap_terminals(struct reap *r);

#endif
