#include "http/pool.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "http/log.h"

#define MAX_IDLE 8                 /* threads kept ready */
#define STACK ((size_t)256 * 1024) /* a JSON text nests at most 64 deep here */
#define HEAPS 2 /* for all threads: more are no faster, and each keeps its peak */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned limit, alive, idle;
static int broken; /* errno of an accept that cannot be tried again */
static void (*answer)(FCGX_Request *r);

static void start_thread(void);

/* Too many descriptors or too little memory are over soon; a listening socket that is gone stays
 * gone. */
static bool
is_transient(int number)
{
	return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM ||
	       number == EINTR || number == EAGAIN;
}

/* Become idle, unless enough threads are. */
static bool
stay_idle(bool first)
{
	(void)pthread_mutex_lock(&lock);
	bool stay = first || idle < MAX_IDLE;
	if (stay)
		idle++;
	(void)pthread_mutex_unlock(&lock);
	return stay;
}

/* Stop being idle; start a thread if none is left idle. */
static void
start_busy(void)
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
	static atomic_llong logged;
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	int status;

	while ((status = FCGX_Accept_r(r)) < 0 && is_transient(-status)) {
		if (status != -EINTR && status != -EAGAIN && http_log_due(&logged))
			http_log("cannot accept a request for now: %s", strerror(-status));
		(void)nanosleep(&pause, NULL);
	}
	return status;
}

static void
thread_ended(int number)
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
		thread_ended(ENOMEM);
		return NULL;
	}
	while (stay_idle(first)) {
		first = false;
		int status = accept_request(&r);
		start_busy();
		if (status < 0) {
			thread_ended(-status);
			return NULL;
		}
		answer(&r);
		FCGX_Finish_r(&r);
	}
	thread_ended(0);
	return NULL;
}

int
pool_thread(void *(*run)(void *), struct err *e)
{
	pthread_attr_t attributes;
	pthread_t thread;

	int number = pthread_attr_init(&attributes);
	if (number == 0) {
		(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
		(void)pthread_attr_setstacksize(&attributes, STACK);
		number = pthread_create(&thread, &attributes, run, NULL);
		(void)pthread_attr_destroy(&attributes);
	}
	if (number == 0)
		return 0;
	return err_set(e, ERR_BUSY, "cannot start a thread: %s", strerror(number));
}

/* The caller has counted the thread in alive. */
static void
start_thread(void)
{
	static atomic_llong logged;
	struct err e;

	if (pool_thread(serve, &e) == 0)
		return;
	if (http_log_due(&logged))
		http_log("%s", e.message);
	thread_ended(0); /* the threads that there are go on; the next request tries again */
}

unsigned
pool_limit(unsigned max)
{
	return max < POOL_MIN ? POOL_MIN : max;
}

int
pool_run(unsigned max, void (*call)(FCGX_Request *r), struct err *e)
{
	limit = pool_limit(max);
	answer = call;
	alive = MAX_IDLE;
	(void)mallopt(M_ARENA_MAX, HEAPS);
	for (int i = 0; i < MAX_IDLE; i++)
		start_thread();
	(void)pthread_mutex_lock(&lock);
	while (broken == 0 && alive > 0)
		(void)pthread_cond_wait(&ended, &lock);
	int number = broken;
	(void)pthread_mutex_unlock(&lock);
	return err_set(e, ERR_IO, "cannot accept requests: %s",
		       number != 0 ? strerror(number) : "no thread could be started");
}
