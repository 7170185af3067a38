/* queue_read - awcp-queue output and read: what tasks print, and who has seen what */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "queue_command.h"
#include "queue/reader.h"

#define MARKS 4096  /* that are set at once */
#define LOOK_MS 100 /* a task that prints is looked at so often */

/* Copy what is in ${fd} from *${offset} on; an attempt that began anew is shown from its beginning.
 */
static int
copy_on(int fd, off_t *offset, struct err *e)
{
	char piece[65536];
	ssize_t n;

	if (lseek(fd, 0, SEEK_END) < *offset)
		*offset = 0;
	while ((n = pread(fd, piece, sizeof piece, *offset)) > 0) {
		if (fwrite(piece, 1, (size_t)n, stdout) != (size_t)n)
			return 1; /* command_end says why */
		*offset += n;
	}
	(void)fflush(stdout);
	return n < 0 ? err_sys(e, "cannot read the output") : ferror(stdout);
}

static int
output_one(void *arg, const char *id)
{
	const struct queue_options *o = arg;
	int fd = -1, status = 0;
	bool over = false;
	off_t offset = 0;
	struct queue_claim_id claim;
	struct queue_waiter *w = NULL;
	struct err e;

	struct queue *q = queue_of(o, id, &claim, &e);
	if (q == NULL || (o->wait && (w = queue_waiter_open(q, QUEUE_CHANGE, &e)) == NULL))
		return command_fail(&e);
	while (status == 0) {
		/* Whether it is over comes first: what it printed is there then. */
		int now = queue_output(q, claim.number, &over, &e);
		if (now < 0 && (!o->wait || over || e.code != ERR_NOT_FOUND))
			status = -1;
		if (now >= 0) {
			file_close(fd);
			fd = now;
			status = copy_on(fd, &offset, &e);
		}
		if (status != 0 || over || !o->wait)
			break;
		(void)queue_wait(w, LOOK_MS, -1);
	}
	file_close(fd);
	queue_waiter_close(w);
	return status < 0 ? command_fail(&e) : 0;
}

int
queue_do_output(const struct queue_options *o)
{
	if (o->count == 0)
		command_usage("which task?");
	return command_each(o->count, o->operands, output_one, (void *)(uintptr_t)o);
}

static enum queue_mark
mark_of(const struct queue_options *o)
{
	int mark = QUEUE_UNREAD;

	while (mark < QUEUE_MARKS && o->marks != 1U << mark)
		mark++;
	return o->marks == 0 ? QUEUE_READ : (enum queue_mark)mark;
}

/* The tasks of one queue, to be marked at once. */
struct reading {
	const struct queue_options *options;
	struct queue *queue; /* queue_of's */
	uint64_t number[MARKS];
	size_t count;
};

static int
mark_them(struct reading *r)
{
	const struct queue_options *o = r->options;
	const struct queue_reader_name who = {NULL, o->reader};
	size_t n = r->count;
	struct err e;

	r->count = 0;
	return n > 0 && queue_reader_set(r->queue, &who, r->number, n, mark_of(o), &e) < 0
		   ? command_fail(&e)
		   : 0;
}

static int
read_one(void *arg, const char *id)
{
	struct reading *r = arg;
	char name[QUEUE_NAME + 1];
	struct queue_claim_id task;
	int status = 0;
	struct err e;

	(void)snprintf(name, sizeof name, "%s", r->options->queue);
	if (!queue_is_name(id, &task.number) && queue_parse_id(id, name, &task, &e) < 0)
		return command_fail(&e);
	if (r->count == MARKS || (r->count > 0 && strcmp(name, queue_name(r->queue)) != 0))
		status = mark_them(r);
	r->queue = queue_of(r->options, id, &task, &e);
	if (r->queue == NULL)
		return command_fail(&e);
	r->number[r->count++] = task.number;
	return status;
}

static int
read_each(const struct queue_options *o)
{
	struct reading r = {.options = o};

	int status = command_each(o->count, o->operands, read_one, &r);
	int last = mark_them(&r);
	return last > status ? last : status;
}

/* Without a task: everything so far. */
static int
read_all(const struct queue_options *o)
{
	const struct queue_reader_name who = {NULL, o->reader};
	uint64_t version;
	struct err e;

	if (mark_of(o) != QUEUE_READ)
		command_usage("which task?");
	struct queue *q = queue_open(o->queue, false, &e);
	int status = q == NULL ? -1 : queue_version(q, &version, &e);
	if (status == 0)
		status =
		    queue_reader_set_all(q, &who, o->since < 0 ? version : (uint64_t)o->since, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

int
queue_do_read(const struct queue_options *o)
{
	if (o->reader == NULL)
		command_usage("who has read it? (--reader)");
	if (mark_of(o) == QUEUE_MARKS)
		command_usage("one mark only");
	if (o->count > 0 && o->since >= 0)
		command_usage("either tasks or --since");
	return o->count == 0 ? read_all(o) : read_each(o);
}
