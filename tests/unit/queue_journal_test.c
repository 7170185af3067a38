/* The queue's files: what is read of them, what is refused, and what is made of damaged ones. */
#include "queue_tools.h"

#include "queue/index.h"
#include "queue/journal.h"

/* The file that was made durable last. */
static ino_t synced;

int
fdatasync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	synced = st.st_ino;
	return 0;
}

static ino_t
inode(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static off_t
size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void
test_bounds(void)
{
	static const struct {
		const char *asked;
		enum err_code code;
	} bad[] = {
	    {"{\"priority\": -1}", ERR_BAD_DATA},
	    {"{\"priority\": 10}", ERR_BAD_DATA},
	    {"{\"priority\": 1.5}", ERR_BAD_DATA},
	    {"{\"priority\": \"1\"}", ERR_BAD_DATA},
	    {"{\"timeout\": 0}", ERR_BAD_DATA},
	    {"{\"timeout\": -5}", ERR_BAD_DATA},
	    {"{\"retries\": -1}", ERR_BAD_DATA},
	    {"{\"retries\": 1001}", ERR_BAD_DATA},
	    {"{\"backoff\": -1}", ERR_BAD_DATA},
	    {"{\"maxDeaths\": -1}", ERR_BAD_DATA},
	    {"{\"lane\": \"\"}", ERR_BAD_DATA},
	    {"{\"lane\": 1}", ERR_BAD_DATA},
	    {"{\"lane\": \"a\\nb\"}", ERR_BAD_DATA},
	    {"{\"labels\": \"a\"}", ERR_BAD_DATA},
	    {"{\"labels\": [1]}", ERR_BAD_DATA},
	    {"{\"labels\": [\"\"]}", ERR_BAD_DATA},
	    {"{\"requires\": []}", ERR_BAD_DATA},
	    {"{\"unique\": true}", ERR_BAD_DATA},
	    {"{\"unique\": 1, \"key\": \"k\"}", ERR_BAD_DATA},
	    {"{\"notBefore\": \"soon\"}", ERR_BAD_DATA},
	    {"{\"notBefore\": 5}", ERR_BAD_DATA},
	    {"{\"dependsOn\": \"a.1\"}", ERR_BAD_DATA},
	    {"{\"dependsOn\": [1]}", ERR_BAD_DATA},
	    {"{\"state\": \"completed\"}", ERR_BAD_DATA},
	    {"{\"number\": 7}", ERR_BAD_DATA},
	    {"{\"colour\": \"red\"}", ERR_BAD_DATA},
	};
	struct queue *q = queue("bounds");
	struct queue_receipt r[2];
	size_t done;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(put(q, bad[i].asked) == 0 && why.code == bad[i].code, "%s is refused: %s",
		      bad[i].asked, why.message);
	json_t *three[3] = {json_pack("{ss}", "payload", "a"), json_array(),
			    json_pack("{ss}", "payload", "b")};
	CHECK_INT(queue_put(q, three, 2, r, &done, &why), -1, "a batch ends at what is no task");
	CHECK_INT(done, 1, "those before it are put");
	CHECK_STR(member(q, 1, "payload"), "a", "and there");
	CHECK_INT(put(q, "{}"), 2, "nothing of it is counted");
	for (int i = 0; i < 3; i++)
		json_decref(three[i]);

	char *text = malloc(QUEUE_PAYLOAD + 1);
	memset(text, 'x', QUEUE_PAYLOAD);
	text[QUEUE_PAYLOAD - 2] = '\0'; /* and two quotes */
	json_t *o = json_pack("{ss}", "payload", text);
	CHECK_INT(queue_put(q, &o, 1, r, &done, &why), 0, "the longest payload is put");
	json_decref(o);
	json_t *task = queue_show(q, 3, &why);
	CHECK(strcmp(jsonx_text(task, "payload", ""), text) == 0, "and is as it was");
	json_decref(task);
	text[QUEUE_PAYLOAD - 2] = 'x';
	text[QUEUE_PAYLOAD - 1] = '\0';
	o = json_pack("{ss}", "payload", text);
	json_t *both[2] = {json_pack("{ss}", "payload", "c"), json_incref(o)};
	CHECK_INT(queue_put(q, both, 2, r, &done, &why), -1, "one byte more is too long");
	CHECK_INT(why.code, ERR_TOO_LARGE, "which the error says");
	CHECK_STR(member(q, 4, "payload"), "c", "what was before it in the batch is put");
	json_decref(both[0]);
	json_decref(both[1]);

	while (take(q) != 3)
		continue;
	const struct queue_outcome big = {.event = QUEUE_COMPLETE, .result = o, .exit = -1};
	CHECK_INT(queue_finish(q, claim_of(3, 1), &big, &why), -1, "a result may be too long");
	CHECK_INT(why.code, ERR_TOO_LARGE, "which the error says");
	text[QUEUE_PAYLOAD / 2] = '\0';
	const struct queue_outcome fail = {
	    .event = QUEUE_RETURN, .code = "X", .message = text, .exit = -1};
	for (uint32_t i = 1; i <= 25; i++) {
		(void)queue_finish(q, claim_of(3, i), &fail, &why);
		(void)take(q);
	}
	CHECK_STR(state(q, 3), "running", "long reasons of many attempts stop nobody");
	CHECK_INT(finish(q, 3, 26, QUEUE_COMPLETE), 0, "and the task ends");
	json_decref(o);
	free(text);
	CHECK_INT(wrong(q), 0, "the index is right");
	queue_close(q);
}

struct seen {
	uint64_t last, first;
	int count;
	bool ordered;
};

static int
see(void *arg, const json_t *task)
{
	struct seen *s = arg;
	uint64_t version = (uint64_t)jsonx_number(task, "version", 0);

	if (s->count++ == 0)
		s->first = version;
	else if (version != s->last + 1)
		s->ordered = false;
	s->last = version;
	return 0;
}

static struct seen
changes(struct queue *q, uint64_t since)
{
	struct seen s = {.ordered = true};

	(void)queue_changes(q, NULL, &since, see, &s, &why);
	return s;
}

static void
test_versions(void)
{
	struct queue *q = queue("versions"), *other = queue("versions");
	uint64_t version;

	CHECK_INT(changes(q, 0).count, 0, "a new queue has no changes");
	(void)put(q, "{}");
	(void)put(other, "{\"dependsOn\": [\"versions.1\"]}");
	(void)take(q);
	(void)finish(other, 1, 1, QUEUE_COMPLETE); /* two: the other one may run */
	(void)queue_control(q, 2, QUEUE_PAUSE, NULL, &why);
	struct seen s = changes(other, 0);
	CHECK(s.ordered && s.first == 1 && s.last == 6 && s.count == 6,
	      "every change is told once, in order");
	s = changes(other, 4);
	CHECK(s.ordered && s.first == 5 && s.last == 6, "those after one that is known");
	CHECK_INT(changes(q, 6).count, 0, "none after the last");
	const struct queue_filter wanted = {.states = 1 << QUEUE_PENDING, .after = 1};
	uint64_t since = 1;
	s = (struct seen){.ordered = true};
	CHECK_INT(queue_changes(q, &wanted, &since, see, &s, &why), 0, "of those that are wanted");
	CHECK(s.count == 1 && s.first == 5, "only these are told");
	CHECK_INT(since, 6, "and all were looked at");
	CHECK_INT(queue_version(q, &version, &why), 0, "the last one");
	CHECK_INT(version, 6, "has a number");
	queue_close(other);
	queue_close(q);
}

static int
number_of(void *arg, const json_t *task)
{
	*(uint64_t *)arg = (uint64_t)jsonx_number(task, "number", 0);
	return 1;
}

static void
test_lists(void)
{
	static const char *const labels[] = {"repo:a", "b", NULL};
	struct queue *q = queue("lists");
	struct queue_filter f = {.states = 0};
	uint64_t number = 0;

	json_t *batch[3000];
	struct queue_receipt *r = calloc(3000, sizeof *r);
	size_t done;
	for (int i = 0; i < 3000; i++)
		batch[i] = json_pack("{si}", "payload", i);
	CHECK_INT(queue_put(q, batch, 3000, r, &done, &why), 0, "thousands are put at once");
	CHECK(done == 3000 && r[2999].number == 3000 && r[2999].how == QUEUE_WAS_PUT,
	      "each has a number");
	for (int i = 0; i < 3000; i++)
		json_decref(batch[i]);
	free(r);
	(void)put(q,
		  "{\"lane\": \"l\", \"labels\": [\"b\", \"repo:a\", \"c\"], \"session\": \"s\", "
		  "\"key\": \"k\", \"tenant\": \"t\"}");
	(void)put(
	    q, "{\"lane\": \"m\", \"labels\": [\"b\"], \"notBefore\": \"2999-01-01T00:00:00Z\"}");
	CHECK_INT(count(q, &f), 3002, "all that have not ended are listed");
	for (uint64_t after = 0; queue_list(q, &f, number_of, &number, &why) == 1; f.after = after)
		if (number != ++after)
			break;
	CHECK_INT(number, 3002, "page by page, each once");
	f = (struct queue_filter){.states = 1 << QUEUE_WAITING};
	CHECK_INT(count(q, &f), 1, "by state");
	f = (struct queue_filter){.lane = "l"};
	CHECK_INT(count(q, &f), 1, "by lane");
	f = (struct queue_filter){.key = "k"};
	CHECK_INT(count(q, &f), 1, "by key");
	f = (struct queue_filter){.session = "s"};
	CHECK_INT(count(q, &f), 1, "by session");
	f = (struct queue_filter){.tenant = "t"};
	CHECK_INT(count(q, &f), 1, "by tenant");
	f = (struct queue_filter){.labels = labels};
	CHECK_INT(count(q, &f), 1, "by labels, all of them");
	f = (struct queue_filter){.labels = labels + 1};
	CHECK_INT(count(q, &f), 2, "or one");
	f = (struct queue_filter){.labels = labels + 1, .lane = "l", .session = "x"};
	CHECK_INT(count(q, &f), 0, "by several, which must all fit");
	(void)take(q);
	(void)finish(q, 1, 1, QUEUE_COMPLETE);
	f = (struct queue_filter){.states = 0};
	CHECK_INT(count(q, &f), 3001, "one that has ended is not listed");
	f = (struct queue_filter){.states = 1 << QUEUE_COMPLETED};
	CHECK_INT(count(q, &f), 1, "unless asked for");

	json_t *stats = queue_stats(q, NULL, &why);
	CHECK_INT(jsonx_number(stats, "states.pending", 0), 3000, "the numbers: pending");
	CHECK_INT(jsonx_number(stats, "states.waiting", 0), 1, "waiting");
	CHECK_INT(jsonx_number(stats, "states.completed", 0), 1, "completed");
	CHECK_INT(jsonx_number(stats, "lastMinute", 0), 1, "in the last minute");
	CHECK_INT(json_array_size(json_object_get(stats, "lanes")), 2, "of two lanes");
	json_decref(stats);
	CHECK(member(q, 1, "name")[0] != '\0' &&
		  strcmp(member(q, 1, "name"), member(q, 2, "name")) != 0,
	      "each has a name of its own: %s", member(q, 1, "name"));
	queue_close(q);
}

/* The cell of a task, as it is in the file. */
static struct queue_cell
cell_of(const char *name, uint64_t number)
{
	struct queue_cell c = {0};
	char path[64];

	(void)snprintf(path, sizeof path, "home/queue/%s/cells", name);
	int fd = open(path, O_RDONLY);
	if (fd < 0 ||
	    pread(fd, &c, sizeof c, (off_t)((number - 1) * sizeof c)) != (ssize_t)sizeof c)
		scratch_fail(path);
	(void)close(fd);
	return c;
}

static void
test_segments(void)
{
	struct queue *q = queue("segments");
	const size_t n = 80; /* of 900 kB */
	json_t *batch[80];
	struct queue_receipt r[80];
	size_t done;

	char *text = malloc(900001);
	memset(text, 'y', 900000);
	text[900000] = '\0';
	for (size_t i = 0; i < n; i++)
		batch[i] = json_pack("{ss}", "payload", text);
	CHECK_INT(queue_put(q, batch, n, r, &done, &why), 0, "more is put than fits a segment");
	CHECK_INT(done, n, "all of it");
	for (size_t i = 0; i < n; i++)
		json_decref(batch[i]);
	CHECK(size_of("home/queue/segments/journal/00000001.ndjson") > 60 << 20 &&
		  size_of("home/queue/segments/journal/00000001.ndjson") <= 64 << 20,
	      "the first segment is full");
	CHECK(size_of("home/queue/segments/journal/00000002.ndjson") > 0, "there is a second one");
	CHECK_INT(take(q), 1, "a task of the first is taken");
	json_t *task = queue_show(q, 1, &why);
	CHECK(strcmp(jsonx_text(task, "payload", ""), text) == 0, "with its payload");
	json_decref(task);
	synced = 0;
	CHECK_INT(finish(q, 1, 1, QUEUE_COMPLETE), 0, "and done");
	CHECK_INT(synced, inode("home/queue/segments/journal/00000002.ndjson"),
		  "which is durable where it was written");
	(void)take(q);
	synced = 0;
	(void)put(q, "{\"dependsOn\": [\"segments.2\"]}");
	(void)finish(q, 2, 1, QUEUE_FAIL); /* looks at both segments */
	CHECK_INT(synced, inode("home/queue/segments/journal/00000002.ndjson"),
		  "whatever was read meanwhile");
	struct seen s = changes(q, 0);
	CHECK(s.ordered && s.count == 86, "the changes go on through the segments");
	CHECK_INT(unlink("home/queue/segments/head"), 0, "the index is lost");
	CHECK_STR(state(q, 81), "blocked", "and made anew from both");
	CHECK_INT(take(q), 3, "the queue goes on");
	CHECK_INT(wrong(q), 0, "with nothing wrong");
	free(text);
	queue_close(q);
}

/* A queue with four tasks: completed, running, pending, pending. */
static struct queue *
four(const char *name)
{
	struct queue *q = queue(name);

	(void)put(q, "{\"priority\": 3, \"key\": \"k\", \"payload\": 1}");
	(void)put(q, "{\"priority\": 2}");
	(void)put(q, "{}");
	(void)put(q, "{}");
	(void)take(q);
	(void)finish(q, 1, 1, QUEUE_COMPLETE);
	(void)take(q);
	return q;
}

static void
check_four(struct queue *q, const char *what)
{
	CHECK(strcmp(state(q, 1), "completed") == 0 && strcmp(state(q, 2), "running") == 0 &&
		  strcmp(state(q, 3), "pending") == 0 && strcmp(state(q, 4), "pending") == 0,
	      "%s: every task is as it was", what);
	CHECK(put(q, "{\"key\": \"k\", \"payload\": 1}") == 1, "%s: keys are known", what);
	CHECK(take(q) == 3, "%s: the next one is taken", what);
	CHECK(finish(q, 2, 1, QUEUE_COMPLETE) == 0, "%s: who has one can finish it", what);
	CHECK(changes(q, 0).count == 9, "%s: all changes are told", what);
	CHECK(wrong(q) == 0, "%s: nothing is wrong", what);
	queue_close(q);
}

static void
test_index(void)
{
	static const char *const files[] = {"head", "cells", "blocks", "versions"};
	char name[32], path[64], text[80], junk[512];

	memset(junk, 0xa5, sizeof junk);
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof name, "lost-%s", files[i]);
		(void)snprintf(path, sizeof path, "home/queue/%s/%s", name, files[i]);
		(void)snprintf(text, sizeof text, "%s removed under an open queue", files[i]);
		struct queue *q = four(name);
		(void)unlink(path);
		check_four(q, text);
		(void)snprintf(name, sizeof name, "gone-%s", files[i]);
		(void)snprintf(path, sizeof path, "home/queue/%s/%s", name, files[i]);
		(void)snprintf(text, sizeof text, "%s removed", files[i]);
		queue_close(four(name));
		(void)unlink(path);
		check_four(queue(name), text);
		(void)snprintf(name, sizeof name, "cut-%s", files[i]);
		(void)snprintf(path, sizeof path, "home/queue/%s/%s", name, files[i]);
		(void)snprintf(text, sizeof text, "%s truncated", files[i]);
		q = four(name);
		scratch_cut(path, 8);
		check_four(q, text);
	}
	struct queue *q = four("junk-head");
	scratch_patch("home/queue/junk-head/head", junk, sizeof(struct queue_head), 0);
	check_four(q, "head is garbage");
	q = four("boot");
	scratch_patch("home/queue/boot/head", junk, 16, 8);
	scratch_patch("home/queue/boot/cells", junk, 256, 0);
	check_four(q, "an index of another boot");
	q = four("junk-cells");
	scratch_patch("home/queue/junk-cells/cells", junk, 256, 0);
	CHECK(wrong(q) > 0, "cells are garbage: that is told");
	CHECK_INT(take(q), 3, "and the next one that looks mends it");
	(void)finish(q, 3, 1, QUEUE_RETURN);
	CHECK_INT(wrong(q), 0, "all of it");
	queue_close(q);
	q = four("astray");
	struct queue_cell c = cell_of("astray", 4);
	scratch_patch("home/queue/astray/cells", &c, sizeof c, 2 * sizeof c);
	CHECK(wrong(q) > 0, "a cell leads to another task: that is told");
	CHECK(queue_check(q, true, say_wrong, NULL, &why) > 0, "and mended");
	check_four(q, "after a repair");
	q = four("summary");
	scratch_patch("home/queue/summary/blocks", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 14, 8);
	CHECK(wrong(q) > 0, "a summary is wrong: that is told");
	CHECK(queue_check(q, true, say_wrong, NULL, &why) > 0, "and mended");
	check_four(q, "after that");
	q = four("claims");
	(void)unlink("home/queue/claims/running/2");
	(void)unlink("home/queue/claims/head");
	CHECK_INT(take(q), 2, "a claim that was lost with the power has lapsed");
	queue_close(q);
}

