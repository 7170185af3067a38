#include <fcntl.h>
#include <string.h>

#include "base/file.h"

DIR *
file_list(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL)
		file_close(fd);
	return dir;
}

const char *
file_next(DIR **dir)
{
	const struct dirent *entry;

	while (*dir != NULL && (entry = readdir(*dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	if (*dir != NULL)
		(void)closedir(*dir);
	*dir = NULL;
	return NULL;
}
