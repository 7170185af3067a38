/*
 * redact_assigned - values that are assigned to a name that gives them away.
 *
 *	PASSWORD=hunter2	"apiKey": "k3..."	token: ...	Authorization: Basic ...
 *
 * Programs are full of such names, so how much a value must resemble a secret depends on how it is
 * written: in quotes or after PASSWORD= hardly, after `token = ` very much.
 */
#include "log/secret.h"

#include <string.h>
#include <strings.h>

#define NAME 64 /* bytes of a name that are examined */
#define SPACES 16

enum strength { PASSWORD, TOKEN, HEADER };

/* How names end, without "_" and "-" and in small letters. */
static const struct {
	const char *end;
	enum strength strength;
} names[] = {
    {"password", PASSWORD}, {"passwd", PASSWORD},   {"passphrase", PASSWORD},
    {"secret", TOKEN},      {"token", TOKEN},       {"apikey", TOKEN},
    {"accesskey", TOKEN},   {"secretkey", TOKEN},   {"privatekey", TOKEN},
    {"authkey", TOKEN},     {"accountkey", TOKEN},  {"encryptionkey", TOKEN},
    {"signingkey", TOKEN},  {"sharedkey", TOKEN},   {"masterkey", TOKEN},
    {"credential", TOKEN},  {"credentials", TOKEN}, {"authorization", HEADER},
    {"dbpass", PASSWORD},   {"smtppass", PASSWORD}, {"userpass", PASSWORD},
};

/* What programs and their documentation assign to such names. */
static const char *const words[] = {
    "string",   "text",     "null",       "none",   "true",     "false",     "undefined",
    "password", "passwd",   "secret",     "token",  "required", "optional",  "default",
    "unknown",  "redacted", "masked",     "hidden", "missing",  "invalid",   "expired",
    "example",  "empty",    "passphrase", "value",  "changed",  "incorrect", "boolean",
};

struct assignment {
	enum strength strength;
	bool loud;     /* PASSWORD, not password */
	bool attached; /* no space around it */
	char op;       /* '=' or ':' */
	char quote;    /* around the value, or '\0' */
	const char *value;
	size_t n;
	char after; /* the byte after the value, '\0' at the end of the line */
};

/* Which name ends before ${end}?  False if it gives nothing away. */
static bool
know_name(const struct redact_text *t, size_t end, struct assignment *a)
{
	char name[NAME + 1];
	size_t n = sizeof name - 1, from = end;
	bool small = false;

	/* Most names end in another way. */
	if (end == t->begin || strchr("dentyslDENTYSL", t->p[end - 1]) == NULL)
		return false;
	name[n] = '\0';
	for (; from > t->begin && n > 0; from--) {
		char c = t->p[from - 1];
		small |= c >= 'a' && c <= 'z';
		if (redact_is_alnum(c))
			name[--n] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		else if (c != '_' && c != '-')
			break;
	}
	a->loud = !small;
	size_t have = NAME - n;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		size_t length = strlen(names[i].end);
		if (have >= length && memcmp(name + NAME - length, names[i].end, length) == 0) {
			a->strength = names[i].strength;
			return true;
		}
	}
	return false;
}

/* Step back over the sequence that ends a colour (ECMA-48) before ${end}. */
static size_t
before_colour(const struct redact_text *t, size_t end)
{
	size_t i = end - 1;

	while (i > t->begin && (redact_is_digit(t->p[i - 1]) || t->p[i - 1] == ';'))
		i--;
	return i > t->begin + 1 && memcmp(t->p + i - 2, "\033[", 2) == 0 ? i - 2 : end;
}

/* Step over one that begins a colour at ${i}. */
static size_t
behind_colour(const struct redact_text *t, size_t i)
{
	size_t end = i + 2;

	if (end >= t->end || memcmp(t->p + i, "\033[", 2) != 0)
		return i;
	while (end < t->end && (redact_is_digit(t->p[end]) || t->p[end] == ';'))
		end++;
	return end < t->end && t->p[end] == 'm' ? end + 1 : i;
}

