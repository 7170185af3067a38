/* Tars that mean harm. */
#include <stdlib.h>
#include <string.h>

#include "hostile.h"

/* ${digits} octal digits. */
static void
octal(unsigned char *p, int digits, uint64_t value)
{
	while (digits > 0) {
		p[--digits] = (unsigned char)('0' + (value & 7));
		value >>= 3;
	}
}

void
tar_header(const struct tar_item *it)
{
	unsigned char b[512] = {0};
	unsigned sum = 0;

	size_t prefix = it->type == 'x' || it->type == 'L' ? 0 : strlen(hostile_prefix);
	memcpy(b, hostile_prefix, prefix);
	memcpy(b + prefix, it->name,
	       it->name_length != 0 ? it->name_length : strnlen(it->name, 100 - prefix));
	octal(b + 100, 7, it->mode != 0 ? it->mode : 0644);
	memcpy(b + 108, "0000123", 8); /* owners that nobody here is */
	memcpy(b + 116, "0000123", 8);
	octal(b + 124, 11, it->size);
	if (it->raw_size != NULL)
		memcpy(b + 124, it->raw_size, 12);
	memcpy(b + 136, "07346545000", 12);
	b[156] = (unsigned char)(it->type != 0 ? it->type : '0');
	if (it->link != NULL)
		strncpy((char *)b + 157, it->link, 100);
	memcpy(b + 257, it->gnu ? "ustar  " : "ustar\00000", 8);
	if (it->gnu && it->type == 'S')
		b[386] = b[482] = 1; /* a map, and it goes on */
	memset(b + 148, ' ', 8);
	for (size_t i = 0; i < sizeof b; i++)
		sum += b[i];
	octal(b + 148, 6, sum);
	b[154] = 0;
	make_bytes(b, sizeof b);
}

void
tar_body(const void *p, size_t n)
{
	static const unsigned char zeros[512];

	make_bytes(p, n);
	make_bytes(zeros, (512 - n % 512) % 512);
}

void
tar_end(void)
{
	static const unsigned char zeros[1024];

	make_bytes(zeros, sizeof zeros);
}

static void
file(const char *name, const char *text)
{
	tar_header(&(struct tar_item){.name = name, .size = strlen(text)});
	tar_body(text, strlen(text));
}

static void
node(const char *name, char type, const char *link)
{
	tar_header(&(struct tar_item){.name = name, .type = type, .link = link});
}

/* One special header: 'x' of pax, 'L' and 'K' of GNU. */
static void
special(char type, const void *p, size_t n)
{
	tar_header(
	    &(struct tar_item){.name = "special", .type = type, .size = n, .gnu = type != 'x'});
	tar_body(p, n);
}

static void
pax(const char *record, size_t n)
{
	special('x', record, n);
}

static void
absolute(void)
{
	file("/etc/bad", "1");
}

static void
upwards(void)
{
	file("../bad", "1");
}

static void
upwards_inside(void)
{
	file("a/../../bad", "1");
}

static void
link_out(void)
{
	node("bad", '2', "/etc");
}

static void
link_up(void)
{
	node("a/bad", '2', "../..");
}

static void
hard_link_out(void)
{
	node("bad", '1', "/etc/passwd");
}

static void
character(void)
{
	node("bad", '3', NULL);
}

static void
block(void)
{
	node("bad", '4', NULL);
}

static void
fifo(void)
{
	node("bad", '6', NULL);
}

static void
through_link(void)
{
	node("bad", '2', "d");
	file("bad/x", "1");
}

static void
through_link_out(void)
{
	node("bad", '2', "../../../../tmp");
	file("bad/x", "1");
}

static void
hard_link_in(void)
{
	file("a", "1");
	node("bad", '1', "a");
}

static void
twice(void)
{
	file("bad", "1");
	file("bad", "2");
}

static void
directory_over_file(void)
{
	file("bad", "1");
	node("bad/", '5', NULL);
}

static void
below_file(void)
{
	file("bad", "1");
	file("bad/x", "1");
}

static void
file_over_directory(void)
{
	node("bad/", '5', NULL);
	file("bad", "1");
}

static void
nul_in_name(void)
{
	tar_header(&(struct tar_item){.name = "bad\0hidden", .name_length = 10});
}

static void
nul_in_pax(void)
{
	pax("19 path=bad\0hidden\n", 19);
	file("other", "1");
}

static void
nul_in_pax_link(void)
{
	pax("23 linkpath=bad\0hidden\n", 23);
	node("other", '2', "x");
}

static void
nul_in_long_name(void)
{
	special('L', "bad\0hidden", 11);
	file("other", "1");
}

/* ${n} times ${piece}, as GNU's long name. */
static void
long_name(const char *piece, size_t n)
{
	size_t length = strlen(piece);
	char *name = calloc(n, length + 1);

	for (size_t i = 0; i < n; i++)
		(void)stpcpy(name + i * length, piece);
	special('L', name, n * length + 1);
	file("other", "1");
	free(name);
}

static void
name_of_4096(void)
{
	long_name("bad", 4096 / 3);
}

