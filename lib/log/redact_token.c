/* redact_token - credentials that have a form of their own, private keys, passwords in addresses.
 */
#include "log/secret.h"

#include <string.h>

#define LABEL 48 /* bytes of what stands between "-----BEGIN " and "-----", at most */
#define WORD 16  /* bytes of a line of a key that has something before it, at least */

bool
redact_is_strong(const char *p, size_t n, size_t min)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < n; i++) {
		digit |= redact_is_digit(p[i]);
		letter |= redact_is_letter(p[i]);
	}
	return n >= min && digit && letter;
}

static bool
is_base64(char c)
{
	return redact_is_alnum(c) || c == '+' || c == '/' || c == '=';
}

#define HEAD(text) text, sizeof(text) - 1

/* A kind of credential: how it begins, up to the byte that stops us; what may follow that. */
static const struct form {
	const char *head;
	size_t length;    /* of that */
	const char *more; /* bytes beside letters and digits */
	unsigned min;     /* bytes that follow */
	bool mixed;       /* letters large and small, and digits */
} forms[] = {
    {HEAD("awcp_"), "", 32, false},        {HEAD("ghp_"), "", 30, false},
    {HEAD("gho_"), "", 30, false},         {HEAD("ghu_"), "", 30, false},
    {HEAD("ghs_"), "", 30, false},         {HEAD("ghr_"), "", 30, false},
    {HEAD("github_pat_"), "_", 30, false}, {HEAD("npm_"), "", 30, false},
    {HEAD("hf_"), "", 30, true},           {HEAD("sk_live_"), "", 16, false},
    {HEAD("sk_test_"), "", 16, false},     {HEAD("rk_live_"), "", 16, false},
    {HEAD("whsec_"), "+/=", 24, false},    {HEAD("dop_v1_"), "", 32, false},
    {HEAD("shpat_"), "", 24, false},       {HEAD("glpat-"), "_-", 16, false},
    {HEAD("sk-"), "_-", 20, true},         {HEAD("xoxb-"), "-", 16, false},
    {HEAD("xoxp-"), "-", 16, false},       {HEAD("xoxa-"), "-", 16, false},
    {HEAD("xoxr-"), "-", 16, false},       {HEAD("xoxs-"), "-", 16, false},
    {HEAD("xapp-"), "-", 16, false},       {HEAD("pypi-"), "_-", 40, true},
};

static bool
is_mixed(const char *p, size_t n)
{
	bool large = false, small = false;

	for (size_t i = 0; i < n; i++) {
		large |= p[i] >= 'A' && p[i] <= 'Z';
		small |= p[i] >= 'a' && p[i] <= 'z';
	}
	return large && small;
}

/* How many bytes from ${i} are letters, digits or one of ${more}. */
static size_t
run_length(const struct redact_text *t, size_t i, const char *more)
{
	size_t from = i;

	while (i < t->end &&
	       (redact_is_alnum(t->p[i]) || (t->p[i] != '\0' && strchr(more, t->p[i]) != NULL)))
		i++;
	return i - from;
}

/* True if a word begins at ${i}. */
static bool
begins(const struct redact_text *t, size_t i)
{
	return i == t->begin || !(redact_is_alnum(t->p[i - 1]) || t->p[i - 1] == '_' ||
				  t->p[i - 1] == '-' || t->p[i - 1] == '+');
}

static bool
found(const struct redact_text *t, size_t from, size_t to, struct redact_span *s)
{
	*s = (struct redact_span){from, to, to == t->end ? ' ' : '\0'};
	return true;
}

/* May a head end with the byte ${stop} after ${before}?  Few bytes may. */
static bool
may_end(char before, char stop)
{
	return before != '\0' && strchr(stop == '_' ? "pousrmfetc1" : "tkbparsi", before) != NULL;
}

/* One whose head ends at ${i}. */
static bool
has_form(const struct redact_text *t, size_t i, struct redact_span *s)
{
	if (!may_end(t->p[i - 1], t->p[i]))
		return false;
	for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
		const struct form *f = &forms[k];
		size_t from = i + 1 - f->length;
		if (t->p[i - 1] != f->head[f->length - 2] || i + 1 < t->begin + f->length ||
		    memcmp(t->p + from, f->head, f->length) != 0 || !begins(t, from))
			continue;
		size_t n = run_length(t, i + 1, f->more);
		if (redact_is_strong(t->p + i + 1, n, f->min) &&
		    (!f->mixed || is_mixed(t->p + i + 1, n)))
			return found(t, from, i + 1 + n, s);
	}
	return false;
}

/* Cloud keys: AKIA or ASIA and 16 large letters and digits, AIza and 35 of base64url. */
static bool
is_cloud_key(const struct redact_text *t, size_t i, struct redact_span *s)
{
	if (i >= t->begin + 2 && i + 17 < t->end && t->p[i + 1] == 'A' &&
	    (memcmp(t->p + i - 2, "AK", 2) == 0 || memcmp(t->p + i - 2, "AS", 2) == 0)) {
		const char *p = t->p + i + 2;
		size_t n = 0;
		while (n < t->end - i - 2 && redact_is_alnum(p[n]) && !(p[n] >= 'a' && p[n] <= 'z'))
			n++;
		return n == 16 && begins(t, i - 2) && redact_is_strong(p, n, 16) &&
		       found(t, i - 2, i + 18, s);
	}
	if (i > t->begin && i + 3 < t->end && memcmp(t->p + i - 1, "AIza", 4) == 0) {
		size_t n = run_length(t, i + 3, "_-");
		return n >= 32 && begins(t, i - 1) && found(t, i - 1, i + 3 + n, s);
	}
	return false;
}

