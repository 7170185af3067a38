#include "log/lifecycle.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonx.h"
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

/* "RECEIVE_ERROR: TASK_FAILED: exit 3": the event, and the error that ${o} has now. */
static const char *
explain(const json_t *o, const char *event, char why[ERR_MESSAGE + 128])
{
	const char *code = jsonx_text(o, "error.code", NULL);

	if (code == NULL)
		return event;
	(void)snprintf(why, ERR_MESSAGE + 128, "%.40s%s%.40s: %.*s", event != NULL ? event : "",
		       event != NULL ? ": " : "", code, ERR_MESSAGE,
		       jsonx_text(o, "error.message", ""));
	return why;
}

static void
observe_since(enum metric m, const json_t *record, const char *member)
{
	int64_t then;

	if (clock_parse(jsonx_text(record, member, ""), &then, NULL) == 0)
		metrics_observe(m, clock_now() - then);
}

void
lifecycle_record(const char *collection, const char *id, const char *from, const char *event,
		 const json_t *record)
{
	const struct kind *k = kind_of(collection);
	const char *to = jsonx_text(record, "state", ""), *owner = jsonx_text(record, "owner", "");
	const char *code = jsonx_text(record, "error.code", NULL);
	char why[ERR_MESSAGE + 128];

	if (k == NULL)
		return;
	logfmt_write(LIFECYCLE_LOG, k->event, "id", id, "from", from[0] != '\0' ? from : NULL, "to",
		     to, "why", explain(record, event, why), "owner",
		     owner[0] != '\0' ? owner : NULL, LOGFMT_END);
	metrics_count(k->entered, to, NULL, 1);
	if (code != NULL)
		metrics_count(METRIC_ERRORS, k->event, code, 1);
	if (strcmp(to, "active") == 0)
		observe_since(METRIC_START_DELAY, record, "invitedAt");
	if (k->entered == METRIC_DELEGATIONS && (code != NULL || strcmp(to, "completed") == 0))
		observe_since(METRIC_DELEGATION, record, "createdAt");
}

void
lifecycle_removed(const char *collection, const char *id, const json_t *record, const char *why)
{
	const struct kind *k = kind_of(collection);

	if (k != NULL)
		lifecycle_note(k->event, id, NULL, jsonx_text(record, "state", NULL), "removed",
			       why);
}

void
lifecycle_task(const json_t *task, const char *from, const char *last)
{
	const json_t *attempts = json_object_get(task, "attempts");
	const json_t *attempt = json_array_get(attempts, json_array_size(attempts) - 1);
	const char *outcome = jsonx_text(attempt, "outcome", NULL), *code;
	int64_t number = jsonx_number(task, "attempt", 0);
	char text[24], why[ERR_MESSAGE + 128];

	(void)snprintf(text, sizeof text, "%lld", (long long)number);
	logfmt_write(LIFECYCLE_LOG, "task", "id", jsonx_text(task, "id", ""), "last", last, "from",
		     from, "to", jsonx_text(task, "state", ""), "attempt", number > 0 ? text : NULL,
		     "worker", jsonx_text(attempt, "worker", NULL), "why",
		     explain(task, outcome, why), LOGFMT_END);
	if ((code = jsonx_text(task, "error.code", NULL)) != NULL)
		metrics_count(METRIC_ERRORS, "task", code, 1);
}

void
lifecycle_note(const char *what, const char *id, const char *part, const char *from, const char *to,
	       const char *why)
{
	logfmt_write(LIFECYCLE_LOG, what, "id", id, what, part, "from", from, "to", to, "why", why,
		     LOGFMT_END);
}
