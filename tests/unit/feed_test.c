/* Feeds: what a reader sees of a journal that is written, torn, replaced, and waited for. */
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/home.h"
#include "feed/feed.h"
#include "scratch.h"

static const struct feed feed = {&feed_journal, "things", "t_1", NULL, NULL};
static int subjectfd; /* of the subject */

static void
append(const char *type, int n, bool once)
{
	struct err e = {.message = ""};
	json_t *entry = json_pack("{sssi}", "type", type, "n", n);

	CHECK(feed_append(subjectfd, entry, once, false, &e) == 0, "entry %s %d is appended%s",
	      type, n, e.message);
	json_decref(entry);
}

/* Read on: the ${n} of the next entry; 0 if there is none, -1 if it is damaged. */
static int
next(struct feed_reader *r)
{
	struct err e;
	json_t *entry;
	int n = feed_next(r, &entry, &e);

	if (n > 0)
		n = (int)json_integer_value(json_object_get(entry, "n"));
	json_decref(entry);
	return n;
}

static void
put_raw(const char *text)
{
	int fd = openat(subjectfd, FEED_JOURNAL, O_WRONLY | O_APPEND);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
	      "bytes are added by hand");
	(void)close(fd);
}

static void
test_order(void)
{
	struct feed_reader r;

	feed_open(&r, &feed, NULL);
	CHECK_INT(next(&r), 0, "a feed that does not exist has no entry");
	append("status", 1, false);
	CHECK_INT(next(&r), 1, "the first entry is read");
	CHECK_INT(r.at.seq, 1, "as number 1");
	put_raw("{\"torn\":");
	CHECK_INT(next(&r), 0, "a torn entry is not read");
	append("status", 2, false);
	CHECK_INT(next(&r), 2, "nor the next one skipped");
	CHECK_INT(r.at.seq, 2, "which is number 2");
	put_raw("damaged\n");
	append("status", 4, false);
	CHECK_INT(next(&r), -1, "a damaged entry is reported");
	CHECK_INT(next(&r), 4, "and passed");
	CHECK_INT(r.at.seq, 4, "and counted");
	feed_close(&r);
}

static void
test_once(void)
{
	struct feed_reader r;

	feed_open(&r, &feed, NULL);
	r.at.seq = 0;
	append("snapshot", 5, true);
	append("snapshot", 6, true);
	append("done", 7, true);
	append("snapshot", 8, true);
	append("error", 9, true);
	for (int i = 0; i < 4; i++)
		(void)next(&r);
	CHECK_INT(next(&r), 5, "what is appended once is there");
	CHECK_INT(next(&r), 7, "not twice");
	CHECK_INT(next(&r), 0, "and nothing follows the last entry");
	feed_close(&r);
}

static void
test_restart(void)
{
	struct feed_reader r;
	struct feed_extent now;
	struct feed_cursor at = {0};
	struct err e;

	feed_open(&r, &feed, NULL);
	while (feed_next(&r, NULL, &e) > 0)
		at = r.at;
	CHECK_INT(feed_restart(subjectfd, &e), 0, "a feed begins anew");
	append("status", 10, false);
	CHECK_INT(feed_extent(&feed, &now, &e), 0, "it is there");
	CHECK(feed_follow(&at, &now) && at.offset == 0,
	      "a place in the previous one becomes its start");
	CHECK_INT(feed_wait(&r, -1, 0, &e), 1, "a reader of the previous one can wait");
	CHECK_INT(next(&r), 10, "and reads the new one from its start");
	CHECK_INT(r.at.seq, 1, "which is number 1");
	feed_close(&r);
}

static void
test_wait(void)
{
	struct feed_reader r;
	struct err e;
	int ends[2];

	feed_open(&r, &feed, NULL);
	CHECK_INT(feed_wait(&r, -1, 0, &e), 1, "the first wait only begins to watch");
	CHECK_INT(next(&r), 10, "what is there is read");
	CHECK_INT(feed_wait(&r, -1, 20, &e), 0, "a wait for nothing ends");
	append("status", 11, false);
	int64_t began = clock_steady();
	CHECK_INT(feed_wait(&r, -1, 10000, &e), 1, "an entry wakes who waits");
	CHECK_INT(next(&r), 11, "and is read");
	if (pipe(ends) < 0)
		scratch_fail("pipe");
	(void)close(ends[1]);
	CHECK_INT(feed_wait(&r, ends[0], 10000, &e), 2, "a wait is cancelled by a descriptor");
	CHECK(clock_steady() - began < 10000, "at once");
	(void)close(ends[0]);
	feed_close(&r);
}

int
main(void)
{
	struct err e;

	scratch_open();
	(void)setenv("AWCP_HOME", scratch, 1);
	scratch_dir("things/t_1");
	subjectfd = openat(home_dir("things", &e), "t_1", O_RDONLY | O_DIRECTORY);
	test_order();
	test_once();
	test_restart();
	test_wait();
	(void)close(subjectfd);
	return check_end();
}
