/*
 * scratch - a directory of a test's own, to work in and to leave nothing of.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char scratch[] = "/tmp/awcp-test-XXXXXX";

static inline void
scratch_fail(const char *what)
{
	(void)printf("not ok - scratch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void
scratch_close(void)
{
	if (chdir("/") < 0 || file_remove_tree(AT_FDCWD, scratch, NULL) < 0)
		(void)fprintf(stderr, "%s is left behind\n", scratch);
}

/* Make the directory, enter it, and remove it at exit. */
static inline void
scratch_open(void)
{
	if (mkdtemp(scratch) == NULL || chdir(scratch) < 0)
		scratch_fail(scratch);
	(void)atexit(scratch_close);
}

static inline void
scratch_dir(const char *path)
{
	if (file_make_dirs(AT_FDCWD, path, NULL) < 0)
		scratch_fail(path);
}

/* Write the file ${path}, with the directories above it. */
static inline void
scratch_file(const char *path, const void *p, size_t n)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL) {
		char *above = strndup(path, (size_t)(slash - path));
		scratch_dir(above);
		free(above);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n || close(fd) < 0)
		scratch_fail(path);
}

static inline void
scratch_text(const char *path, const char *text)
{
	scratch_file(path, text, strlen(text));
}

static inline void
scratch_link(const char *path, const char *target)
{
	if (symlink(target, path) < 0)
		scratch_fail(path);
}

/* Make the file ${n} bytes long. */
static inline void
scratch_cut(const char *path, off_t n)
{
	if (truncate(path, n) < 0)
		scratch_fail(path);
}

/* Write ${n} bytes over what is at ${at} in the file. */
static inline void
scratch_patch(const char *path, const void *p, size_t n, off_t at)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, p, n, at) != (ssize_t)n || close(fd) < 0)
		scratch_fail(path);
}

/* The exit status of a shell command. */
static inline int
scratch_run(const char *command)
{
	int status = system(command);

	if (status < 0)
		scratch_fail(command);
	return WEXITSTATUS(status);
}

/* A new file to write and read. */
static inline int
scratch_new(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		scratch_fail(path);
	return fd;
}

#endif
