/*
 * hostile - archives that mean harm, made byte by byte.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hostile {
	const char *file; /* what it is called */
	const char *word; /* what must be in the message: the entry, or what is wrong with it all */
	const char *what;
	void (*write)(void);
	bool unended; /* a tar without the zeros at its end */
};

/* Their last one has no file. */
extern const struct hostile hostile_tars[], hostile_zips[];

/* What is odd and does no harm: its word is what it unpacks to. */
extern const struct hostile hostile_taken_tars[], hostile_taken_zips[];

/* Stands in front of the name of every entry: "", or a resource's with its slash. */
extern const char *hostile_prefix;

/* Write ${h} into the current directory. */
void hostile_make(const struct hostile *h);

/* For those who write an archive: its next bytes, and how many there are already. */
void make_bytes(const void *p, size_t n);
uint64_t make_at(void);

struct tar_item {
	const char *name;
	size_t name_length; /* if it has a NUL in it */
	char type;          /* '0' if 0 */
	const char *link;
	unsigned mode; /* 0644 if 0 */
	uint64_t size;
	const char *raw_size; /* twelve bytes */
	bool gnu;
};

void tar_header(const struct tar_item *it);
void tar_body(const void *p, size_t n);
void tar_end(void);

/* One entry of a ZIP, told in two ways; what is 0 or NULL in the second is as in the first. */
struct zip_item {
	const char *name;
	size_t name_length;
	const char *content; /* stored */
	unsigned mode;       /* with the type; 0100644 if 0 */
	unsigned flags, method;
	uint64_t crc, packed, unpacked; /* if they lie */
	const char *local_name;
	unsigned local_flags, local_method;
	uint64_t local_unpacked;
	uint64_t offset;   /* if it lies */
	const char *extra; /* of the central record, and its length */
	size_t extra_length;
};

/* Write the headers and contents of ${n} entries, their directory, and the end. */
void zip_items(const struct zip_item *it, size_t n);

/* ${n} directories of one name. */
void zip_millions(size_t n);

#endif
