#include "reap/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log/logfmt.h"

static const char *const kinds[REAP_KINDS] = {
    [REAP_LEASES] = "leases",       [REAP_QUEUE] = "queue",     [REAP_RETENTION] = "retention",
    [REAP_FOLLOWERS] = "followers", [REAP_APPLIES] = "applies", [REAP_BREAKERS] = "breakers",
    [REAP_ORPHANS] = "orphans",     [REAP_PEERS] = "peers",     [REAP_READERS] = "readers",
    [REAP_SPACE] = "space"};

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
reap_describe(struct reap_action *action, enum reap_kind kind, const char *id, const char *verb,
	      const char *fmt, ...)
{
	va_list ap;

	*action = (struct reap_action){.kind = kind, .id = id, .verb = verb};
	va_start(ap, fmt);
	(void)vsnprintf(action->why, sizeof action->why, fmt, ap);
	va_end(ap);
	err_clean(action->why);
}

static void
report_action(const struct reap *r, const struct reap_action *action)
{
	r->totals->done[action->kind]++;
	if (r->options->report != NULL)
		r->options->report(r->options->arg, action);
}

bool
reap_may(struct reap *r, const struct reap_action *action)
{
	if (!reap_wants(r, action->kind))
		return false;
	if (r->options->dry)
		report_action(r, action);
	return !r->options->dry;
}

bool
reap_may_remove(struct reap *r, const struct reap_action *action)
{
	return !r->doubt && reap_may(r, action);
}

void
reap_done(struct reap *r, const struct reap_action *action, int status, const struct err *e)
{
	if (r->options->dry) {
		report_action(r, action);
		return;
	}
	logfmt_write("lifecycle", "reap", "kind", kinds[action->kind], "id", action->id, "action",
		     action->verb, "why", action->why, "failed", status < 0 ? e->message : NULL,
		     LOGFMT_END);
	if (status == 0) {
		report_action(r, action);
		return;
	}
	r->totals->failed++;
	reap_warn(r, "cannot %s %s: %s", action->verb, action->id, e->message);
}

void
reap_warn(struct reap *r, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_clean(text);
	if (r->options->warn != NULL)
		r->options->warn(r->options->arg, text);
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
