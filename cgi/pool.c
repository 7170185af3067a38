#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#define IDLE 8                     /* threads kept ready */
#define STACK ((size_t)256 * 1024) /* a JSON text nests at most 64 deep here */
#define RESERVED 32                /* threads that no waiting request may take */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned limit, alive, idle, parked;
static int broken; /* errno of an accept that cannot be tried again */
static void (*answer)(FCGX_Request *r);
static _Thread_local bool waiting;

static void start_thread(void);

/* Too many descriptors or too little memory pass; a listening socket that is gone does not. */
static bool
passes(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM ||
	       number == EINTR || number == EAGAIN;
}

/* Become idle, unless there are enough who are. */
static bool
enlist(bool first)
{
	(void)pthread_mutex_lock(&lock);
	bool stay = first || idle < IDLE;
	if (stay)
		idle++;
	(void)pthread_mutex_unlock(&lock);
	return stay;
}

/* Stop being idle; see to it that somebody is. */
static void
engage(void)
{
	bool more = false;

	(void)pthread_mutex_lock(&lock);
	idle--;
	if (idle == 0 && alive < limit) {
		alive++;
		more = true;
	}
	(void)pthread_mutex_unlock(&lock);
	if (more)
		start_thread();
}

static int
accept_request(FCGX_Request *r)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	int status;

	while ((status = FCGX_Accept_r(r)) < 0 && passes(-status))
		(void)nanosleep(&pause, NULL);
	return status;
}

static void
leave(int number)
{
	(void)pthread_mutex_lock(&lock);
	alive--;
	if (number != 0) {
		broken = number;
		(void)pthread_cond_signal(&ended);
	}
	(void)pthread_mutex_unlock(&lock);
}

static void *
serve(void *unused)
{
	FCGX_Request r;
	bool first = true;

	(void)unused;
	if (FCGX_InitRequest(&r, 0, 0) != 0) {
		leave(ENOMEM);
		return NULL;
	}
	while (enlist(first)) {
		first = false;
		int status = accept_request(&r);
		engage();
		if (status < 0) {
			leave(-status);
			return NULL;
		}
		answer(&r);
		FCGX_Finish_r(&r);
		if (waiting) {
			(void)pthread_mutex_lock(&lock);
			parked--;
			(void)pthread_mutex_unlock(&lock);
			waiting = false;
		}
	}
	leave(0);
	return NULL;
}

/* The caller has counted the thread in alive. */
static void
start_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (pthread_attr_init(&attributes) != 0) {
		leave(0);
		return;
	}
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK);
	if (pthread_create(&thread, &attributes, serve, NULL) != 0)
		leave(0); /* the threads that there are go on; the next request tries again */
	(void)pthread_attr_destroy(&attributes);
}

int
pool_run(unsigned max, void (*call)(FCGX_Request *r), struct err *e)
{
	limit = max < 2 * RESERVED ? 2 * RESERVED : max;
	answer = call;
	alive = IDLE;
	for (int i = 0; i < IDLE; i++)
		start_thread();
	(void)pthread_mutex_lock(&lock);
	while (broken == 0 && alive > 0)
		(void)pthread_cond_wait(&ended, &lock);
	int number = broken;
	(void)pthread_mutex_unlock(&lock);
	return err_set(e, ERR_IO, "cannot accept requests: %s",
		       number != 0 ? strerror(number) : "no thread could be started");
}

int
pool_park(struct err *e)
{
	if (waiting)
		return 0;
	(void)pthread_mutex_lock(&lock);
	if (parked < limit - RESERVED) {
		parked++;
		waiting = true;
	}
	(void)pthread_mutex_unlock(&lock);
	if (waiting)
		return 0;
	(void)err_set(e, ERR_BUSY, "too many event streams are open");
	return err_hint(e, "try again later, or raise AWCP_THREADS");
}
