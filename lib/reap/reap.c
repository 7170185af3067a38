#include "reap/reap.h"

#include <string.h>

#include "assignment/due.h"
#include "base/clock.h"
#include "config/home.h"
#include "config/settings.h"
#include "delegation/delegation.h"
#include "log/metrics.h"
#include "reap/private.h"

/* The rule for an entry of due/. */
static const struct {
	const char *kind;
	void (*run)(struct reap *r, const char *id);
} due_rules[] = {{ASSIGNMENT_DUE, reap_assignment}, {DELEGATION_DUE, reap_delegation}};

/* Each runs at most once in so many seconds. */
static const struct {
	enum reap_kind kind;
	int64_t every;
	void (*run)(struct reap *r);
} periodic_rules[REAP_PERIODICS] = {
    [REAP_PERIODIC_QUEUES] = {REAP_QUEUE, 0, reap_queues},
    [REAP_PERIODIC_TASKS] = {REAP_RETENTION, 300, reap_tasks},
    [REAP_PERIODIC_BREAKERS] = {REAP_BREAKERS, 0, reap_breakers},
    [REAP_PERIODIC_OPEN] = {REAP_ORPHANS, 300, reap_open},
    [REAP_PERIODIC_TMP] = {REAP_ORPHANS, 600, reap_tmp},
    [REAP_PERIODIC_SERVERS] = {REAP_ORPHANS, 0, reap_servers},
    [REAP_PERIODIC_PROCESSES] = {REAP_ORPHANS, 300, reap_processes},
    [REAP_PERIODIC_LOGS] = {REAP_RETENTION, 3600, reap_logs},
    [REAP_PERIODIC_CORRUPT] = {REAP_RETENTION, 3600, reap_corrupt},
    [REAP_PERIODIC_PEERS] = {REAP_PEERS, 3600, reap_peers},
    [REAP_PERIODIC_SPACE] = {REAP_SPACE, 0, reap_space},
    [REAP_PERIODIC_READERS] = {REAP_READERS, 3600, reap_readers},
    [REAP_PERIODIC_TERMINALS] = {REAP_ORPHANS, 300, reap_terminals},
};

/* Run the rules for all entries of due/ whose time has come. */
static int
run_due_rules(struct reap *r, struct err *e)
{
	struct due_entry entry;
	int more = 0;

	struct due *d = due_open(r->now, e);
	if (d == NULL)
		return -1;
	r->due = d;
	r->entry = &entry;
	while ((more = due_next(d, &entry, e)) > 0)
		for (size_t i = 0; i < sizeof due_rules / sizeof due_rules[0]; i++)
			if (strcmp(entry.kind, due_rules[i].kind) == 0)
				due_rules[i].run(r, entry.id);
	r->due = NULL;
	r->entry = NULL;
	due_close(d, !r->options->dry);
	return more;
}

/* A rule runs when it is due, or when it was asked for. */
static void
run_periodic_rules(struct reap *r)
{
	for (int i = 0; i < REAP_PERIODICS; i++) {
		int64_t *next = &r->state.next[i], pause = periodic_rules[i].every * 1000;
		bool due = r->now >= *next || *next > r->now + pause; /* the clock was set back */
		if (!reap_wants(r, periodic_rules[i].kind) ||
		    (!due && r->options->kinds == 0 && !r->options->dry))
			continue;
		periodic_rules[i].run(r);
		*next = r->now + pause;
	}
}

static int
read_limits(struct reap_limits *l, struct err *e)
{
	const struct {
		enum setting_id id;
		long long *value;
	} all[] = {{SETTING_LEFTOVER_AGE, &l->leftover_age},
		   {SETTING_FOLLOW_AFTER, &l->follow_after},
		   {SETTING_LOG_RETENTION, &l->log_retention},
		   {SETTING_CORRUPT_RETENTION, &l->corrupt_retention},
		   {SETTING_PEER_RETENTION, &l->peer_retention},
		   {SETTING_READER_RETENTION, &l->reader_retention},
		   {SETTING_CLOCK_DOUBT, &l->clock_doubt}};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (setting_number(all[i].id, all[i].value, e) < 0)
			return -1;
		if (*all[i].value > INT64_MAX / 2000)
			*all[i].value = INT64_MAX / 2000;
		*all[i].value *= 1000;
	}
	return delegation_undo_retention(&l->undo_retention, e);
}

int
reap_run(const struct reap_options *o, struct reap_totals *totals, struct err *e)
{
	struct reap r = {.options = o, .totals = totals, .now = clock_now()};
	int64_t started = clock_steady();

	*totals = (struct reap_totals){.failed = 0};
	if (home_open(e) < 0 || assignment_policy(&r.policy, e) < 0 ||
	    read_limits(&r.limits, e) < 0)
		return -1;
	reap_state_read(&r);
	int status = run_due_rules(&r, e);
	if (status < 0)
		goto out;
	run_periodic_rules(&r);
	reap_walk(&r, REAP_WALK_ASSIGNMENTS);
	reap_walk(&r, REAP_WALK_DELEGATIONS);
	reap_state_write(&r);
out:
	for (enum reap_kind kind = 0; kind < REAP_KINDS && !o->dry; kind++)
		if (totals->done[kind] > 0)
			metrics_count(METRIC_REAPED, reap_kind_name(kind), NULL,
				      totals->done[kind]);
	totals->took = clock_steady() - started;
	return status;
}