/* Where the name ends that the operator at ${i} assigns to. */
static size_t
name_end(const struct redact_text *t, size_t i, struct assignment *a)
{
	size_t end = i;

	if (a->op == '=' && end > t->begin && (t->p[end - 1] == ':' || t->p[end - 1] == '?'))
		end--;
	for (int k = 0; k < SPACES && end > t->begin && strchr(" \t", t->p[end - 1]) != NULL; k++)
		end--;
	a->attached = end == i;
	if (end > t->begin && t->p[end - 1] == 'm')
		end = before_colour(t, end);
	if (end > t->begin && t->p[end - 1] == ']')
		end--;
	if (end > t->begin && strchr("\"'`", t->p[end - 1]) != NULL)
		end--;
	if (end > t->begin && t->p[end - 1] == '\\')
		end--;
	return end;
}

/* Does "=" or ":" at ${i} assign? */
static bool
assigns(const struct redact_text *t, size_t i)
{
	char before = i > t->begin ? t->p[i - 1] : '\0', next = i + 1 < t->end ? t->p[i + 1] : '\0';

	if (t->p[i] == ':')
		return next != ':' && before != ':' && next != '=';
	return next != '=' && next != '~' && strchr("!<>=+*/%&|^~-", before) == NULL;
}

/* Where the value begins after the operator at ${i}. */
static size_t
value_begin(const struct redact_text *t, size_t i, struct assignment *a)
{
	size_t from = i + 1;

	if (a->op == '=' && from < t->end && t->p[from] == '>')
		from++;
	for (int k = 0; k < SPACES && from < t->end && strchr(" \t", t->p[from]) != NULL; k++) {
		a->attached = false;
		from++;
	}
	from = behind_colour(t, from);
	if (from + 1 < t->end && t->p[from] == '\\' && strchr("\"'", t->p[from + 1]) != NULL)
		from++;
	a->quote = '\0';
	if (from < t->end && strchr("\"'`", t->p[from]) != NULL)
		a->quote = t->p[from++];
	return from;
}

static size_t
value_end(const struct redact_text *t, size_t i, const struct assignment *a)
{
	if (a->quote == '\0') {
		while (i < t->end && strchr(" \t\"'`,;&<>|)]}\033", t->p[i]) == NULL)
			i++;
		return i;
	}
	while (i < t->end && t->p[i] != a->quote) {
		if (t->p[i] == '\\' && i + 1 < t->end) {
			if (t->p[i + 1] == a->quote) /* \"name\":\"value\" ends so, too */
				break;
			i++;
		}
		i++;
	}
	return i < t->end ? i : t->end;
}

/* Is it a name for a value, a placeholder, or what was redacted before? */
static bool
is_reference(const struct assignment *a)
{
	const char *p = a->value;

	if (a->n == 0 || strchr("$<{%@(`!", p[0]) != NULL)
		return true;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i]) == a->n && strncasecmp(p, words[i], a->n) == 0)
			return true;
	for (size_t i = 1; i < a->n; i++)
		if (p[i] != p[0])
			return false;
	return a->n > 2 || p[0] == '*'; /* "***", "xxxx", "..." */
}

static bool
is_path(const struct assignment *a)
{
	if (a->value[0] != '/' && a->value[0] != '.' && a->value[0] != '~')
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->value[i] >= 'A' && a->value[i] <= 'Z')
			return false;
	return true;
}

/* An expression of some programming language. */
static bool
is_code(const struct assignment *a)
{
	bool dotted = true;

	for (size_t i = 0; i < a->n; i++) {
		char c = a->value[i];
		if (strchr("([{\\", c) != NULL ||
		    (i + 1 < a->n &&
		     (memcmp(a->value + i, "->", 2) == 0 || memcmp(a->value + i, "::", 2) == 0)))
			return true;
		dotted &= redact_is_letter(c) || c == '_' || c == '.';
	}
	return dotted && (a->after == '.' || strchr(",;)]}>|", a->after) != NULL) &&
	       a->after != '\0';
}

