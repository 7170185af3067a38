#include "queued/queues.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "config/home.h"

#define MOST 16      /* open at a time, a dozen descriptors each */
#define KEPT_MS 5000 /* then it is opened anew: its config.json may have changed */

/* Which directory a queue is; another may come in its place. */
struct place {
	ino_t inode;
	int64_t born; /* ns */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t back = PTHREAD_COND_INITIALIZER;
/* Of one that is out, only the borrower may know more than .queue. */
static struct slot {
	struct queue *queue; /* NULL: none, but it may be out all the same */
	struct place place;
	int64_t opened, used; /* clock_steady */
	bool out;
} slots[MOST];

static struct place
find_place(const char *name)
{
	struct place place = {0, 0};
	char path[PATH_MAX];
	struct statx st;

	(void)snprintf(path, sizeof path, "%s/queue/%s", home_path(), name);
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) == 0) {
		place.inode = st.stx_ino;
		place.born = (int64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
	}
	return place;
}

/* A slot for ${name}: with it, or with what was not used for longest.  The lock is held. */
static struct slot *
choose(const char *name)
{
	struct slot *best = NULL;

	for (struct slot *s = slots; s < slots + MOST; s++) {
		if (s->out)
			continue;
		if (s->queue != NULL && strcmp(queue_name(s->queue), name) == 0)
			return s;
		if (best == NULL || (s->queue == NULL && best->queue != NULL) ||
		    (best->queue != NULL && s->used < best->used))
			best = s;
	}
	return best;
}

/* From now on the slot, which is out, has ${q}. */
static void
fill(struct slot *s, struct queue *q)
{
	(void)pthread_mutex_lock(&lock);
	s->queue = q;
	(void)pthread_mutex_unlock(&lock);
}

static void
give_back(struct slot *s)
{
	s->out = false;
	s->used = clock_steady();
	(void)pthread_cond_signal(&back);
}

struct queue *
queues_borrow(const char *name, bool create, struct err *e)
{
	struct slot *s;

	(void)pthread_mutex_lock(&lock);
	while ((s = choose(name)) == NULL)
		(void)pthread_cond_wait(&back, &lock);
	s->out = true;
	struct queue *q = s->queue;
	(void)pthread_mutex_unlock(&lock);

	struct place place = find_place(name);
	if (q != NULL && strcmp(queue_name(q), name) == 0 && place.inode == s->place.inode &&
	    place.born == s->place.born && clock_steady() - s->opened < KEPT_MS)
		return q;
	fill(s, NULL); /* another may soon have the same address */
	queue_close(q);
	q = queue_open(name, create, e);
	s->place = find_place(name);
	s->opened = clock_steady();
	fill(s, q);
	if (q == NULL) {
		(void)pthread_mutex_lock(&lock);
		give_back(s);
		(void)pthread_mutex_unlock(&lock);
	}
	return q;
}

void
queues_return(struct queue *q)
{
	if (q == NULL)
		return;
	(void)pthread_mutex_lock(&lock);
	for (struct slot *s = slots; s < slots + MOST; s++)
		if (s->queue == q)
			give_back(s);
	(void)pthread_mutex_unlock(&lock);
}