static void
deep(void)
{
	long_name("d/", 10000);
}

static void
pax_nonsense(void)
{
	pax("99 path=bad\n", 12);
	file("other", "1");
}

static void
pax_no_value(void)
{
	pax("9 pathes\n", 9);
	file("other", "1");
}

static void
pax_huge(void)
{
	tar_header(&(struct tar_item){.name = "bad", .type = 'x', .size = 1 << 30});
}

static void
specials_without_end(void)
{
	for (int i = 0; i < 100; i++)
		pax("12 path=bad\n", 12);
	file("other", "1");
}

static void
map_without_end(void)
{
	unsigned char extension[512];

	for (size_t i = 0; i < 21; i++)
		memcpy(extension + i * 24, "00000000000\00000000000000", 24);
	memset(extension + 504, 1, 8);
	tar_header(&(struct tar_item){.name = "bad", .type = 'S', .gnu = true});
	for (int i = 0; i < 10000; i++)
		make_bytes(extension, sizeof extension);
}

static void
map_of_many(void)
{
	static const char records[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
				      "30 GNU.sparse.realsize=999999\n26 GNU.sparse.name=badone\n";

	pax(records, sizeof records - 1);
	file("GNUSparseFile.0/bad", "999999\n0\n1\n");
}

static void
ends_in_file(void)
{
	tar_header(&(struct tar_item){.name = "bad", .size = 1000000});
	make_bytes("1", 1);
}

static void
negative(void)
{
	tar_header(&(struct tar_item){
	    .name = "bad", .raw_size = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"});
}

static void
immense(void)
{
	tar_header(&(struct tar_item){.name = "bad", .raw_size = "777777777777"});
}

static void
immense_pax(void)
{
	pax("28 size=9223372036854775807\n", 28);
	file("bad", "1");
}

static void
damaged(void)
{
	file("bad", "1");
	tar_body("this is no header at all", 24);
}

static void
no_end(void)
{
	file("bad", "1");
}

static void
behind_end(void)
{
	file("a", "1");
	tar_end();
	file("bad", "1");
}

const struct hostile hostile_tars[] = {
    {"absolute.tar", "/etc/bad", "an absolute path", absolute, false},
    {"upwards.tar", "../bad", "a path upwards", upwards, false},
    {"upwards-inside.tar", "a/../../bad", "a path that turns upwards", upwards_inside, false},
    {"link-out.tar", "bad", "a link to an absolute path", link_out, false},
    {"link-up.tar", "a/bad", "a link upwards", link_up, false},
    {"through-link.tar", "bad/x", "a file through a link", through_link, false},
    {"through-link-out.tar", "bad", "a file through a link that leads out", through_link_out,
     false},
    {"hard-link-out.tar", "bad", "a hard link out", hard_link_out, false},
    {"hard-link-in.tar", "bad", "a hard link", hard_link_in, false},
    {"character.tar", "bad", "a character device", character, false},
    {"block.tar", "bad", "a block device", block, false},
    {"fifo.tar", "bad", "a FIFO", fifo, false},
    {"twice.tar", "bad", "a file that is there twice", twice, false},
    {"directory-over-file.tar", "bad", "a directory over a file", directory_over_file, false},
    {"below-file.tar", "bad/x", "a file below a file", below_file, false},
    {"file-over-directory.tar", "bad", "a file over a directory", file_over_directory, false},
    {"name-of-4096.tar", "badbad", "a name of 4 KB", name_of_4096, false},
    {"deep.tar", "d/d/", "a path of 10,000 directories", deep, false},
    {"pax-huge.tar", "header", "a pax header of 1 GiB", pax_huge, false},
    {"specials.tar", "bad", "special headers without end", specials_without_end, false},
    {"map-without-end.tar", "sparse", "a sparse map without end", map_without_end, false},
    {"map-of-many.tar", "archive", "a sparse map of a million", map_of_many, false},
    {"ends-in-file.tar", "bad", "a file that is cut off", ends_in_file, true},
    {"negative.tar", "archive", "a negative size", negative, false},
    {"immense.tar", "bad", "a size of 68 GB", immense, false},
    {"immense-pax.tar", "archive", "a size of 8 EB", immense_pax, false},
    {"damaged.tar", "bad", "a damaged header", damaged, false},
    {"no-end.tar", "ends early", "no end", no_end, true},
    {0},
};

const struct hostile hostile_taken_tars[] = {
    {"nul-in-name.tar", "bad", "a NUL in a name", nul_in_name, false},
    {"nul-in-pax.tar", "bad", "a NUL in a pax name", nul_in_pax, false},
    {"nul-in-pax-link.tar", "other", "a NUL in a pax link", nul_in_pax_link, false},
    {"nul-in-long-name.tar", "bad", "a NUL in a long name", nul_in_long_name, false},
    {"pax-nonsense.tar", "other", "a pax record longer than its header", pax_nonsense, false},
    {"pax-no-value.tar", "other", "a pax record without a value", pax_no_value, false},
    {"behind-end.tar", "a", "a second tar behind the end", behind_end, false},
    {0},
};
