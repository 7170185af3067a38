#include "http/query.h"

#include <stdlib.h>
#include <string.h>

static int
digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c == '\0' ? NULL : strchr(digits, c | (c >= 'A' ? 0x20 : 0));

	return p == NULL ? -1 : (int)(p - digits);
}

/* Decode what is before one of ${ends} (application/x-www-form-urlencoded); moves *${p} there. */
static int
decode(const char **p, const char *ends, char *out, size_t size, struct err *e)
{
	const char *s = *p, *end = s + strcspn(s, ends);
	size_t n = 0;

	while (s < end) {
		char c = *s++;
		if (c == '+')
			c = ' ';
		if (c == '%') {
			int high = end - s >= 2 ? digit(s[0]) : -1;
			int low = high < 0 ? -1 : digit(s[1]);
			if (low < 0)
				return err_set(e, ERR_BAD_MESSAGE, "the query has a bad %%");
			c = (char)(high * 16 + low);
			s += 2;
		}
		if ((unsigned char)c < ' ' || c == 127)
			return err_set(e, ERR_BAD_MESSAGE, "the query has a control character");
		if (n + 1 == size)
			return err_set(e, ERR_BAD_MESSAGE, "the query is too long");
		out[n++] = c;
	}
	out[n] = '\0';
	*p = end;
	return 0;
}

int
query_each(const struct http *h,
	   int (*each)(void *arg, const char *name, const char *value, struct err *e), void *arg,
	   struct err *e)
{
	const char *p = http_variable(h, "QUERY_STRING");
	char name[QUERY_NAME], value[QUERY_VALUE];

	for (; p != NULL && *p != '\0'; p += *p == '&') {
		if (*p == '&')
			continue;
		value[0] = '\0';
		if (decode(&p, "=&", name, sizeof name, e) < 0)
			return -1;
		if (*p == '=' && (p++, decode(&p, "&", value, sizeof value, e) < 0))
			return -1;
		if (each(arg, name, value, e) < 0)
			return -1;
	}
	return 0;
}

int
query_number(const char *name, const char *value, int64_t min, int64_t max, int64_t *number,
	     struct err *e)
{
	char *end;
	long long n = strtoll(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || n < min || n > max)
		return err_set(e, ERR_BAD_MESSAGE, "%s must be a number from %lld to %lld", name,
			       (long long)min, (long long)max);
	*number = n;
	return 0;
}

int
query_unknown(const char *name, const char *known, struct err *e)
{
	err_set(e, ERR_BAD_MESSAGE, "there is no parameter %s here", name);
	return known[0] == '\0' ? -1 : err_hint(e, "there may be: %s", known);
}
