#include "reap/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assignment/due.h"
#include "base/clock.h"
#include "delegation/due.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "log/logfmt.h"
#include "log/metrics.h"
#include "config/settings.h"

static const char *const kinds[REAP_KINDS] = {
    [REAP_LEASES] = "leases",       [REAP_QUEUE] = "queue",     [REAP_RETENTION] = "retention",
    [REAP_FOLLOWERS] = "followers", [REAP_APPLIES] = "applies", [REAP_BREAKERS] = "breakers",
    [REAP_ORPHANS] = "orphans",     [REAP_PEERS] = "peers",     [REAP_READERS] = "readers",
    [REAP_SPACE] = "space"};

/* Which rule looks at an entry of due/. */
static const struct {
	const char *kind;
	void (*look)(struct reap *r, const char *id);
} looks[] = {{ASSIGNMENT_DUE, reap_assignment}, {DELEGATION_DUE, reap_delegation}};

/* What is done now and then, every so many seconds at most. */
static const struct {
	enum reap_kind kind;
	int64_t every;
	void (*sweep)(struct reap *r);
} sweeps[REAP_SWEEPS] = {
    [REAP_SWEEP_QUEUES] = {REAP_QUEUE, 0, reap_queues},
    [REAP_SWEEP_TASKS] = {REAP_RETENTION, 300, reap_tasks},
    [REAP_SWEEP_BREAKERS] = {REAP_BREAKERS, 0, reap_breakers},
    [REAP_SWEEP_OPEN] = {REAP_ORPHANS, 300, reap_open},
    [REAP_SWEEP_TMP] = {REAP_ORPHANS, 600, reap_tmp},
    [REAP_SWEEP_SERVERS] = {REAP_ORPHANS, 0, reap_servers},
    [REAP_SWEEP_PROCESSES] = {REAP_ORPHANS, 300, reap_processes},
    [REAP_SWEEP_LOGS] = {REAP_RETENTION, 3600, reap_logs},
    [REAP_SWEEP_CORRUPT] = {REAP_RETENTION, 3600, reap_corrupt},
    [REAP_SWEEP_PEERS] = {REAP_PEERS, 3600, reap_peers},
    [REAP_SWEEP_SPACE] = {REAP_SPACE, 0, reap_space},
    [REAP_SWEEP_READERS] = {REAP_READERS, 3600, reap_readers},
    [REAP_SWEEP_TERMINALS] = {REAP_ORPHANS, 300, reap_terminals},
};

const char *
reap_kind_name(enum reap_kind kind)
{
	return kinds[kind];
}

enum reap_kind
reap_kind_named(const char *name)
{
	enum reap_kind kind = 0;

	if (strcmp(name, "guards") == 0)
		return REAP_BREAKERS;
	if (strcmp(name, "sessions") == 0)
		return REAP_READERS;
	while (kind < REAP_KINDS && strcmp(kinds[kind], name) != 0)
		kind++;
	return kind;
}

bool
reap_wants(const struct reap *r, enum reap_kind kind)
{
	return r->options->kinds == 0 || (r->options->kinds & 1U << kind) != 0;
}

void
reap_deed(struct reap_deed *d, enum reap_kind kind, const char *id, const char *action,
	  const char *fmt, ...)
{
	va_list ap;

	*d = (struct reap_deed){.kind = kind, .id = id, .action = action};
	va_start(ap, fmt);
	(void)vsnprintf(d->why, sizeof d->why, fmt, ap);
	va_end(ap);
	err_clean(d->why);
}

static void
tell(const struct reap *r, const struct reap_deed *d)
{
	r->totals->done[d->kind]++;
	if (r->options->told != NULL)
		r->options->told(r->options->arg, d);
}

bool
reap_should(struct reap *r, const struct reap_deed *d)
{
	if (!reap_wants(r, d->kind))
		return false;
	if (r->options->dry)
		tell(r, d);
	return !r->options->dry;
}

bool
reap_should_remove(struct reap *r, const struct reap_deed *d)
{
	return !r->doubt && reap_should(r, d);
}

void
reap_trouble(struct reap *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_clean(text);
	if (r->options->trouble != NULL)
		r->options->trouble(r->options->arg, text);
}

void
reap_did(struct reap *r, const struct reap_deed *d, int status, const struct err *e)
{
	if (r->options->dry) {
		tell(r, d);
		return;
	}
	logfmt_write("lifecycle", "reap", "kind", kinds[d->kind], "id", d->id, "action", d->action,
		     "why", d->why, "failed", status < 0 ? e->message : NULL, LOGFMT_END);
	if (status == 0) {
		tell(r, d);
		return;
	}
	r->totals->failed++;
	reap_trouble(r, "cannot %s %s: %s", d->action, d->id, e->message);
}

