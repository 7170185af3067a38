/*
 * zip_name - the names in a ZIP, byte for byte.
 *
 * libarchive composes names that a ZIP says are UTF-8 (NFC), so that what macOS, or a repository,
 * spells decomposed would come back under another name.  The bytes themselves stand in the entry's
 * local header, just before its data.
 */
#ifndef ZIP_NAME_H
#define ZIP_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "tree.h"

struct zip_name {
	char path[TREE_PATH + 1];
	char target[TREE_PATH + 1]; /* "" if it is no link, or is compressed */
};

/* Read the names of the entry whose data begin at byte ${at} of ${fd}, or, of a link, end there.
 * False if the header does not mark them as UTF-8 (then libarchive has left them alone), is not
 * found, or has longer ones. */
bool zip_name_read(int fd, uint64_t at, bool is_link, struct zip_name *name);

#endif
