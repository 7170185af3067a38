/* What belongs to a tenant of a queue: its lanes, its keys, and what it has in it. */
#include "queue_tools.h"

#include "queue/index.h"
#include "queue/reader.h"

static void
test_lanes(void)
{
	struct queue *q = queue("lanes");

	(void)put(q, "{\"lane\": \"deploy\", \"tenant\": \"bob\"}");
	(void)put(q, "{\"lane\": \"deploy\", \"tenant\": \"bob\"}");
	(void)put(q, "{\"lane\": \"deploy\", \"tenant\": \"alice\"}");
	(void)put(q, "{\"lane\": \"deploy\"}");
	CHECK_INT(take(q), 1, "bob's task has his lane");
	CHECK_INT(take(q), 3, "which is not alice's");
	CHECK_INT(take(q), 4, "nor that of who is no tenant");
	CHECK_INT(take(q), 0, "his second one waits for the first");
	json_t *stats = queue_stats(q, NULL, &why);
	CHECK_INT(json_array_size(json_object_get(stats, "lanes")), 3, "they are counted as three");
	json_decref(stats);
	queue_close(q);
}

static void
test_keys(void)
{
	struct queue *q = queue("keys");

	CHECK_INT(put(q, "{\"key\": \"k\", \"tenant\": \"a\"}"), 1, "a key of a");
	CHECK_INT(put(q, "{\"key\": \"k\", \"tenant\": \"a.b\"}"), 2, "is not one of a.b");
	CHECK_INT(put(q, "{\"key\": \"b.k\", \"tenant\": \"a\"}"), 3, "whatever it looks like");
	CHECK_INT(put(q, "{\"key\": \"a.k\"}"), 4, "also without a tenant");
	CHECK_INT(put(q, "{\"key\": \"k\", \"tenant\": \"a\"}"), 1, "and a finds its own again");
	queue_close(q);
}

static int
mark_of(void *arg, const json_t *task)
{
	(void)snprintf(arg, 16, "%s", task_mark(task));
	return 0;
}

static void
test_readers(void)
{
	const struct queue_reader_name a = {"a", "me"}, b = {"b", "me"};
	const struct queue_filter all = {.states = QUEUE_ALL_STATES};
	struct queue *q = queue("readers");
	const uint64_t number = 1;
	char mark[16] = "";

	(void)put(q, "{\"tenant\": \"a\"}");
	CHECK_INT(queue_reader_set(q, &a, &number, 1, QUEUE_READ, &why), 0, "one reads it");
	CHECK_INT(queue_reader_list(q, &b, &all, mark_of, mark, &why), 0, "another's reader");
	CHECK_STR(mark, "unread", "of the same name has not");
	queue_close(q);
}

static struct queue_load
load_of(struct queue *q, const char *tenant)
{
	struct queue_load l = {0};

	CHECK_INT(queue_load(q, tenant, &l, &why), 0, "it is counted");
	return l;
}

static void
test_load(void)
{
	struct queue *q = queue("load");

	(void)put(q, "{\"tenant\": \"a\"}");
	(void)put(q, "{\"tenant\": \"a\"}");
	(void)put(q, "{\"tenant\": \"b\"}");
	CHECK_INT(load_of(q, "a").tasks, 2, "what a has");
	uint64_t before = load_of(q, "a").bytes;
	CHECK(before > 2 * 100 && before < 2 * 1000, "is some bytes, %llu",
	      (unsigned long long)before);
	CHECK_INT(take(q), 1, "one is taken");
	CHECK_INT(load_of(q, "a").tasks, 2, "and counts still");
	CHECK_INT(finish(q, 1, 1, QUEUE_COMPLETE), 0, "it ends");
	CHECK_INT(load_of(q, "a").tasks, 1, "and counts no more");
	queue_close(q);
	/* As after a reboot. */
	CHECK_INT(scratch_run("rm home/queue/load/cells home/queue/load/blocks"), 0, "no index");
	q = queue("load");
	CHECK_INT(load_of(q, "b").tasks, 1, "the index is made anew");
	CHECK_INT(load_of(q, "a").bytes, before / 2, "with the bytes");
	queue_close(q);
}

static void
test_sizes(void)
{
	bool fine = true;

	for (uint64_t n = 0; n < 3000000; n += 1 + n / 50) {
		const struct queue_cell c = {.size = queue_cell_size(n)};
		uint64_t told = queue_cell_bytes(&c);
		fine = fine && told + 8 >= n && told <= n + n / 7 + 8;
	}
	CHECK(fine, "a size is kept to an eighth");
}

static int
ask_long(struct queue *q)
{
	char text[3001] = "";

	memset(text, 'x', sizeof text - 1);
	json_t *question = json_pack("{ss ss}", "type", "user_input", "text", text);
	int status = queue_ask(q, claim_of(1, 1), question, NULL, &why);
	json_decref(question);
	return status;
}

static void
test_questions(void)
{
	struct queue *q = queue("questions");
	json_t *closed;

	(void)setenv("AWCP_MAX_QUESTIONS", "3", 1);
	(void)put(q, "{}");
	(void)take(q);
	for (int i = 1; i <= 3; i++) {
		char id[16];
		(void)snprintf(id, sizeof id, "q%d", i);
		CHECK_INT(ask_long(q), 0, "a task asks");
		CHECK_INT(queue_withdraw(q, claim_of(1, 1), id, &closed, &why), 0, "and withdraws");
		json_decref(closed);
		json_t *task = queue_show(q, 1, &why);
		size_t length = json_dumpb(task, NULL, 0, 0);
		CHECK(length < 5500, "of which little is kept: %zu bytes", length);
		json_decref(task);
	}
	CHECK(ask(q, 1, 1) < 0 && why.code == ERR_TOO_LARGE, "it may not ask for ever");
	(void)unsetenv("AWCP_MAX_QUESTIONS");

	const struct queue_asked before = {.max = 3};
	json_t *question = json_pack("{ss ss}", "type", "user_input", "text", "x");
	CHECK(queue_ask(q, claim_of(1, 1), question, &before, &why) < 0 &&
		  why.code == ERR_TOO_LARGE,
	      "nor beyond what its token says");
	(void)setenv("AWCP_MIN_FREE", "9000T", 1);
	CHECK(queue_ask(q, claim_of(1, 1), question, NULL, &why) < 0 && why.code == ERR_NO_SPACE,
	      "nor into what the operator wants to stay free");
	(void)unsetenv("AWCP_MIN_FREE");
	CHECK_INT(queue_ask(q, claim_of(1, 1), question, NULL, &why), 0, "else it may");
	json_decref(question);
	queue_close(q);
}

int
main(void)
{
	home();
	test_lanes();
	test_keys();
	test_readers();
	test_load();
	test_sizes();
	test_questions();
	return check_end();
}
