/*
 * hasher - hashes and lists in a thread of its own.  See hasher.h.
 *
 * One producer and one consumer.  ${head} and ${tail} are bytes since the beginning, changed under
 * the lock: the consumer owns what lies between them, the producer the rest of the ring, so both
 * work on it without the lock.  A record is published when it is whole.
 */
#include "archive/hasher.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tree/manifest.h"
#include "base/sha256.h"

#define ROOM ((size_t)512 * 1024)
#define PIECE ((size_t)64 * 1024) /* the longest record, about */
#define MUCH (ROOM / 4) /* what the thread is woken for; at twice that a producer who waits is */
#define STACK ((size_t)512 * 1024)

enum kind { DATA, ZEROS, ENTRY };

struct header {
	enum kind kind;
	bool hashed;     /* an entry: it gets the hash */
	size_t path;     /* of it, lengths with the final NUL */
	size_t target;   /* 0 without one */
	uint64_t length; /* of data, or zeros */
};

struct hasher {
	struct manifest_writer *manifest;
	struct sha256 *hash; /* of the file at hand */
	char *ring;
	uint64_t head, tail;
	pthread_mutex_t lock;
	pthread_cond_t more, less;
	pthread_t thread;
	bool threaded;
	bool closing;   /* what is there is all there is */
	bool abandoned; /* and nobody wants it */
	bool failed;    /* with ${why}; what comes is thrown away */
	struct err why;
	char path[TREE_PATH + 1], target[TREE_PATH + 1];
};

/* The longest part of ${n} bytes at ${at} that is in one piece in the ring. */
static size_t
in_one(uint64_t at, size_t n)
{
	size_t left = ROOM - (size_t)(at % ROOM);

	return n < left ? n : left;
}

static uint64_t
copy_in(struct hasher *r, uint64_t at, const void *p, size_t n)
{
	size_t first = in_one(at, n);

	if (n > 0) {
		memcpy(r->ring + at % ROOM, p, first);
		memcpy(r->ring, (const char *)p + first, n - first);
	}
	return at + n;
}

static uint64_t
copy_out(const struct hasher *r, uint64_t at, void *p, size_t n)
{
	size_t first = in_one(at, n);

	memcpy(p, r->ring + at % ROOM, first);
	memcpy((char *)p + first, r->ring, n - first);
	return at + n;
}

static uint64_t
hash_data(struct hasher *r, uint64_t at, size_t n)
{
	size_t first = in_one(at, n);

	sha256_add(r->hash, r->ring + at % ROOM, first);
	sha256_add(r->hash, r->ring, n - first);
	return at + n;
}

static void
hash_zeros(struct hasher *r, uint64_t n)
{
	static const char zeros[32 * 1024];

	for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
		sha256_add(r->hash, zeros, n < sizeof zeros ? (size_t)n : sizeof zeros);
}

static int
add_entry(struct hasher *r, struct entry *entry, const struct header *h, struct err *e)
{
	entry->path = r->path;
	entry->target = h->target > 0 ? r->target : NULL;
	if (h->hashed)
		sha256_hex(r->hash, entry->sha256);
	sha256_reset(r->hash);
	return manifest_add(r->manifest, entry, e);
}

/* Take the record at ${at}; where the next one begins. */
static uint64_t
take_data(struct hasher *r, uint64_t at)
{
	struct header h;
	struct entry entry;
	struct err why;

	at = copy_out(r, at, &h, sizeof h);
	if (h.kind == DATA)
		return hash_data(r, at, (size_t)h.length);
	if (h.kind == ZEROS) {
		hash_zeros(r, h.length);
		return at;
	}
	at = copy_out(r, at, &entry, sizeof entry);
	at = copy_out(r, at, r->path, h.path);
	at = copy_out(r, at, r->target, h.target);
	if (!r->failed && add_entry(r, &entry, &h, &why) < 0) {
		(void)pthread_mutex_lock(&r->lock);
		r->why = why;
		r->failed = true;
		(void)pthread_mutex_unlock(&r->lock);
	}
	return at;
}

/* Take all that is there; called with the lock, which is given up meanwhile. */
static void
take_all(struct hasher *r)
{
	while (r->tail < r->head && !r->abandoned) {
		uint64_t at = r->tail, end = r->head;
		(void)pthread_mutex_unlock(&r->lock);
		while (at < end && at - r->tail < PIECE)
			at = take_data(r, at);
		(void)pthread_mutex_lock(&r->lock);
		r->tail = at;
		if (r->head - r->tail <= 2 * MUCH)
			(void)pthread_cond_signal(&r->less);
	}
}

static void *
hash_thread(void *arg)
{
	struct hasher *r = arg;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->closing) {
		take_all(r);
		if (!r->closing && r->head - r->tail < MUCH)
			(void)pthread_cond_wait(&r->more, &r->lock);
	}
	take_all(r);
	(void)pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct hasher *
