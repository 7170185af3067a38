/* The manifest reader: what it takes can be written again and reads the same. */
#include <string.h>

#include "fuzz.h"
#include "tree/manifest.h"

/* Read ${fd} to its end; copy each entry to ${w}, if given, and count.  -1 if it is refused. */
static int
read_all(int fd, struct manifest_writer *w, uint64_t *count)
{
	struct entry *entry;
	struct err e;
	int status;

	struct manifest_reader *m = manifest_reader_new(fd, &e);
	PROMISE(m != NULL);
	for (*count = 0; (status = manifest_next(m, &entry, &e)) == 1; ++*count) {
		PROMISE(strlen(entry->path) <= TREE_PATH && entry->path[0] != '\0');
		PROMISE((entry->type == 'l') == (entry->target != NULL));
		if (w != NULL && manifest_add(w, entry, &e) < 0)
			break;
	}
	PROMISE(status >= 0 || (e.code != ERR_NONE && e.message[0] != '\0'));
	manifest_reader_free(m);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t count, again;
	struct err e;
	int in = fuzz_file(p, n), out = fuzz_file("", 0);

	struct manifest_writer *w = manifest_writer_new(out, &e);
	PROMISE(w != NULL);
	/* A writer knows what no tree has; the reader does not ask. */
	if (read_all(in, w, &count) == 0 && manifest_finish(w, &e) == 0) {
		PROMISE(read_all(out, NULL, &again) == 0);
		PROMISE(count == again);
	}
	manifest_writer_free(w);
	(void)close(in);
	(void)close(out);
	return 0;
}
