/*
 * replay - gives a target the inputs in its corpus, one after the other.
 *
 * The target's name is that of the program, fuzz_<target>_test; it is run at the top of the source.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static void
run(int dirfd, const char *name)
{
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	PROMISE(fd >= 0 && fstat(fd, &st) == 0);
	uint8_t *p = malloc((size_t)st.st_size + 1);
	PROMISE(p != NULL && read(fd, p, (size_t)st.st_size) == st.st_size);
	(void)LLVMFuzzerTestOneInput(p, (size_t)st.st_size);
	free(p);
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	char path[128], *name = strstr(argv[0], "/fuzz_"), *end;
	unsigned count = 0;
	const struct dirent *d;

	(void)argc;
	PROMISE(name != NULL && (end = strstr(name, "_test")) != NULL);
	(void)snprintf(path, sizeof path, "tests/fuzz/corpus/%.*s", (int)(end - name - 6),
		       name + 6);
	DIR *dir = opendir(path);
	PROMISE(dir != NULL);
	for (; (d = readdir(dir)) != NULL; count += d->d_name[0] != '.')
		if (d->d_name[0] != '.')
			run(dirfd(dir), d->d_name);
	(void)closedir(dir);
	(void)printf("%s - %u inputs of %s keep every promise\n1..1\n", count > 0 ? "ok" : "not ok",
		     count, path);
	return count > 0 ? 0 : 1;
}
