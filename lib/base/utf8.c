#include "base/utf8.h"

/* The Unicode standard's table of well-formed sequences: by the first byte, the range of the second
 * and how many follow in all. */
static const struct {
	unsigned char from, to, low, high, follow;
} sequences[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2}, {0xe1, 0xec, 0x80, 0xbf, 2},
    {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
    {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
};

/* Bytes in the sequence at ${s}, 0 if it is not well formed. */
static size_t
sequence(const unsigned char *s)
{
	if (*s < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
		if (*s < sequences[i].from || *s > sequences[i].to)
			continue;
		if (s[1] < sequences[i].low || s[1] > sequences[i].high)
			return 0;
		for (size_t j = 2; j <= sequences[i].follow; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return sequences[i].follow + (size_t)1;
	}
	return 0;
}

bool
utf8_valid(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = 1;

	for (; *p != '\0' && n != 0; p += n)
		n = sequence(p);
	return n != 0;
}

size_t
utf8_decode(const char *s, uint32_t *c)
{
	static const unsigned char heads[8] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const unsigned char *p = (const unsigned char *)s;
	size_t n = sequence(p);

	*c = p[0] & heads[n & 7];
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	return n;
}

size_t
utf8_encode(uint32_t c, char *out)
{
	static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(heads[n] | c);
	return n;
}

bool
utf8_reorders(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}
