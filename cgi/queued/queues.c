#include "queued/request.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"

#define QUEUES_MAX 16 /* open at a time, a dozen descriptors each */
#define KEPT_MS 5000  /* then it is opened anew: its config.json may have changed */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t back = PTHREAD_COND_INITIALIZER;
/* Of one that is taken, only the borrower may look at more than .queue. */
static struct slot {
	struct queue *queue;  /* NULL: none, but it may be taken all the same */
	int64_t opened, used; /* clock_steady */
	bool taken;
} slots[QUEUES_MAX];

/* A slot for ${name}: with it, or with what was not used for longest.  The lock is held. */
static struct slot *
find_slot(const char *name)
{
	struct slot *best = NULL;

	for (struct slot *s = slots; s < slots + QUEUES_MAX; s++) {
		if (s->taken)
			continue;
		if (s->queue != NULL && strcmp(queue_name(s->queue), name) == 0)
			return s;
		if (best == NULL || (s->queue == NULL && best->queue != NULL) ||
		    (best->queue != NULL && s->used < best->used))
			best = s;
	}
	return best;
}

/* From now on the slot, which is taken, has ${q}. */
static void
fill_slot(struct slot *s, struct queue *q)
{
	(void)pthread_mutex_lock(&lock);
	s->queue = q;
	(void)pthread_mutex_unlock(&lock);
}

static void
release_slot(struct slot *s)
{
	s->taken = false;
	s->used = clock_steady();
	(void)pthread_cond_signal(&back);
}

struct queue *
queues_borrow(const char *name, bool create, struct err *e)
{
	struct slot *s;

	(void)pthread_mutex_lock(&lock);
	while ((s = find_slot(name)) == NULL)
		(void)pthread_cond_wait(&back, &lock);
	s->taken = true;
	struct queue *q = s->queue;
	(void)pthread_mutex_unlock(&lock);

	if (q != NULL && strcmp(queue_name(q), name) == 0 && queue_is_current(q) &&
	    clock_steady() - s->opened < KEPT_MS)
		return q;
	fill_slot(s, NULL); /* another may soon have the same address */
	queue_close(q);
	q = queue_open(name, create, e);
	s->opened = clock_steady();
	fill_slot(s, q);
	if (q == NULL) {
		(void)pthread_mutex_lock(&lock);
		release_slot(s);
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
	for (struct slot *s = slots; s < slots + QUEUES_MAX; s++)
		if (s->queue == q)
			release_slot(s);
	(void)pthread_mutex_unlock(&lock);
}
