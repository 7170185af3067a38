/* INVITE: on which terms an assignment is taken, and whether at all. */
#include "assignment/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assignment/slots.h"
#include "base/clock.h"
#include "base/file.h"
#include "state/breaker.h"
#include "config/home.h"
#include "config/settings.h"
#include "process/hook.h"
#include "base/id.h"
#include "base/jsonx.h"

#define DISK_S 300 /* when to come back after a refusal for want of space, of load, of a hook */
#define LOAD_S 60
#define HOOK_S 60
#define TEN_YEARS_S (10LL * 365 * 86400)

int
assignment_not_taken(struct err *e)
{
	return err_set(e, ERR_DECLINED, "the delegation is not taken");
}

int
assignment_policy(struct assignment_policy *p, struct err *e)
{
	const char *access = setting_text(SETTING_ACCESS), *strict = setting_text(SETTING_STRICT);

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
	    setting_number(SETTING_MIN_FREE, &p->min_free, e) < 0 ||
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
assignment_queue(const json_t *invite, const struct token_limits *l, char first[ID_MAX + 1])
{
	const char *wanted = jsonx_text(invite, "requirements.queue", NULL);

	if (l->queues[0] == '\0')
		return wanted == NULL || strcmp(wanted, ASSIGNMENT_QUEUE) == 0 ? ASSIGNMENT_QUEUE
									       : NULL;
	if (wanted != NULL)
		return token_allows(l, wanted) ? wanted : NULL;
	(void)snprintf(first, ID_MAX + 1, "%.*s", (int)strcspn(l->queues, ","), l->queues);
	return first;
}

/* Is the machine up to it?  ERR_DECLINED with a time to come back if not. */
static int
check_machine(const struct assignment_policy *p, struct err *e)
{
	double load;

	int fd = home_dir(ASSIGNMENTS, e);
	if (fd < 0)
		return -1;
	if (file_space(fd) < (uint64_t)p->min_free) {
		err_set(e, ERR_DECLINED, "the disk is nearly full");
		err_hint(e, "try again later");
		return err_retry(e, DISK_S);
	}
	if (p->max_load > 0 && getloadavg(&load, 1) == 1 && load > (double)p->max_load) {
		err_set(e, ERR_DECLINED, "the machine is busy");
		err_hint(e, "try again later");
		return err_retry(e, LOAD_S);
	}
	return 0;
}

/* After too many deaths no more is taken on until that is over; see guard.h. */
static int
check_queue(const char *queue, struct err *e)
{
	struct breaker g;

	if (breaker_look(BREAKER_QUEUE, queue, &g, NULL) < 0 || !g.stopped)
		return 0; /* then it is its worker's to see */
	err_set(e, ERR_DECLINED, "the executor has stopped: its tasks died too often");
	err_hint(e, "try again later");
	return err_retry(e, (unsigned)((g.until - clock_now()) / 1000 + 1));
}

int
assignment_terms(const json_t *invite, const struct assignment_guest *g,
		 const struct assignment_policy *p, struct err *e)
{
	int64_t ttl = jsonx_number(invite, "lease.ttlSeconds", 0);
	long long most = assignment_limit(p->max_ttl, g->limits.ttl);
	char first[ID_MAX + 1];

	if (sandbox_meets(&p->sandbox, jsonx_at(invite, "requirements.sandbox"), e) < 0)
		return -1;
	if (ttl > most) {
		err_set(e, ERR_DECLINED, "a lease of %lld s is longer than is given here",
			(long long)ttl);
		return err_hint(e, "ask for at most %lld s", most);
	}
	const char *queue = assignment_queue(invite, &g->limits, first);
	if (queue == NULL) {
		err_set(e, ERR_DECLINED, "that queue is not for this token");
		return err_hint(e, "leave requirements.queue out");
	}
	if (check_machine(p, e) < 0 || check_queue(queue, e) < 0)
		return -1;
	return assignment_room_rate(g->owner, g->limits.rate, e);
}

json_t *
assignment_without_auth(const json_t *invite)
{
	json_t *kept = json_copy((json_t *)(uintptr_t)invite);

	(void)json_object_del(kept, "auth"); /* it may not be there */
	return kept;
}

int
assignment_ask_hook(const json_t *invite, const struct assignment_guest *g, struct err *e)
{
	const char *id = jsonx_text(invite, "delegationId", "");
	char answer[HOOK_ANSWER];
	struct err why;

	json_t *question = assignment_without_auth(invite);
	int status = hook_ask("admission", id, g->owner, question, answer, &why);
	json_decref(question);
	if (status > 0)
		return 0;
	(void)assignment_not_taken(e);
	if (status == 0)
		return err_hint(e, "%s", answer);
	/* One that cannot be asked may have been about to refuse. */
	err_hint(e, "try again later");
	return err_retry(e, HOOK_S);
}
