/*
 * manifest - what a tree was, a line a path, in the order of a walk.
 *
 * The file is text: a first line "awcp-manifest 1", a line an entry, and a last line "end <count>",
 * so that a torn file is noticed.  An entry is
 *
 *	type[!] mode size mtime ctime inode sha256 path[ TAB target]
 *
 * with single spaces; mode is octal, times are ns, a missing hash is "-", and in path and target a
 * backslash, a control character and DEL are written \xHH.  "!" marks a link that was not sent, or
 * a file whose content is that of the same path in the base (entry's unsent and in_base).
 */
#ifndef TREE_MANIFEST_H
#define TREE_MANIFEST_H

#include "tree/tree.h"

struct manifest_writer;

/* Write to ${fd}, an empty regular file that stays the caller's.  If entries come out of order it
 * is read again, so it must be open for both. */
struct manifest_writer *manifest_writer_new(int fd, struct err *e);

/* Entries may come in any order: if one comes out of order, all are sorted at the end. A path that
 * comes twice is ERR_WORKSPACE_INVALID (told at the end at the latest), unless it is a directory
 * both times: archives list those as they like. */
int manifest_add(struct manifest_writer *w, const struct entry *entry, struct err *e);

/* Write the end and everything that is still in memory. */
int manifest_finish(struct manifest_writer *w, struct err *e);

void manifest_writer_free(struct manifest_writer *w);

struct manifest_reader;

/* Read ${fd} from its beginning (pread; ${fd} stays the caller's). */
struct manifest_reader *manifest_reader_new(int fd, struct err *e);

/* The next entry (valid until the next call): 1, 0 at the end, -1 with ERR_BAD_DATA if the file is
 * torn, out of order or not a manifest. */
int manifest_next(struct manifest_reader *m, struct entry **entry, struct err *e);

void manifest_reader_free(struct manifest_reader *m);

/* Escape the path ${s} to ${out}, which has space for it, and a NUL; returns where that is. */
char *manifest_escape(char *out, const char *s);

/* Decode what lies before ${end}, where the line goes on, into ${out}, which has space for a path;
 * -1 if it is empty, too long or badly escaped. */
int manifest_unescape(char *out, const char *s, const char *end);

/* The value of the hex digit ${c}. */
unsigned manifest_hex(char c);

#endif