/* A JSON Web Token: the base64url of {"..., a dot, the same of the claims, a dot, a signature. */
static bool
is_web_token(const struct redact_text *t, size_t i, struct redact_span *s)
{
	size_t from = i - 2, to = i + 1;

	if (i < t->begin + 2 || memcmp(t->p + from, "eyJ", 3) != 0 || !begins(t, from))
		return false;
	for (int part = 0; part < 2; part++) {
		size_t n = run_length(t, to, "_-");
		if (n < 8 || to + n == t->end || t->p[to + n] != '.')
			return false;
		to += n + 1;
	}
	return found(t, from, to + run_length(t, to, "_-"), s);
}

/* "Bearer" and what is shown (RFC 6750). */
static bool
is_bearer(const struct redact_text *t, size_t i, struct redact_span *s)
{
	if (i + 7 >= t->end || memcmp(t->p + i + 1, "earer", 5) != 0 || t->p[i + 6] != ' ' ||
	    !begins(t, i))
		return false;
	size_t from = i + 7;
	while (from < t->end && t->p[from] == ' ')
		from++;
	size_t n = run_length(t, from, "._~+/=-");
	return redact_is_strong(t->p + from, n, 12) && found(t, from, from + n, s);
}

bool
redact_token(const struct redact_text *t, size_t i, struct redact_span *s)
{
	switch (t->p[i]) {
	case 'I':
		return is_cloud_key(t, i, s);
	case 'J':
		return is_web_token(t, i, s);
	case 'B':
		return is_bearer(t, i, s);
	default:
		return i > t->begin + 1 && has_form(t, i, s);
	}
}

bool
redact_address(const struct redact_text *t, size_t i, struct redact_span *s)
{
	size_t colon = 0, at = 0;

	for (size_t k = i + 3; k < t->end && strchr("/?# \t\"'<>\\`", t->p[k]) == NULL; k++) {
		if (t->p[k] == ':' && colon == 0)
			colon = k;
		if (t->p[k] == '@')
			at = k;
	}
	if (colon == 0 || at <= colon + 1 || strchr("$%{<*", t->p[colon + 1]) != NULL)
		return false; /* none, or only a name for one */
	*s = (struct redact_span){colon + 1, at, '\0'};
	return true;
}

/* The quotes, commas and "\n" that a line of a key may have around it in a program or in JSON. */
static void
trim(const struct redact_text *t, struct redact_span *s)
{
	while (s->to > s->from) {
		char c = t->p[s->to - 1], before = s->to > s->from + 1 ? t->p[s->to - 2] : '\0';
		if ((c == 'n' || c == 'r') && before == '\\')
			s->to--;
		else if (strchr(" \t\r\"'`,;+)\\", c) == NULL)
			break;
		s->to--;
	}
	while (s->from < s->to && strchr(" \t\"'`(", t->p[s->from]) != NULL)
		s->from++;
}

/* Where "-----END" is from ${i} on, or the end. */
static size_t
key_end(const struct redact_text *t, size_t i)
{
	const char *end = memmem(t->p + i, t->end - i, "-----END", 8);

	return end == NULL ? t->end : (size_t)(end - t->p);
}

bool
redact_key(const struct redact_text *t, size_t i, struct redact_span *s)
{
	static const char begin[] = "-----BEGIN ", what[] = "PRIVATE KEY";

	if (i + 6 >= t->end || t->p[i + 1] != 'B' || memcmp(t->p + i - 4, begin, 11) != 0)
		return false;
	size_t n = t->end - i - 7 < LABEL ? t->end - i - 7 : LABEL;
	const char *label = memmem(t->p + i + 7, n, what, sizeof what - 1);
	const char *dashes = label == NULL ? NULL
					   : memmem(label,
						    LABEL / 2 < t->end - (size_t)(label - t->p)
							? LABEL / 2
							: t->end - (size_t)(label - t->p),
						    "-----", 5);
	if (dashes == NULL)
		return false;
	size_t from = (size_t)(dashes - t->p) + 5, to = key_end(t, from);
	*s = (struct redact_span){from, from, to == t->end ? '-' : '\0'};
	while (from < to &&
	       (t->p[from] == '\\' || t->p[from] == 'n' || t->p[from] == 'r' || t->p[from] == ' '))
		from++;
	if (run_length(&(struct redact_text){t->p, from, to}, from, "+/=") >= WORD)
		s->to = to; /* all of it in one line */
	return true;
}

bool
redact_key_line(const struct redact_text *t, struct redact_span *s, bool *last)
{
	size_t end = key_end(t, t->begin);

	*last = end < t->end;
	*s = (struct redact_span){t->begin, end, '\0'};
	trim(t, s);
	size_t line = s->from;
	for (size_t i = s->from; i < s->to; i++)
		if (strchr(" \t|", t->p[i]) != NULL)
			s->from = i + 1;
	bool alone = s->from == line;
	trim(t, s);
	bool body = s->to > s->from && (alone || s->to - s->from >= WORD);
	for (size_t i = s->from; body && i < s->to; i++)
		body = is_base64(t->p[i]);
	if (body)
		return true;
	/* What may stand above it: "Proc-Type: 4,ENCRYPTED", an empty line. */
	bool header = alone ? s->to == s->from : memchr(t->p + line, ':', end - line) != NULL;
	s->to = s->from;
	return header || *last;
}
