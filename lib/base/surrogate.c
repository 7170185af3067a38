#include "base/surrogate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What the escape "\uXXXX" at ${i} of the ${n} bytes at ${p} stands for; 0 if there is none. */
static unsigned
unit_at(const char *p, size_t n, size_t i)
{
	char digits[5] = "";

	if (i > n || n - i < 6 || p[i] != '\\' || p[i + 1] != 'u')
		return 0;
	memcpy(digits, p + i + 2, 4);
	return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (unsigned)strtoul(digits, NULL, 16)
							     : 0;
}

static bool
is_first(unsigned unit)
{
	return unit >> 10 == 0xd800 >> 10;
}

static bool
is_second(unsigned unit)
{
	return unit >> 10 == 0xdc00 >> 10;
}

int
surrogate_mend(const char *p, size_t n, char **mended)
{
	*mended = NULL;
	for (size_t i = 0; i < n;) {
		unsigned unit = unit_at(p, n, i);
		if (is_first(unit) && is_second(unit_at(p, n, i + 6))) {
			i += 12;
			continue;
		}
		if (is_first(unit) || is_second(unit)) {
			if (*mended == NULL) {
				*mended = malloc(n);
				if (*mended == NULL)
					return -1;
				memcpy(*mended, p, n);
			}
			memcpy(*mended + i + 2, "fffd", 4);
		}
		i += unit != 0 ? 6 : p[i] == '\\' ? 2 : 1;
	}
	return 0;
}
