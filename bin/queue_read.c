/* queue_read - awcp-queue output and read: what tasks print, and who has seen what */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "queue/reader.h"
#include "queue_command.h"

#define MARKS_AT_ONCE 4096
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
	bool cut_off = command_cut_off();
	return n < 0 ? err_sys(e, "cannot read the output") : cut_off;
}

struct output {
	const char *queue;
	bool follow;
};

/* Copy the output of task ${number}, to its end if it is followed; as copy_on. */
static int
copy_output(struct queue *q, uint64_t number, struct watch *w, struct err *e)
{
	bool over = false;
	off_t offset = 0;

	for (;;) {
		/* Whether it is over comes first: what it printed is there then. */
		int fd = queue_output(q, number, &over, e);
		if (fd < 0 && (w == NULL || over || e->code != ERR_NOT_FOUND))
			return -1;
		int status = fd < 0 ? 0 : copy_on(fd, &offset, e);
		file_close(fd);
		if (status != 0 || over || w == NULL)
			return status;
		(void)watch_wait(w, -1, LOOK_MS);
	}
}

static int
output_one(void *arg, const char *id)
{
	const struct output *o = arg;
	struct queue_claim_id claim;
	struct watch *w = NULL;
	struct err e;

	struct queue *q = queue_of(o->queue, id, &claim, &e);
	if (q == NULL || (o->follow && (w = queue_watch(q, QUEUE_CHANGE, &e)) == NULL))
		return command_fail(&e);
	int status = copy_output(q, claim.number, w, &e);
	watch_close(w);
	return status < 0 ? command_fail(&e) : 0;
}

int
queue_do_output(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue output", "q:W",
	    "usage: awcp-queue output [-W] [-q queue] task...\n"
	    "  -q queue  where tasks are that are called by their name (default)\n"
	    "  -W        follow it until the task has ended\n"};
	struct output o = {.queue = QUEUE_DEFAULT};
	const struct queue_option options[] = {
	    {"q", queue_text, &o.queue, 0}, {"W", queue_flag, &o.follow, 0}, {0}};

	queue_options(&self, options, argc, argv);
	return queue_each_operand(argc, argv, "task", output_one, &o);
}

/* The tasks of one queue, to be marked at once. */
struct marking {
	const char *name;
	struct queue_reader_name who;
	enum queue_mark mark;
	struct queue *queue; /* queue_of's */
	uint64_t number[MARKS_AT_ONCE];
	size_t count;
};

static int
mark_tasks(struct marking *m)
{
	size_t n = m->count;
	struct err e;

	m->count = 0;
	if (n > 0 && queue_reader_set(m->queue, &m->who, m->number, n, m->mark, &e) < 0)
		return command_fail(&e);
	return 0;
}

static int
mark_one(void *arg, const char *id)
{
	struct marking *m = arg;
	char name[QUEUE_NAME + 1];
	struct queue_claim_id task;
	int status = 0;
	struct err e;

	(void)snprintf(name, sizeof name, "%s", m->name);
	if (!queue_is_name(id, &task.number) && queue_parse_id(id, name, &task, &e) < 0)
		return command_fail(&e);
	if (m->count == MARKS_AT_ONCE || (m->count > 0 && strcmp(name, queue_name(m->queue)) != 0))
		status = mark_tasks(m);
	m->queue = queue_of(m->name, id, &task, &e);
	if (m->queue == NULL)
		return command_fail(&e);
	m->number[m->count++] = task.number;
	return status;
}

/* Without a task: everything up to ${since}, or so far if that is negative. */
static int
mark_all(const struct marking *m, int64_t since)
{
	uint64_t version;
	struct err e;

	if (m->mark != QUEUE_READ)
		command_usage("which task?");
	struct queue *q = queue_open(m->name, false, &e);
	if (q == NULL)
		return command_fail(&e);
	int status = queue_version(q, &version, &e);
	if (status >= 0)
		status =
		    queue_reader_set_all(q, &m->who, since < 0 ? version : (uint64_t)since, &e);
	queue_close(q);
	return status < 0 ? command_fail(&e) : 0;
}

/* The only one of ${marks}, as bits; by default it is QUEUE_READ. */
static enum queue_mark
only_mark(uint32_t marks)
{
	int mark = QUEUE_UNREAD;

	if (marks == 0)
		return QUEUE_READ;
	while (mark < QUEUE_MARKS && marks != 1U << mark)
		mark++;
	if (mark == QUEUE_MARKS)
		command_usage("one mark only");
	return (enum queue_mark)mark;
}

int
queue_do_read(int argc, char **argv)
{
	static const struct command self = {
	    "awcp-queue read", "q:",
	    "usage: awcp-queue read [-q queue] [--mark mark] --reader name [--since version | "
	    "task...]\n"
	    "  -q queue         of the tasks (default)\n"
	    "  --mark mark      what they are from now on: unread, read (the default) or active\n"
	    "  --reader name    who reads\n"
	    "  --since version  everything up to it was read\n"};
	struct marking m = {.name = QUEUE_DEFAULT};
	uint32_t marks = 0;
	int64_t since = -1;
	const struct queue_option options[] = {{"q", queue_text, &m.name, 0},
					       {"mark", queue_marks, &marks, 0},
					       {"reader", queue_text, &m.who.reader, 0},
					       {"since", queue_number, &since, INT64_MAX},
					       {0}};

	queue_options(&self, options, argc, argv);
	if (m.who.reader == NULL)
		command_usage("who has read it? (--reader)");
	m.mark = only_mark(marks);
	if (optind == argc)
		return mark_all(&m, since);
	if (since >= 0)
		command_usage("either tasks or --since");
	int status = command_each(argc - optind, argv + optind, mark_one, &m);
	int last = mark_tasks(&m);
	return last > status ? last : status;
}
