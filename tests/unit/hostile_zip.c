/* ZIPs that mean harm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"

#define MOST 8 /* entries of one archive */

static void
number(uint64_t value, int n)
{
	unsigned char b[8];

	for (int i = 0; i < n; i++)
		b[i] = (unsigned char)(value >> (8 * i));
	make_bytes(b, (size_t)n);
}

static uint32_t
crc32_of(const char *p, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320U : 0);
	}
	return ~crc;
}

static struct zip_item
complete(struct zip_item it)
{
	if (it.name_length == 0)
		it.name_length = strlen(it.name);
	if (it.content == NULL)
		it.content = "";
	if (it.mode == 0)
		it.mode = 0100644;
	if (it.packed == 0)
		it.packed = strlen(it.content);
	if (it.unpacked == 0)
		it.unpacked = it.packed;
	if (it.crc == 0)
		it.crc = crc32_of(it.content, strlen(it.content));
	return it;
}

static void
local(const struct zip_item *it)
{
	const char *name = it->local_name != NULL ? it->local_name : it->name;
	size_t length = it->local_name != NULL ? strlen(name) : it->name_length;
	size_t prefix = strlen(hostile_prefix);

	make_bytes("PK\3\4\24", 6);
	number(it->local_flags != 0 ? it->local_flags : it->flags, 2);
	number(it->local_method != 0 ? it->local_method : it->method, 2);
	number(0x50210000, 4);
	number(it->crc, 4);
	number(it->packed, 4);
	number(it->local_unpacked != 0 ? it->local_unpacked : it->unpacked, 4);
	number(prefix + length, 2);
	number(0, 2);
	make_bytes(hostile_prefix, prefix);
	make_bytes(name, length);
	make_bytes(it->content, strlen(it->content));
}

static void
central(const struct zip_item *it, uint64_t offset)
{
	make_bytes("PK\1\2\24\3\24", 8); /* made on Unix */
	number(it->flags, 2);
	number(it->method, 2);
	number(0x50210000, 4);
	number(it->crc, 4);
	number(it->packed, 4);
	number(it->unpacked, 4);
	number(strlen(hostile_prefix) + it->name_length, 2);
	number(it->extra_length, 2);
	number(0, 6); /* comment, disk, what it is */
	number((uint64_t)it->mode << 16, 4);
	number(it->offset != 0 ? it->offset : offset, 4);
	make_bytes(hostile_prefix, strlen(hostile_prefix));
	make_bytes(it->name, it->name_length);
	make_bytes(it->extra, it->extra_length);
}

static void
end(uint64_t count, uint64_t length, uint64_t at)
{
	make_bytes("PK\5\6", 4);
	number(0, 4);
	number(count, 2);
	number(count, 2);
	number(length, 4);
	number(at, 4);
	number(0, 2);
}

/* All but the end; where the directory begins. */
static uint64_t
entries(const struct zip_item *it, size_t n)
{
	struct zip_item all[MOST];
	uint64_t offset[MOST];

	for (size_t i = 0; i < n && i < MOST; i++) {
		all[i] = complete(it[i]);
		offset[i] = make_at();
		local(&all[i]);
	}
	uint64_t at = make_at();
	for (size_t i = 0; i < n && i < MOST; i++)
		central(&all[i], offset[i]);
	return at;
}

void
zip_items(const struct zip_item *it, size_t n)
{
	uint64_t at = entries(it, n);

	end(n, make_at() - at, at);
}

void
zip_millions(size_t n)
{
	struct zip_item one = complete((struct zip_item){.name = "d/", .mode = 0040755});
	uint64_t offset = 0;

	for (size_t i = 0; i < n; i++)
		local(&one);
	uint64_t at = make_at();
	for (size_t i = 0; i < n; i++, offset += at / n)
		central(&one, offset);
	end(n % 65536, make_at() - at, at);
}

