#include "queue/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define MAGIC "awcpq3\n"
#define CELL sizeof(struct queue_cell)
#define NOTHING UINT64_MAX
#define BLOCKS_AT_ONCE 256

_Static_assert(sizeof(struct queue_cell) == 64 && sizeof(struct queue_block) == 64,
	       "what lies in the files has a fixed size");

/* One that is not there, and cannot be made, is -1 without an error: then the head is not sound. */
static int
open_file(struct queue_index *x, const char *name, int *fd, struct err *e)
{
	*fd = openat(x->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0 && (errno == EROFS || errno == EACCES)) {
		x->readonly = true;
		*fd = openat(x->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (*fd < 0 && errno == ENOENT)
			return 0;
	}
	return *fd < 0 ? err_sys(e, "cannot open the queue's %s", name) : 0;
}

static int
open_parts(struct queue_index *x, struct err *e)
{
	if (open_file(x, "cells", &x->cellsfd, e) < 0 ||
	    open_file(x, "blocks", &x->blocksfd, e) < 0)
		return -1;
	return open_file(x, "versions", &x->versionsfd, e);
}

static int
open_head(struct queue_index *x, struct err *e)
{
	if (x->memoryfd < 0)
		return open_file(x, "head", &x->headfd, e);
	x->headfd = fcntl(x->memoryfd, F_DUPFD_CLOEXEC, 0);
	return x->headfd < 0 ? err_sys(e, "cannot open an index in memory") : 0;
}

static void
close_parts(struct queue_index *x)
{
	file_close(x->cellsfd);
	file_close(x->blocksfd);
	file_close(x->versionsfd);
	x->cellsfd = x->blocksfd = x->versionsfd = -1;
}

/* From now on the index is in memory, and empty. */
static int
use_memory(struct queue_index *x, struct err *e)
{
	int *const files[] = {&x->memoryfd, &x->cellsfd, &x->blocksfd, &x->versionsfd};

	close_parts(x);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		*files[i] = memfd_create("queue", MFD_CLOEXEC);
		if (*files[i] < 0)
			return err_sys(e, "cannot make an index in memory");
	}
	return 0;
}

int
queue_index_open(struct queue_index *x, int dirfd, struct err *e)
{
	*x = (struct queue_index){.dirfd = dirfd,
				  .headfd = -1,
				  .cellsfd = -1,
				  .blocksfd = -1,
				  .versionsfd = -1,
				  .memoryfd = -1,
				  .loaded = NOTHING};
	return open_parts(x, e);
}

void
queue_index_close(struct queue_index *x)
{
	file_close(x->headfd);
	file_close(x->memoryfd);
	x->headfd = x->memoryfd = -1;
	close_parts(x);
}

/* How many blocks have ${count} tasks. */
static uint64_t
blocks_of(uint64_t count)
{
	return (count + QUEUE_CELLS - 1) / QUEUE_CELLS;
}

unsigned
queue_block_held(const struct queue_block *b)
{
	return (unsigned)b->states[QUEUE_RUNNING] + b->states[QUEUE_WAITING_ANSWER];
}

unsigned
queue_block_unfinished(const struct queue_block *b)
{
	unsigned n = 0;

	for (int state = QUEUE_NONE + 1; state < QUEUE_COMPLETED; state++)
		n += b->states[state];
	return n;
}

static uint8_t boot[16]; /* what the kernel calls this boot; all zero where it does not say */

static void
find_boot(void)
{
	char text[40];

	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	file_close(fd);
	text[n < 0 ? 0 : n] = '\0';
	const char *p = text; /* pairs of digits, and dashes between some of them */
	for (size_t i = 0; i < sizeof boot && sscanf(p, "%2hhx", &boot[i]) == 1; i++)
		p += 2 + (p[2] == '-');
}

/* True if ${fd} is a file of at least ${size} bytes that nobody removed. */
static bool
is_whole(const struct queue_index *x, int fd, uint64_t size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_nlink > 0 || x->memoryfd >= 0) &&
	       (uint64_t)st.st_size >= size;
}

/* Read the head: true if what it says may be believed. */
static bool
read_head(struct queue_index *x)
{
	struct queue_head *h = &x->head;
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	x->loaded = NOTHING;
	(void)pthread_once(&once, find_boot);
	if (pread(x->headfd, h, sizeof *h, 0) == (ssize_t)sizeof *h &&
	    memcmp(h->magic, MAGIC, 8) == 0 && memcmp(h->boot, boot, sizeof boot) == 0 &&
	    is_whole(x, x->cellsfd, h->count * CELL) &&
	    is_whole(x, x->blocksfd, blocks_of(h->count) * sizeof(struct queue_block)) &&
	    is_whole(x, x->versionsfd, h->version == 0 ? 0 : (h->version + 1) * sizeof h->version))
		return true;
	memset(h, 0, sizeof *h);
	return false;
}

