/* Records: what they promise, with files damaged and processes killed. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/peer.h"
#include "access/token.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "config/home.h"
#include "queue/queue.h"
#include "state/breaker.h"
#include "state/record.h"
#include "state/space.h"

#ifndef SANITIZED
#define SANITIZED false
#endif

/* The name of a token's file. */
#define SOME_DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
put_text(int dirfd, const char *name, const char *text, int flags)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | flags, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		CHECK(false, "the test can write %s", name);
	(void)close(fd);
}

static void
test_record(void)
{
	struct record r, again;
	struct stat entry, lock;
	struct err e;
	char id[129];

	CHECK_INT(record_create("things", "a_1", &r, &e), 0, "a record is created");
	(void)jsonx_set(r.json, "name", "first");
	CHECK_INT(record_open("things", "a_1", false, &again, &e), -1,
		  "it is not seen before it is saved");
	CHECK_INT(e.code, ERR_NOT_FOUND, "and the error says NOT_FOUND");
	record_close(&again);
	CHECK_INT(record_save(&r, true, true, &e), 0, "it is saved");
	CHECK(fstatat(home_dir("things/.open", &e), "a_1", &entry, 0) == 0 &&
		  fstat(r.lockfd, &lock) == 0 && entry.st_ino == lock.st_ino,
	      "its entry in the index costs no file of its own");
	CHECK_INT(file_lock(r.dirfd, "lock", false, &e), -1, "its lock is held meanwhile");
	record_close(&r);
	CHECK_INT(record_create("things", "a_1", &r, &e), -1, "it cannot be created twice");
	CHECK_INT(e.code, ERR_CONFLICT, "and the error says CONFLICT");
	record_close(&r);
	CHECK_INT(record_find("things", "a", id, &e), 0, "a unique prefix finds it");
	CHECK_STR(id, "a_1", "under its whole id");
	CHECK_INT(record_find("things", "../x", id, &e), -1, "what is not an id is refused");
	CHECK_INT(record_open("things", "a_1", true, &r, &e), 0, "it is opened for change");
	put_text(r.dirfd, "record.json", "{torn", O_TRUNC);
	record_close(&r);
	CHECK_INT(record_open("things", "a_1", false, &r, &e), -1, "a damaged record is no record");
	CHECK_INT(e.code, ERR_BAD_DATA, "and the error says BAD_DATA");
	CHECK(faccessat(r.dirfd, "record.json", F_OK, 0) < 0, "it was moved out of the way");
	record_close(&r);
	CHECK_INT(record_create("things", "a_1", &r, &e), 0, "its place can be taken again");
	(void)record_save(&r, false, true, &e);
	CHECK_INT(record_remove(&r, &e), 0, "a record is removed");
	record_close(&r);
	CHECK_INT(record_find("things", "a_1", id, &e), -1, "and is gone");
	(void)mkdirat(home_dir("things", &e), "a_1", 0700);
	CHECK_INT(record_open("things", "a_1", true, &r, &e), -1, "a directory is no record");
	CHECK(e.code == ERR_NOT_FOUND && r.lockfd >= 0, "but has a lock");
	CHECK_INT(record_remove(&r, &e), 0, "with which it is removed");
	record_close(&r);
	CHECK_INT(faccessat(home_dir("things", &e), "a_1", F_OK, 0), -1, "and is gone");
}

static void
test_remove(void)
{
	struct stat st;
	struct err e;
	int fd = home_dir("removal", &e);

	(void)mkdirat(fd, "top", 0700);
	put_text(fd, "outside", "kept", 0);
	int at = openat(fd, "top", O_RDONLY | O_DIRECTORY);
	CHECK_INT(symlinkat("../outside", at, "link"), 0, "a link leads out of the tree");
	for (int i = 0; i < 2000; i++) {
		(void)mkdirat(at, "d", 0700);
		int next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		put_text(next, "f", "x", 0);
		if (i == 1000)
			(void)fchmod(next, 0);
		(void)close(at);
		at = next;
	}
	(void)close(at);
	CHECK_INT(file_remove_tree(fd, "top", &e), 0, "a tree of 2000 levels is removed");
	CHECK(fstatat(fd, "top", &st, 0) < 0, "nothing of it is left");
	CHECK_INT(fstatat(fd, "outside", &st, 0), 0, "what a link pointed to is still there");
}

