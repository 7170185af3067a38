#include "log/lifecycle.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "log/members.h"
#include "log/logfmt.h"
#include "log/metrics.h"

/* What is said of a collection's records. */
static const struct kind {
	const char *collection;
	const char *event;
	enum metric entered;
} kinds[] = {
    {"delegations", "delegation", METRIC_DELEGATIONS},
    {"assignments", "assignment", METRIC_ASSIGNMENTS},
};

static const struct kind *
kind_of(const char *collection)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].collection, collection) == 0)
			return &kinds[i];
	return NULL;
}

/* "RECEIVE_ERROR: TASK_FAILED: exit 3": the event, and the error ${code} (NULL: none). */
static const char *
explain(const char *event, const char *code, const char *message, char why[ERR_MESSAGE + 128])
{
	if (code == NULL)
		return event;
	(void)snprintf(why, ERR_MESSAGE + 128, "%.40s%s%.40s: %.*s", event != NULL ? event : "",
		       event != NULL ? ": " : "", code, ERR_MESSAGE,
		       message != NULL ? message : "");
	return why;
}

static void
observe_since(enum metric m, const char *text)
{
	int64_t then;

	if (clock_parse(text, &then, NULL) == 0)
		metrics_observe(m, clock_now() - then);
}

void
lifecycle_record(const char *collection, const char *id, const char *from, const char *event,
		 const json_t *record)
{
	const struct kind *k = kind_of(collection);
	const char *to = record_state(record), *owner = record_owner(record);
	const char *code = record_error_code(record);
	char why[ERR_MESSAGE + 128];

	if (k == NULL)
		return;
	if (code[0] == '\0')
		code = NULL;
	logfmt_write(LIFECYCLE_LOG, k->event, "id", id, "from", from[0] != '\0' ? from : NULL, "to",
		     to, "why", explain(event, code, record_error_message(record), why), "owner",
		     owner != NULL && owner[0] != '\0' ? owner : NULL, LOGFMT_END);
	metrics_count(k->entered, to, NULL, 1);
	if (code != NULL)
		metrics_count(METRIC_ERRORS, k->event, code, 1);
	if (strcmp(to, "active") == 0)
		observe_since(METRIC_START_DELAY, record_invited_at(record));
	if (k->entered == METRIC_DELEGATIONS && (code != NULL || strcmp(to, "completed") == 0))
		observe_since(METRIC_DELEGATION, record_created_at(record));
}

void
lifecycle_removed(const char *collection, const char *id, const json_t *record, const char *why)
{
	const struct kind *k = kind_of(collection);

	if (k != NULL)
		lifecycle_note(k->event, id, NULL, record_state(record), "removed", why);
}

void
lifecycle_task(const struct lifecycle_task *t)
{
	char attempt[24], why[ERR_MESSAGE + 128];

	(void)snprintf(attempt, sizeof attempt, "%lld", (long long)t->attempt);
	logfmt_write(LIFECYCLE_LOG, "task", "id", t->id, "last", t->last, "from", t->from, "to",
		     t->to, "attempt", t->attempt > 0 ? attempt : NULL, "worker", t->worker, "why",
		     explain(t->outcome, t->code, t->message, why), LOGFMT_END);
	if (t->code != NULL)
		metrics_count(METRIC_ERRORS, "task", t->code, 1);
}

void
lifecycle_note(const char *what, const char *id, const char *part, const char *from, const char *to,
	       const char *why)
{
	logfmt_write(LIFECYCLE_LOG, what, "id", id, what, part, "from", from, "to", to, "why", why,
		     LOGFMT_END);
}