/* A type, such as uint64_t. */
static bool
is_type(const struct assignment *a)
{
	static const char *const types[] = {"int", "uint", "float", "utf", "base", "sha", "char"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (a->n < 12 && strncasecmp(a->value, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

/* All but ${n} bytes of it are dots, dashes or "_", and there is one. */
static bool
is_joined(const struct assignment *a, size_t n)
{
	size_t joints = 0;

	for (size_t i = 0; i < a->n; i++)
		joints += strchr("_.-", a->value[i]) != NULL;
	return joints > 0 && n + joints == a->n;
}

/* Words, joined by dots, dashes or "_", with few digits: a name. */
static bool
is_word(const struct assignment *a)
{
	size_t digits = 0, letters = 0;

	for (size_t i = 0; i < a->n; i++) {
		digits += redact_is_digit(a->value[i]);
		letters += redact_is_letter(a->value[i]);
	}
	return letters == a->n || (digits * 4 < letters && is_joined(a, digits + letters));
}

static bool
is_number(const struct assignment *a)
{
	for (size_t i = 0; i < a->n; i++)
		if (!redact_is_digit(a->value[i]) && a->value[i] != '.')
			return false;
	return true;
}

static bool
has_space(const struct assignment *a)
{
	return memchr(a->value, ' ', a->n) != NULL;
}

static bool
is_secret(const struct assignment *a)
{
	bool password = a->strength == PASSWORD;

	if (is_reference(a))
		return false;
	if (a->quote != '\0' && password)
		return a->n >= 3 && !has_space(a) && memchr(a->value, '%', a->n) == NULL &&
		       a->value[a->n - 1] != ':';
	if (a->quote != '\0')
		return !has_space(a) && !is_path(a) && redact_is_strong(a->value, a->n, 8);
	if (is_path(a) || is_code(a))
		return false;
	if (a->loud && a->attached && a->op == '=')
		return password ? a->n >= 3 : a->n >= 6 && !is_number(a);
	if (a->attached && a->op == '=')
		return password ? a->n >= 3 : !is_word(a) && redact_is_strong(a->value, a->n, 8);
	if (is_type(a) || is_word(a))
		return false;
	return password ? a->n >= 4 : redact_is_strong(a->value, a->n, 16);
}

/* The value of "Authorization:" is a scheme and what is shown, in quotes perhaps with the name. */
static bool
is_header(const struct redact_text *t, size_t from, size_t to, struct redact_span *s)
{
	static const char *const schemes[] = {"basic", "bearer", "token", "digest", "negotiate"};
	size_t scheme = from;

	while (scheme < t->end && redact_is_letter(t->p[scheme]))
		scheme++;
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		if (strlen(schemes[i]) != scheme - from ||
		    strncasecmp(t->p + from, schemes[i], scheme - from) != 0)
			continue;
		while (scheme < t->end && t->p[scheme] == ' ')
			scheme++;
		to = scheme;
		while (to < t->end && strchr(" \t\"'`,;<>", t->p[to]) == NULL)
			to++;
		if (to - scheme < 6 || strchr("$<{%", t->p[scheme]) != NULL)
			return false;
		*s = (struct redact_span){scheme, to, to == t->end ? ' ' : '\0'};
		return true;
	}
	for (size_t i = from; i < to; i++)
		if (!redact_is_alnum(t->p[i]) && strchr("._~+/=-", t->p[i]) == NULL)
			return false; /* an expression */
	*s = (struct redact_span){from, to, to == t->end ? ' ' : '\0'};
	return redact_is_strong(t->p + from, to - from, 16);
}

bool
redact_assigned(const struct redact_text *t, size_t i, struct redact_span *s)
{
	struct assignment a = {.op = t->p[i]};

	if (!assigns(t, i) || !know_name(t, name_end(t, i, &a), &a))
		return false;
	size_t from = value_begin(t, i, &a), to = value_end(t, from, &a);
	if (a.strength == HEADER)
		return is_header(t, from, to, s);
	a.value = t->p + from;
	a.n = to - from;
	a.after = to < t->end ? t->p[to] : '\0';
	*s = (struct redact_span){from, to, to < t->end ? '\0' : a.quote != '\0' ? a.quote : ' '};
	return is_secret(&a);
}
