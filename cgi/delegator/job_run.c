#include "delegator/job_run.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/buf.h"
#include "delegation/delegation.h"
#include "base/file.h"
#include "config/home.h"
#include "config/settings.h"
#include "base/jsonx.h"
#include "lend/session.h"
#include "wire/question.h"
#include "snapshot/snapshot.h"

#define CONFLICTS 100  /* are told by name */
#define LOCK_TRIES 20  /* to become the follower, if somebody only looks whether there is one */
#define LOCK_PAUSE 25  /* ms */
#define PAUSE_MOST 60  /* s, between attempts to reach an executor */
#define CANCEL_TIME 10 /* s: who cancels waits for it */

struct errand {
	const char *id;
	const char *snapshot; /* or NULL */
	long timeout;         /* s */
	json_t *conflicts;
};

static void
pause_ms(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

/* A line of follow.log. */
static void
note(void *arg, const char *text)
{
	char now[CLOCK_TEXT];

	(void)arg;
	(void)dprintf(STDERR_FILENO, "%s %s\n", clock_format(clock_now(), now), text);
}

static void
note_path(void *arg, enum apply_action action, const char *path, const char *why)
{
	char text[TREE_PATH + 512];

	if (action != APPLY_CONFLICT)
		return;
	(void)snprintf(text, sizeof text, "conflict: %s: %s", path, why != NULL ? why : "");
	err_clean(text);
	note(arg, text);
}

static struct lend *
become_follower(const struct errand *d, struct err *e)
{
	const struct lend_observer observer = {.note = note, .report = note_path};
	struct lend *l = NULL;

	for (int i = 0; i < LOCK_TRIES && l == NULL; i++) {
		if (i > 0)
			pause_ms(LOCK_PAUSE);
		l = lend_open(d->id, d->timeout, &observer, e);
		if (l == NULL && e->code != ERR_BUSY)
			break;
	}
	return l;
}

static bool
has_ended(const struct errand *d)
{
	struct err e;
	struct record r;

	bool ended = record_open(DELEGATIONS, d->id, false, &r, &e) < 0 || delegation_ended(r.json);
	record_close(&r);
	return ended;
}

/* An executor that cannot be reached now is tried again until the lease is over. */
static int
follow(struct errand *d, struct err *e)
{
	for (long pause = 1;; pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST) {
		struct lend *l = become_follower(d, e);
		if (l == NULL)
			return -1; /* or somebody follows it: then that is as good */
		int status = lend_go_on(l, 0, e);
		lend_close(l);
		if (status < 0)
			note(NULL, e->message);
		if (status == 0 || e->code != ERR_BUSY || has_ended(d))
			return status;
		pause_ms(pause * 1000);
	}
}

/* Here it is cancelled in any case; an executor that cannot be told stops at the end of the
 * lease. */
static int
cancel(struct errand *d, struct err *e)
{
	struct err why;
	long timeout = d->timeout < CANCEL_TIME ? d->timeout : CANCEL_TIME;

	if (lend_cancel(d->id, timeout, "cancelled by the delegator", e) == 0)
		return 0;
	if (e->code == ERR_BAD_STATE || e->code == ERR_NOT_FOUND || e->code == ERR_BAD_DATA)
		return -1;
	err_set(&why, ERR_CANCELLED, "cancelled by the delegator; its executor was not told");
	err_hint(&why, "%.200s", e->message);
	return delegation_end(d->id, FSM_CANCEL, &why, e);
}

static void
collect(void *arg, enum apply_action action, const char *path, const char *why)
{
	const struct errand *d = arg;
	json_t *one = action == APPLY_CONFLICT ? json_object() : NULL;

	if (one == NULL || json_array_size(d->conflicts) >= CONFLICTS ||
	    jsonx_set(one, "path", path) < 0 || jsonx_set(one, "why", why) < 0) {
		json_decref(one);
		return;
	}
	(void)json_array_append_new(d->conflicts, one); /* the error says how many there are */
}

static int
apply_snapshot(struct errand *d, struct err *e)
{
	const struct snapshot_taking how = {.report = collect, .arg = d};
	struct apply_totals totals;

	return snapshot_apply(d->id, d->snapshot, &how, &totals, NULL, e);
}

static int
discard(struct errand *d, struct err *e)
{
	return snapshot_discard(d->id, d->snapshot, NULL, e);
}

/* What is answered comes on stdin: an operand could be read by everybody on this machine. */
static int
answer(struct errand *d, struct err *e)
{
	struct buf text = BUF_INIT(QUESTION_LINE);
	const char *question, *said;
	char piece[4096];
	ssize_t n;
	int status = -1;

	while ((n = file_read(STDIN_FILENO, piece, sizeof piece, e)) > 0)
		if (buf_add(&text, piece, (size_t)n, e) < 0)
			break;
	json_t *o = n == 0 ? jsonx_parse(text.data != NULL ? text.data : "", text.len, e) : NULL;
	if (o != NULL && question_answer_of(o, &question, &said, e) == 0)
		status = lend_answer(d->id, d->timeout, question, said, e);
	json_decref(o);
	buf_free(&text);
	return status;
}

static const struct {
	const char *name;
	int operands;
	int (*run)(struct errand *d, struct err *e);
} errands[] = {{"follow", 1, follow},
	       {"cancel", 1, cancel},
	       {"apply", 2, apply_snapshot},
	       {"discard", 2, discard},
	       {"answer", 1, answer}};

static int
run(struct errand *d, int argc, char **argv, struct err *e)
{
	long long timeout;

	if (home_open(e) < 0 || setting_number(SETTING_TIMEOUT, &timeout, e) < 0)
		return -1;
	d->timeout = timeout < 1 ? 1 : (long)timeout;
	for (size_t i = 0; i < sizeof errands / sizeof errands[0]; i++)
		if (strcmp(argv[1], errands[i].name) == 0 && argc == errands[i].operands + 2) {
			d->id = argv[2];
			d->snapshot = argc > 3 ? argv[3] : NULL;
			return errands[i].run(d, e);
		}
	err_set(e, ERR_USAGE, "awcp-delegator: no such errand");
	return err_hint(e,
			"follow id, cancel id, answer id, apply id snapshot, discard id snapshot");
}

int
errand_do(int argc, char **argv)
{
	struct errand d = {.conflicts = json_array()};
	struct err e;

	int status = run(&d, argc, argv, &e);
	if (status < 0) {
		json_t *o = json_object();
		(void)jsonx_set(o, "error", e.message);
		(void)jsonx_set(o, "code", err_name(e.code));
		(void)jsonx_set(o, "hint", e.hint);
		if (json_array_size(d.conflicts) > 0)
			(void)json_object_set(o, "conflicts", d.conflicts);
		(void)json_dumpf(o, stdout, JSON_COMPACT);
		(void)puts("");
		json_decref(o);
	}
	json_decref(d.conflicts);
	return status < 0 ? err_exit(e.code) : 0;
}
