/* zip_parts: the directories of parts become one, with the places that the entries have got. */
#include "check.h"

#include <string.h>

#include "archive/zip_end.h"
#include "archive/zip_parts.h"

#define BEGIN 5000000000 /* bytes before the second part: more than 32 bits tell */

static unsigned char all[4096];
static size_t used;

static int
put(void *arg, const void *data, size_t n)
{
	(void)arg;
	if (n > sizeof all - used)
		return -1;
	memcpy(all + used, data, n);
	used += n;
	return 0;
}

/* A record of "x" at ${offset}, with the ${n} bytes of fields at ${extra}. */
static void
record(struct zip_parts *p, const char *offset, const char *extra, size_t n)
{
	char fixed[46] = "PK\1\2";

	fixed[28] = 1;
	fixed[30] = (char)n;
	memcpy(fixed + 42, offset, 4);
	(void)buf_add(&p->part, fixed, sizeof fixed, NULL);
	(void)buf_add(&p->part, "x", 1, NULL);
	(void)buf_add(&p->part, extra, n, NULL);
}

static void
end(struct zip_parts *p)
{
	(void)buf_add(&p->part, (char[22]){"PK\5\6"}, 22, NULL);
}

/* The record at ${at}: its offset in ${large} bytes of its fields, ${length} bytes of those. */
static size_t
look(size_t at, uint64_t offset, uint64_t length, size_t large)
{
	const unsigned char *r = all + at;

	CHECK(memcmp(r, "PK\1\2", 4) == 0, "a record is where it should be");
	CHECK_INT((int)zip_number(r + 30, 2), (int)length, "with its fields");
	if (large == 0)
		CHECK(zip_number(r + 42, 4) == offset, "and its place");
	else
		CHECK(zip_number(r + 42, 4) == 0xffffffff && zip_number(r + 47, 2) == 1 &&
			  zip_number(r + 47 + large, 8) == offset,
		      "and its place in 64 bits");
	return at + 47 + length;
}

int
main(void)
{
	struct zip_parts p = {.part = BUF_INIT(65536)};
	struct err e;

	record(&p, "\1\0\0\0", "\x55\x54\1\0x", 5);
	end(&p);
	CHECK_INT(zip_parts_add(&p, BEGIN, &e), 0, "a part is taken");
	record(&p, "\2\0\0\0", "\x55\x54\1\0x", 5);
	record(&p, "\3\0\0\0", "\1\0\10\0SIZESIZE", 12);
	record(&p, "\xff\xff\xff\xff", "\1\0\20\0SIZESIZE\4\0\0\0\0\0\0\0", 20);
	end(&p);
	CHECK_INT(zip_parts_add(&p, BEGIN + 100, &e), 0, "and another");
	CHECK_INT(zip_parts_finish(&p, put, NULL, &e), 0, "and all of it is handed over");

	size_t at = look(0, 1, 5, 0);
	CHECK(memcmp(all + at + 47, "\1\0\10\0", 4) == 0, "a field for the place is added");
	at = look(at, BEGIN + 2, 17, 4);
	at = look(at, BEGIN + 3, 20, 12);
	at = look(at, BEGIN + 4, 20, 12);
	const unsigned char *r = all + at;
	CHECK(memcmp(r, "PK\6\6", 4) == 0 && zip_number(r + 24, 8) == 4 &&
		  zip_number(r + 32, 8) == 4 && zip_number(r + 40, 8) == at &&
		  zip_number(r + 48, 8) == BEGIN + 100,
	      "the end says how many, how long and where");
	CHECK(memcmp(r + 56, "PK\6\7", 4) == 0 && zip_number(r + 64, 8) == BEGIN + 100 + at,
	      "and is found");
	CHECK(memcmp(r + 76, "PK\5\6", 4) == 0 && used == at + 98, "by what ends every ZIP");

	record(&p, "\1\0\0\0", "", 0);
	CHECK(zip_parts_add(&p, 0, &e) < 0, "a part without an end is an error");
	zip_parts_free(&p);
	return check_end();
}
