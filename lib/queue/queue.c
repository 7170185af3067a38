#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"

#define LINES_MAX (4 * QUEUE_LINE)

/* Open the directory ${name} of the queue. */
static int
open_dir(const struct queue *q, const char *name, bool create, int *fd, struct err *e)
{
	if (create && mkdirat(q->dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create queue/%s/%s", q->name, name);
	*fd = openat(q->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_sys(e, "cannot open queue/%s/%s", q->name, name) : 0;
}

enum queue_event
queue_recovery(const struct queue *q)
{
	return q->config.recovery;
}

void
queue_set_recovery(struct queue *q, enum queue_event event)
{
	q->config.recovery = event;
}

static int
open_files(struct queue *q, bool create, struct err *e)
{
	char path[QUEUE_NAME + 16];
	int homefd = home_open(e);

	if (homefd < 0)
		return -1;
	(void)snprintf(path, sizeof path, "queue/%s", q->name);
	q->dirfd = openat(homefd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	bool fresh = q->dirfd < 0 && errno == ENOENT;
	if (fresh && !create) {
		err_set(e, ERR_NOT_FOUND, "there is no queue %s", q->name);
		return err_hint(e, "the first put makes it");
	}
	if (fresh && file_make_durable_dirs(homefd, path, e) < 0)
		return -1;
	if (fresh)
		q->dirfd = openat(homefd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (q->dirfd < 0) {
		bool other = errno == ENOTDIR || errno == ELOOP;
		err_sys(e, "cannot open queue/%s", q->name);
		if (other && e != NULL)
			e->code = ERR_BAD_DATA;
		return -1;
	}
	/* What an earlier version or a kill did not make is made now. */
	if (!fresh)
		fresh = faccessat(q->dirfd, "bell", F_OK, 0) < 0;
	if (open_dir(q, "journal", fresh, &q->journaldirfd, e) < 0 ||
	    open_dir(q, "running", fresh, &q->runningfd, e) < 0 ||
	    open_dir(q, "keys", fresh, &q->keysfd, e) < 0 ||
	    open_dir(q, "dependants", fresh, &q->dependantsfd, e) < 0 ||
	    open_dir(q, "bell", fresh, &q->bellfd, e) < 0)
		return -1;
	if (fresh && file_sync_dir(q->dirfd, e) < 0)
		return -1;
	queue_journal_open(&q->journal, q->journaldirfd);
	if (queue_index_open(&q->index, q->dirfd, e) < 0)
		return -1;
	return queue_config_read(q->dirfd, q->name, &q->config, e);
}

struct queue *
queue_open(const char *name, bool create, struct err *e)
{
	if (!queue_name_valid(name)) {
		err_set(e, ERR_USAGE, "not a queue name: %.64s", name);
		err_hint(e, "a name has 1 to %d letters, digits, _ and -, and begins with no dash",
			 QUEUE_NAME);
		return NULL;
	}
	struct queue *q = calloc(1, sizeof *q);
	if (q == NULL) {
		err_memory(e);
		return NULL;
	}
	strcpy(q->name, name);
	q->dirfd = q->journaldirfd = q->runningfd = q->keysfd = q->dependantsfd = q->bellfd = -1;
	queue_journal_open(&q->journal, -1);
	q->index.headfd = q->index.cellsfd = q->index.blocksfd = q->index.versionsfd = -1;
	q->index.memoryfd = -1;
	q->lines = (struct buf)BUF_INIT(LINES_MAX);
	if (open_files(q, create, e) == 0)
		return q;
	if (home_open(NULL) >= 0)
		queue_damaged(q, e);
	queue_close(q);
	return NULL;
}

int
queue_damaged(const struct queue *q, struct err *e)
{
	/* What is missing in it, or is something else; not that there is none, and no trouble of
	 * ours. */
	bool part = e != NULL && q->dirfd >= 0 && e->code == ERR_NOT_FOUND;

	if (e == NULL || (!part && e->code != ERR_IO && e->code != ERR_BAD_DATA &&
			  e->code != ERR_BAD_MESSAGE && e->code != ERR_CANNOT_CREATE))
		return -1;
	e->code = ERR_CONFIG;
	err_add(e, "queue %s is damaged", q->name);
	if (e->hint[0] == '\0')
		err_hint(e, "look at %s/queue/%s; other queues go on without it", home_path(),
			 q->name);
	return -1;
}

void
queue_close(struct queue *q)
{
	if (q == NULL)
		return;
	queue_journal_close(&q->journal);
	queue_index_close(&q->index);
	file_close(q->dirfd);
	file_close(q->journaldirfd);
	file_close(q->runningfd);
	file_close(q->keysfd);
	file_close(q->dependantsfd);
	file_close(q->bellfd);
	json_decref(q->config.lanes);
	json_decref(q->workers.seen);
	buf_free(&q->lines);
	free(q->ended);
	free(q);
}

void
queue_look_only(struct queue *q)
{
	q->index.readonly = q->journal.readonly = true;
}

const char *
queue_name(const struct queue *q)
{
	return q->name;
}

bool
queue_is_current(const struct queue *q)
{
	char path[QUEUE_NAME + 16];
	struct stat now, open;

	(void)snprintf(path, sizeof path, "queue/%s", q->name);
	return fstatat(home_open(NULL), path, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(q->dirfd, &open) == 0 && now.st_ino == open.st_ino &&
	       now.st_dev == open.st_dev;
}

const char *
queue_job_path(const struct queue *q, uint64_t number, char path[QUEUE_JOB_PATH])
{
	(void)snprintf(path, QUEUE_JOB_PATH, "queue/%s/jobs/%llu", q->name,
		       (unsigned long long)number);
	return path;
}

int
queue_find(struct queue *q, uint64_t number, struct queue_cell *cell, struct err *e)
{
	const struct queue_cell *c = queue_index_cell(&q->index, number, e);

	if (c != NULL && c->put != 0) {
		*cell = *c;
		return 0;
	}
	if (c == NULL)
		return -1;
	if (number > q->index.head.count)
		return err_set(e, ERR_NOT_FOUND, "there is no task %s.%llu", q->name,
			       (unsigned long long)number);
	err_set(e, ERR_EXPIRED, "task %s.%llu is not kept any more", q->name,
		(unsigned long long)number);
	return err_hint(e, "what has ended is kept for a while, see awcp-queue(1)");
}

int
queue_parse(const struct buf *line, json_t **o, struct err *e)
{
	struct err why;

	*o = jsonx_parse_own(line->data, line->len, &why);
	return *o == NULL && why.code != ERR_BAD_MESSAGE ? err_memory(e) : 0;
}

/* The object at ${at} in the journal.  An index that leads to nothing, or what it leads to, is
 * damaged. */
static json_t *
read_line(struct queue *q, uint64_t at, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	json_t *o = NULL;

	int found = queue_journal_read(&q->journal, at, &line, NULL, e);
	int status = found == 1 ? queue_parse(&line, &o, e) : found;
	buf_free(&line);
	if (o != NULL || status < 0)
		return o;
	err_set(e, ERR_BAD_DATA,
		found == 1 ? "a line in the journal of queue %s is damaged"
			   : "the journal of queue %s has a gap",
		q->name);
	queue_index_distrust(&q->index);
	return NULL;
}

json_t *
queue_read(struct queue *q, const struct queue_cell *cell, bool payload, struct err *e)
{
	json_t *task = read_line(q, cell->last, e);

	if (task == NULL || !payload || cell->last == cell->put)
		return task;
	json_t *first = read_line(q, cell->put, e);
	json_t *content = json_incref(task_payload(first));
	if (content != NULL && task_set_payload(task, content) < 0) {
		err_memory(e);
		json_decref(first);
		first = NULL;
	}
	if (first == NULL) {
		json_decref(task);
		task = NULL;
	}
	json_decref(first);
	return task;
}
