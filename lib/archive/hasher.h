/*
 * hasher - writes the manifest of what passes by and hashes it, in a thread of its own.
 *
 * Hashing takes as long as all else that is done with a file when it is packed or unpacked.  What
 * is to be hashed and written down is copied into a ring of bounded size, and a second thread takes
 * it from there in order.  It is started when there is enough to do; a small tree has none.
 */
#ifndef ARCHIVE_HASHER_H
#define ARCHIVE_HASHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "tree/tree.h"

struct hasher;

/* Write the manifest to ${fd}, as manifest_writer_new. */
struct hasher *hasher_new(int fd, struct err *e);

/* The next ${n} bytes of the file at hand.  As everything here it fails with what went wrong with
 * the manifest some time before. */
int hasher_data(struct hasher *r, const void *p, size_t n, struct err *e);

/* The next ${n} bytes of it are zeros. */
int hasher_zeros(struct hasher *r, uint64_t n, struct err *e);

/* The file or whatever at hand is complete, and is added to the manifest, as manifest_add.  If
 * ${hashed}, it gets the hash of the data since the entry before, else it has that which
 * ${entry} has.  ${entry} is copied. */
int hasher_entry(struct hasher *r, const struct entry *entry, bool hashed, struct err *e);

/* Wait until all is written, and write the end, as manifest_finish. */
int hasher_finish(struct hasher *r, struct err *e);

/* Free it; without hasher_finish what was not written yet never is. */
void hasher_free(struct hasher *r);

#endif
