/* queue/index_space - space on the disk for what the index will need. */
#include "queue/index.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define PAGE 4096 /* what is punched out of a file in part stays */

static int
reserve_index(int fd, uint64_t hole, uint64_t end, struct err *e)
{
	const off_t ahead = 1 << 16;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at the queue's index");
	if ((uint64_t)st.st_blocks * 512 + hole / PAGE * PAGE >= end + (uint64_t)ahead ||
	    fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)end / ahead * ahead, 3 * ahead) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	err_sys(e, "no space for more work");
	return err_hint(e, "what runs can still end; free some space, then try again");
}

int
queue_index_reserve(struct queue_index *x, uint64_t count, uint64_t version, struct err *e)
{
	const struct {
		int fd;
		uint64_t hole, end; /* bytes that are not there, and all */
	} files[] = {
	    {x->headfd, 0, sizeof x->head},
	    {x->cellsfd, x->head.kept * sizeof x->cell, count * sizeof(struct queue_cell)},
	    {x->blocksfd, 0, (count / QUEUE_CELLS + 1) * sizeof(struct queue_block)},
	    {x->versionsfd, x->head.gone * sizeof version, (version + 1) * sizeof version}};

	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (reserve_index(files[i].fd, files[i].hole, files[i].end, e) < 0)
			return -1;
	return 0;
}
