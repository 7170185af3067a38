/* The index of what is due: in order, at its time, tidied up, and safe beside others. */
#include "check.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "state/due.h"
#include "config/home.h"
#include "scratch.h"

#define MINUTE 60000
static const int64_t noon = INT64_C(1795435200000); /* 2026-11-23T12:00:00Z */

/* "kind:id kind:id …" of what is due ${until}; ${drop}: and is dealt with. */
static const char *
list(int64_t until, bool drop)
{
	static char text[512];
	struct due_entry entry;
	size_t n = 0;
	struct err e;

	text[0] = '\0';
	struct due *d = due_open(until, &e);
	while (d != NULL && due_next(d, &entry, &e) > 0) {
		if (n < sizeof text - 200)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%s",
					      n > 0 ? " " : "", entry.kind, entry.id);
		if (drop)
			due_drop(d);
	}
	due_close(d, drop);
	return text;
}

/* How many hours there are. */
static int
hours(void)
{
	int n = -2;

	DIR *dir = opendir("state/due");
	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

static void
test_order(void)
{
	CHECK_STR(list(noon, false), "", "nothing is due where there is nothing");
	due_set("lease", "dlg_b", noon + 3 * MINUTE);
	due_set("lease", "dlg_a", noon - 70 * MINUTE);
	due_set("keep", "dlg_c", noon - 2 * MINUTE);
	due_set("keep", "dlg_d", noon + 500);
	CHECK_STR(list(noon, false), "lease:dlg_a keep:dlg_c", "what has come is there, in order");
	CHECK_STR(list(noon + 499, false), "lease:dlg_a keep:dlg_c",
		  "not a moment before its very time");
	CHECK_STR(list(noon + 500, false), "lease:dlg_a keep:dlg_c keep:dlg_d", "but then");
	due_clear("keep", "dlg_c", noon - 2 * MINUTE + 30000);
	CHECK_STR(list(noon, false), "lease:dlg_a", "what is cleared is not due");
	CHECK_STR(list(noon + 60 * MINUTE, true), "lease:dlg_a keep:dlg_d lease:dlg_b",
		  "all that is due is listed and dropped");
	CHECK_STR(list(noon + 60 * MINUTE, true), "", "and is gone");
	CHECK_INT(hours(), 0, "with the hours and minutes that are over");
	due_set("lease", "dlg_a", noon);
	due_set("lease", "dlg_a", noon);
	CHECK_STR(list(INT64_MAX, true), "lease:dlg_a", "what is set twice is there once");
	due_set("lease", "dlg_a", INT64_MAX);
	CHECK_STR(list(noon, true), "", "what is never due is not due");
	CHECK_STR(list(INT64_MAX, true), "lease:dlg_a", "but known");
	due_set("lease", "dlg_a", -1);
	CHECK_STR(list(INT64_MAX, false), "", "a time that cannot be is none");
}

/* An entry that is another name of a file. */
static void
test_move(void)
{
	scratch_file("hint", "", 0);
	const struct timespec times[2] = {clock_timespec(noon), clock_timespec(noon)};
	(void)utimensat(AT_FDCWD, "hint", times, 0);
	due_move("lease", "dlg_a", -1, noon, AT_FDCWD, "hint");
	due_move("lease", "dlg_a", noon + 1, noon, AT_FDCWD, "hint");
	CHECK_STR(list(noon - 1, false), "", "an entry that is a link has the time of its file");
	CHECK_STR(list(noon, false), "lease:dlg_a", "and is there once");
	due_move("lease", "dlg_a", noon, noon + 70 * MINUTE, AT_FDCWD, "hint");
	CHECK_STR(list(noon + 5 * MINUTE, false), "", "one that was moved is not due");
	CHECK_STR(list(noon + 75 * MINUTE, true), "lease:dlg_a", "before its time");
	due_move("lease", "dlg_a", -1, noon, AT_FDCWD, "missing");
	CHECK_STR(list(noon, true), "lease:dlg_a", "where there is no file it is one of its own");
	CHECK(access("hint", F_OK) == 0, "dropping it leaves the file");
}

static void
test_strangers(void)
{
	scratch_file("state/due/README", "x", 1);
	scratch_file("state/due/20261123T11/xx/lease:dlg_a", "", 0);
	scratch_file("state/due/20261123T11/05/no entry", "", 0);
	scratch_file("state/due/20261123T11/05/lease:..", "", 0);
	scratch_file("state/due/20261123T11/99/lease:dlg_a", "", 0);
	CHECK_STR(list(noon, true), "", "what is no entry is passed over");
	CHECK(access("state/due/20261123T11/05/no entry", F_OK) == 0, "and left alone");
}

/* Two who set while two others list and tidy: nothing is lost. */
static void
test_race(void)
{
	struct due_entry entry;
	struct err e;
	char id[32];
	int seen = 0;

	for (int who = 0; who < 2; who++)
		if (fork() == 0) {
			for (int i = 0; i < 500; i++) {
				(void)snprintf(id, sizeof id, "id_%d_%d", who, i);
				due_set("race", id, noon + (i % 3) * 60 * MINUTE);
			}
			_exit(0);
		}
	int left = 2;
	do {
		if (left > 0 && waitpid(-1, NULL, WNOHANG) > 0)
			left--;
		struct due *d = due_open(noon + 180 * MINUTE, &e);
		while (d != NULL && due_next(d, &entry, &e) > 0) {
			seen += strcmp(entry.kind, "race") == 0;
			due_drop(d);
		}
		due_close(d, true);
	} while (left > 0 || list(noon + 180 * MINUTE, false)[0] != '\0');
	CHECK_INT(seen, 1000, "what is set while others tidy is found");
}

int
main(void)
{
	struct err e;

	scratch_open();
	(void)setenv("AWCP_HOME", "state", 1);
	if (home_open(&e) < 0)
		return 1;
	test_order();
	test_race();
	test_move();
	test_strangers();
	return check_end();
}