/* A worker may want a lock in a directory that is on its way out. */
static void
test_remove_busy(void)
{
	char name[16];
	struct err e;
	int top = home_dir("removal", &e);

	CHECK_INT(mkdirat(top, "busy", 0700), 0, "a directory is made");
	pid_t child = fork();
	if (child == 0) {
		int fd = openat(top, "busy", O_RDONLY | O_DIRECTORY | O_CLOEXEC), made = 0;
		for (int i = 0; i < 20000 && made >= 0; i++) {
			(void)snprintf(name, sizeof name, "%d", i);
			made = openat(fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			(void)close(made);
		}
		_exit(0);
	}
	while (faccessat(top, "busy/0", F_OK, 0) < 0)
		continue;
	CHECK_INT(file_remove_tree(top, "busy", &e), 0, "it is removed while files come in");
	CHECK(faccessat(top, "busy", F_OK, 0) < 0, "it is gone");
	(void)waitpid(child, NULL, 0);
}

/* jansson's allocator, which fails once, at the ${left}th call. */
static void *(*allocate)(size_t n);
static long left;

static void *
run_out(size_t n)
{
	if (left-- == 0 && allocate(SIZE_MAX / 2) != NULL)
		abort();
	return allocate(n);
}

static int
read_record(struct err *e)
{
	struct record r;
	int status = record_open("things", "b_1", true, &r, e);

	record_close(&r);
	return status;
}

static int
count_token(void *arg, const json_t *token)
{
	int *n = arg;

	(void)token;
	(*n)++;
	return 0;
}

static int
read_token(struct err *e)
{
	int n = 0;

	return token_list(count_token, &n, e);
}

static int
read_peer(struct err *e)
{
	json_t *o = peer_get("build", e);

	json_decref(o);
	return o == NULL ? -1 : 0;
}

static int
read_guard(struct err *e)
{
	struct breaker b;

	return breaker_read(BREAKER_PROFILE, "quick", &b, e);
}

/* With an index to be made anew, which is where a line that cannot be read is passed over. */
static int
read_queue(struct err *e)
{
	(void)unlinkat(home_dir("queue", e), "jobs/head", 0);
	struct queue *q = queue_open("jobs", true, e);
	json_t *o = q == NULL ? NULL : queue_show(q, 1, e);
	bool whole = o != NULL && json_object_get(o, "payload") != NULL;

	json_decref(o);
	queue_close(q);
	return whole ? 0 : -1;
}

static void
make_state(void)
{
	struct queue_receipt receipt;
	struct record r;
	struct err e;
	size_t done;

	CHECK(record_create("things", "b_1", &r, &e) == 0 && record_save(&r, true, false, &e) == 0,
	      "there is a record");
	record_close(&r);
	put_text(home_dir("tokens", &e), SOME_DIGEST, "{\"name\":\"alice\"}\n", O_EXCL);
	CHECK_INT(peer_put("build", "http://127.0.0.1:1/awcp", NULL, &e), 0, "and a peer");
	CHECK_INT(breaker_pause(BREAKER_PROFILE, "quick", INT64_MAX / 2, "quota", &e), 0,
		  "and a guard");
	struct queue *q = queue_open("jobs", true, &e);
	json_t *task = json_pack("{ss}", "payload", "x");
	CHECK_INT(queue_put(q, &task, 1, &receipt, &done, &e), 0, "and a task");
	json_decref(task);
	queue_close(q);
}

/* How many files are in corrupt/. */
static int
count_corrupt(void)
{
	DIR *dir = home_list("corrupt");
	int n = 0;

	while (file_next(&dir) != NULL)
		n++;
	return n;
}

/* Lack of memory while something is read says nothing of what was read. */
static void
test_out_of_memory(void)
{
	static const struct {
		const char *what;
		int (*read)(struct err *e);
	} readers[] = {{"a record", read_record},
		       {"a token", read_token},
		       {"a peer", read_peer},
		       {"a guard", read_guard},
		       {"a queue", read_queue}};
	struct err e;

	if (SANITIZED) /* asks for more than there is, which it takes for an error of ours */
		return;
	make_state();
	int before = count_corrupt();
	json_free_t release;
	json_get_alloc_funcs(&allocate, &release);
	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		bool failed = false, told = true;
		json_set_alloc_funcs(run_out, release);
		for (long at = 0; at < 400; at++) {
			left = at;
			int status = readers[i].read(&e);
			failed |= status < 0;
			told &= status == 0 || e.code == ERR_INTERNAL;
			if (left >= 0)
				break;
		}
		json_set_alloc_funcs(allocate, release);
		CHECK(failed && told, "no memory for %s is told as that: %s", readers[i].what,
		      e.message);
		CHECK_INT(readers[i].read(&e), 0, readers[i].what);
		CHECK_INT(count_corrupt(), before, "nothing is taken for damaged");
	}
}

