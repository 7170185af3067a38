#include "base/text.h"

#include <string.h>

#include "base/utf8.h"

#define ESCAPE 0x1b
#define BELL 0x07

size_t
text_unshown(const char *s)
{
	uint32_t c;
	size_t n = utf8_decode(s, &c);

	return n > 0 && (c < 0x20 || (c >= 0x7f && c < 0xa0) || utf8_reorders(c)) ? n : 0;
}

bool
text_is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

bool
text_lists(const char *list, const char *separator, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p != '\0'; p += *p != '\0') {
		size_t m = strcspn(p, separator);
		if (n > 0 && m == n && strncmp(p, word, n) == 0)
			return true;
		p += m;
	}
	return false;
}

/* Bytes of the escape sequence at ${p} (ECMA-48): CSI up to its final byte, OSC and its like up to
 * BEL or ST, or two characters. */
static size_t
escape_length(const unsigned char *p, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	if (p[1] == '[') {
		while (i < n && (p[i] < 0x40 || p[i] > 0x7e))
			i++;
		return i < n ? i + 1 : n;
	}
	if (strchr("]PX^_", p[1]) == NULL)
		return 2;
	while (i < n && p[i] != BELL && p[i] != ESCAPE)
		i++;
	if (i + 1 < n && p[i] == ESCAPE && p[i + 1] == '\\')
		i++;
	return i < n ? i + 1 : n;
}

size_t
text_trim(char *s, size_t n)
{
	size_t back = 0;

	while (back < n && back < 3 && ((unsigned char)s[n - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < n) {
		unsigned char head = (unsigned char)s[n - 1 - back];
		size_t want = head >= 0xf0 ? 3 : head >= 0xe0 ? 2 : head >= 0xc0 ? 1 : 0;
		if (want > back)
			n -= back + 1;
	}
	s[n] = '\0';
	return n;
}

void
text_clean(const char *text, size_t n, char *out, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t length = 0;
	bool cut = false;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == ESCAPE) {
			i += escape_length(p + i, n - i) - 1;
			continue;
		}
		if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\n') || p[i] == 0x7f)
			continue;
		/* U+0080 to U+009F are control characters too. */
		if (p[i] == 0xc2 && i + 1 < n && p[i + 1] >= 0x80 && p[i + 1] < 0xa0) {
			i++;
			continue;
		}
		if (length + 1 == size) {
			cut = true;
			break;
		}
		out[length++] = (char)p[i];
	}
	out[length] = '\0';
	if (cut)
		(void)text_trim(out, length);
}
