/* context - what the rules of one run share. */
#ifndef REAP_CONTEXT_H
#define REAP_CONTEXT_H

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

#endif