/* An archive of these entries. */
#define ZIP(...)                                                  \
	do {                                                      \
		const struct zip_item items[] = {__VA_ARGS__};    \
		zip_items(items, sizeof items / sizeof items[0]); \
	} while (0)

static void
absolute(void)
{
	ZIP({.name = "/etc/bad"});
}

static void
upwards(void)
{
	ZIP({.name = "../bad"});
}

static void
upwards_inside(void)
{
	ZIP({.name = "a/../../bad"});
}

static void
link_out(void)
{
	ZIP({.name = "bad", .mode = 0120777, .content = "/etc"});
}

static void
link_up(void)
{
	ZIP({.name = "a/bad", .mode = 0120777, .content = "../.."});
}

static void
character(void)
{
	ZIP({.name = "bad", .mode = 0020666});
}

static void
block(void)
{
	ZIP({.name = "bad", .mode = 0060666});
}

static void
fifo(void)
{
	ZIP({.name = "bad", .mode = 0010666});
}

static void
socket(void)
{
	ZIP({.name = "bad", .mode = 0140666});
}

static void
twice(void)
{
	ZIP({.name = "bad"}, {.name = "bad"});
}

static void
below_file(void)
{
	ZIP({.name = "bad"}, {.name = "bad/x"});
}

static void
nul(void)
{
	ZIP({.name = "bad\0hidden", .name_length = 10});
}

static void
encrypted(void)
{
	ZIP({.name = "bad", .content = "123456789012", .flags = 1});
}

static void
encrypted_inside(void)
{
	ZIP({.name = "bad", .content = "12", .local_flags = 1});
}

static void
other_name(void)
{
	ZIP({.name = "good", .local_name = "bads"});
}

static void
longer_name(void)
{
	ZIP({.name = "good", .local_name = "good/../../bad"});
}

static void
other_method(void)
{
	ZIP({.name = "bad", .content = "1", .local_method = 8});
}

static void
other_size(void)
{
	ZIP({.name = "bad", .content = "12", .local_unpacked = 9});
}

static void
unknown_method(void)
{
	ZIP({.name = "bad", .content = "1", .method = 97});
}

static void
no_deflate(void)
{
	ZIP({.name = "bad", .content = "\xff\xff", .method = 8});
}

static void
wrong_crc(void)
{
	ZIP({.name = "bad", .content = "1", .crc = 1});
}

static void
longer(void)
{
	ZIP({.name = "bad", .content = "1", .unpacked = 1000});
}

static void
much_longer(void)
{
	ZIP({.name = "bad", .content = "1", .packed = 0xfffffff0});
}

static void
outside(void)
{
	ZIP({.name = "a"}, {.name = "bad", .offset = 5000});
}

static void
in_the_middle(void)
{
	ZIP({.name = "a"}, {.name = "bad", .offset = 7});
}

static void
through_link(void)
{
	ZIP({.name = "bad", .mode = 0120777, .content = "d"}, {.name = "bad/x", .content = "1"});
}

static void
through_link_out(void)
{
	ZIP({.name = "bad", .mode = 0120777, .content = "../../tmp"}, {.name = "bad/x"});
}

static void
directory_over_file(void)
{
	ZIP({.name = "bad"}, {.name = "bad/", .mode = 0040755});
}

static void
file_over_directory(void)
{
	ZIP({.name = "bad/", .mode = 0040755}, {.name = "bad"});
}

/* Two entries whose content is the same. */
static void
overlap(void)
{
	ZIP({.name = "a", .content = "PK\3\4 and so on"}, {.name = "bad", .offset = 1});
}

static void
one_content(void)
{
	uint64_t at = make_at();
	const struct zip_item one = complete((struct zip_item){.name = "a"}),
			      two = complete((struct zip_item){.name = "b"});

	local(&one);
	uint64_t directory = make_at();
	central(&one, at);
	central(&two, at);
	end(2, make_at() - directory, directory);
}

