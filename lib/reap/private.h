/*
 * reap/private - what the rules of one run share: its settings and its state, what they may do, and
 * the rules themselves.
 */
#ifndef REAP_PRIVATE_H
#define REAP_PRIVATE_H

#include "assignment/assignment.h"
#include "reap/reap.h"
#include "state/due.h"

#define REAP_RETRY_MS 600000 /* after something could not be done */

/* What the settings of these names say, ms. */
struct reap_limits {
	long long leftover_age; /* what was untouched for so long belongs to nobody */
	long long follow_after;
	long long undo_retention;
	long long log_retention;
	long long corrupt_retention;
	long long peer_retention;   /* 0: forever */
	long long reader_retention; /* 0: forever */
	long long clock_doubt;      /* without a removal after the clock jumped */
};

/* The rules that run periodically, in a fixed order: due/.state has a time for each. */
enum reap_periodic {
	REAP_PERIODIC_QUEUES,
	REAP_PERIODIC_TASKS,
	REAP_PERIODIC_BREAKERS,
	REAP_PERIODIC_OPEN,
	REAP_PERIODIC_TMP,
	REAP_PERIODIC_SERVERS,
	REAP_PERIODIC_PROCESSES,
	REAP_PERIODIC_LOGS,
	REAP_PERIODIC_CORRUPT,
	REAP_PERIODIC_PEERS,
	REAP_PERIODIC_SPACE,
	REAP_PERIODIC_READERS,
	REAP_PERIODIC_TERMINALS,
	REAP_PERIODICS
};

enum reap_walk_id { REAP_WALK_ASSIGNMENTS, REAP_WALK_DELEGATIONS, REAP_WALKS };

/* due/.state: what one run leaves for the next. */
struct reap_state {
	char boot[40];                /* the system's boot id at that run */
	int64_t wall, steady;         /* both clocks then, ms */
	int64_t doubt;                /* by the steady clock: nothing is removed until then */
	int64_t warned;               /* wall clock of the last warning about the disk */
	int64_t next[REAP_PERIODICS]; /* wall clock: when the rule is due */
	int64_t cursor[REAP_WALKS];   /* position in the directory; 0: the beginning */
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

	/* The entry of due/ that is being handled, or NULL. */
	struct due *due;
	const struct due_entry *entry;
};

/*
 * action - what the rules do to the state: asked for, or only reported in a dry run, logged,
 * counted.
 *
 * A rule describes what it is about to do, asks whether it may, does it, and says how that went.
 */

/* Was ${kind} asked for? */
bool reap_wants(const struct reap *r, enum reap_kind kind);

/* Fill ${action}. */
void reap_describe(struct reap_action *action, enum reap_kind kind, const char *id,
		   const char *verb, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* May ${action} be done now?  Not if it was not asked for; a dry run reports it instead. */
bool reap_may(struct reap *r, const struct reap_action *action);

/* The same of something that is removed for its age: not while the clock is in doubt. */
bool reap_may_remove(struct reap *r, const struct reap_action *action);

/* ${action} was done if ${status} is 0, else ${e} says why not: reported, and logged. */
void reap_done(struct reap *r, const struct reap_action *action, int status, const struct err *e);

/* Report something that a person should know of. */
void reap_warn(struct reap *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ${kind} ${id} was handled and is due again ${when}; 0: never.  Under the lock of its record. */
void reap_again(struct reap *r, const char *kind, const char *id, int64_t when);

/* remove - how files and records are removed, and how old they are. */

/* Rename ${name} of ${dirfd} into tmp/ and remove it there. */
int reap_remove(int dirfd, const char *name, struct err *e);

/* The same of a record that is open for change; lifecycle.log gets the kind of ${action}. */
int reap_remove_record(struct record *record, const struct reap_action *action, struct err *e);

/* ${age}, ms, in words: "8 days". */
const char *reap_span(int64_t age, char out[32]);

/* How long ago ${name} in ${dirfd} was changed, ms; -1 if it is gone. */
int64_t reap_age(const struct reap *r, int dirfd, const char *name);

/* leftovers - what a writer that died left in a directory. */

/* A directory of the collection without a record: what is left of a creation that was cut off. */
void reap_unrecorded(struct reap *r, const char *collection, const char *id);

/* Remove temporary files, which were to replace others, from ${dirfd}, the directory ${name} of
 * the state. */
void reap_temporary(struct reap *r, int dirfd, const char *name);

/* The same in the directory ${name}, and with ${deep} in those in it. */
void reap_temporaries(struct reap *r, const char *name, bool deep);

/* process - ends processes whose parent was killed. */

/* What a program of ours that was killed left: processes, and a directory. */
struct reap_left {
	const char *owner; /* the program, "awcp-serve" */
	int dirfd;
	const char *name; /* the directory, in ${dirfd} */
	const char *mark; /* in the environment of all that it started: "AWCP_SERVE=<path>" */
	const char *cwd;  /* or NULL: nginx, which overwrites its environment, works here */
	bool outside;     /* the directory is not in the state */
};

/* Ask the processes of ${l} to end, half a minute later kill them; then remove the directory. */
void reap_clear_left(struct reap *r, const struct reap_left *l);

/* snapshots - applies that were cut off, files for an undo, and surplus snapshots. */

/* Look after the snapshots of ${delegation}.  Returns when there is something to do next,
 * INT64_MAX: never, -1: it could not be done now. */
int64_t reap_snapshots(struct reap *r, struct record *delegation);

/* The id of a snapshot of ${delegation} that waits to be applied, or NULL. */
const char *reap_snapshot_pending(const json_t *delegation);

/* Is somebody working with a snapshot of ${delegation}, or was, and got cut off? */
bool reap_snapshot_busy(const struct record *delegation);

/* start - leaves what takes long, or talks to others, to the command that does it. */

/* Start program ${argv}[0] of ours for ${delegation} without waiting for it; its output goes to the
 * delegation's follow.log.  ERR_BUSY if this run has started enough. */
int reap_start(struct reap *r, const struct record *delegation, char *const *argv, struct err *e);

/* state - what one run leaves for the next, in due/.state. */

/* Read due/.state; what is missing or makes no sense is zero.  Notices if the clock jumped. */
void reap_state_read(struct reap *r);

/* Write it.  If that fails the next run starts from the previous state. */
void reap_state_write(const struct reap *r);

/* rules - one for each kind of thing that reap looks after. */

/* For one record.  Calls reap_again when it is done with it. */
void reap_assignment(struct reap *r, const char *id);
void reap_delegation(struct reap *r, const char *id);

/* Handle some of all records, from where the previous run ended. */
void reap_walk(struct reap *r, enum reap_walk_id which);

/* Periodic. */
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
