#include "worker/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "assignment/assignment.h"
#include "assignment/members.h"
#include "base/file.h"
#include "config/home.h"
#include "process/account.h"
#include "wire/members.h"
#include "wire/message.h"
#include "tree/baseline.h"
#include "archive/unpack.h"

#define ARCHIVE "workspace.archive"
#define RECEIVED "received.manifest"
#define RESULT "result.archive"
#define MUCH (16 << 20) /* bytes that are not read once more just to be sure */

static int
join(char out[PATH_MAX], const char *directory, const char *name, struct err *e)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", directory, name);

	if (n < 0 || n >= PATH_MAX)
		return err_set(e, ERR_SETUP_FAILED, "the path of the workspace is too long");
	return 0;
}

/* Fill in the paths, below ${directory} of the state.  Its links are resolved, so that a path means
 * the same inside and outside of a sandbox. */
static int
find_paths(struct workspace *w, const char *directory, struct err *e)
{
	char own[PATH_MAX];
	int status = -1;

	char *home = realpath(home_path(), NULL);
	if (home == NULL)
		return err_sys(e, "cannot resolve %s", home_path());
	if (join(own, home, directory, e) == 0 && join(w->path, own, "work", e) == 0 &&
	    join(w->report, own, "report", e) == 0 &&
	    join(w->result, w->report, "result.json", e) == 0)
		status = 0;
	free(home);
	return status;
}

static int
find_resources(struct workspace *w, const json_t *record, struct err *e)
{
	const json_t *list = invite_resources(assignment_invite(record)), *r;
	bool writable = strcmp(assignment_lease_access_mode(record), "ro") != 0;
	char path[PATH_MAX];
	size_t i;

	w->resources = calloc(json_array_size(list) + 1, sizeof *w->resources);
	if (w->resources == NULL)
		return err_memory(e);
	json_array_foreach (list, i, r) {
		struct resource *to = &w->resources[i];
		const char *name = resource_name(r);
		if (!id_resource_path_valid(name))
			return err_set(e, ERR_SETUP_FAILED, "a resource has no usable name");
		if (join(path, w->path, name, e) < 0)
			return -1;
		to->name = strdup(name);
		to->source = strdup(path);
		w->count++;
		if (to->name == NULL || to->source == NULL)
			return err_memory(e);
		to->writable = writable && strcmp(resource_mode(r), "rw") == 0;
		if (to->writable && w->cwd == NULL)
			w->cwd = to->source;
	}
	if (w->cwd == NULL)
		w->cwd = w->count == 1 ? w->resources[0].source : w->path;
	return 0;
}

/* Make ${name} for ${account}, or find it there; a descriptor. */
static int
make_directory(int dirfd, const char *name, uid_t account, struct err *e)
{
	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create %s", name);
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open %s", name);
	if (account_give(fd, account, e) == 0)
		return fd;
	file_close(fd);
	return -1;
}

/* Create the file ${name} anew in the assignment's directory. */
static int
create_file(const struct workspace *w, const char *name, struct err *e)
{
	return file_open_beneath(w->dirfd, name, O_RDWR | O_CREAT | O_TRUNC, 0600, e);
}

/* What was written in the last tick of the clock before the list's own time may still change in
 * that tick, so it is read again at the end (baseline.h).  Where that is much, wait out the tick.
 */
static int
wait_out_tick(int manifestfd, uint64_t bytes, struct err *e)
{
	const struct timespec tick = {.tv_nsec = 2 * BASELINE_TICK};
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

	if (bytes < MUCH)
		return 0;
	(void)nanosleep(&tick, NULL); /* cut short: more is read, no more */
	return futimens(manifestfd, now) < 0 ? err_sys(e, "cannot write " RECEIVED) : 0;
}

/* Make the directories of resources that have no entry in the archive, because they are empty.
 * Whatever lies above them is a directory, too, or the archive would have been refused. */
static int
make_resources(const struct workspace *w, int workfd, struct err *e)
{
	for (size_t i = 0; i < w->count; i++)
		if (file_make_dirs(workfd, w->resources[i].name, e) < 0 ||
		    account_give_path(workfd, w->resources[i].name, w->account, e) < 0)
			return -1;
	return 0;
}