int
queue_index_lock(struct queue_index *x, bool *sound, struct err *e)
{
	if (x->readonly && x->memoryfd < 0 && use_memory(x, e) < 0)
		return -1;
	/* A descriptor of its own each time: a lock must not be shared with a child. */
	if (open_head(x, e) < 0)
		return -1;
	while (flock(x->headfd, LOCK_EX) < 0)
		if (errno != EINTR) {
			err_sys(e, "cannot lock the queue");
			queue_index_unlock(x);
			return -1;
		}
	x->locked = true;
	x->distrusted = false;
	*sound = read_head(x);
	return 0;
}

void
queue_index_unlock(struct queue_index *x)
{
	file_close(x->headfd);
	x->headfd = -1;
	x->locked = false;
	x->loaded = NOTHING;
}

void
queue_index_distrust(struct queue_index *x)
{
	x->distrusted = true;
	if (x->locked && ftruncate(x->headfd, 0) < 0)
		errno = 0; /* it is found again */
}

int
queue_index_peek(struct queue_index *x, bool *sound, struct err *e)
{
	if (open_head(x, e) < 0)
		return -1;
	*sound = x->memoryfd < 0 && read_head(x); /* one in memory has yet to hear of changes */
	queue_index_unlock(x);
	return 0;
}

/* Have the files of the index as they are called now: somebody may have removed one. */
static int
open_again(struct queue_index *x, struct err *e)
{
	if (x->memoryfd >= 0)
		return 0;
	close_parts(x);
	return open_parts(x, e);
}

int
queue_index_reset(struct queue_index *x, uint64_t count, uint64_t version, struct err *e)
{
	const struct {
		int *fd;
		uint64_t size;
	} files[] = {{&x->cellsfd, count * CELL},
		     {&x->blocksfd, blocks_of(count) * sizeof(struct queue_block)},
		     {&x->versionsfd, version == 0 ? 0 : (version + 1) * sizeof version}};

	if (open_again(x, e) < 0)
		return -1;
	memset(&x->head, 0, sizeof x->head);
	memcpy(x->head.magic, MAGIC, sizeof MAGIC - 1);
	memcpy(x->head.boot, boot, sizeof boot);
	x->head.origin = clock_now() - clock_since_boot();
	x->distrusted = false;
	x->loaded = NOTHING;
	/* The head first: until it is written whole at the end, nobody believes the rest. */
	x->head.count = count;
	x->head.version = version;
	if (ftruncate(x->headfd, 0) < 0)
		return err_sys(e, "cannot make the queue's index anew");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (ftruncate(*files[i].fd, 0) < 0 ||
		    ftruncate(*files[i].fd, (off_t)files[i].size) < 0)
			return err_sys(e, "cannot make the queue's index anew");
	return 0;
}

static int
write_at(int fd, const void *p, size_t n, off_t offset, struct err *e)
{
	ssize_t k = pwrite(fd, p, n, offset);

	if (k == (ssize_t)n)
		return 0;
	if (k >= 0)
		errno = ENOSPC;
	return err_sys(e, "cannot write the queue's index");
}

static void
summarize(const struct queue_cell *cells, struct queue_block *b)
{
	memset(b, 0, sizeof *b);
	for (size_t i = 0; i < QUEUE_CELLS; i++) {
		const struct queue_cell *c = &cells[i];
		if (c->put == 0)
			continue;
		b->states[c->state]++;
		if (c->last > b->newest)
			b->newest = c->last;
		if (c->state == QUEUE_PENDING)
			b->pending[c->priority]++;
		else if ((c->state == QUEUE_RATE_LIMITED || c->state == QUEUE_WAITING) &&
			 (c->flags & QUEUE_DEPENDS) == 0 &&
			 (b->soonest == 0 || c->when < b->soonest))
			b->soonest = c->when > 0 ? c->when : 1;
	}
}

/* Give the ${n} bytes at ${offset} back to the disk; they are 0 then, as they may be already. */
static void
punch(int fd, uint64_t offset, uint64_t n)
{
	if (n > 0 &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n) < 0)
		errno = 0; /* it only takes space */
}

/* True if the block of summary ${b} is full, and no task in it is kept. */
static bool
is_forgotten(const struct queue_index *x, uint64_t block, const struct queue_block *b)
{
	for (int state = QUEUE_NONE + 1; state < QUEUE_STATES; state++)
		if (b->states[state] > 0)
			return false;
	return (block + 1) * QUEUE_CELLS <= x->head.count;
}

