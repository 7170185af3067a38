#include "events/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define MAX_THREADS \
	256        /* threads; each may be stuck with a reader until the web server gives that up */
#define LINGER_S 5 /* how long an idle one stays */
#define STACK ((size_t)256 * 1024) /* as in pool.c */

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
run(void *unused)
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

int
offload_thread(void *(*call)(void *))
{
	pthread_attr_t attributes;
	pthread_t thread;

	int number = pthread_attr_init(&attributes);
	if (number != 0)
		return number;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK);
	number = pthread_create(&thread, &attributes, call, NULL);
	(void)pthread_attr_destroy(&attributes);
	return number;
}

void
offload_submit(struct offload_job *j)
{
	bool mine = false;

	(void)pthread_mutex_lock(&lock);
	if (idle <= waiting && alive < MAX_THREADS) {
		alive++;
		if (offload_thread(run) != 0) {
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