/* Unpack workspace.archive into ${workfd}: only the resources that were announced. */
static int
unpack_received(struct workspace *w, int workfd, struct err *e)
{
	struct unpack_limits limits;
	struct unpack_totals totals = {0};

	if (unpack_limits(&limits, e) < 0)
		return -1;
	const char **tops = calloc(w->count + 1, sizeof *tops);
	if (tops == NULL)
		return err_memory(e);
	for (size_t i = 0; i < w->count; i++)
		tops[i] = w->resources[i].name;
	limits.tops = tops;
	limits.owner = w->account;
	limits.interrupt = w->interrupt;
	int status = -1;
	struct tree received = {.manifestfd = -1};
	received.archivefd = file_open_beneath(w->dirfd, ARCHIVE, O_RDONLY, 0, e);
	if (received.archivefd < 0)
		goto out;
	received.manifestfd = create_file(w, RECEIVED, e);
	if (received.manifestfd < 0 || unpack(&received, workfd, &limits, &totals, e) < 0 ||
	    wait_out_tick(received.manifestfd, totals.bytes, e) < 0)
		goto out;
	w->compressed = totals.compressed;
	status = make_resources(w, workfd, e);
out:
	tree_close(&received);
	free(tops);
	return status;
}

int
workspace_plan(struct workspace *w, const struct record *r, struct err *e)
{
	*w = (struct workspace){.dirfd = r->dirfd,
				.agreed =
				    message_agreed(invite_fidelity(assignment_invite(r->json)))};
	char directory[ID_MAX + 16];

	(void)snprintf(directory, sizeof directory, ASSIGNMENTS "/%s", r->id);
	if (find_paths(w, directory, e) < 0)
		return -1;
	return find_resources(w, r->json, e);
}

/* Make work/ and report/ anew; a descriptor of work/. */
static int
make_directories(const struct workspace *w, struct err *e)
{
	if (workspace_remove(w->dirfd, e) < 0)
		return -1;
	int reportfd = make_directory(w->dirfd, "report", w->account, e);
	if (reportfd < 0)
		return -1;
	file_close(reportfd);
	return make_directory(w->dirfd, "work", w->account, e);
}

int
workspace_unpack(struct workspace *w, struct err *e)
{
	int workfd = make_directories(w, e);

	if (workfd < 0)
		return -1;
	int status = unpack_received(w, workfd, e);
	file_close(workfd);
	if (status < 0)
		workspace_remove(w->dirfd, NULL); /* what is left is for whoever ends the task */
	return status;
}

int
workspace_empty(struct workspace *w, int dirfd, const char *directory, uid_t account, struct err *e)
{
	*w = (struct workspace){.dirfd = dirfd, .cwd = w->path, .account = account};
	if (find_paths(w, directory, e) < 0)
		return -1;
	int workfd = make_directories(w, e);
	file_close(workfd);
	return workfd < 0 ? -1 : 0;
}

const char **
workspace_readonly(const struct workspace *w, struct err *e)
{
	size_t n = 0;

	const char **paths = calloc(w->count + 1, sizeof *paths);
	if (paths == NULL) {
		err_memory(e);
		return NULL;
	}
	for (size_t i = 0; i < w->count; i++)
		if (!w->resources[i].writable)
			paths[n++] = w->resources[i].source;
	return paths;
}

/* The command may have put a link in a resource's place, through which we would read what it was
 * not lent. */
static int
check_resources(const struct workspace *w, struct err *e)
{
	int workfd = file_open_beneath(w->dirfd, "work", O_RDONLY | O_DIRECTORY, 0, e);

	if (workfd < 0)
		return -1;
	int status = 0;
	for (size_t i = 0; i < w->count && status >= 0; i++) {
		const char *name = w->resources[i].name;
		int fd = file_open_beneath(workfd, name, O_PATH | O_DIRECTORY, 0, NULL);
		if (fd < 0)
			status = err_set(e, ERR_TASK_FAILED, "the directory of resource %s is gone",
					 name);
		file_close(fd);
	}
	file_close(workfd);
	return status;
}

/* The resources that may have changed, ${count} of them; free(3) the list, not what is in it. Those
 * that were lent read-only are not sent back, so that nothing is ever reported as changed in them;
 * a delegator takes nothing from them either way. */
static struct resource *
list_writable(const struct workspace *w, size_t *count, struct err *e)
{
	struct resource *list = calloc(w->count + 1, sizeof *list);

	if (list == NULL)
		err_memory(e);
	*count = 0;
	for (size_t i = 0; list != NULL && i < w->count; i++)
		if (w->resources[i].writable)
			list[(*count)++] = w->resources[i];
	return list;
}

/* How the result is packed: as the delegator can take it. */
static struct pack_options
choose_options(const struct workspace *w)
{
	return (struct pack_options){
	    .format = (w->agreed & MESSAGE_TIMES) != 0 ? PACK_TAR_ZST : PACK_ZIP,
	    .fidelity = (w->agreed & MESSAGE_LINKS) != 0,
	    .lenient = true,
	    .interrupt = w->interrupt,
	    /* What came uncompressed came from near by. */
	    .compress = w->compressed,
	};
}

