#include "config/number.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

int
number_parse(const char *text, long long *value)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : *end == 'T' ? 40 : 0;
	if (end == text || errno != 0 || n < 0 || end[shift != 0] != '\0' || n > LLONG_MAX >> shift)
		return -1;
	*value = n << shift;
	return 0;
}
