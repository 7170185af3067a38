/*
 * check - the smallest harness that says what it saw.
 *
 * Each check prints "ok - <sentence>" or "not ok - <sentence> (file:line, saw …)".  A test program
 * ends with "return check_end();".
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_count, check_failures;

__attribute__((format(printf, 5, 6))) static inline bool
check_that(bool good, const char *file, int line, const char *saw, const char *fmt, ...)
{
	va_list ap;

	check_count++;
	if (!good)
		check_failures++;
	(void)fputs(good ? "ok - " : "not ok - ", stdout);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	if (!good)
		(void)printf(" (%s:%d, saw %s)", file, line, saw);
	(void)putchar('\n');
	return good;
}

static inline bool
check_text(const char *saw, const char *want, const char *file, int line, const char *sentence)
{
	bool good = saw != NULL && want != NULL ? strcmp(saw, want) == 0 : saw == want;

	return check_that(good, file, line, saw != NULL ? saw : "(null)", "%s", sentence);
}

static inline bool
check_number(long long saw, long long want, const char *file, int line, const char *sentence)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%lld", saw);
	return check_that(saw == want, file, line, text, "%s", sentence);
}

/* CHECK(condition, "sentence with %s", …) */
#define CHECK(good_, ...) check_that((good_), __FILE__, __LINE__, "not " #good_, __VA_ARGS__)
#define CHECK_STR(saw_, want_, sentence_) \
	check_text((saw_), (want_), __FILE__, __LINE__, (sentence_))
#define CHECK_INT(saw_, want_, sentence_) \
	check_number((long long)(saw_), (long long)(want_), __FILE__, __LINE__, (sentence_))

/* What takes long and is about sizes alone may be left out now. */
static inline bool
check_quick(void)
{
	return getenv("AWCP_TEST_QUICK") != NULL;
}

static inline int
check_end(void)
{
	(void)printf("1..%d\n", check_count);
	return check_failures == 0 ? 0 : 1;
}

#endif
