#include "base/base64.h"

#include <pthread.h>
#include <string.h>

/* Made at the first use: the values of digits, 64 for what is none; two digits for every 12 bits,
 * half the look-ups of one at a time; and the bits of a digit where they go in a group of four, or
 * NO_DIGIT. */
static unsigned char digit[256];
static char pairs[4096][2];
static uint32_t places[4][256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

#define NO_DIGIT ((uint32_t)1 << 24)

static void
make_tables(void)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	memset(digit, 64, sizeof digit);
	for (unsigned char i = 0; i < 64; i++)
		digit[(unsigned char)alphabet[i]] = i;
	for (unsigned i = 0; i < 4096; i++) {
		pairs[i][0] = alphabet[i >> 6];
		pairs[i][1] = alphabet[i & 63];
	}
	for (unsigned i = 0; i < 256; i++)
		for (unsigned place = 0; place < 4; place++)
			places[place][i] =
			    digit[i] == 64 ? NO_DIGIT : (uint32_t)digit[i] << (18 - 6 * place);
}

size_t
base64_encode(const unsigned char *p, size_t n, char *out)
{
	char *o = out;

	(void)pthread_once(&tables_made, make_tables); /* cannot fail with these arguments */
	for (; n >= 3; p += 3, n -= 3, o += 4) {
		uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		memcpy(o, pairs[v >> 12], 2);
		memcpy(o + 2, pairs[v & 4095], 2);
	}
	if (n > 0) {
		uint32_t v = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
		memcpy(o, pairs[v >> 12], 2);
		memcpy(o + 2, pairs[v & 4095], 2);
		o[3] = '=';
		if (n == 1)
			o[2] = '=';
		o += 4;
	}
	return (size_t)(o - out);
}

int
base64_decode(struct base64_decoder *d, const char *p, size_t n, unsigned char *out, size_t *len,
	      struct err *e)
{
	const unsigned char *s = (const unsigned char *)p, *end = s + n;
	unsigned char *o = out;

	(void)pthread_once(&tables_made, make_tables);
	while (s < end) {
		for (; d->count == 0 && d->pads == 0 && end - s >= 4; s += 4, o += 3) {
			uint32_t v =
			    places[0][s[0]] | places[1][s[1]] | places[2][s[2]] | places[3][s[3]];
			if (v >= NO_DIGIT)
				break;
			o[0] = (unsigned char)(v >> 16);
			o[1] = (unsigned char)(v >> 8);
			o[2] = (unsigned char)v;
		}
		if (s == end)
			break;
		unsigned char ch = *s++;
		if (ch == '\r' || ch == '\n')
			continue;
		if (ch == '=') {
			if (d->count + d->pads >= 4 || d->count < 2)
				goto bad;
			d->pads++;
			continue;
		}
		unsigned v = digit[ch];
		if (v == 64 || d->pads > 0)
			goto bad;
		d->bits = d->bits << 6 | v;
		if (++d->count == 4) {
			*o++ = (unsigned char)(d->bits >> 16);
			*o++ = (unsigned char)(d->bits >> 8);
			*o++ = (unsigned char)d->bits;
			d->bits = d->count = 0;
		}
	}
	if (d->pads > 0 && d->count > 0 && d->count + d->pads == 4) {
		/* The group is complete: write its one or two bytes, once. */
		*o++ = (unsigned char)(d->bits >> (d->count == 3 ? 10 : 4));
		if (d->count == 3)
			*o++ = (unsigned char)(d->bits >> 2);
		d->count = 0;
		d->pads = 4;
	}
	*len += (size_t)(o - out);
	return 0;
bad:
	return err_set(e, ERR_CHECKSUM_MISMATCH, "the data is not base64");
}

int
base64_finish(const struct base64_decoder *d, struct err *e)
{
	if (d->count != 0 || (d->pads != 0 && d->pads != 4))
		return err_set(e, ERR_CHECKSUM_MISMATCH, "the base64 data ends early");
	return 0;
}
