/*
 * queue/index - where the tasks of a queue are, as arrays in files.
 *
 *	queue/<name>/head      what is indexed; whoever changes the queue holds flock on it
 *	queue/<name>/cells     a cell for each task, by its number
 *	queue/<name>/blocks    a summary for each 1024 cells
 *	queue/<name>/versions  the address of each change, by its version
 *
 * The journal is the truth, and all of this can be made from it again.  The order of a change is:
 * journal, cells and blocks, head.  If the head does not speak of the end of the journal, its
 * writer was killed, and the next one indexes what is left over: to set a cell twice does no harm,
 * and a summary is always made from all of its cells.  After a reboot nothing is believed.
 *
 * To find the next task, the summaries are read (64 bytes for 1024 tasks), then one block of cells.
 *
 * Where nothing can be written, the files are read as they are, and whoever wants more than that
 * has an index of its own in memory, made from the journal.
 */
#ifndef QUEUE_INDEX_H
#define QUEUE_INDEX_H

#include "queue/state.h"

#define QUEUE_CELLS 1024    /* cells of a block */
#define QUEUE_PRIORITIES 10 /* 0 to 9, which is the most urgent */

#define QUEUE_MINUTES 60 /* of which it is known how many tasks ended */

/* One task; 64 bytes. */
struct queue_cell {
	uint64_t put;     /* address of the line with its payload; 0: there is no such task */
	uint64_t last;    /* address of its newest line */
	int64_t when;     /* not before, ms since 1970; 0: at once */
	uint64_t labels;  /* two bits for each, which rule out most other tasks */
	uint32_t key;     /* hash; 0: none */
	uint32_t tenant;  /* hash; 0: none */
	uint32_t lane;    /* hash; 0: none */
	uint32_t session; /* hash; 0: none */
	uint8_t state;    /* enum queue_state */
	uint8_t priority;
	uint8_t flags;
	uint8_t size;     /* of the line with its payload, see queue_cell_bytes */
	uint32_t attempt; /* the last one's number; 0: none yet */
	uint64_t needs;   /* two bits for each capability that it requires */
};

#define QUEUE_DEPENDS 1    /* it waits for other tasks that have not ended */
#define QUEUE_DEPENDANTS 2 /* other tasks may wait for it */
#define QUEUE_REQUIRES 4   /* not every worker will do */

/* How many bytes the line with the payload has, an eighth too many at most; 0 if an earlier version
 * wrote the cell.  And the reverse. */
uint64_t queue_cell_bytes(const struct queue_cell *c);
uint8_t queue_cell_size(uint64_t bytes);

/* The summary of a block; 64 bytes. */
struct queue_block {
	int64_t soonest; /* the least .when of tasks that wait for their time only; 0: none */
	uint16_t states[QUEUE_STATES];
	uint16_t pending[QUEUE_PRIORITIES];
	uint16_t unused;
	uint64_t newest; /* the greatest .last */
};

/* How many tasks of the block a worker has, and how many have not ended. */
unsigned queue_block_held(const struct queue_block *b);
unsigned queue_block_unfinished(const struct queue_block *b);

struct queue_head {
	char magic[8];
	uint8_t boot[16]; /* of the kernel that this was written under */
	uint64_t end;     /* address after the last line that is indexed */
	uint64_t version; /* of that line */
	uint64_t count;   /* tasks; their numbers are 1 to count */
	uint64_t first;   /* block before which all tasks have ended */
	int64_t minute;   /* since 1970, of ended[minute % QUEUE_MINUTES] */
	uint32_t ended[QUEUE_MINUTES];
	/* What queue_retire did. */
	uint64_t looked;         /* address up to which it has read; 0: nowhere yet */
	uint64_t looked_version; /* of the line before that */
	uint64_t gone;           /* changes up to this version are not kept */
	uint64_t kept;           /* block before which no task is kept */
	/* Leases go by clock_since_boot() + origin, ms: what the wall clock said when this was
	 * made, however it is set later. */
	int64_t origin;
};

struct queue_index {
	int dirfd, headfd, cellsfd, blocksfd, versionsfd;
	int memoryfd; /* the head of an index in memory, or -1: it is in files */
	bool locked, distrusted;
	bool readonly; /* nothing can be written in .dirfd */
	struct queue_head head;
	uint64_t loaded;    /* block in cell[], or UINT64_MAX */
	uint32_t low, high; /* cells that are to be written */
	struct queue_cell cell[QUEUE_CELLS];
};

/* Open the files in ${dirfd}, which stays the caller's, and make those that are missing. */
int queue_index_open(struct queue_index *x, int dirfd, struct err *e);
void queue_index_close(struct queue_index *x);

/* Take the lock (waits) and read the head.  *${sound} is false when all must be made anew: it is of
 * another boot, or a file was cut, removed or found damaged; or nothing can be written, and this is
 * the first time: from now on the index is in memory. */
int queue_index_lock(struct queue_index *x, bool *sound, struct err *e);

/* Write what changed, and the head. */
int queue_index_save(struct queue_index *x, struct err *e);

/* The index has said what cannot be true: whoever locks next makes it anew. */
void queue_index_distrust(struct queue_index *x);

/* Release the lock; what changed since the last commit is indexed by whoever locks next. */
void queue_index_unlock(struct queue_index *x);

/* Read the head without the lock, only to look.  *${sound} as above. */
int queue_index_peek(struct queue_index *x, bool *sound, struct err *e);

/* Forget everything, but that ${count} tasks and ${version} changes were there. */
int queue_index_reset(struct queue_index *x, uint64_t count, uint64_t version, struct err *e);

/* The changes up to version head.gone are not kept: give their space on the disk back, and advance
 * head.kept. */
int queue_index_forget(struct queue_index *x, struct err *e);

/* Have space on the disk for tasks up to number ${count} and changes up to ${version}. */
int queue_index_reserve(struct queue_index *x, uint64_t count, uint64_t version, struct err *e);

/* The cell of task ${number}, from 1: to be read, or changed and marked, until the next call. One
 * that does not exist has .put 0.  NULL on failure. */
struct queue_cell *queue_index_cell(struct queue_index *x, uint64_t number, struct err *e);

/* The cell of task ${number} was changed. */
void queue_index_mark(struct queue_index *x, uint64_t number);

/* Note that versions ${from} to ${from} + ${n} - 1 are at these addresses. */
int queue_index_versions(struct queue_index *x, uint64_t from, const uint64_t *at, size_t n,
			 struct err *e);

/* The address of version ${version}, 0 if it is not known. */
uint64_t queue_index_version(const struct queue_index *x, uint64_t version);

/* Call ${each} with the summary of every block from head.first, and its number, until that returns
 * non-zero, which is returned; -1 on failure. */
int queue_index_blocks(struct queue_index *x,
		       int (*each)(void *arg, uint64_t number, const struct queue_block *b),
		       void *arg, struct err *e);

#endif
