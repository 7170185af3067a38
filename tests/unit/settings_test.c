/* Settings: the table, numbers from the environment, previous names. */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static void
test_numbers(void)
{
	long long n = 7;

	CHECK(setting_parse_number("0", &n) == 0 && n == 0, "0 is a number");
	CHECK(setting_parse_number("3K", &n) == 0 && n == 3072, "K is 1024");
	CHECK(setting_parse_number("8T", &n) == 0 && n == 8LL << 40, "T is 2^40");
	CHECK(setting_parse_number("", &n) < 0 && setting_parse_number("-1", &n) < 0,
	      "nothing and what is below 0 are none");
	CHECK(setting_parse_number("1X", &n) < 0 && setting_parse_number("1KK", &n) < 0,
	      "other letters make it none");
	CHECK(setting_parse_number("99999999999999T", &n) < 0, "so does what does not fit");
}

/* Every default is a value that its setting takes, and a key leads back to its setting. */
static void
test_table(void)
{
	char key[SETTING_KEY];

	for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
		const struct setting *s = &settings[id];
		struct err e = {0};

		CHECK(s->help[0] != '\0', "%s says what it is", s->variable);
		CHECK(setting_check(s, s->fallback, &e) == 0,
		      "the default of %s is a value that it takes", s->variable);
		CHECK(setting_find(s->variable) == s, "%s is found", s->variable);
		CHECK(setting_find(setting_key(s, key)) == s, "the key of %s leads back to it",
		      s->variable);
		CHECK(s->kind != KIND_CHOICE || s->choices != NULL, "%s has choices", s->variable);
	}
	CHECK(setting_find("max-tll") == NULL && setting_find("AWCP_") == NULL,
	      "another name is none");
}

static void
test_number(void)
{
	struct err e = {0};
	long long n;

	(void)unsetenv("AWCP_MAX_TTL");
	CHECK(setting_number(SETTING_MAX_TTL, &n, &e) == 0 && n == 3600,
	      "what is not set, or empty, is the default");
	CHECK(setting_default(SETTING_MIN_FREE) == 1LL << 30, "a default may have a unit");
	(void)setenv("AWCP_MAX_TTL", "2h", 1);
	CHECK(setting_number(SETTING_MAX_TTL, &n, &e) == 0 && n == 7200, "a span may have a unit");
	(void)setenv("AWCP_MAX_TTL", "", 1);
	CHECK(setting_number(SETTING_MAX_TTL, &n, &e) == 0 && n == 3600,
	      "what is not set, or empty, is the default");
	(void)setenv("AWCP_MAX_TTL", "soon", 1);
	CHECK(setting_number(SETTING_MAX_TTL, &n, &e) < 0 && e.code == ERR_CONFIG && n == 3600,
	      "what is not a number is refused, and leaves the default");
	CHECK(strcmp(e.message, "AWCP_MAX_TTL is not a span of time: soon") == 0,
	      "it says which setting and what value");
	(void)unsetenv("AWCP_MAX_TTL");
}

static void
test_alias(void)
{
	(void)unsetenv("AWCP_READER_RETENTION");
	(void)setenv("AWCP_SESSION_RETENTION", "5", 1);
	CHECK(strcmp(setting_text(SETTING_READER_RETENTION), "5") == 0,
	      "the previous name is read");
	(void)setenv("AWCP_READER_RETENTION", "6", 1);
	CHECK(strcmp(setting_text(SETTING_READER_RETENTION), "6") == 0, "the new name wins");
	CHECK(setting_find("session-retention") == &settings[SETTING_READER_RETENTION],
	      "the previous key is known");
	CHECK(setting_find("AWCP_SESSION_RETENTION") == &settings[SETTING_READER_RETENTION],
	      "the previous variable is known");
}

int
main(void)
{
	test_numbers();
	test_table();
	test_number();
	test_alias();
	return check_end();
}