/* How much is set aside, bytes. */
static off_t
count_reserve(void)
{
	DIR *dir = home_list("reserve");
	struct stat st;
	off_t n = 0;

	for (const char *name; (name = file_next(&dir)) != NULL;)
		n += fstatat(dirfd(dir), name, &st, 0) == 0 ? (off_t)st.st_blocks * 512 : 0;
	return n;
}

static void
test_space(void)
{
	struct space r;
	struct err e;
	int fd = home_open(&e), pieces = 0;

	(void)setenv("AWCP_MIN_FREE", "1", 1);
	CHECK(space_look(fd, &r, &e) == 0 && r.bytes > 0 && r.min_bytes == 1, "the disk is seen");
	CHECK_INT(space_for(fd, 1, 1, &e), 0, "there is room");
	CHECK_INT(space_for(fd, r.bytes, 1, &e), -1,
		  "but not for all that is free, less what is to stay");
	CHECK(e.code == ERR_NO_SPACE && e.retry > 0, "which may go better later");
	if (r.files != UINT64_MAX) {
		CHECK_INT(space_for(fd, 1, r.files + 1000, &e), -1,
			  "nor for more files than it takes");
		(void)setenv("AWCP_MIN_FREE", "1000000T", 1);
		CHECK(space_look(fd, &r, &e) == 0 && r.min_files > r.files / 2,
		      "of inodes the same share is to stay");
	}
	(void)setenv("AWCP_MIN_FREE", "much", 1);
	CHECK_INT(space_for(fd, 1, 1, &e), -1, "a setting that makes no sense is told");
	CHECK_INT(e.code, ERR_CONFIG, "as that");
	(void)unsetenv("AWCP_MIN_FREE");
	space_reserve();
	off_t all = count_reserve();
	CHECK(all >= 1 << 20, "more than a MiB is set aside");
	err_set(&e, ERR_IO, "the disk is broken");
	CHECK(!space_release(&e) && !space_release(NULL) && count_reserve() == all,
	      "only a full disk has some given back");
	err_set(&e, ERR_NO_SPACE, "the disk is full");
	while (space_release(&e))
		pieces++;
	CHECK(pieces >= 8 && count_reserve() == 0, "piece by piece, until nothing is left");
	space_reserve();
	CHECK(count_reserve() == all, "which is set aside again");
}

static void
test_foreign_home(void)
{
	struct err e;
	int status;
	const char *home = getenv("AWCP_HOME");

	if (home == NULL)
		abort();
	pid_t child = fork();
	if (child == 0) {
		(void)chmod(home, 0777);
		_exit(home_open(&e) < 0 && e.code == ERR_PERMISSION ? 0 : 1);
	}
	(void)waitpid(child, &status, 0);
	CHECK_INT(WEXITSTATUS(status), 0, "a state directory that others may write to is refused");
	(void)chmod(home, 0700);
}

int
main(void)
{
	char path[] = "/tmp/awcp-state-test.XXXXXX";
	struct err e;

	if (mkdtemp(path) == NULL || setenv("AWCP_HOME", path, 1) < 0)
		return 1;
	test_foreign_home(); /* first: the directory is looked at once in a process */
	test_record();
	test_remove();
	test_remove_busy();
	test_out_of_memory();
	test_space();
	(void)file_remove_tree(AT_FDCWD, path, &e);
	return check_end();
}
