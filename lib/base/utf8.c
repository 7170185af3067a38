#include "base/utf8.h"

#include <stddef.h>

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
