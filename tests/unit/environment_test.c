/* Which variables a task may know. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "process/environment.h"

/* The names that pass from ours, each followed by a blank. */
static const char *
passing(const char *more, bool temporary)
{
	static char own[] = "AWCP_ID=1";
	static char text[512];
	char *const list[] = {own, NULL};
	size_t n = 0;

	char **made = environment_make(list, more, temporary, NULL);
	text[0] = '\0';
	for (char **p = made; p != NULL && *p != NULL; p++)
		n +=
		    (size_t)snprintf(text + n, sizeof text - n, "%.*s ", (int)strcspn(*p, "="), *p);
	free(made);
	return text;
}

int
main(void)
{
	char *ours[] = {(char[]){"PATH=/bin"},
			(char[]){"AWCP_HOME=/s"},
			(char[]){"SSH_AUTH_SOCK=/x"},
			(char[]){"LC_ALL=C"},
			(char[]){"PATHS=1"},
			(char[]){"MY_A=1"},
			(char[]){"MY_B=1"},
			(char[]){"TMPDIR=/tmp/mine"},
			(char[]){"MY"},
			NULL};

	environ = ours;
	CHECK_STR(passing("", false), "PATH LC_ALL AWCP_ID ", "few variables pass");
	CHECK_STR(passing("", true), "PATH LC_ALL TMPDIR AWCP_ID ",
		  "TMPDIR where it means something");
	CHECK_STR(passing("MY_A", false), "PATH LC_ALL MY_A AWCP_ID ", "one that is named passes");
	CHECK_STR(passing(" MY_*,PATHS", false), "PATH LC_ALL PATHS MY_A MY_B AWCP_ID ",
		  "so do several, by their beginning");
	CHECK_STR(passing("AWCP_* TMPDIR", false), "PATH LC_ALL AWCP_ID ", "but none of ours");
	return check_end();
}
