/* base64: every split of every short length, and everything that is not base64. */
#include <stdlib.h>

#include "base/base64.h"
#include "check.h"

#define LONGEST 48

static unsigned char bytes[LONGEST];
static char text[BASE64_LENGTH(LONGEST) + 1];

/* Decode ${n} characters in pieces that end at ${a} and ${b}, each into a buffer of exactly the
 * room that the contract asks for (a sanitizer sees a byte too many); -1 or the bytes decoded. */
static long
decode(const char *p, size_t n, size_t a, size_t b, unsigned char *out, struct err *e)
{
	const size_t ends[] = {a, b, n};
	struct base64_decoder d = {0};
	size_t at = 0, total = 0;

	for (size_t i = 0; i < 3; i++) {
		size_t piece = ends[i] - at, room = piece / 4 * 3 + 3, len = 0;
		unsigned char *o = malloc(room);
		if (o == NULL)
			abort();
		int r = base64_decode(&d, p + at, piece, o, &len, e);
		if (r == 0) {
			memcpy(out + total, o, len);
			total += len;
		}
		free(o);
		if (r < 0)
			return -1;
		at = ends[i];
	}
	return base64_finish(&d, e) < 0 ? -1 : (long)total;
}

/* True if ${p} gives ${want} (NULL: an error) in all divisions into three pieces. */
static bool
all_splits(const char *p, size_t n, const unsigned char *want, size_t len)
{
	unsigned char out[BASE64_LENGTH(LONGEST) * 2 + 16];
	struct err e;

	for (size_t a = 0; a <= n; a++) {
		for (size_t b = a; b <= n; b++) {
			long got = decode(p, n, a, b, out, &e);
			if (want == NULL) {
				if (got >= 0 || e.code != ERR_CHECKSUM_MISMATCH)
					return false;
			} else if (got != (long)len || memcmp(out, want, len) != 0) {
				return false;
			}
		}
	}
	return true;
}

static void
test_lengths(void)
{
	for (size_t n = 0; n <= LONGEST; n++) {
		size_t len = base64_encode(bytes, n, text);
		CHECK(len == BASE64_LENGTH(n), "%zu bytes become %zu characters", n, len);
		CHECK(all_splits(text, len, bytes, n), "%zu bytes come back in every split", n);
	}
}

static void
test_encode_split(void)
{
	char again[sizeof text];

	size_t whole = base64_encode(bytes, LONGEST - 1, text);
	for (size_t at = 0; at < LONGEST; at += 3) {
		size_t n = base64_encode(bytes, at, again);
		n += base64_encode(bytes + at, LONGEST - 1 - at, again + n);
		CHECK(n == whole && memcmp(again, text, n) == 0,
		      "encoding in two pieces at %zu gives the same text", at);
	}
}

static void
test_known(void)
{
	static const struct {
		const char *plain, *coded;
	} rfc4648[] = {{"", ""},
		       {"f", "Zg=="},
		       {"fo", "Zm8="},
		       {"foo", "Zm9v"},
		       {"foob", "Zm9vYg=="},
		       {"fooba", "Zm9vYmE="},
		       {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < sizeof rfc4648 / sizeof *rfc4648; i++) {
		const unsigned char *plain = (const unsigned char *)rfc4648[i].plain;
		size_t n = base64_encode(plain, strlen(rfc4648[i].plain), text);
		text[n] = '\0';
		CHECK_STR(text, rfc4648[i].coded, "the RFC's own example is encoded as it says");
	}
	unsigned char every[256];
	for (unsigned i = 0; i < 256; i++)
		every[i] = (unsigned char)i;
	char coded[BASE64_LENGTH(256)];
	unsigned char back[256 + 3];
	struct err e;
	size_t n = base64_encode(every, 256, coded);
	CHECK(decode(coded, n, 0, 0, back, &e) == 256 && memcmp(back, every, 256) == 0,
	      "every byte value comes back");
}

/* Each character at each place of a text: only digits may stand there, and '=' only at the end. */
static void
test_bad_characters(void)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char out[32];
	unsigned wrong = 0;
	struct err e;

	for (size_t at = 0; at < 12; at++) {
		for (unsigned c = 0; c < 256; c++) {
			char t[12 + 1] = "Zm9vYmFyZm9v";
			t[at] = (char)c;
			bool digit = c != 0 && strchr(digits, (int)c) != NULL;
			bool padding = c == '=' && at == 11;
			bool breaks = c == '\r' || c == '\n'; /* skipped: then a digit is missing */
			long got = decode(t, 12, at, at + 1, out, &e);
			long want = digit ? 9 : padding ? 8 : -1;
			if (got != want || (got < 0 && e.code != ERR_CHECKSUM_MISMATCH))
				wrong++;
			if (breaks && strstr(e.message, "ends early") == NULL)
				wrong++;
		}
	}
	CHECK_INT(wrong, 0, "of all characters in all places only the right ones are taken");
}

static void
test_padding(void)
{
	static const char *const bad[] = {
	    "=",     "==",       "====",     "Z",     "Z=",     "Z==",      "Z===",  "Zg",   "Zg=",
	    "Zg===", "Zm8",      "Zm8==",    "Zm9v=", "Zm9v==", "Zg==Zg==", "Zg==Z", "Zg=g", "Z=g=",
	    "=Zg=",  "Zm8=Zm8=", "Zm8=Zm9v", "Zm9vZ", "Zm9vZg", "Zm9vZm8",  "Zg==="};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(all_splits(bad[i], strlen(bad[i]), NULL, 0),
		      "\"%s\" is refused in every split", bad[i]);
}

static void
test_line_breaks(void)
{
	static const char *const good[] = {"Zm9v\r\nYmFy", "Zm9vYmFy\n", "\nZm9vYmFy",
					   "Z\nm\n9\nv\nY\nm\nF\ny\n", "Zm\r\n9vYm\r\nFy\r\n\r\n"};
	static const unsigned char foobar[] = "foobar", fooba[] = "fooba";

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(all_splits(good[i], strlen(good[i]), foobar, 6),
		      "line breaks are skipped in every split (%zu)", i);
	CHECK(all_splits("Zm9vYmE\n=\n", 10, fooba, 5), "a line break may come before padding");
	CHECK(all_splits("Zm9v YmFy", 9, NULL, 0), "a space is refused");
	CHECK(all_splits("Zm9v\tYmFy", 9, NULL, 0), "a tab is refused");
}

int
main(void)
{
	for (size_t i = 0; i < LONGEST; i++)
		bytes[i] = (unsigned char)(i * 151 + 199);
	test_lengths();
	test_encode_split();
	test_known();
	test_bad_characters();
	test_padding();
	test_line_breaks();
	return check_end();
}
