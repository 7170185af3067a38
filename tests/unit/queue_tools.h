/*
 * queue_tools - what the tests of the queue say in one word.
 */
#ifndef QUEUE_TOOLS_H
#define QUEUE_TOOLS_H

#include "check.h"
#include "scratch.h"

#include <time.h>

#include "base/clock.h"
#include "base/jsonx.h"
#include "queue/queue.h"
#include "queue/question.h"

static struct err why;

/* A state directory of the test's own. */
static inline void
home(void)
{
	char path[64];

	scratch_open();
	(void)snprintf(path, sizeof path, "%s/home", scratch);
	if (setenv("AWCP_HOME", path, 1) < 0)
		scratch_fail(path);
}

static inline struct queue *
queue(const char *name)
{
	struct queue *q = queue_open(name, true, &why);

	if (q == NULL) {
		(void)printf("not ok - queue %s opens (%s)\n", name, why.message);
		exit(1);
	}
	return q;
}

/* A queue with ${config} as its config.json. */
static inline struct queue *
queue_with(const char *name, const char *config)
{
	char path[128];

	(void)snprintf(path, sizeof path, "home/queue/%s/config.json", name);
	queue_close(queue(name));
	scratch_text(path, config);
	return queue(name);
}

/* Put what ${text} asks for; a payload is added.  Returns its number, or 0 and ${why}. */
static inline uint64_t
put(struct queue *q, const char *text)
{
	struct queue_receipt r = {0};
	json_error_t bad;
	size_t done;

	json_t *o = json_loads(text, 0, &bad);
	if (o == NULL)
		scratch_fail(text);
	if (json_object_get(o, "payload") == NULL)
		(void)jsonx_set(o, "payload", "go");
	int status = queue_put(q, &o, 1, &r, &done, &why);
	json_decref(o);
	return status < 0 ? 0 : r.number;
}

static inline struct queue_claim_id
claim_of(uint64_t number, uint32_t attempt)
{
	return (struct queue_claim_id){number, attempt};
}

/* Take with a lease of ${ms}: the task's number, 0 if there is none. */
static inline uint64_t
take_for(struct queue *q, int64_t ms, uint32_t *attempt)
{
	const struct queue_worker w = {.name = "tester", .lease = ms};
	struct queue_claim *c;

	int status = queue_take(q, &w, &c, NULL, &why);
	if (status < 0)
		(void)printf("# take: %s\n", why.message);
	const struct queue_claim_id id = status == 1 ? queue_claim_id(c) : claim_of(0, 0);
	if (attempt != NULL)
		*attempt = id.attempt;
	queue_claim_free(c);
	return id.number;
}

static inline uint64_t
take(struct queue *q)
{
	return take_for(q, 60000, NULL);
}

static inline int
finish(struct queue *q, uint64_t number, uint32_t attempt, enum queue_event event)
{
	const struct queue_outcome o = {.event = event, .exit = -1};

	return queue_finish(q, claim_of(number, attempt), &o, &why);
}

/* Its worker asks something. */
static inline int
ask(struct queue *q, uint64_t number, uint32_t attempt)
{
	json_t *question = json_pack("{ss ss}", "type", "user_input", "text", "x");
	int status = queue_ask(q, claim_of(number, attempt), question, 0, &why);

	json_decref(question);
	return status;
}

/* Its member as text, in one of a few places that are used in turn; "" if it has none. */
static inline const char *
member(struct queue *q, uint64_t number, const char *path)
{
	static char text[8][1200];
	static unsigned n;

	char *place = text[n++ % 8];
	json_t *task = queue_show(q, number, &why);
	json_t *value = jsonx_at(task, path);
	place[0] = '\0';
	if (json_is_integer(value))
		(void)snprintf(place, sizeof text[0], "%lld", (long long)json_integer_value(value));
	else if (json_is_string(value))
		(void)snprintf(place, sizeof text[0], "%s", json_string_value(value));
	json_decref(task);
	return place;
}

static inline const char *
state(struct queue *q, uint64_t number)
{
	return member(q, number, "state");
}

/* Its attempt number ${i}, from 0, or -1 for the last: what became of it. */
static inline const char *
outcome(struct queue *q, uint64_t number, int i, const char *name)
{
	static char text[1200];

	json_t *task = queue_show(q, number, &why);
	json_t *all = json_object_get(task, "attempts");
	(void)snprintf(text, sizeof text, "%s",
		       jsonx_text(json_array_get(all, i < 0 ? json_array_size(all) - 1 : (size_t)i),
				  name, ""));
	json_decref(task);
	return text;
}

static inline void
pass(int64_t ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

static inline void
say_wrong(void *arg, const char *text)
{
	(void)arg;
	(void)printf("# check: %s\n", text);
}

/* How many things queue_check finds wrong. */
static inline int
wrong(struct queue *q)
{
	return queue_check(q, false, say_wrong, NULL, &why);
}

static inline int
count_one(void *arg, const json_t *task)
{
	(void)task;
	(*(int *)arg)++;
	return 0;
}

/* How many tasks ${f} lets through. */
static inline int
count(struct queue *q, const struct queue_filter *f)
{
	int n = 0;

	return queue_list(q, f, count_one, &n, &why) < 0 ? -1 : n;
}

#endif
