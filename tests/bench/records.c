/*
 * records - fills the state with assignments that have ended, as they are after many months.
 *
 *	records count due	${due} of them need not be kept any more, the others for up to a
 *week
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "due.h"
#include "home.h"

int
main(int argc, char **argv)
{
	char id[64], record[1024], path[128], when[CLOCK_TEXT];
	struct err e;
	long count = argc > 2 ? atol(argv[1]) : 0, due = argc > 2 ? atol(argv[2]) : 0;
	int64_t week = INT64_C(7) * 86400 * 1000, now = clock_now();

	int fd = home_dir("assignments", &e);
	if (fd < 0 || home_dir("assignments/.open", &e) < 0)
		return 1;
	for (long i = 0; i < count; i++) {
		/* The first ones ended a week and a minute ago, the others since. */
		int64_t ended =
		    i < due ? now - week - 60000 : now - week + 60000 + i * week / (count + 1);
		(void)snprintf(id, sizeof id, "dlg_%032lx", (unsigned long)i * 2654435761UL);
		if (mkdirat(fd, id, 0700) < 0)
			return 1;
		int n = snprintf(
		    record, sizeof record,
		    "{\"id\":\"%s\",\"state\":\"completed\",\"run\":1,\"owner\":\"\","
		    "\"accessMode\":\"rw\",\"retentionMs\":604800000,\"completedAt\":\"%s\","
		    "\"invite\":{\"delegationId\":\"%s\",\"task\":{\"description\":\"x\","
		    "\"prompt\":\"fix the failing test\"},\"lease\":{\"ttlSeconds\":3600}},"
		    "\"result\":{\"summary\":\"done\",\"snapshotId\":\"snap_0123456789ab\"}}\n",
		    id, clock_format(ended, when), id);
		(void)snprintf(path, sizeof path, "%s/record.json", id);
		int f = openat(fd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (f < 0 || write(f, record, (size_t)n) != n || close(f) < 0)
			return 1;
		due_set("assignment", id, ended + week);
	}
	return 0;
}
