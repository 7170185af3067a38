#include "worker/outcome.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "queue/members.h"
#include "worker/profile.h"

#define TRY_AGAIN 75  /* exit status of a command that is rate-limited */
#define QUICK_MS 1000 /* within this a command that failed did no work */

#define LABEL (PROFILE_NAME + sizeof "profile ")

/* What reports about the profile are headed with. */
static const char *
profile_label(const struct task_options *o, char label[LABEL])
{
	(void)snprintf(label, LABEL, "profile %s", o->profile->name);
	return label;
}

/* ${e} kept us from noting something of the profile. */
static void
report_trouble(const struct task_options *o, const struct err *e)
{
	char label[LABEL];

	task_report(o, true, profile_label(o, label), "%s", e->message);
}

int
outcome_signal(const struct sandbox *sandbox, int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	int code = WEXITSTATUS(status) - 128;
	return sandbox->kind != SANDBOX_NONE && code > 0 && code < NSIG ? code : 0;
}

/* The first of the last lines of ${from} that matches, into ${why}. */
static bool
find_match(const struct profiles *all, struct output *out, enum output_stream from,
	   char why[OUTCOME_REASON])
{
	const char *text = output_last(out, from);
	regmatch_t match;

	if (regexec(&all->limited, text, 1, &match, 0) != 0)
		return false;
	const char *line = text + match.rm_so;
	while (line > text && line[-1] != '\n')
		line--;
	(void)snprintf(why, OUTCOME_REASON, "%.*s", (int)strcspn(line, "\n"), line);
	return true;
}

static bool
is_limited(const struct task_options *o, struct output *out, int code, char why[OUTCOME_REASON])
{
	const struct profiles *all = o->profiles;
	const char *complaint = output_complaint(out);

	if (code != 0 && all->matches &&
	    (find_match(all, out, OUTPUT_STDERR, why) || find_match(all, out, OUTPUT_STDOUT, why)))
		return true;
	(void)snprintf(why, OUTCOME_REASON, "%.500s",
		       complaint[0] != '\0' ? complaint : "the command asks to be run again later");
	return code == TRY_AGAIN;
}

static void
note_death(const struct task_options *o, const char *why)
{
	const struct breaker_rule *rule = &o->profiles->rule;
	char label[LABEL];
	bool stopped;
	struct err e;

	if (breaker_died(BREAKER_PROFILE, o->profile->name, rule, why, &stopped, &e) < 0)
		report_trouble(o, &e);
	else if (stopped)
		task_report(o, true, profile_label(o, label),
			    "it died %u times within %lld s, at last: %s; it gets no work for as "
			    "long; awcp-run --clear %s lets it go on",
			    rule->deaths, (long long)rule->window / 1000, why, o->profile->name);
}

void
outcome_not_started(const struct task_options *o, const struct err *why)
{
	note_death(o, why->message);
}

enum outcome
outcome_classify(const struct task_options *o, const struct execution *x, struct output *out,
		 int status, char why[OUTCOME_REASON])
{
	const char *name = o->profile->name;
	char text[64];
	struct err e;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		if (breaker_success(BREAKER_PROFILE, name, &e) < 0)
			report_trouble(o, &e);
		return OUTCOME_DONE;
	}
	if (WIFEXITED(status) && is_limited(o, out, WEXITSTATUS(status), why)) {
		int64_t until = clock_now() + o->profiles->cooldown;
		if (breaker_pause(BREAKER_PROFILE, name, until, why, &e) < 0)
			report_trouble(o, &e);
		return OUTCOME_LIMITED;
	}
	int signal = outcome_signal(&o->sandbox, status);
	if (signal == 0 && (x->prompted || x->took >= QUICK_MS))
		return OUTCOME_FAILED;
	if (signal != 0)
		(void)snprintf(text, sizeof text, "killed by signal %d", signal);
	else
		(void)snprintf(text, sizeof text, "exit %d before it read its prompt",
			       WEXITSTATUS(status));
	note_death(o, text);
	return OUTCOME_DIED;
}

int64_t
outcome_pause(const struct task_options *o, const json_t *task)
{
	int64_t now = clock_now();
	int64_t ready = profiles_ready(o->profiles, task, o->profile, now + o->profiles->cooldown);

	return ready > now ? ready - now : 0;
}
