#include "base/id.h"

#include <string.h>
#include <sys/random.h>

#include "base/utf8.h"

bool
id_valid(const char *s)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(s);

	return n >= 1 && n <= ID_MAX && strspn(s, allowed) == n;
}

int
id_make(const char *prefix, size_t digits, char out[ID_MAX + 1], struct err *e)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[32];
	size_t n = strlen(prefix);

	if (getrandom(raw, digits / 2, 0) != (ssize_t)(digits / 2))
		return err_sys(e, "cannot get random bytes");
	memcpy(out, prefix, n);
	for (size_t i = 0; i < digits / 2; i++) {
		out[n++] = hex[raw[i] >> 4];
		out[n++] = hex[raw[i] & 15];
	}
	out[n] = '\0';
	return 0;
}

/* May the ${n} bytes at ${name} be the name of a directory that is lent? */
static bool
is_folder(const char *name, size_t n)
{
	static const char *const reserved[] = {"", ".", "..", ".awcp"};

	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (strlen(reserved[i]) == n && strncmp(reserved[i], name, n) == 0)
			return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

bool
id_resource_path_valid(const char *name)
{
	if (strlen(name) > 255 || !utf8_valid(name))
		return false;
	for (const char *p = name;; p++) {
		size_t n = strcspn(p, "/");
		if (!is_folder(p, n))
			return false;
		p += n;
		if (*p == '\0')
			return true;
	}
}

bool
id_resource_valid(const char *name)
{
	return strchr(name, '/') == NULL && id_resource_path_valid(name);
}
