#include "queue/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "config/settings.h"

#define LINES_MAX (4 * QUEUE_LINE)
#define CONFIG_MAX 65536

static int
bad_name(const char *name, struct err *e)
{
	err_set(e, ERR_USAGE, "not a queue name: %.64s", name);
	return err_hint(e, "a name has 1 to %d letters, digits, _ and -", QUEUE_NAME);
}

/* Open the directory ${name} of the queue. */
static int
open_dir(const struct queue *q, const char *name, bool create, int *fd, struct err *e)
{
	if (create && mkdirat(q->dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create queue/%s/%s", q->name, name);
	*fd = openat(q->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_sys(e, "cannot open queue/%s/%s", q->name, name) : 0;
}

int
queue_recovery_named(const char *text, enum queue_event *event, struct err *e)
{
	static const struct {
		const char *name;
		enum queue_event event;
	} known[] = {{"retry", QUEUE_RETURN}, {"fail", QUEUE_FAIL}, {"unknown", QUEUE_LOSE}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(text, known[i].name) == 0) {
			*event = known[i].event;
			return 0;
		}
	return err_set(e, ERR_CONFIG, "recovery is retry, fail or unknown, not %.40s", text);
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

/* The number ${name}, if it is there; 0 is any number. */
static int
read_number(const json_t *o, const char *name, int64_t *value, struct err *e)
{
	if (json_object_get(o, name) == NULL || jsonx_integer(o, name, 0, INT32_MAX, value, e) == 0)
		return 0;
	e->code = ERR_CONFIG;
	return -1;
}

static int
check_lanes(json_t *lanes, struct err *e)
{
	const char *name;
	json_t *value;

	if (lanes != NULL && !json_is_object(lanes))
		return err_set(e, ERR_CONFIG, "lanes must be an object of widths");
	json_object_foreach (lanes, name, value)
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return err_set(e, ERR_CONFIG, "lane %.40s must have a width from 0", name);
	return 0;
}

/* How long ended tasks are kept where the queue's own file does not say. */
static int
read_retention(const json_t *o, struct queue_config *c, struct err *e)
{
	long long given;

	if (setting_number(SETTING_TASK_RETENTION, &given, e) < 0)
		return -1;
	if (given < 1)
		return err_set(e, ERR_CONFIG, "AWCP_TASK_RETENTION must be at least a second");
	int64_t seconds = given < CLOCK_SPAN_MAX ? given : CLOCK_SPAN_MAX;
	if (read_number(o, "retention", &seconds, e) < 0)
		return -1;
	c->retention = seconds * 1000;
	return 0;
}

/* How this queue is to be; nothing needs to be said. */
static int
read_config(struct queue *q, struct err *e)
{
	struct queue_config *c = &q->config;
	struct buf b = BUF_INIT(CONFIG_MAX);
	int status = -1;

	*c = (struct queue_config){.lane = 1, .max_deaths = 3, .recovery = QUEUE_RETURN};
	if (faccessat(q->dirfd, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return read_retention(NULL, c, e);
	json_t *o = NULL;
	if (file_slurp(q->dirfd, "config.json", &b, e) < 0 ||
	    (o = jsonx_parse(b.data, b.len, e)) == NULL)
		goto out;
	c->lanes = json_incref(json_object_get(o, "lanes"));
	if (read_number(o, "width", &c->width, e) < 0 || read_number(o, "lane", &c->lane, e) < 0 ||
	    read_number(o, "maxDeaths", &c->max_deaths, e) < 0 || read_retention(o, c, e) < 0 ||
	    check_lanes(c->lanes, e) < 0)
		goto out;
	status = queue_recovery_named(jsonx_text(o, "recovery", "retry"), &c->recovery, e);
out:
	json_decref(o);
	buf_free(&b);
	return status < 0 ? err_add(e, "queue/%s/config.json", q->name) : 0;
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
	if (q->dirfd < 0)
		return err_sys(e, "cannot open queue %s", q->name);
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
	return queue_index_open(&q->index, q->dirfd, e) < 0 ? -1 : read_config(q, e);
}

struct queue *
queue_open(const char *name, bool create, struct err *e)
{
	if (!id_valid(name) || strlen(name) > QUEUE_NAME) {
		(void)bad_name(name, e);
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
	q->lines = (struct buf)BUF_INIT(LINES_MAX);
	if (open_files(q, create, e) == 0)
		return q;
	queue_close(q);
	return NULL;
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
	buf_free(&q->lines);
	free(q->ended);
	free(q);
}

const char *
queue_name(const struct queue *q)
{
	return q->name;
}

int
queue_sync(struct queue *q, struct err *e)
{
	return queue_journal_sync(&q->journal, q->index.head.end, e);
}

const char *
queue_job_path(const struct queue *q, uint64_t number, char path[QUEUE_JOB_PATH])
{
	(void)snprintf(path, QUEUE_JOB_PATH, "queue/%s/jobs/%llu", q->name,
		       (unsigned long long)number);
	return path;
}

int
queue_look(struct queue *q, struct err *e)
{
	bool sound;

	if (queue_index_peek(&q->index, &sound, e) < 0)
		return -1;
	if (sound)
		return 0;
	return queue_begin(q, e) < 0 || queue_end(q, false, e) < 0 ? -1 : 0;
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

static json_t *
read_line(struct queue *q, uint64_t at, struct err *e)
{
	struct buf line = BUF_INIT(QUEUE_LINE);
	json_t *o = NULL;

	int found = queue_journal_read(&q->journal, at, &line, NULL, e);
	if (found == 1)
		o = jsonx_parse(line.data, line.len, e);
	else if (found == 0)
		err_set(e, ERR_BAD_DATA, "the journal of queue %s has a gap", q->name);
	if (o == NULL && found == 1)
		err_set(e, ERR_BAD_DATA, "a line in the journal of queue %s is damaged", q->name);
	if (o == NULL && found >= 0)
		queue_index_distrust(&q->index); /* it leads to nothing, or what it led to broke */
	buf_free(&line);
	return o;
}

json_t *
queue_read(struct queue *q, const struct queue_cell *cell, bool payload, struct err *e)
{
	json_t *task = read_line(q, cell->last, e);

	if (task == NULL || !payload || cell->last == cell->put)
		return task;
	json_t *first = read_line(q, cell->put, e);
	json_t *content = json_object_get(first, "payload");
	if (first != NULL && content != NULL && json_object_set(task, "payload", content) < 0) {
		err_memory(e);
		json_decref(task);
		task = NULL;
	} else if (first == NULL) {
		json_decref(task);
		task = NULL;
	}
	json_decref(first);
	return task;
}
