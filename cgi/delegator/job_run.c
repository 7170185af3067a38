/* Runs a job, in the process that was started for it. */
#include "delegator/job.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "delegation/delegation.h"
#include "base/file.h"
#include "config/home.h"
#include "log/secrets.h"
#include "lend/session.h"
#include "process/inherited.h"
#include "wire/members.h"
#include "wire/question.h"

#define CONFLICTS_MAX 100 /* reported by name */
#define LOCK_TRIES 20     /* to become the follower, if somebody only checks whether there is one */
#define LOCK_PAUSE_MS 25
#define PAUSE_MAX_S 60  /* between attempts to reach an executor */
#define CANCEL_MAX_S 10 /* who cancels waits for it */

struct job {
	const char *id;
	const char *snapshot; /* or NULL */
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
log_note(void *arg, const char *text)
{
	char now[CLOCK_TEXT];

	(void)arg;
	(void)dprintf(STDERR_FILENO, "%s %s\n", clock_format(clock_now(), now), text);
}

static void
log_conflict(void *arg, enum apply_action action, const char *path, const char *why)
{
	char text[TREE_PATH + 512];

	if (action != APPLY_CONFLICT && action != APPLY_GUARDED)
		return;
	(void)snprintf(text, sizeof text, "conflict: %s: %s", path, why != NULL ? why : "");
	err_clean(text);
	log_note(arg, text);
}

static struct lend *
become_follower(const struct job *j, struct err *e)
{
	const struct lend_observer observer = {.note = log_note, .report = log_conflict};
	struct lend *l = NULL;

	for (int i = 0; i < LOCK_TRIES && l == NULL; i++) {
		if (i > 0)
			pause_ms(LOCK_PAUSE_MS);
		l = lend_open(j->id, &observer, e);
		if (l == NULL && e->code != ERR_BUSY)
			break;
	}
	return l;
}

/* Is there nothing more to wait for?  What an executor still holds when the lease is over comes
 * when it is asked again, now and then. */
static bool
is_over(const struct job *j)
{
	struct err ignored;
	struct record r;

	bool over = record_open(DELEGATIONS, j->id, false, &r, &ignored) < 0 ||
		    delegation_ended(r.json) || delegation_lease_end(r.json) < clock_now();
	record_close(&r);
	return over;
}

/* An executor that cannot be reached now is tried again until the lease is over. */
static int
run_follow(struct job *j, struct err *e)
{
	for (long pause = 1;; pause = pause * 2 < PAUSE_MAX_S ? pause * 2 : PAUSE_MAX_S) {
		struct lend *l = become_follower(j, e);
		if (l == NULL)
			return -1; /* or somebody follows it: then that is as good */
		int status = lend_continue(l, 0, e);
		lend_close(l);
		if (status < 0)
			log_note(NULL, e->message);
		if (status == 0 || e->code != ERR_BUSY || is_over(j))
			return status;
		pause_ms(pause * 1000);
	}
}

/* Here it is cancelled in any case; an executor that cannot be reached stops at the end of the
 * lease. */
static int
run_cancel(struct job *j, struct err *e)
{
	struct err why;

	if (lend_cancel(j->id, CANCEL_MAX_S, "cancelled by the delegator", e) == 0)
		return 0;
	if (e->code == ERR_BAD_STATE || e->code == ERR_NOT_FOUND || e->code == ERR_BAD_DATA)
		return -1;
	err_set(&why, ERR_CANCELLED, "cancelled by the delegator; its executor was not told");
	err_hint(&why, "%.200s", e->message);
	return delegation_end(j->id, FSM_CANCEL, &why, e);
}

static void
collect_conflict(void *arg, enum apply_action action, const char *path, const char *why)
{
	const struct job *j = arg;
	bool guarded = action == APPLY_GUARDED;
	json_t *one = action == APPLY_CONFLICT || guarded ? json_object() : NULL;

	if (one == NULL || json_array_size(j->conflicts) >= CONFLICTS_MAX ||
	    jsonx_set(one, "path", path) < 0 || jsonx_set(one, "why", why) < 0 ||
	    jsonx_set(one, "kind", guarded ? "guarded" : "both") < 0) {
		json_decref(one);
		return;
	}
	(void)json_array_append_new(j->conflicts, one); /* the error says how many there are */
}

static int
run_apply(struct job *j, struct err *e)
{
	const struct snapshot_taking how = {.report = collect_conflict, .arg = j};
	struct apply_totals totals;

	return snapshot_apply(j->id, j->snapshot, &how, &totals, NULL, e);
}

static int
run_discard(struct job *j, struct err *e)
{
	return snapshot_discard(j->id, j->snapshot, NULL, e);
}

/* What is answered comes on stdin: an operand could be read by everybody on this machine. */
static int
run_answer(struct job *j, struct err *e)
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
		status = lend_answer(j->id, question, said, e);
	json_decref(o);
	buf_free(&text);
	return status;
}

static const struct {
	const char *name;
	int operands;
	int (*run)(struct job *j, struct err *e);
} jobs[] = {{"follow", 1, run_follow},
	    {"cancel", 1, run_cancel},
	    {"apply", 2, run_apply},
	    {"discard", 2, run_discard},
	    {"answer", 1, run_answer}};

static int
run_job(struct job *j, int argc, char **argv, struct err *e)
{
	if (home_open(e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
		if (strcmp(argv[1], jobs[i].name) == 0 && argc == jobs[i].operands + 2) {
			j->id = argv[2];
			j->snapshot = argc > 3 ? argv[3] : NULL;
			return jobs[i].run(j, e);
		}
	err_set(e, ERR_USAGE, "awcp-delegator: no such job");
	return err_hint(e,
			"follow id, cancel id, answer id, apply id snapshot, discard id snapshot");
}

static void
print_report(const struct job *j, const struct err *e)
{
	json_t *o = json_object();

	/* Out of memory, whoever reads it finds no report, which is an error, too. */
	(void)jsonx_set(o, "error", e->message);
	(void)error_set_code(o, err_name(e->code));
	(void)error_set_hint(o, e->hint);
	if (json_array_size(j->conflicts) > 0)
		(void)json_object_set(o, "conflicts", j->conflicts);
	(void)json_dumpf(o, stdout, JSON_COMPACT);
	(void)puts("");
	json_decref(o);
}

int
delegator_job_main(int argc, char **argv)
{
	struct job j = {.conflicts = json_array()};
	struct err e;

	inherited_settle();
	int status = secrets_load(&e) < 0 ? -1 : run_job(&j, argc, argv, &e);
	if (status < 0)
		print_report(&j, &e);
	json_decref(j.conflicts);
	return status < 0 ? err_exit(e.code) : 0;
}
