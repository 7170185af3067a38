/* Records: what they promise, with files damaged and processes killed. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "queue/queue.h"
#include "state/record.h"

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
	(void)file_remove_tree(AT_FDCWD, path, &e);
	return check_end();
}
