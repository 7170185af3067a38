#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int64_t
clock_ms(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
read_clock(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t); /* cannot fail for the clocks used here */
	return clock_ms(t);
}

int64_t
clock_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

struct timespec
clock_timespec(int64_t ms)
{
	return (struct timespec){.tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000};
}

int64_t
clock_steady(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_since_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

const char *
clock_format(int64_t ms, char out[CLOCK_TEXT])
{
	const int64_t last = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */
	char text[64];
	struct tm tm;

	if (ms < 0)
		ms = 0;
	if (ms > last)
		ms = last;
	time_t t = (time_t)(ms / 1000);
	(void)gmtime_r(&t, &tm);
	(void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		       (int)(ms % 1000));
	memcpy(out, text, CLOCK_TEXT - 1);
	out[CLOCK_TEXT - 1] = '\0';
	return out;
}

/* True if ${text} begins like ${shape}, in which '0' stands for a digit and 'T' for what the caller
 * checks; strptime(3) alone would also take spaces and fewer digits. */
static bool
has_shape(const char *text, const char *shape)
{
	for (; *shape != '\0'; text++, shape++)
		if (*shape == '0'   ? !isdigit((unsigned char)*text)
		    : *shape == 'T' ? *text == '\0'
				    : *text != *shape)
			return false;
	return true;
}

int
clock_parse(const char *text, int64_t *ms, struct err *e)
{
	struct tm tm = {0};
	int milli = 0, hours = 0, minutes = 0, scale = 100;

	if (!has_shape(text, "0000-00-00T00:00:00") || strchr("Tt ", text[10]) == NULL ||
	    strptime(text, "%Y-%m-%d", &tm) == NULL || tm.tm_year < 70)
		goto bad;
	const char *p = strptime(text + 11, "%H:%M:%S", &tm);
	if (p == NULL || tm.tm_sec > 60)
		goto bad;
	if (*p == '.') {
		if (!isdigit((unsigned char)p[1]))
			goto bad;
		for (p++; isdigit((unsigned char)*p); p++, scale /= 10)
			milli += (*p - '0') * scale;
	}
	int64_t offset = 0;
	if (*p == '+' || *p == '-') {
		if (!has_shape(p + 1, "00:00") || sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2 ||
		    hours > 23 || minutes > 59)
			goto bad;
		offset = ((int64_t)hours * 60 + minutes) * 60000 * (*p == '-' ? -1 : 1);
		p += 6;
	} else if (*p == 'Z' || *p == 'z') {
		p++;
	} else {
		goto bad;
	}
	if (*p != '\0')
		goto bad;
	int day = tm.tm_mday, second = tm.tm_sec;
	tm.tm_sec = 0; /* a leap second may be in the next day */
	*ms = ((int64_t)timegm(&tm) + second) * 1000 + milli - offset;
	if (tm.tm_mday != day) /* as of a 31st of November */
		goto bad;
	return 0;
bad:
	return err_set(e, ERR_BAD_DATA, "not a time as in 2026-01-31T12:00:00.000Z: %.40s", text);
}

int
clock_parse_span(const char *text, int64_t *seconds, struct err *e)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (end == text || errno != 0 || !isdigit((unsigned char)text[0]))
		goto bad;
	int64_t unit = 1;
	if (*end != '\0') {
		size_t i = 0;
		while (i < 4 && units[i].unit != *end)
			i++;
		if (i == 4 || end[1] != '\0')
			goto bad;
		unit = units[i].seconds;
	}
	if (n < 1 || n > CLOCK_SPAN_MAX / unit)
		goto bad;
	*seconds = n * unit;
	return 0;
bad:
	err_set(e, ERR_USAGE, "not a span of time: %.40s", text);
	return err_hint(e, "give seconds, or a number with s, m, h or d, for example 15m");
}

int64_t
clock_backoff(int attempt)
{
	uint32_t chance = 0;

	if (attempt < 1)
		return 0;
	int64_t max = INT64_C(500) << (attempt < 5 ? attempt : 5);
	if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) < 0)
		chance = (uint32_t)clock_steady(); /* at boot; anything will do */
	return max - (int64_t)(chance % (uint32_t)(max / 2 + 1));
}
