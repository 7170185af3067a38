/* clock: times as RFC 3339 and spans of time. */
#include "check.h"
#include "base/clock.h"

static void
test_format(void)
{
	static const struct {
		int64_t ms;
		const char *text;
	} times[] = {{0, "1970-01-01T00:00:00.000Z"},
		     {1, "1970-01-01T00:00:00.001Z"},
		     {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
		     {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
		     {INT64_C(1795165542375), "2026-11-20T09:05:42.375Z"},
		     {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
		     {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"}};
	char text[CLOCK_TEXT];
	int64_t ms = -1;
	struct err e;

	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		CHECK_STR(clock_format(times[i].ms, text), times[i].text, "a time is written");
		CHECK(clock_parse(text, &ms, &e) == 0 && ms == times[i].ms, "%s comes back", text);
	}
	CHECK_STR(clock_format(-1, text), "1970-01-01T00:00:00.000Z",
		  "times before 1970 are clipped");
	CHECK_STR(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z",
		  "times after 9999 are clipped");
}

static void
test_round(void)
{
	char text[CLOCK_TEXT];
	int64_t back = 0;
	unsigned wrong = 0;
	struct err e;

	/* A step that is prime to seconds, days and years visits every field. */
	for (int64_t ms = 0; ms < INT64_C(253402300799999); ms += INT64_C(2600000000087))
		if (clock_parse(clock_format(ms, text), &back, &e) < 0 || back != ms)
			wrong++;
	CHECK_INT(wrong, 0, "times from 1970 to 9999 come back");
}

static void
test_parse(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"2026-11-20T09:05:42Z", INT64_C(1795165542000)},
		    {"2026-11-20T09:05:42.3Z", INT64_C(1795165542300)},
		    {"2026-11-20T09:05:42.375999999Z", INT64_C(1795165542375)},
		    {"2026-11-20T10:05:42.375+01:00", INT64_C(1795165542375)},
		    {"2026-11-20T03:35:42.375-05:30", INT64_C(1795165542375)},
		    {"2026-11-20t09:05:42.375z", INT64_C(1795165542375)},
		    {"2026-11-20 09:05:42.375Z", INT64_C(1795165542375)},
		    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)}};
	int64_t ms;
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ms = -1;
		CHECK(clock_parse(good[i].text, &ms, &e) == 0 && ms == good[i].ms,
		      "%s is read (as %lld)", good[i].text, (long long)ms);
	}
}

static void
test_bad(void)
{
	static const char *const bad[] = {"",
					  "2026",
					  "2026-11-20",
					  "2026-11-20T09:05:42",
					  "2026-11-20T09:05:42.Z",
					  "2026-11-20T09:05:42,5Z",
					  "2026-11-20T09:05:42.375",
					  "2026-11-20T09:05:42.375Zx",
					  "2026-11-20T09:05:42.375Z ",
					  "2026-13-20T09:05:42Z",
					  "2026-00-20T09:05:42Z",
					  "2026-11-00T09:05:42Z",
					  "2026-11-32T09:05:42Z",
					  "2026-11-20T24:05:42Z",
					  "2026-11-20T09:60:42Z",
					  "2026-11-20T09:05:61Z",
					  "1969-12-31T23:59:59Z",
					  "2026-11-20T09:05:42+0100",
					  "2026-11-20T09:05:42+1:00",
					  "2026-11-20T09:05:42+",
					  "20261120T090542Z",
					  "2026/11/20T09:05:42Z",
					  "now",
					  "-2026-11-20T09:05:42Z",
					  "2026-11-31T00:00:00Z",
					  "2026-02-29T00:00:00Z",
					  "2026-1-20T09:05:42Z",
					  " 2026-11-20T09:05:42Z",
					  "2026- 1-20T09:05:42Z",
					  "2026-11-20T+9:05:42Z",
					  "2026-11-20T09:05:42+99:99"};
	int64_t ms;
	struct err e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e.code = ERR_NONE;
		CHECK(clock_parse(bad[i], &ms, &e) == -1 && e.code == ERR_BAD_DATA,
		      "\"%s\" is not a time", bad[i]);
	}
}

static void
test_span(void)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: not a span */
	} spans[] = {{"1", 1},
		     {"90", 90},
		     {"90s", 90},
		     {"15m", 900},
		     {"2h", 7200},
		     {"7d", 604800},
		     {"3660d", INT64_C(316224000)},
		     {"3661d", -1},
		     {"0", -1},
		     {"-1", -1},
		     {"+1", -1},
		     {" 1", -1},
		     {"", -1},
		     {"m", -1},
		     {"1w", -1},
		     {"1mm", -1},
		     {"1 m", -1},
		     {"1.5h", -1},
		     {"0x10", -1},
		     {"9223372036854775807", -1},
		     {"9223372036854775807d", -1},
		     {"99999999999999999999", -1}};
	int64_t seconds;
	struct err e;

	for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
		seconds = -1;
		int r = clock_parse_span(spans[i].text, &seconds, &e);
		if (spans[i].seconds > 0)
			CHECK(r == 0 && seconds == spans[i].seconds, "\"%s\" is %lld s",
			      spans[i].text, (long long)seconds);
		else
			CHECK(r == -1 && e.code == ERR_USAGE, "\"%s\" is not a span",
			      spans[i].text);
	}
}

static void
test_backoff(void)
{
	CHECK_INT(clock_backoff(0), 0, "the first try need not wait");
	for (int attempt = 1; attempt <= 7; attempt++) {
		int64_t most = 500 << (attempt < 5 ? attempt : 5), low = most, high = 0;
		for (int i = 0; i < 1000; i++) {
			int64_t ms = clock_backoff(attempt);
			low = ms < low ? ms : low;
			high = ms > high ? ms : high;
		}
		CHECK(low >= most / 2 && high <= most, "try %d waits %lld to %lld ms", attempt,
		      (long long)most / 2, (long long)most);
		CHECK(high - low > most / 4, "and not always the same time");
	}
}

int
main(void)
{
	test_format();
	test_round();
	test_parse();
	test_bad();
	test_span();
	test_backoff();
	int64_t a = clock_steady(), b = clock_steady();
	CHECK(b >= a, "the steady clock does not go back");
	CHECK(clock_now() > INT64_C(1577836800000), "the wall clock is later than 2020");
	return check_end();
}
