/*
 * glob - the patterns of gitignore(5).  See glob.h.
 */
#include "tree/glob.h"

#include <ctype.h>
#include <string.h>

/* isalpha(3) and its kin depend on the locale, but not for ASCII, and nothing else is asked. */
static const struct {
	const char *name;
	int (*is)(int);
} classes[] = {
    {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
    {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
    {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* ${name} up to ":]" at ${end}: 1 if ${c} belongs to it, 0 if not, -1 if there is no such class. */
static int
in_class(const char *name, const char *end, unsigned char c)
{
	size_t n = (size_t)(end - name);

	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return c < 128 && classes[i].is(c) != 0;
	return -1;
}

/* Match ${c} with the bracket that begins at *${p} and move *${p} past it: 1, 0, or -1 if it is
 * not well formed. */
static int
match_bracket(const char **p, unsigned char c)
{
	const unsigned char *s = (const unsigned char *)*p + 1;
	bool negated = *s == '!' || *s == '^', found = false;
	unsigned char low = 0; /* what a range may begin with */

	s += negated;
	do {
		if (*s == '[' && s[1] == ':') {
			const char *name = (const char *)s + 2, *close = strchr(name, ']');
			if (close == NULL)
				return -1;
			if (close > name && close[-1] == ':') {
				int in = in_class(name, close - 1, c);
				if (in < 0)
					return -1;
				found |= in == 1;
				low = 0;
				s = (const unsigned char *)close + 1;
				continue;
			}
		}
		bool range = *s == '-' && low != 0 && s[1] != '\0' && s[1] != ']';
		s += range;
		if (*s == '\\')
			s++;
		if (*s == '\0')
			return -1;
		found |= range ? c >= low && c <= *s : c == *s;
		low = range ? 0 : *s;
		s++;
	} while (*s != ']');
	*p = (const char *)s + 1;
	return c != '/' && found != negated;
}

/* Match one byte of text with what stands at *${p}, no star, and move *${p} past it. */
static int
match_one(const char **p, unsigned char c)
{
	const char *s = *p;

	switch (*s) {
	case '\0':
		return 0;
	case '?':
		*p = s + 1;
		return c != '/';
	case '[':
		return match_bracket(p, c);
	case '\\':
		s++;
		break;
	default:
		break;
	}
	if (*s == '\0')
		return -1;
	*p = s + 1;
	return (unsigned char)*s == c;
}

/* If a "**" that stands alone begins at ${p}, the place past it, else NULL. */
static const char *
double_star(const char *pattern, const char *p)
{
	if (p[0] != '*' || p[1] != '*' || (p != pattern && p[-1] != '/'))
		return NULL;
	p += strspn(p, "*");
	return *p == '/' || *p == '\0' ? p : NULL;
}

/* Two places to come back to are enough: the last star, which may take one byte more of its
 * component, and the last double star, which may take one component more.  What stood before them
 * has matched as early as it can. */
bool
glob_match(const char *pattern, const char *text)
{
	const char *p = pattern, *t = text, *after, *next;
	const char *star = NULL, *star_at = NULL, *stars = NULL, *stars_at = NULL;

	for (;;) {
		if ((after = double_star(pattern, p)) != NULL) {
			if (*after == '\0')
				return true;
			stars = p = after + 1;
			stars_at = t;
			star = NULL;
			continue;
		}
		if (*p == '*') {
			p += strspn(p, "*");
			star = p;
			star_at = t;
			continue;
		}
		if (*t == '\0')
			return *p == '\0';
		next = p;
		int matched = match_one(&next, (unsigned char)*t);
		if (matched < 0)
			return false;
		if (matched) {
			if (*t++ == '/')
				star = NULL;
			p = next;
		} else if (star != NULL && *star_at != '/') {
			t = ++star_at;
			p = star;
		} else if (stars != NULL && (t = strchr(stars_at, '/')) != NULL) {
			stars_at = ++t;
			p = stars;
			star = NULL;
		} else {
			return false;
		}
	}
}
