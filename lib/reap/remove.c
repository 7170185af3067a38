#include "reap/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"

int
reap_remove(int dirfd, const char *name, struct err *e)
{
	char removed[ID_MAX + 1];

	int tmpfd = home_dir("tmp", e);
	if (tmpfd < 0 || id_make("removed-", 16, removed, e) < 0)
		return -1;
	if (renameat(dirfd, name, tmpfd, removed) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot remove %s", name);
	return file_remove_tree(tmpfd, removed, e);
}

int
reap_remove_record(struct record *record, const struct reap_action *action, struct err *e)
{
	record->event = reap_kind_name(action->kind);
	return record_remove(record, e);
}

const char *
reap_span(int64_t age, char out[32])
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};
	size_t i = 0;

	while (i < 3 && age < 2 * units[i].ms)
		i++;
	long long n = age / units[i].ms;
	(void)snprintf(out, 32, "%lld %s%s", n, units[i].name, n == 1 ? "" : "s");
	return out;
}

int64_t
reap_age(const struct reap *r, int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	int64_t age = r->now - (int64_t)st.st_mtim.tv_sec * 1000;
	return age < 0 ? 0 : age;
}