static void
long_name(const char *piece, size_t n)
{
	size_t length = strlen(piece);
	char *name = calloc(n + 1, length);

	for (size_t i = 0; i < n; i++)
		(void)stpcpy(name + i * length, piece);
	ZIP({.name = name, .name_length = n * length});
	free(name);
}

static void
name_of_4096(void)
{
	long_name("badb", 1024);
}

static void
deep(void)
{
	long_name("d/", 10000);
}

static void
counts_one_more(void)
{
	uint64_t at = entries((struct zip_item[]){{.name = "a"}, {.name = "b"}}, 2);

	end(3, make_at() - at, at);
}

static void
counts_one_less(void)
{
	uint64_t at = entries((struct zip_item[]){{.name = "a"}, {.name = "b"}}, 2);

	end(1, make_at() - at, at);
}

static void
other_disk(void)
{
	uint64_t at = entries(&(struct zip_item){.name = "a"}, 1), length = make_at() - at;

	make_bytes("PK\5\6\1\0\1", 8);
	number(1, 2);
	number(1, 2);
	number(length, 4);
	number(at, 4);
	number(0, 2);
}

static void
behind_end(void)
{
	ZIP({.name = "a"});
	make_bytes("and more", 8);
}

static void
two_ends(void)
{
	ZIP({.name = "a"});
	ZIP({.name = "bad"});
}

static void
directory_elsewhere(void)
{
	uint64_t at = entries(&(struct zip_item){.name = "a"}, 1);

	end(1, make_at() - at, at + 1);
}

/* The end with ZIP64 records: of ${count} entries, the directory at ${at}; the locator leads
 * ${off} bytes behind the record. */
static void
large_end(uint64_t count, uint64_t at, uint64_t length, uint64_t off)
{
	uint64_t record = make_at();

	make_bytes("PK\6\6", 4);
	number(44, 8);
	number(45, 2);
	number(45, 2);
	number(0, 8);
	number(count, 8);
	number(count, 8);
	number(length, 8);
	number(at, 8);
	make_bytes("PK\6\7", 4);
	number(0, 4);
	number(record + off, 8);
	number(1, 4);
}

static void
large_count(void)
{
	uint64_t at = entries(&(struct zip_item){.name = "a"}, 1), length = make_at() - at;

	large_end(1ULL << 62, at, length, 0);
	end(0xffff, length, at);
}

static void
large_elsewhere(void)
{
	uint64_t at = entries(&(struct zip_item){.name = "a"}, 1), length = make_at() - at;

	large_end(1, at, length, 1ULL << 63);
	end(1, length, at);
}

static void
large_contradicts(void)
{
	uint64_t at = entries(&(struct zip_item){.name = "a"}, 1), length = make_at() - at;

	large_end(1, at - 1, length + 1, 0);
	end(1, length, at);
}

static void
large_no_field(void)
{
	ZIP({.name = "bad", .unpacked = 0xffffffff});
}

static void
large_short_field(void)
{
	ZIP({.name = "bad", .unpacked = 0xffffffff, .extra = "\1\0\4\0abcd", .extra_length = 8});
}

static void
large_field(void)
{
	ZIP({.name = "bad",
	     .unpacked = 0xffffffff,
	     .extra = "\1\0\10\0\377\377\377\377\377\377\377\177",
	     .extra_length = 12});
}

static void
large_offset(void)
{
	ZIP({.name = "bad",
	     .offset = 0xffffffff,
	     .extra = "\1\0\10\0\0\0\0\0\0\0\0\200",
	     .extra_length = 12});
}

static void
no_directory(void)
{
	make_bytes("PK\3\4", 4);
	make_bytes("no ZIP at all, not even a little", 32);
}

static void
far_directory(void)
{
	end(1, 46, 1000);
}