static void
append(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) < 0)
		scratch_fail(path);
}

static void
test_torn(void)
{
	const char *path = "home/queue/torn/journal/00000001.ndjson";
	struct queue *q = four("torn");
	off_t size = size_of(path);

	append(path, "{\"id\":\"torn.5\",\"numb", 20);
	CHECK_INT(take(q), 3, "a torn line stops nobody");
	(void)finish(q, 3, 1, QUEUE_RETURN);
	CHECK_INT(put(q, "{}"), 5, "its number is given to the next");
	(void)unlink("home/queue/torn/head");
	CHECK_STR(state(q, 5), "pending", "which is found again");
	CHECK_INT(wrong(q), 0, "nothing is wrong");
	queue_close(q);

	/* The last change is lost, as a file system may lose it. */
	q = four("short");
	path = "home/queue/short/journal/00000001.ndjson";
	scratch_cut(path, size_of(path) - 10);
	CHECK_STR(state(q, 3), "pending", "a journal that was cut is read as far as it goes");
	CHECK_INT(take(q), 2, "and the queue goes on from there");
	CHECK_INT(wrong(q), 0, "with nothing wrong");
	CHECK(size > 0, "there was something to lose");
	queue_close(q);
}

static void
test_damage(void)
{
	const char *path = "home/queue/damage/journal/00000001.ndjson";
	struct queue *q = four("damage");
	char junk[300];

	/* The newest line of task 4, which is its first as well, and with it its payload. */
	struct queue_cell c = cell_of("damage", 4);
	scratch_patch(path, "#####", 5, (off_t)(c.last % QUEUE_SEGMENT) + 3);
	CHECK(wrong(q) > 0, "a damaged line is told");
	CHECK_INT(take(q), 3, "the queue goes on");
	CHECK_INT(take(q), 0, "what cannot be read is not taken");
	CHECK_INT(put(q, "{}"), 5, "its number is not given again");
	CHECK_INT(take(q), 5, "and the next one runs");
	CHECK_INT(wrong(q), 1, "what is lost is told for ever");
	queue_close(q);

	/* The first line of task 3 only: what was to do is lost, not that there was something. */
	path = "home/queue/payload/journal/00000001.ndjson";
	q = four("payload");
	(void)put(q, "{\"dependsOn\": [\"payload.3\"]}");
	(void)queue_control(q, 3, QUEUE_PAUSE, NULL, &why);
	(void)queue_control(q, 3, QUEUE_RESUME, NULL, &why);
	c = cell_of("payload", 3);
	scratch_patch(path, "#####", 5, (off_t)(c.put % QUEUE_SEGMENT) + 3);
	CHECK_INT(take(q), 4, "a task without its payload is not run");
	CHECK_STR(state(q, 3), "failed", "it has failed");
	CHECK_STR(member(q, 3, "error.code"), "QUARANTINED", "and is in quarantine");
	CHECK_STR(state(q, 5), "blocked", "what depends on it is told");
	(void)unlink("home/queue/payload/head");
	CHECK_STR(state(q, 3), "failed", "it is still known when the index is made anew");
	queue_close(q);

	/* Newlines are gone, and garbage longer than any line came. */
	path = "home/queue/merged/journal/00000001.ndjson";
	q = four("merged");
	c = cell_of("merged", 4);
	scratch_patch(path, " ", 1, (off_t)(c.put % QUEUE_SEGMENT) - 1);
	(void)unlink("home/queue/merged/head");
	CHECK_STR(state(q, 2), "running", "two lines became one: the others are as they were");
	CHECK_INT(changes(q, 0).count, 5, "and told");
	CHECK_INT(changes(q, 2).first, 5, "behind the gap, too");
	memset(junk, 0, sizeof junk);
	for (int i = 0; i < 4000; i++)
		append(path, junk, sizeof junk);
	append(path, "\n", 1);
	(void)unlink("home/queue/merged/head");
	CHECK_STR(state(q, 2), "running", "garbage without end: the same");
	uint64_t number = put(q, "{}");
	CHECK(number > 2, "new tasks are put");
	CHECK_INT(take(q), number, "and run");
	queue_close(q);

	/* Lines that are JSON and make no sense. */
	path = "home/queue/sense/journal/00000001.ndjson";
	q = four("sense");
	static const char lines[] =
	    "{\"number\":1,\"version\":1,\"state\":\"failed\"}\n"
	    "{\"number\":900000000000,\"version\":8,\"state\":\"failed\",\"payload\":1}\n"
	    "{\"number\":2,\"version\":900000000000,\"state\":\"failed\"}\n"
	    "{\"number\":-2,\"version\":9,\"state\":\"failed\"}\n"
	    "{\"number\":3,\"version\":9,\"state\":\"odd\"}\n"
	    "{\"version\":9}\n[]\n\n";
	append(path, lines, sizeof lines - 1);
	CHECK_STR(state(q, 1), "completed", "lines that make no sense change nothing");
	CHECK_INT(take(q), 3, "nor do they stop anybody");
	CHECK_INT(put(q, "{}"), 5, "or take a number");
	(void)unlink("home/queue/sense/head");
	CHECK_STR(state(q, 5), "pending", "also when the index is made anew");
	queue_close(q);
}

int
main(void)
{
	home();
	test_bounds();
	test_versions();
	test_lists();
	if (!check_quick())
		test_segments(); /* 70 MB */
	test_index();
	test_torn();
	test_damage();
	return check_end();
}
