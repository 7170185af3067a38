/*
 * agent - the least that an agent can do: it leaves a file behind.
 *
 * With a shell for an agent a good part of what is measured would be the shell.
 */
#include <fcntl.h>
#include <unistd.h>

int
main(void)
{
	int fd = open("result.txt", O_WRONLY | O_CREAT | O_APPEND, 0666);

	return fd < 0 || write(fd, "done\n", 5) != 5;
}