const struct hostile hostile_zips[] = {
    {"absolute.zip", "/etc/bad", "an absolute path", absolute, false},
    {"upwards.zip", "../bad", "a path upwards", upwards, false},
    {"upwards-inside.zip", "a/../../bad", "a path that turns upwards", upwards_inside, false},
    {"link-out.zip", "bad", "a link to an absolute path", link_out, false},
    {"link-up.zip", "a/bad", "a link upwards", link_up, false},
    {"through-link.zip", "bad/x", "a file through a link", through_link, false},
    {"through-link-out.zip", "bad", "a file through a link out", through_link_out, false},
    {"character.zip", "bad", "a character device", character, false},
    {"block.zip", "bad", "a block device", block, false},
    {"fifo.zip", "bad", "a FIFO", fifo, false},
    {"socket.zip", "bad", "a socket", socket, false},
    {"twice.zip", "bad", "a file that is there twice", twice, false},
    {"directory-over-file.zip", "bad", "a directory over a file", directory_over_file, false},
    {"below-file.zip", "bad/x", "a file below a file", below_file, false},
    {"file-over-directory.zip", "bad", "a file over a directory", file_over_directory, false},
    {"nul.zip", "bad", "a NUL in a name", nul, false},
    {"name-of-4096.zip", "badb", "a name of 4 KB", name_of_4096, false},
    {"deep.zip", "d/d/", "a path of 10,000 directories", deep, false},
    {"encrypted.zip", "bad", "an encrypted entry", encrypted, false},
    {"unknown-method.zip", "bad", "a compression that nobody knows", unknown_method, false},
    {"no-deflate.zip", "bad", "content that is not compressed", no_deflate, false},
    {"wrong-crc.zip", "bad", "a wrong checksum", wrong_crc, false},
    {"longer.zip", "bad", "a size that is too large", longer, false},
    {"much-longer.zip", "bad", "a packed size that is too large", much_longer, false},
    {"outside.zip", "cannot read", "an entry outside of the archive", outside, false},
    {"in-the-middle.zip", "cannot read", "an entry in the middle of another", in_the_middle, false},
    {"overlap.zip", "cannot read", "two entries that overlap", overlap, false},
    {"one-content.zip", "one content", "two entries with one content", one_content, false},
    {"encrypted-inside.zip", "bad", "an entry that is encrypted inside", encrypted_inside, false},
    {"longer-name.zip", "bad", "an entry with a path upwards inside", longer_name, false},
    {"other-method.zip", "bad", "an entry with another method inside", other_method, false},
    {"other-size.zip", "Inconsistent", "an entry with another size inside", other_size, false},
    {"other-disk.zip", "archive", "an archive of two disks", other_disk, false},
    {"behind-end.zip", "damaged", "bytes behind the end", behind_end, false},
    {"directory-elsewhere.zip", "damaged", "a directory elsewhere", directory_elsewhere, false},
    {"large-elsewhere.zip", "damaged", "a ZIP64 end elsewhere", large_elsewhere, false},
    {"large-contradicts.zip", "damaged", "two ends that differ", large_contradicts, false},
    {"large-short-field.zip", "64-bit", "a ZIP64 field that is cut off", large_short_field, false},
    {"large-offset.zip", "64-bit", "a ZIP64 offset of 8 EB", large_offset, false},
    {"no-directory.zip", "damaged", "no directory", no_directory, false},
    {"far-directory.zip", "archive", "a directory behind the end", far_directory, false},
    {0},
};

const struct hostile hostile_taken_zips[] = {
    {"other-name.zip", "bads", "an entry with another name inside", other_name, false},
    {"large-no-field.zip", "bad", "a ZIP64 entry without a size", large_no_field, false},
    {"large-field.zip", "bad", "a ZIP64 size of 8 EB", large_field, false},
    {"counts-one-more.zip", "a out/b", "an entry that is missing", counts_one_more, false},
    {"counts-one-less.zip", "a out/b", "an entry that is not counted", counts_one_less, false},
    {"two-ends.zip", "bad", "an archive after an archive", two_ends, false},
    {"large-count.zip", "a", "a ZIP64 count that lies", large_count, false},
    {0},
};
