/* What lies here of an owner's assignments: what was sent, and what is to be taken back. */
#include "assignment/assignment.h"
#include "assignment/members.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct holding {
	const char *owner;
	uint64_t bytes;
};

static int
add_assignment(void *arg, const char *id)
{
	static const char *const archives[] = {"workspace.archive", "result.archive"};
	struct holding *x = arg;
	struct record r;
	struct stat st;
	struct err ignored;

	/* One that cannot be read is nothing that its owner could do something about. */
	if (record_open(ASSIGNMENTS, id, false, &r, &ignored) == 0 &&
	    strcmp(assignment_owner(r.json), x->owner) == 0)
		for (size_t i = 0; i < sizeof archives / sizeof archives[0]; i++)
			if (fstatat(r.dirfd, archives[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
				x->bytes += (uint64_t)st.st_size;
	record_close(&r);
	return 0;
}

int
assignment_disk(const char *owner, uint64_t *bytes, struct err *e)
{
	struct holding x = {.owner = owner};

	int status = record_list(ASSIGNMENTS, true, add_assignment, &x, e);
	*bytes = x.bytes;
	return status;
}