/* Write the changed cells of the block that is loaded, and its summary. */
static int
flush_block(struct queue_index *x, struct err *e)
{
	struct queue_block b;

	if (x->loaded == NOTHING || x->low >= x->high)
		return 0;
	summarize(x->cell, &b);
	off_t at = (off_t)((x->loaded * QUEUE_CELLS + x->low) * CELL);
	if (write_at(x->cellsfd, &x->cell[x->low], (x->high - x->low) * sizeof x->cell[0], at, e) <
		0 ||
	    write_at(x->blocksfd, &b, sizeof b, (off_t)(x->loaded * sizeof b), e) < 0)
		return -1;
	if (is_forgotten(x, x->loaded, &b))
		punch(x->cellsfd, x->loaded * sizeof x->cell, sizeof x->cell);
	x->low = QUEUE_CELLS;
	x->high = 0;
	return 0;
}

static int
load_block(struct queue_index *x, uint64_t block, struct err *e)
{
	if (x->loaded == block)
		return 0;
	if (flush_block(x, e) < 0)
		return -1;
	ssize_t n = pread(x->cellsfd, x->cell, sizeof x->cell, (off_t)(block * QUEUE_CELLS * CELL));
	if (n < 0)
		return err_sys(e, "cannot read the queue's index");
	memset((char *)x->cell + n, 0, sizeof x->cell - (size_t)n);
	x->loaded = block;
	x->low = QUEUE_CELLS;
	x->high = 0;
	for (size_t i = 0; i < QUEUE_CELLS; i++) {
		struct queue_cell *c = &x->cell[i];
		if (c->state < QUEUE_STATES && c->priority < QUEUE_PRIORITIES)
			continue;
		memset(c, 0, sizeof *c);
		queue_index_distrust(x);
	}
	return 0;
}

struct queue_cell *
queue_index_cell(struct queue_index *x, uint64_t number, struct err *e)
{
	if (number == 0)
		err_set(e, ERR_NOT_FOUND, "tasks are counted from 1");
	if (number == 0 || load_block(x, (number - 1) / QUEUE_CELLS, e) < 0)
		return NULL;
	return &x->cell[(number - 1) % QUEUE_CELLS];
}

void
queue_index_mark(struct queue_index *x, uint64_t number)
{
	uint32_t i = (uint32_t)((number - 1) % QUEUE_CELLS);

	if (i < x->low)
		x->low = i;
	if (i + 1 > x->high)
		x->high = i + 1;
}

int
queue_index_save(struct queue_index *x, struct err *e)
{
	if (flush_block(x, e) < 0)
		return -1;
	return x->distrusted ? 0 : write_at(x->headfd, &x->head, sizeof x->head, 0, e);
}

int
queue_index_versions(struct queue_index *x, uint64_t from, const uint64_t *at, size_t n,
		     struct err *e)
{
	return write_at(x->versionsfd, at, n * sizeof *at, (off_t)(from * sizeof *at), e);
}

uint64_t
queue_index_version(const struct queue_index *x, uint64_t version)
{
	uint64_t at;

	return pread(x->versionsfd, &at, sizeof at, (off_t)(version * sizeof at)) == sizeof at ? at
											       : 0;
}

int
queue_index_forget(struct queue_index *x, struct err *e)
{
	struct queue_block b;

	if (flush_block(x, e) < 0)
		return -1;
	punch(x->versionsfd, 0, (x->head.gone + 1) * sizeof x->head.gone);
	while (pread(x->blocksfd, &b, sizeof b, (off_t)(x->head.kept * sizeof b)) == sizeof b &&
	       is_forgotten(x, x->head.kept, &b))
		x->head.kept++;
	return 0;
}

int
queue_index_blocks(struct queue_index *x,
		   int (*each)(void *arg, uint64_t number, const struct queue_block *b), void *arg,
		   struct err *e)
{
	struct queue_block b[BLOCKS_AT_ONCE];
	uint64_t number = x->head.first;
	uint64_t end = blocks_of(x->head.count);
	int status = x->locked ? flush_block(x, e) : 0;

	while (!status && number < end) {
		ssize_t n = pread(x->blocksfd, b, sizeof b, (off_t)(number * sizeof b[0]));
		if (n < 0)
			return err_sys(e, "cannot read the queue's index");
		if (n < (ssize_t)sizeof b[0])
			break;
		for (size_t i = 0; !status && i < (size_t)n / sizeof b[0] && number < end; i++)
			status = each(arg, number++, &b[i]);
	}
	return status;
}