void
reap_again(struct reap *r, const char *kind, const char *id, int64_t when)
{
	if (r->options->dry)
		return;
	if (r->due == NULL || strcmp(r->entry->kind, kind) != 0) {
		if (when > 0)
			due_set(kind, id, when);
	} else if (when > 0) {
		due_later(r->due, r->entry, when);
	} else {
		due_drop(r->due);
	}
}

int
reap_remove(int dirfd, const char *name, struct err *e)
{
	char aside[ID_MAX + 1];

	int tmpfd = home_dir("tmp", e);
	if (tmpfd < 0 || id_make("removed-", 16, aside, e) < 0)
		return -1;
	if (renameat(dirfd, name, tmpfd, aside) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot remove %s", name);
	return file_remove_tree(tmpfd, aside, e);
}

int
reap_remove_record(struct record *record, const struct reap_deed *d, struct err *e)
{
	record->event = kinds[d->kind];
	return record_remove(record, e);
}

const char *
reap_span(int64_t age, char out[32])
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};
	size_t i = 0;

	while (i < 3 && age < 2 * units[i].ms)
		i++;
	long long n = age / units[i].ms;
	(void)snprintf(out, 32, "%lld %s%s", n, units[i].name, n == 1 ? "" : "s");
	return out;
}

int64_t
reap_age(const struct reap *r, int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	int64_t age = r->now - (int64_t)st.st_mtim.tv_sec * 1000;
	return age < 0 ? 0 : age;
}

/* Look at all that due/ says. */
static int
look_at_due(struct reap *r, struct err *e)
{
	struct due_entry entry;
	int more = 0;

	struct due *d = due_open(r->now, e);
	if (d == NULL)
		return -1;
	r->due = d;
	r->entry = &entry;
	while ((more = due_next(d, &entry, e)) > 0)
		for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
			if (strcmp(entry.kind, looks[i].kind) == 0)
				looks[i].look(r, entry.id);
	r->due = NULL;
	r->entry = NULL;
	due_close(d, !r->options->dry);
	return more;
}

/* A sweep is made when it is its turn, or when it was asked for. */
static void
sweep_all(struct reap *r)
{
	for (int i = 0; i < REAP_SWEEPS; i++) {
		int64_t *next = &r->state.next[i], pause = sweeps[i].every * 1000;
		bool turn = r->now >= *next || *next > r->now + pause; /* the clock went back */
		if (!reap_wants(r, sweeps[i].kind) ||
		    (!turn && r->options->kinds == 0 && !r->options->dry))
			continue;
		sweeps[i].sweep(r);
		*next = r->now + pause;
	}
}

static int
read_limits(struct reap_limits *l, struct err *e)
{
	const struct {
		enum setting_id id;
		long long *value;
	} all[] = {{SETTING_LEFTOVER_AGE, &l->age},     {SETTING_FOLLOW_AFTER, &l->follow},
		   {SETTING_LOG_RETENTION, &l->logs},   {SETTING_CORRUPT_RETENTION, &l->corrupt},
		   {SETTING_PEER_RETENTION, &l->peers}, {SETTING_READER_RETENTION, &l->readers},
		   {SETTING_CLOCK_DOUBT, &l->doubt}};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (setting_number(all[i].id, all[i].value, e) < 0)
			return -1;
		if (*all[i].value > INT64_MAX / 2000)
			*all[i].value = INT64_MAX / 2000;
		*all[i].value *= 1000;
	}
	return delegation_undo_retention(&l->undo, e);
}

int
reap_run(const struct reap_options *o, struct reap_totals *totals, struct err *e)
{
	struct reap r = {.options = o, .totals = totals, .now = clock_now()};
	int64_t begun = clock_steady();

	*totals = (struct reap_totals){.failed = 0};
	if (home_open(e) < 0 || assignment_policy(&r.policy, e) < 0 ||
	    read_limits(&r.limits, e) < 0)
		return -1;
	reap_state_read(&r);
	int status = look_at_due(&r, e);
	if (status == 0) {
		sweep_all(&r);
		reap_walk(&r, REAP_WALK_ASSIGNMENTS);
		reap_walk(&r, REAP_WALK_DELEGATIONS);
		reap_state_write(&r);
	}
	for (int kind = 0; kind < REAP_KINDS && !o->dry; kind++)
		if (totals->done[kind] > 0)
			metrics_count(METRIC_REAPED, kinds[kind], NULL, totals->done[kind]);
	totals->took = clock_steady() - begun;
	return status;
}
