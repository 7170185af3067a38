#include "http/stranger.h"

#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "http/pool.h"

#define MOST 256 /* strangers at a time: each has a thread and its bytes in memory */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(strangers, stranger) strangers = LIST_HEAD_INITIALIZER(strangers);
static unsigned count, limit;

/* Whoever is late is cut off: the thread that reads from it finds the end, however slowly bytes
 * come. */
_Noreturn static void *
watch_time(void *unused)
{
	const struct timespec second = {.tv_sec = 1};
	struct stranger *s;

	(void)unused;
	for (;;) {
		(void)nanosleep(&second, NULL);
		int64_t now = clock_steady();
		(void)pthread_mutex_lock(&lock);
		LIST_FOREACH(s, &strangers, next)
		if (!s->late && s->deadline <= now) {
			s->late = true;
			(void)shutdown(s->fd, SHUT_RD); /* or it is gone */
		}
		(void)pthread_mutex_unlock(&lock);
	}
}

int
stranger_start(unsigned threads, struct err *e)
{
	limit = threads / 2 < MOST ? threads / 2 : MOST;
	return pool_thread(watch_time, e);
}

static int
enter(struct stranger *s, int fd, struct err *e)
{
	(void)pthread_mutex_lock(&lock);
	s->waits = count < limit;
	if (s->waits) {
		count++;
		s->fd = fd;
		s->deadline = clock_steady() + (int64_t)STRANGER_SECONDS * 1000;
		LIST_INSERT_HEAD(&strangers, s, next);
	}
	(void)pthread_mutex_unlock(&lock);
	if (s->waits)
		return 0;
	err_set(e, ERR_BUSY, "too many send something without a token");
	return err_hint(e, "send \"Authorization: Bearer\" and a token, or try again later");
}

int
stranger_allow(struct stranger *s, int fd, size_t *n, struct err *e)
{
	if (s->known || *n == 0)
		return 0;
	if (s->taken == STRANGER_BYTES) {
		err_set(e, ERR_AUTH_FAILED, "who sends this is not known after %zu bytes",
			STRANGER_BYTES);
		return err_hint(e, "send \"Authorization: Bearer\" and a token, or \"auth\" or the "
				   "delegation's id before that");
	}
	if (fd >= 0 && !s->waits && enter(s, fd, e) < 0)
		return -1;
	if (*n > STRANGER_BYTES - s->taken)
		*n = STRANGER_BYTES - s->taken;
	return 0;
}

void
stranger_took(struct stranger *s, size_t n)
{
	if (!s->known)
		s->taken += n;
}

void
stranger_leave(struct stranger *s)
{
	s->known = true;
	if (!s->waits)
		return;
	(void)pthread_mutex_lock(&lock);
	s->waits = false;
	count--;
	LIST_REMOVE(s, next);
	(void)pthread_mutex_unlock(&lock);
}
