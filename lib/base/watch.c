/*
 * inotify gives one descriptor for one directory, so several watches may share it: it is removed
 * with the last of them.  The watches of a process are one set, which a thread reads: it wakes, by
 * an eventfd each, those whose directory was named.
 */
#include "base/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define BUCKETS 4096
#define CHANGES (IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR)

struct member {
	int wd;
	void *mark;
	struct member *next; /* in the bucket of wd */
};

struct watch_set {
	int fd; /* of inotify, or -1 */
	struct member *buckets[BUCKETS];
};

/* A name that begins with a dot is of a file that is renamed when it is whole: that is the news. */
static bool
is_news(const struct inotify_event *event)
{
	return event->wd >= 0 && (event->len == 0 || event->name[0] != '.');
}

struct watch_set *
watch_set_open(struct err *e)
{
	struct watch_set *s = calloc(1, sizeof *s);

	if (s == NULL)
		err_memory(e);
	else
		s->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return s;
}

void
watch_set_close(struct watch_set *s)
{
	if (s == NULL)
		return;
	file_close(s->fd);
	free(s);
}

int
watch_set_fd(const struct watch_set *s)
{
	return s->fd;
}

int
watch_set_add(struct watch_set *s, const char *path, void *mark)
{
	struct member *m = s->fd >= 0 ? malloc(sizeof *m) : NULL;

	if (m == NULL)
		return -1;
	m->wd = inotify_add_watch(s->fd, path, CHANGES);
	if (m->wd < 0) {
		free(m);
		return -1;
	}
	m->mark = mark;
	struct member **bucket = &s->buckets[(unsigned)m->wd % BUCKETS];
	m->next = *bucket;
	*bucket = m;
	return m->wd;
}

void
watch_set_remove(struct watch_set *s, int number, const void *mark)
{
	bool shared = false;

	if (number < 0)
		return;
	struct member **p = &s->buckets[(unsigned)number % BUCKETS];
	while (*p != NULL) {
		struct member *m = *p;
		if (m->wd == number && m->mark == mark) {
			*p = m->next;
			free(m);
			continue;
		}
		shared |= m->wd == number;
		p = &m->next;
	}
	if (!shared)
		(void)inotify_rm_watch(s->fd, number); /* it may be gone by itself */
}

void
watch_set_read(struct watch_set *s, void (*changed)(void *mark, const char *name))
{
	_Alignas(struct inotify_event) char events[16384];
	ssize_t n;

	while (s->fd >= 0 && (n = read(s->fd, events, sizeof events)) > 0)
		for (char *p = events; p < events + n;) {
			const struct inotify_event *event = (const struct inotify_event *)(void *)p;
			/* What overflowed the kernel's queue is not lost: who polls finds it. */
			const struct member *m =
			    is_news(event) ? s->buckets[(unsigned)event->wd % BUCKETS] : NULL;
			for (; m != NULL; m = m->next)
				if (m->wd == event->wd)
					changed(m->mark, event->len > 0 ? event->name : "");
			p += sizeof *event + event->len;
		}
}

struct watch {
	int number; /* of watch_set_remove */
	int eventfd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch_set *all; /* the watches of this process */
static pid_t started;         /* the process that has the thread: a child after fork begins anew */
static sem_t running;         /* the thread has begun */

/* A process may fork while the thread holds the lock: the child must not inherit it so. */
static void
lock_for_fork(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void
unlock_after_fork(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void
wake(void *mark, const char *name)
{
	const struct watch *w = mark;
	const uint64_t one = 1;

	(void)name;
	if (write(w->eventfd, &one, sizeof one) < 0)
		return; /* the counter is full: it is awake already */
}

static void *
wake_watches(void *unused)
{
	struct pollfd p = {.fd = watch_set_fd(all), .events = POLLIN};

	(void)unused;
	(void)sem_post(&running); /* from here on it takes no memory, and no lock but ours */
	while (poll(&p, 1, -1) >= 0 || errno == EINTR) {
		(void)pthread_mutex_lock(&lock);
		watch_set_read(all, wake);
		(void)pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* Make the set and start its thread; without them there is only polling.  The lock is held. */
static void
start_watching(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (started == 0) /* out of memory: as without */
		(void)pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
	watch_set_close(all);
	started = getpid();
	all = watch_set_open(NULL);
	if (all == NULL || all->fd < 0 || pthread_attr_init(&attributes) != 0)
		return;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, 65536);
	if (sem_init(&running, 0, 0) < 0 ||
	    pthread_create(&thread, &attributes, wake_watches, NULL) != 0) {
		file_close(all->fd);
		all->fd = -1;
	} else {
		/* A fork in the middle of a thread's beginning is what allocators fear. */
		while (sem_wait(&running) < 0 && errno == EINTR)
			continue;
	}
	(void)pthread_attr_destroy(&attributes);
}

struct watch *
watch_open(const char *path, struct err *e)
{
	struct watch *w = malloc(sizeof *w);

	if (w == NULL) {
		err_memory(e);
		return NULL;
	}
	w->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->eventfd < 0) {
		err_sys(e, "cannot watch %s", path);
		free(w);
		return NULL;
	}
	(void)pthread_mutex_lock(&lock);
	if (started != getpid())
		start_watching();
	w->number = all != NULL ? watch_set_add(all, path, w) : -1;
	(void)pthread_mutex_unlock(&lock);
	return w;
}

int
watch_wait(struct watch *w, int fd, int ms)
{
	struct pollfd p[2] = {{.fd = w->eventfd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int64_t until = clock_steady() + ms;
	uint64_t count;

	for (;;) {
		int64_t left = until - clock_steady();
		if (left < 0)
			left = 0;
		/* Also with inotify: a shared file system reports only what this host does. */
		int step = left > WATCH_POLL_MS ? WATCH_POLL_MS : (int)left;
		int n = poll(p, 2, step);
		if (n < 0 && errno == EINTR)
			return 1;
		if (p[0].revents != 0) {
			if (read(w->eventfd, &count, sizeof count) < 0)
				continue;
			return 1;
		}
		if (n > 0 && p[1].revents != 0)
			return 2;
		return left > step ? 1 : 0;
	}
}

int
watch_fd(const struct watch *w)
{
	return w->eventfd;
}

void
watch_close(struct watch *w)
{
	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&lock);
	watch_set_remove(all, w->number, w);
	(void)pthread_mutex_unlock(&lock);
	file_close(w->eventfd);
	free(w);
}
