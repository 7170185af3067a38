/*
 * queue/reader - what each reader has seen of a queue.
 *
 *	queue/<name>/readers/<reader>	{"version": V, "marks": {"<number>": ...}}
 *
 * A reader is a person, or a program that looks after tasks.  To it a task is unread as soon as it
 * changes, read when the reader says so, or active: it has the reader's attention, however it
 * changes, until the reader says something else.
 *
 * Everything up to version V was read, but for tasks with a mark of their own: the version up to
 * which they were read, 0 for one that is to be unread, -1 for one that is active.  The marks are
 * few: as soon as nothing before a mark is unread, V is enough to say so.
 */
#ifndef QUEUE_READER_H
#define QUEUE_READER_H

#include "queue/queue.h"

/* As bits, too: 1 << mark. */
enum queue_mark { QUEUE_UNREAD, QUEUE_READ, QUEUE_ACTIVE, QUEUE_MARKS };

struct queue_reader_name {
	const char *tenant; /* whose readers are its own; NULL: of whoever has all tasks */
	const char *reader;
};

struct queue_reader {
	uint64_t version; /* up to which everything was read */
	json_t *marks;
	uint64_t *pinned; /* tasks with marks 0 and -1, in order */
	size_t pinned_count;
	uint64_t unread; /* address of the first line after .version */
};

const char *queue_mark_name(enum queue_mark mark);

/* The mark with that name, or QUEUE_MARKS. */
enum queue_mark queue_mark_named(const char *name);

/* As queue_list, with what each task is to ${who}, to whom also what has ended is news; a new
 * reader has seen nothing, and one without a name is nobody. */
int queue_reader_list(struct queue *q, const struct queue_reader_name *who,
		      const struct queue_filter *filter, int (*each)(void *arg, const json_t *task),
		      void *arg, struct err *e);

/* What of the changes of a queue is wanted, and by whom. */
struct queue_selection {
	const struct queue_filter *filter;
	int (*each)(void *arg, const json_t *task);
	void *arg;
};

/* As queue_changes for ${s}, with what each task was to ${who} then. */
int queue_reader_changes(struct queue *q, const struct queue_reader_name *who,
			 const struct queue_selection *s, uint64_t *since, struct err *e);

/* What ${task} is to the reader. */
enum queue_mark queue_reader_mark(const struct queue_reader *r, const json_t *task);

/* Tasks ${numbers}, as they are now, are ${mark} to ${who}; durable. */
int queue_reader_set(struct queue *q, const struct queue_reader_name *who, const uint64_t *numbers,
		     size_t n, enum queue_mark mark, struct err *e);

/* Everything up to ${version} was read, but for what is active; durable. */
int queue_reader_set_all(struct queue *q, const struct queue_reader_name *who, uint64_t version,
			 struct err *e);

#endif
