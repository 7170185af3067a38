#include "process/environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEPARATORS " \t\n,"

/* Does the list ${names} have ${variable}, which is NAME=value? */
static bool
names_it(const char *names, const char *variable)
{
	size_t length = strcspn(variable, "="), n;

	for (const char *p = names; *(p += strspn(p, SEPARATORS)) != '\0'; p += n) {
		n = strcspn(p, SEPARATORS);
		if (p[n - 1] == '*' ? n - 1 <= length && strncmp(p, variable, n - 1) == 0
				    : n == length && strncmp(p, variable, n) == 0)
			return true;
	}
	return false;
}

/* What is AWCP_ is never the task's: it would find the state by it. */
static bool
passes(const char *variable, const char *more, bool temporary)
{
	static const char always[] = "PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE LC_* TZ";

	if (strncmp(variable, "AWCP_", 5) == 0)
		return false;
	if (strncmp(variable, "TMPDIR=", 7) == 0)
		return temporary;
	return names_it(always, variable) || names_it(more, variable);
}

char **
environment_make(char *const *own, const char *more, bool temporary, struct err *e)
{
	size_t n = 0, cap = 1;

	for (char **p = environ; *p != NULL; p++)
		cap++;
	for (char *const *p = own; *p != NULL; p++)
		cap++;
	char **list = calloc(cap, sizeof *list);
	if (list == NULL) {
		err_memory(e);
		return NULL;
	}
	for (char **p = environ; *p != NULL; p++)
		if (passes(*p, more, temporary))
			list[n++] = *p;
	for (char *const *p = own; *p != NULL; p++)
		list[n++] = *p;
	return list;
}
