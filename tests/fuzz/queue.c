/*
 * A queue whose files were damaged: the first byte says which file the rest is written over, and
 * where. Nothing ends the process, what can be read is consistent, and the index can be made anew;
 * then the queue goes on.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "queue/queue.h"

static char top[] = "/dev/shm/awcp-fuzz-XXXXXX"; /* where nothing waits for a disk */
static int queuefd = -1;

static void
clean_up(void)
{
	(void)file_remove_tree(AT_FDCWD, top, NULL);
}

static struct queue *
fresh_queue(void)
{
	char path[64];
	struct err e;

	if (queuefd < 0) {
		PROMISE(mkdtemp(top) != NULL);
		(void)atexit(clean_up);
		PROMISE(setenv("AWCP_HOME", top, 1) == 0 && setenv("AWCP_LOG", "none", 1) == 0);
	}
	(void)snprintf(path, sizeof path, "%s/queue/q", top);
	(void)file_remove_tree(AT_FDCWD, path, NULL);
	file_close(queuefd);
	struct queue *q = queue_open("q", true, &e);
	PROMISE(q != NULL);
	queuefd = file_open_dir(AT_FDCWD, path, &e);
	PROMISE(queuefd >= 0);
	return q;
}

/* Four tasks: one has ended, one runs, one waits for it, one is pending. */
static void
fill(struct queue *q)
{
	const struct queue_worker w = {.name = "w", .lease = 60000};
	const struct queue_outcome done = {.event = QUEUE_COMPLETE, .exit = -1};
	json_t *asked[4];
	struct queue_receipt r[4];
	struct queue_claim *c;
	struct err e;
	size_t n;

	for (int i = 0; i < 4; i++)
		asked[i] = json_pack("{si si}", "payload", i, "priority", 4 - i);
	(void)json_object_set_new(asked[2], "dependsOn", json_pack("[s]", "q.2"));
	PROMISE(queue_put(q, asked, 4, r, &n, &e) == 0);
	for (int i = 0; i < 4; i++)
		json_decref(asked[i]);
	PROMISE(queue_take(q, &w, &c, NULL, &e) == 1);
	PROMISE(queue_finish(q, queue_claim_id(c), &done, &e) == 0);
	queue_claim_free(c);
	PROMISE(queue_take(q, &w, &c, NULL, &e) == 1);
	queue_claim_free(c);
}

static void
damage(const uint8_t *p, size_t n)
{
	static const char *const files[] = {"journal/00000001.ndjson",
					    "head",
					    "cells",
					    "blocks",
					    "versions",
					    "retired",
					    "config.json",
					    "dependants/2"};
	int fd = openat(queuefd, files[p[0] % 8], O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	PROMISE(fd >= 0);
	PROMISE(pwrite(fd, p + 2, n - 2, (off_t)p[1] * 8) == (ssize_t)(n - 2));
	(void)close(fd);
}

static int
look(void *arg, const json_t *task)
{
	*(int *)arg += task_number(task) > 0;
	return 0;
}

static void
ignore(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void
use(struct queue *q)
{
	const struct queue_filter all = {.states = QUEUE_ALL_STATES, .payload = true};
	const struct queue_worker w = {.name = "w", .lease = 60000};
	struct queue_retired gone = {0};
	struct queue_claim *c = NULL;
	uint64_t since = 0;
	struct err e = {0};
	int seen = 0;

	(void)queue_list(q, &all, look, &seen, &e);
	(void)queue_changes(q, NULL, &since, look, &seen, &e);
	json_decref(queue_stats(q, NULL, &e));
	json_decref(queue_show(q, 2, &e));
	if (queue_take(q, &w, &c, NULL, &e) == 1)
		(void)queue_beat(q, queue_claim_id(c), 0, "on", &e);
	queue_claim_free(c);
	(void)queue_control(q, 2, QUEUE_CANCEL, NULL, &e);
	(void)queue_retire(q, 0, 1000, true, &gone, &e);
	if (queue_check(q, true, ignore, NULL, &e) >= 0)
		PROMISE(queue_check(q, false, ignore, NULL, &e) >= 0);
}

static void *
work(void *arg)
{
	const struct fuzz_input *in = arg;
	struct queue *q = fresh_queue();
	struct err e = {0};

	fill(q);
	queue_close(q);
	damage(in->p, in->n);
	q = queue_open("q", false, &e);
	PROMISE(q != NULL || (e.code != ERR_NONE && strstr(e.message, "q") != NULL));
	if (q != NULL)
		use(q);
	queue_close(q);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	return n < 3 ? 0 : fuzz_in_thread(work, p, n);
}
