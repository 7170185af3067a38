#include "events/slots.h"

#include <pthread.h>
#include <sys/resource.h>

#include "config/settings.h"
#include "http/log.h"
#include "log/metrics.h"

#define RESERVED 2048 /* descriptors for everything else, or a quarter of all */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long max_streams;  /* set before there are threads */
static long long open_streams; /* under the lock */

/* How many streams the limit on open files leaves room for. */
static long long
max_by_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
		return INT64_MAX;
	long long all = (long long)files.rlim_cur;
	return all - (all / 4 < RESERVED ? all / 4 : RESERVED);
}

/* There is no slot left.  The log hears of it once a minute.  The lock is held. */
static int
refuse_stream(bool by_descriptors, struct err *e)
{
	static atomic_llong logged;

	if (http_log_due(&logged))
		http_log("%lld event streams are open; raise %s for more", open_streams,
			 by_descriptors ? "the limit on open files (ulimit -n)" : "AWCP_STREAMS");
	err_set(e, ERR_BUSY, "too many event streams are open");
	return err_hint(e, "try again later, or raise %s",
			by_descriptors ? "the limit on open files" : "AWCP_STREAMS");
}

int
slots_policy(struct err *e)
{
	return setting_number(SETTING_STREAMS, &max_streams, e);
}

int
slots_take(const struct pass *p, struct err *e)
{
	long long by_descriptors = max_by_descriptors();
	long long all = max_streams < by_descriptors ? max_streams : by_descriptors;
	int status = 0;

	if (pass_take(p, HOLDER_STREAM, all, e) < 0)
		return -1;
	(void)pthread_mutex_lock(&lock);
	if (open_streams >= max_streams || open_streams >= by_descriptors)
		status = refuse_stream(open_streams >= by_descriptors, e);
	else
		open_streams++;
	(void)pthread_mutex_unlock(&lock);
	if (status == 0)
		metrics_level(METRIC_STREAMS, 1);
	else
		pass_release(p, HOLDER_STREAM);
	return status;
}

void
slots_release(const struct pass *p)
{
	pass_release(p, HOLDER_STREAM);
	(void)pthread_mutex_lock(&lock);
	open_streams--;
	(void)pthread_mutex_unlock(&lock);
	metrics_level(METRIC_STREAMS, -1);
}
