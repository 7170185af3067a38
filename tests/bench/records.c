/*
 * records - fills the state with assignments that have ended, as they are after many months.
 *
 *	records count due	${due} of them need not be kept any more, the others for up to a
 *week
 *
 * To each that is due there is a copy_... of it, which nothing says is: what removing it costs
 * anybody.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/due.h"
#include "config/home.h"

static int
put_file(int dirfd, const char *id, const char *name, const char *text, size_t n)
{
	char path[160];

	(void)snprintf(path, sizeof path, "%s/%s", id, name);
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) < 0 ? -1 : 0;
}

static int
put_record(int dirfd, const char *id, int64_t ended, bool whole)
{
	static const char *const others[] = {"lock", "run.lock", "events.ndjson", "output.log"};
	char record[1024], when[CLOCK_TEXT];

	int n =
	    snprintf(record, sizeof record,
		     "{\"id\":\"%s\",\"state\":\"completed\",\"run\":1,\"owner\":\"\","
		     "\"accessMode\":\"rw\",\"retentionMs\":604800000,\"completedAt\":\"%s\","
		     "\"invite\":{\"delegationId\":\"%s\",\"task\":{\"description\":\"x\","
		     "\"prompt\":\"fix the failing test\"},\"lease\":{\"ttlSeconds\":3600}},"
		     "\"result\":{\"summary\":\"done\",\"snapshotId\":\"snap_0123456789ab\"}}\n",
		     id, clock_format(ended, when), id);
	if (mkdirat(dirfd, id, 0700) < 0 ||
	    put_file(dirfd, id, "record.json", record, (size_t)n) < 0)
		return -1;
	for (size_t i = 0; whole && i < sizeof others / sizeof others[0]; i++)
		if (put_file(dirfd, id, others[i], record, i < 2 ? 0 : (size_t)n) < 0)
			return -1;
	return 0;
}

int
main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[1]) : 0, due = argc > 2 ? atol(argv[2]) : 0;
	int64_t week = INT64_C(7) * 86400 * 1000, now = clock_now();
	char id[64];
	struct err e;

	int fd = home_dir("assignments", &e);
	if (fd < 0 || home_dir("assignments/.open", &e) < 0)
		return 1;
	for (long i = 0; i < count; i++) {
		/* The first ones ended a week and a minute ago, the others since. */
		int64_t ended =
		    i < due ? now - week - 60000 : now - week + 60000 + i * week / (count + 1);
		unsigned long number = (unsigned long)i * 2654435761UL;
		(void)snprintf(id, sizeof id, "copy_%031lx", number);
		if (i < due && put_record(fd, id, ended, true) < 0)
			return 1;
		(void)snprintf(id, sizeof id, "dlg_%032lx", number);
		if (put_record(fd, id, ended, i < due) < 0)
			return 1;
		due_set("assignment", id, ended + week);
	}
	return 0;
}
