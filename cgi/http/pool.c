#include "http/pool.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "http/http.h"

#define IDLE 8                     /* threads kept ready */
#define STACK ((size_t)256 * 1024) /* a JSON text nests at most 64 deep here */
#define LEAST 64                   /* threads that there may be in any case */
#define HEAPS 2 /* for all threads: more are no faster, and each keeps its peak */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned limit, alive, idle;
static int broken; /* errno of an accept that cannot be tried again */
static void (*answer)(FCGX_Request *r);

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

/* Tell the operator, but not more than once a minute. */
static void
complain(const char *what, int number)
{
	static int64_t told;
	int64_t now = clock_steady();

	(void)pthread_mutex_lock(&lock);
	bool tell = told == 0 || now - told >= 60000;
	if (tell)
		told = now;
	(void)pthread_mutex_unlock(&lock);
	if (tell)
		http_log("%s: %s", what, strerror(number));
}

static int
accept_request(FCGX_Request *r)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	int status;

	while ((status = FCGX_Accept_r(r)) < 0 && passes(-status)) {
		if (status != -EINTR && status != -EAGAIN)
			complain("cannot accept a request for now", -status);
		(void)nanosleep(&pause, NULL);
	}
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
	int number = pthread_create(&thread, &attributes, serve, NULL);
	if (number != 0) {
		complain("cannot start a thread", number);
		leave(0); /* the threads that there are go on; the next request tries again */
	}
	(void)pthread_attr_destroy(&attributes);
}

int
pool_run(unsigned max, void (*call)(FCGX_Request *r), struct err *e)
{
	limit = max < LEAST ? LEAST : max;
	answer = call;
	alive = IDLE;
	(void)mallopt(M_ARENA_MAX, HEAPS);
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
