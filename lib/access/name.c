#include "access/private.h"

#include <string.h>

int
name_check(const char *what, const char *name, struct err *e)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	if (n >= 1 && n <= NAME_LENGTH && strspn(name, allowed) == n && name[0] != '.')
		return 0;
	err_set(e, ERR_USAGE, "not a %s's name: %.80s", what, name);
	return err_hint(e, "1 to %d letters, digits, . _ and -, not beginning with a dot",
			NAME_LENGTH);
}