hasher_new(int fd, struct err *e)
{
	struct hasher *r = calloc(1, sizeof *r);

	if (r == NULL) {
		err_memory(e);
		return NULL;
	}
	(void)pthread_mutex_init(&r->lock, NULL); /* none of these fails on Linux */
	(void)pthread_cond_init(&r->more, NULL);
	(void)pthread_cond_init(&r->less, NULL);
	if ((r->ring = malloc(ROOM)) == NULL) {
		err_memory(e);
	} else if ((r->manifest = manifest_writer_new(fd, e)) != NULL &&
		   (r->hash = sha256_new(e)) != NULL) {
		return r;
	}
	hasher_free(r);
	return NULL;
}

/* Start the thread, which gets no signals: they are for those who wait for them. */
static void
start_thread(struct hasher *r)
{
	pthread_attr_t a;
	sigset_t all, before;

	(void)sigfillset(&all);
	if (pthread_attr_init(&a) != 0)
		return;
	(void)pthread_attr_setstacksize(&a, STACK);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r->threaded = pthread_create(&r->thread, &a, hash_thread, r) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&a);
}

/* Wait for  free bytes. */
static int
wait_for_space(struct hasher *r, size_t n, struct err *e)
{
	(void)pthread_mutex_lock(&r->lock);
	while (ROOM - (r->head - r->tail) < n) {
		if (r->threaded)
			(void)pthread_cond_wait(&r->less, &r->lock);
		else
			take_all(r); /* there is no thread to be had */
	}
	bool failed = r->failed;
	if (failed)
		*e = r->why;
	(void)pthread_mutex_unlock(&r->lock);
	return failed ? -1 : 0;
}

static void
publish(struct hasher *r, uint64_t head)
{
	(void)pthread_mutex_lock(&r->lock);
	r->head = head;
	bool much = head - r->tail >= MUCH;
	(void)pthread_mutex_unlock(&r->lock);
	if (much && !r->threaded)
		start_thread(r);
	else if (much)
		(void)pthread_cond_signal(&r->more);
}

int
hasher_data(struct hasher *r, const void *p, size_t n, struct err *e)
{
	for (size_t piece; n > 0; p = (const char *)p + piece, n -= piece) {
		piece = n < PIECE ? n : PIECE;
		const struct header h = {.kind = DATA, .length = piece};
		if (wait_for_space(r, sizeof h + piece, e) < 0)
			return -1;
		publish(r, copy_in(r, copy_in(r, r->head, &h, sizeof h), p, piece));
	}
	return 0;
}

int
hasher_zeros(struct hasher *r, uint64_t n, struct err *e)
{
	const struct header h = {.kind = ZEROS, .length = n};

	if (wait_for_space(r, sizeof h, e) < 0)
		return -1;
	publish(r, copy_in(r, r->head, &h, sizeof h));
	return 0;
}

int
hasher_entry(struct hasher *r, const struct entry *entry, bool hashed, struct err *e)
{
	const struct header h = {.kind = ENTRY,
				 .hashed = hashed,
				 .path = strlen(entry->path) + 1,
				 .target = entry->target != NULL ? strlen(entry->target) + 1 : 0};

	if (h.path > sizeof r->path || h.target > sizeof r->target)
		return err_set(e, ERR_INTERNAL, "%.256s… is too long", entry->path);
	if (wait_for_space(r, sizeof h + sizeof *entry + h.path + h.target, e) < 0)
		return -1;
	uint64_t at = copy_in(r, r->head, &h, sizeof h);
	at = copy_in(r, at, entry, sizeof *entry);
	at = copy_in(r, at, entry->path, h.path);
	publish(r, copy_in(r, at, entry->target, h.target));
	return 0;
}

/* Let the thread end, if there is one. */
static void
end_data(struct hasher *r)
{
	(void)pthread_mutex_lock(&r->lock);
	r->closing = true;
	(void)pthread_cond_signal(&r->more);
	(void)pthread_mutex_unlock(&r->lock);
	if (r->threaded)
		(void)pthread_join(r->thread, NULL);
	r->threaded = false;
}

int
hasher_finish(struct hasher *r, struct err *e)
{
	end_data(r);
	(void)pthread_mutex_lock(&r->lock);
	take_all(r);
	(void)pthread_mutex_unlock(&r->lock);
	if (r->failed) {
		*e = r->why;
		return -1;
	}
	return manifest_finish(r->manifest, e);
}

void
hasher_free(struct hasher *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->lock);
	r->abandoned = true;
	(void)pthread_mutex_unlock(&r->lock);
	end_data(r);
	manifest_writer_free(r->manifest);
	sha256_free(r->hash);
	free(r->ring);
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->more);
	(void)pthread_cond_destroy(&r->less);
	free(r);
}
