/* On which terms an INVITE is accepted, and whether at all. */
#include "assignment/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "state/breaker.h"
#include "state/space.h"
#include "config/home.h"
#include "config/settings.h"
#include "process/hook.h"
#include "wire/members.h"

#define LOAD_S 60 /* when to try again after a refusal for load, by a hook */
#define HOOK_S 60
#define RECORD_BYTES (128 * 1024) /* of an assignment, before its workspace is there, */
#define RECORD_FILES 8            /* and how many files these are */
#define TEN_YEARS_S (10LL * 365 * 86400)

int
assignment_decline_silently(struct err *e)
{
	return err_set(e, ERR_DECLINED, "the delegation is not taken");
}

int
assignment_policy(struct assignment_policy *p, struct err *e)
{
	const char *access = setting_text(SETTING_ACCESS), *strict = setting_text(SETTING_STRICT);
	long long min_free;

	if (sandbox_parse(setting_text(SETTING_SANDBOX), &p->sandbox, e) < 0) {
		if (e != NULL)
			e->code = ERR_CONFIG; /* not of the command line */
		return err_add(e, "AWCP_SANDBOX");
	}
	p->strict = strcmp(strict, "1") == 0;
	p->read_only = strcmp(access, "ro") == 0;
	if (!p->strict && strcmp(strict, "0") != 0)
		return err_set(e, ERR_CONFIG, "AWCP_STRICT is neither 0 nor 1: %.40s", strict);
	if (!p->read_only && strcmp(access, "rw") != 0)
		return err_set(e, ERR_CONFIG, "AWCP_ACCESS is neither ro nor rw: %.40s", access);
	if (setting_number(SETTING_MAX_ACTIVE, &p->max_active, e) < 0 ||
	    setting_number(SETTING_MAX_TTL, &p->max_ttl, e) < 0 ||
	    setting_number(SETTING_MAX_RETENTION, &p->max_retention, e) < 0 ||
	    setting_number(SETTING_MAX_ARCHIVE, &p->max_archive, e) < 0 ||
	    setting_number(SETTING_MIN_FREE, &min_free, e) < 0 || /* space_for asks for it */
	    setting_number(SETTING_MAX_LOAD, &p->max_load, e) < 0 ||
	    setting_number(SETTING_START_WITHIN, &p->start_within, e) < 0)
		return -1;
	if (p->start_within > TEN_YEARS_S)
		p->start_within = TEN_YEARS_S;
	assignment_strict = p->strict;
	return 0;
}

long long
assignment_limit(long long all, long long own)
{
	return own > 0 && own < all ? own : all;
}

const char *
assignment_choose_queue(const json_t *invite, const struct token_limits *l, char first[ID_MAX + 1])
{
	const char *wanted = invite_queue(invite);

	if (l->queues[0] == '\0')
		return wanted == NULL || strcmp(wanted, ASSIGNMENT_QUEUE) == 0 ? ASSIGNMENT_QUEUE
									       : NULL;
	if (wanted != NULL)
		return token_allows(l, wanted) ? wanted : NULL;
	(void)snprintf(first, ID_MAX + 1, "%.*s", (int)strcspn(l->queues, ","), l->queues);
	return first;
}

/* Has the machine space and time?  ERR_DECLINED with a time to try again if not. */
static int
check_machine(const struct assignment_policy *p, struct err *e)
{
	struct err why;
	double load;

	int fd = home_dir(ASSIGNMENTS, e);
	if (fd < 0)
		return -1;
	if (space_for(fd, RECORD_BYTES, RECORD_FILES, &why) < 0) {
		if (why.code != ERR_NO_SPACE) {
			*e = why;
			return -1;
		}
		err_set(e, ERR_DECLINED, "the disk is nearly full");
		err_hint(e, "try again later");
		return err_retry(e, why.retry);
	}
	if (p->max_load > 0 && getloadavg(&load, 1) == 1 && load > (double)p->max_load) {
		err_set(e, ERR_DECLINED, "the machine is busy");
		err_hint(e, "try again later");
		return err_retry(e, LOAD_S);
	}
	return 0;
}

/* After too many deaths nothing is accepted until the breaker closes; see breaker.h. */
static int
check_queue(const char *queue, struct err *e)
{
	struct breaker b;

	if (breaker_read(BREAKER_QUEUE, queue, &b, NULL) < 0 || !b.stopped)
		return 0; /* if it cannot be read, its worker reports that */
	err_set(e, ERR_DECLINED, "the executor has stopped: its tasks died too often");
	err_hint(e, "try again later");
	return err_retry(e, (unsigned)((b.until - clock_now()) / 1000 + 1));
}

int
assignment_check_terms(const json_t *invite, const struct assignment_inviter *by,
		       const struct assignment_policy *p, struct err *e)
{
	int64_t ttl = invite_ttl(invite);
	long long max = assignment_limit(p->max_ttl, by->token->limits.ttl);
	char first[ID_MAX + 1];

	if (sandbox_meets(&p->sandbox, invite_sandbox(invite), e) < 0)
		return -1;
	if (ttl > max) {
		err_set(e, ERR_DECLINED, "a lease of %lld s is longer than is given here",
			(long long)ttl);
		return err_hint(e, "ask for at most %lld s", max);
	}
	const char *queue = assignment_choose_queue(invite, &by->token->limits, first);
	if (queue == NULL) {
		err_set(e, ERR_DECLINED, "that queue is not for this token");
		return err_hint(e, "leave requirements.queue out");
	}
	if (check_machine(p, e) < 0 || check_queue(queue, e) < 0)
		return -1;
	return assignment_rate_take(by->token->name, by->token->limits.rate, e);
}

json_t *
assignment_without_auth(const json_t *invite)
{
	json_t *kept = json_copy((json_t *)(uintptr_t)invite);

	invite_drop_auth(kept);
	return kept;
}

int
assignment_ask_hook(const json_t *invite, const struct assignment_inviter *by, struct err *e)
{
	const char *id = message_id(invite);
	char answer[HOOK_ANSWER];
	struct err why;

	json_t *question = assignment_without_auth(invite);
	int status = hook_ask("admission", id, by->owner, question, answer, &why);
	json_decref(question);
	if (status > 0)
		return 0;
	assignment_decline_silently(e);
	if (status == 0)
		return err_hint(e, "%s", answer);
	/* One that cannot be asked may have been about to refuse. */
	err_hint(e, "try again later");
	return err_retry(e, HOOK_S);
}
