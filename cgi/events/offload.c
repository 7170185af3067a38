#include "events/offload.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "http/pool.h"

#define MAX_THREADS 256 /* each may be stuck with a slow reader until the web server gives up */
#define LINGER_S 5      /* how long an idle one stays */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t come = PTHREAD_COND_INITIALIZER;
static struct offload_job *first, **last = &first;
static unsigned alive, idle, waiting; /* waiting: jobs */

/* The next job, or NULL when there was none for long.  The lock is held. */
static struct offload_job *
next_job(void)
{
	struct timespec until;
	int status = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += LINGER_S;
	idle++;
	while (first == NULL && status != ETIMEDOUT)
		status = pthread_cond_timedwait(&come, &lock, &until);
	idle--;
	struct offload_job *j = first;
	if (j == NULL)
		return NULL;
	first = j->next;
	if (first == NULL)
		last = &first;
	waiting--;
	return j;
}

static void *
run_jobs(void *unused)
{
	struct offload_job *j;

	(void)unused;
	(void)pthread_mutex_lock(&lock);
	while ((j = next_job()) != NULL) {
		(void)pthread_mutex_unlock(&lock);
		j->work(j);
		(void)pthread_mutex_lock(&lock);
	}
	alive--;
	(void)pthread_mutex_unlock(&lock);
	return NULL;
}

void
offload_submit(struct offload_job *j)
{
	bool mine = false;

	(void)pthread_mutex_lock(&lock);
	if (idle <= waiting && alive < MAX_THREADS) {
		alive++;
		if (pool_thread(run_jobs, NULL) < 0) {
			alive--;
			mine = alive == 0;
		}
	}
	if (!mine) {
		j->next = NULL;
		*last = j;
		last = &j->next;
		waiting++;
		(void)pthread_cond_signal(&come);
	}
	(void)pthread_mutex_unlock(&lock);
	if (mine)
		j->work(j);
}
