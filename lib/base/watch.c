/*
 * One thread reads the one inotify instance and wakes, by an eventfd each, the watches whose
 * directory was named.  inotify gives one descriptor for one directory, so several watches may
 * share it: it is removed with the last of them.
 */
#include "base/watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define BUCKETS 4096
#define CHANGES (IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR)

struct watch {
	int wd; /* inotify's watch descriptor, or -1: only polling */
	int eventfd;
	struct watch *next; /* in the bucket of wd */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int inotifyfd = -1;
static pid_t started; /* the process that has the thread: a child after fork begins anew */
static struct watch *buckets[BUCKETS];

static sem_t running; /* the thread has begun */

/* A name that begins with a dot is of a file that is renamed when it is whole: that is the news. */
static bool
is_news(const struct inotify_event *event)
{
	return event->wd >= 0 && (event->len == 0 || event->name[0] != '.');
}

/* A process may fork while the thread holds the lock: the child must not inherit it so. */
static void
hold(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void
let_go(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void *
share_out(void *unused)
{
	_Alignas(struct inotify_event) char events[16384];
	const uint64_t one = 1;
	ssize_t n;

	(void)unused;
	(void)sem_post(&running); /* from here on it takes no memory, and no lock but ours */
	while ((n = read(inotifyfd, events, sizeof events)) > 0 || (n < 0 && errno == EINTR)) {
		(void)pthread_mutex_lock(&lock);
		for (char *p = events; n > 0 && p < events + n;) {
			const struct inotify_event *event = (const struct inotify_event *)(void *)p;
			struct watch *w =
			    is_news(event) ? buckets[(unsigned)event->wd % BUCKETS] : NULL;
			for (; w != NULL; w = w->next)
				if (w->wd == event->wd && write(w->eventfd, &one, sizeof one) < 0)
					continue; /* the counter is full: it is awake already */
			p += sizeof *event + event->len;
		}
		(void)pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* Start inotify and its thread, once; without them there is only polling. */
static void
start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	if (started == 0)
		(void)pthread_atfork(hold, let_go, let_go); /* out of memory: as without */
	if (started != 0)
		file_close(inotifyfd);
	for (int i = 0; i < BUCKETS; i++)
		buckets[i] = NULL;
	started = getpid();
	inotifyfd = inotify_init1(IN_CLOEXEC);
	if (inotifyfd < 0 || pthread_attr_init(&attributes) != 0)
		return;
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, 65536);
	if (sem_init(&running, 0, 0) < 0 ||
	    pthread_create(&thread, &attributes, share_out, NULL) != 0) {
		file_close(inotifyfd);
		inotifyfd = -1;
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
	*w = (struct watch){.wd = -1, .eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	if (w->eventfd < 0) {
		err_sys(e, "cannot watch %s", path);
		free(w);
		return NULL;
	}
	(void)pthread_mutex_lock(&lock);
	if (started != getpid())
		start();
	if (inotifyfd >= 0)
		w->wd = inotify_add_watch(inotifyfd, path, CHANGES);
	if (w->wd >= 0) {
		w->next = buckets[(unsigned)w->wd % BUCKETS];
		buckets[(unsigned)w->wd % BUCKETS] = w;
	}
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
	if (w->wd >= 0) {
		bool shared = false;
		struct watch **p = &buckets[(unsigned)w->wd % BUCKETS];
		while (*p != NULL) {
			if (*p == w) {
				*p = w->next;
				continue;
			}
			shared |= (*p)->wd == w->wd;
			p = &(*p)->next;
		}
		if (!shared)
			(void)inotify_rm_watch(inotifyfd, w->wd); /* it may be gone by itself */
	}
	(void)pthread_mutex_unlock(&lock);
	file_close(w->eventfd);
	free(w);
}

struct member {
	int wd;
	void *mark;
	struct member *next; /* in the bucket of wd */
};

struct watch_set {
	int fd; /* of inotify, or -1 */
	struct member *buckets[BUCKETS];
};

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