/* Once, however often it is told: a result may be packed again from the start. */
static void
note_in(json_t *list, const char *text)
{
	if (!jsonx_lists(list, text) && json_array_size(list) < MESSAGE_CHANGED)
		(void)jsonx_append(list, text); /* out of memory: the list is shorter */
}

/* What is told of a result beside its archive. */
struct lists {
	json_t *changed, *withheld;
};

static void
note_changed(void *arg, const char *path)
{
	note_in(((struct lists *)arg)->changed, path);
}

static void
note_withheld(void *arg, const char *why)
{
	note_in(((struct lists *)arg)->withheld, why);
}

static int
pack_result(const struct workspace *w, int fd, struct pack_totals *totals, struct lists *lists,
	    struct err *e)
{
	struct pack_options o = choose_options(w);
	struct tree received = {-1, -1, NULL}, back = {-1, fd, &received};
	int status = -1;
	size_t count;

	struct resource *writable = list_writable(w, &count, e);
	if (writable == NULL)
		return -1;
	o.changed = note_changed;
	o.withheld = note_withheld;
	o.changed_arg = lists;
	bool delta = (w->agreed & MESSAGE_DELTA) != 0;
	received.manifestfd = file_open_beneath(w->dirfd, RECEIVED, O_RDONLY, 0, e);
	if (received.manifestfd < 0)
		goto out;
	received.archivefd = file_open_beneath(w->dirfd, ARCHIVE, O_RDONLY, 0, e);
	if (received.archivefd < 0)
		goto out;
	if (delta && (back.manifestfd = file_unnamed(w->dirfd, e)) < 0)
		goto out;
	status = pack(writable, count, &o, &back, totals, e);
out:
	file_close(back.manifestfd);
	tree_close(&received);
	free(writable);
	return status;
}

/* Pack what may have changed into result.archive. */
static int
pack_work(const struct workspace *w, struct pack_totals *totals, struct lists *lists, struct err *e)
{
	int status = -1;

	if (check_resources(w, e) < 0)
		return -1;
	int fd = create_file(w, RESULT ".tmp", e);
	if (fd < 0)
		return -1;
	if (pack_result(w, fd, totals, lists, e) < 0)
		goto out;
	if (fsync(fd) < 0 || renameat(w->dirfd, RESULT ".tmp", w->dirfd, RESULT) < 0)
		err_sys(e, "cannot store the result");
	else
		status = 0; /* the record, which is saved beside it, makes its name durable */
out:
	file_close(fd);
	if (status < 0)
		(void)unlinkat(w->dirfd, RESULT ".tmp", 0); /* the failure is what matters */
	return status;
}

int
workspace_collect(const struct workspace *w, struct pack_totals *totals, json_t **metadata,
		  struct err *e)
{
	struct lists lists = {json_array(), json_array()};
	int status = -1;

	*metadata = NULL;
	if (lists.changed == NULL || lists.withheld == NULL) {
		err_memory(e);
		goto out;
	}
	if (pack_work(w, totals, &lists, e) < 0)
		goto out;
	*metadata =
	    json_pack("{sI sI sO sO*}", "fileCount", (json_int_t)totals->files, "totalBytes",
		      (json_int_t)totals->bytes, "changedFiles", lists.changed, "withheld",
		      json_array_size(lists.withheld) > 0 ? lists.withheld : NULL);
	status = *metadata == NULL ? err_memory(e) : 0;
out:
	json_decref(lists.changed);
	json_decref(lists.withheld);
	return status;
}

int
workspace_remove(int dirfd, struct err *e)
{
	(void)unlinkat(dirfd, RESULT ".tmp", 0); /* mostly it is not there */
	(void)unlinkat(dirfd, RECEIVED, 0);
	if (file_remove_tree(dirfd, "work", e) < 0)
		return -1;
	return file_remove_tree(dirfd, "report", e);
}

int
workspace_retire(const struct workspace *w, char name[ID_MAX + 1], struct err *e)
{
	int tmpfd = home_dir("tmp", e);

	if (tmpfd < 0 || id_make("work-", 16, name, e) < 0 ||
	    file_remove_tree(w->dirfd, "report", e) < 0)
		return -1;
	if (renameat(w->dirfd, "work", tmpfd, name) < 0)
		return err_sys(e, "cannot move the workspace away");
	return 0;
}

void
workspace_free(struct workspace *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->resources[i].name);
		free(w->resources[i].source);
	}
	free(w->resources);
	*w = (struct workspace){.dirfd = -1};
}
