/* How much a tenant may have in all queues together. */
#include "queued/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "config/settings.h"

#define RETRY_S 10      /* as long as a task may take */
#define RECOUNT_MS 1000 /* whoever is refused again has all counted again after that */

/* What a tenant has at most: what was counted, and what was put since by this program.  Only when
 * that reaches the limit is it counted again. */
struct quota {
	LIST_ENTRY(quota) next;
	char tenant[TOKEN_NAME + 1];
	struct queue_load load;
	int64_t counted; /* clock_steady; 0: never */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(quota_list, quota) quotas = LIST_HEAD_INITIALIZER(quotas);

/* The one of ${tenant}; NULL out of memory.  The lock is held. */
static struct quota *
find_quota(const char *tenant)
{
	struct quota *x;

	LIST_FOREACH(x, &quotas, next)
	if (strcmp(x->tenant, tenant) == 0)
		return x;
	if ((x = calloc(1, sizeof *x)) == NULL)
		return NULL;
	strcpy(x->tenant, tenant);
	LIST_INSERT_HEAD(&quotas, x, next);
	return x;
}

static int
count_queue(void *arg, const char *name)
{
	struct quota *x = arg;
	struct err ignored;

	/* One that cannot be read now is nothing that this tenant can do something about. */
	struct queue *q = queues_borrow(name, false, &ignored);
	if (q != NULL)
		(void)queue_load(q, x->tenant, &x->load, &ignored);
	queues_return(q);
	return 0;
}

/* Count again what the tenant has, not too often. */
static int
recount(struct quota *x, struct err *e)
{
	int64_t now = clock_steady();

	if (x->counted != 0 && now - x->counted < RECOUNT_MS)
		return 0;
	x->counted = now;
	x->load = (struct queue_load){0};
	return queue_each(count_queue, x, e);
}

/* The limit of the token, or else that of all. */
static int
limit_of(long long own, enum setting_id all, uint64_t *limit, struct err *e)
{
	long long max;

	if (setting_number(all, &max, e) < 0)
		return -1;
	*limit = (uint64_t)(own > 0 ? own : max);
	return 0;
}

static bool
fits(const struct quota *x, const struct queue_load *more, const struct queue_load *max)
{
	return x->load.tasks + more->tasks <= max->tasks &&
	       x->load.bytes + more->bytes <= max->bytes;
}

static int
refuse(const struct quota *x, const struct queue_load *max, struct err *e)
{
	err_set(
	    e, ERR_RATE_LIMITED,
	    "%s has %llu tasks of about %llu bytes that have not ended: there is no room for more",
	    x->tenant, (unsigned long long)x->load.tasks, (unsigned long long)x->load.bytes);
	err_hint(e, "it may have %llu tasks of %llu bytes; try again when some have ended",
		 (unsigned long long)max->tasks, (unsigned long long)max->bytes);
	return err_retry(e, RETRY_S);
}

/* Add ${more} to what ${tenant} has, if it may have it; the lock is held. */
static int
take(const char *tenant, const struct queue_load *more, const struct queue_load *max, struct err *e)
{
	struct quota *x = find_quota(tenant);

	if (x == NULL)
		return err_memory(e);
	if ((x->counted == 0 || !fits(x, more, max)) && recount(x, e) < 0)
		return -1;
	if (!fits(x, more, max))
		return refuse(x, max, e);
	x->load.tasks += more->tasks;
	x->load.bytes += more->bytes;
	return 0;
}

int
quota_take(const struct tenant *t, const struct queue_load *more, struct err *e)
{
	const struct token_limits *own = &t->caller->token.limits;
	struct queue_load max;

	if (t->name == NULL)
		return 0;
	if (limit_of(own->tasks, SETTING_TENANT_TASKS, &max.tasks, e) < 0 ||
	    limit_of(own->disk, SETTING_TENANT_BYTES, &max.bytes, e) < 0)
		return -1;
	(void)pthread_mutex_lock(&lock);
	int status = take(t->name, more, &max, e);
	(void)pthread_mutex_unlock(&lock);
	return status;
}
