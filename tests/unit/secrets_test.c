/* secrets: the operator's expressions, and what a search may cost. */
#include "log/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "log/redact.h"
#include "scratch.h"

/* Have ${text} be the operator's file, and load it. */
static int
load(const char *text, struct err *e)
{
	FILE *f = fopen("secrets", "w");

	*e = (struct err){0};
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		return -2;
	(void)setenv("AWCP_REDACT", "secrets", 1);
	return secrets_load(e);
}

static void
check_refused(const char *text, const char *message, const char *why)
{
	struct err e;

	CHECK(load(text, &e) == -1 && e.code == ERR_CONFIG, "%s", why);
	CHECK_STR(e.message, message, "and the message says where");
}

static void
check_own(void)
{
	char text[200], long_line[5000];
	struct err e;

	(void)unsetenv("AWCP_REDACT");
	CHECK(secrets_load(&e) == 0 && secrets_sets() == 1, "without a file there are only ours");
	CHECK_INT(load("# a customer\n\nCUST-[0-9]{8}\r\nshop key \\K[A-Z]{6}\n(a+)+[bc]$", &e), 0,
		  "a file is read, with comments and empty lines");
	CHECK_INT(secrets_sets(), 4, "each other line is an expression");
	strcpy(text, "CUST-12345678 shop key ABCDEF, CUST-123 CUST-87654321");
	redact_text(text);
	CHECK_STR(text, "*** shop key ***, CUST-123 ***", "what they match is replaced");
	strcpy(text, "user CUST-12345678 pass"
		     "word=hunter2 CUST-00000000");
	redact_text(text);
	CHECK_STR(text, "user *** password=*** ***", "beside what ours match");

	memset(long_line, 'a', sizeof long_line - 1);
	memcpy(long_line, "begins ", 7);
	long_line[sizeof long_line - 1] = '\0';
	redact_text(long_line);
	CHECK_STR(long_line, "***", "where a search is given up nothing is kept");

	check_refused("fine\n# here\nbad(\n", "secrets:3: missing closing parenthesis at byte 5",
		      "an expression that is wrong is refused");
	check_refused("x*\n", "secrets:1: the expression matches where there is nothing",
		      "and one that matches nothing at all");
	(void)setenv("AWCP_REDACT", "none", 1);
	CHECK(secrets_load(&e) == -1 && e.code == ERR_CONFIG && strstr(e.message, "none") != NULL,
	      "and a file that is not there");
}

/* Lines in which much looks like the beginning of a secret. */
static void
check_cost(void)
{
	static const char *const pieces[] = {"token=",
					     "token: ",
					     "api_key=[",
					     "PASSWORD=%",
					     "password=\"",
					     "token=a_",
					     "://a:b",
					     "pass",
					     "key",
					     "-----BEGIN PRIVATE KEY",
					     " eyJaaaaaaaaa.",
					     "token='x\\\\\\\\",
					     " sk-A",
					     "Bearer a",
					     "Authorization: "};
	static char line[65537];

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		size_t n = strlen(pieces[i]);
		for (size_t at = 0; at + 1 < sizeof line; at++)
			line[at] = pieces[i][at % n];
		line[sizeof line - 1] = '\0';
		clock_t begin = clock();
		redact_text(line);
		double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
		CHECK(took < 5, "64 KiB of %s are read in %.2f s", pieces[i], took);
	}
}

int
main(void)
{
	scratch_open();
	check_cost();
	check_own();
	return check_end();
}
