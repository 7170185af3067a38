#include "log/secret.h"

#include <stdlib.h>
#include <string.h>

#define STARS 3          /* written for a secret, or fewer for a shorter one */
#define KEY_LINES 400    /* of a private key, at most: 16384 bits have 200 */
#define WAIT_SECRET 8192 /* bytes of a credential, at most; a JSON Web Token may be long */
#define WAIT_NAME 96     /* of the name or head before it */
#define DEPTH 64

/* The bytes near which a secret may be. */
static const bool stops[256] = {['='] = true, [':'] = true, ['_'] = true, ['-'] = true,
				['J'] = true, ['I'] = true, ['B'] = true};

/* Where a line is rewritten in place: what is before ${written} is done, and what was read up to
 * ${read} is in it. */
struct rewrite {
	char *p;
	size_t written, read;
};

static void
copy_until(struct rewrite *w, size_t at)
{
	if (w->written != w->read)
		memmove(w->p + w->written, w->p + w->read, at - w->read);
	w->written += at - w->read;
	w->read = at;
}

static void
replace(struct rewrite *w, size_t from, size_t to)
{
	copy_until(w, from);
	for (size_t i = 0; i < STARS && i < to - from; i++)
		w->p[w->written++] = '*';
	w->read = to;
}

/* The end of the secret that the previous piece began: its quote, or the end of the word. */
static size_t
open_end(const struct redact *r, const char *p, size_t n)
{
	size_t i = 0;

	if (r->open == ' ') {
		while (i < n && strchr(" \t\"',;&<>|)]}", p[i]) == NULL)
			i++;
		return i;
	}
	while (i < n && p[i] != r->open)
		i += p[i] == '\\' && i + 1 < n ? 2 : 1;
	return i;
}

/* Look for a secret at the byte ${i} that stops us. */
static bool
find_secret(struct redact *r, const struct redact_text *t, size_t i, struct redact_span *s)
{
	switch (t->p[i]) {
	case ':':
		if (i + 2 < t->end && t->p[i + 1] == '/' && t->p[i + 2] == '/')
			return redact_address(t, i, s);
		return redact_assigned(t, i, s);
	case '=':
		return redact_assigned(t, i, s);
	case '-':
		if (i >= t->begin + 4 && redact_key(t, i, s)) {
			r->key = s->open == '-'; /* it goes on in the next line */
			s->open = '\0';
			return true;
		}
		return redact_token(t, i, s);
	default:
		return redact_token(t, i, s);
	}
}

/* A line inside a private key: true if that is all there was to it. */
static bool
in_key(struct redact *r, struct rewrite *w, size_t n)
{
	const struct redact_text t = {w->p, 0, n};
	struct redact_span s;
	bool last;

	if (!redact_key_line(&t, &s, &last) || r->key++ > KEY_LINES) {
		r->key = 0;
		return false;
	}
	if (last)
		r->key = 0;
	if (s.to > s.from)
		replace(w, s.from, s.to);
	copy_until(w, n);
	return true;
}

/* The first of the stops from ${i} on; ${n} if there is none. */
static size_t
next_stop(const char *p, size_t i, size_t n)
{
	while (i + 4 <= n) {
		if (stops[(unsigned char)p[i]])
			return i;
		if (stops[(unsigned char)p[i + 1]])
			return i + 1;
		if (stops[(unsigned char)p[i + 2]])
			return i + 2;
		if (stops[(unsigned char)p[i + 3]])
			return i + 3;
		i += 4;
	}
	while (i < n && !stops[(unsigned char)p[i]])
		i++;
	return i;
}

static bool
is_coded(char c)
{
	return redact_is_alnum(c) || c == '_' || c == '-' || c == '+' || c == '/' || c == '=';
}

/* May a secret be at the stop ${i}?  Cheap, and right for nearly all stops: before "=" and ":"
 * stands the end of such a name, and after the head of a credential come many letters and digits.
 */
static bool
may_be(const char *p, size_t i, size_t n)
{
	static const bool ends[256] = {
	    ['d'] = true,  ['e'] = true, ['n'] = true, ['t'] = true,  ['y'] = true, ['s'] = true,
	    ['l'] = true,  ['D'] = true, ['E'] = true, ['N'] = true,  ['T'] = true, ['Y'] = true,
	    ['S'] = true,  ['L'] = true, ['"'] = true, ['\''] = true, ['`'] = true, [' '] = true,
	    ['\t'] = true, [']'] = true, ['m'] = true, [':'] = true,  ['?'] = true, ['\\'] = true};
	char c = p[i];

	if (c == '=' || (c == ':' && i + 1 < n && p[i + 1] != '/'))
		return i > 0 && ends[(unsigned char)p[i - 1]];
	if (c == '_' || c == '-')
		return i + 1 < n && (p[i + 1] == 'B' ||
				     (i + 16 < n && is_coded(p[i + 1]) && is_coded(p[i + 9]) &&
				      is_coded(p[i + 12]) && is_coded(p[i + 16])));
	return true;
}

size_t
redact_line(struct redact *r, char *p, size_t n, bool ends)
{
	struct rewrite w = {.p = p};
	struct redact_span s;

	if (r->open != '\0') {
		size_t to = open_end(r, p, n);
		if (to > 0)
			replace(&w, 0, to);
		if (to < n || ends)
			r->open = '\0';
	}
	if (r->key != 0 && in_key(r, &w, n))
		return w.written;
	for (size_t i = next_stop(p, w.read, n); i < n; i = next_stop(p, i + 1, n)) {
		if (!may_be(p, i, n))
			continue;
		s.open = '\0';
		if (!find_secret(r, &(struct redact_text){p, w.read, n}, i, &s))
			continue;
		replace(&w, s.from, s.to);
		if (!ends && s.to == n)
			r->open = s.open;
		i = s.to - 1;
	}
	copy_until(&w, n);
	return w.written;
}

/* Can it not be in the middle of a credential? */
static bool
separates(char c)
{
	return c != '\0' && strchr(" \t\"'`,;&<>|(){}[]", c) != NULL;
}

size_t
redact_wait(const struct redact *r, const char *p, size_t n)
{
	size_t begin = n;

	if (r->open != '\0' || r->key != 0)
		return 0; /* the rest of it is known as such */
	while (begin > 0 && n - begin < WAIT_SECRET && !separates(p[begin - 1]))
		begin--;
	if (begin == 0 || n - begin >= WAIT_SECRET)
		return 0; /* no credential is that long */
	size_t from = begin > WAIT_NAME ? begin - WAIT_NAME : 0;
	while (from < begin && from > 0 && !separates(p[from - 1]))
		from++;
	return n - from;
}

void
redact_text(char *s)
{
	struct redact r = {0};
	char *out = s, *end = s + strlen(s);

	while (s < end) {
		char *newline = memchr(s, '\n', (size_t)(end - s));
		char *stop = newline == NULL ? end : newline;
		size_t n = redact_line(&r, s, (size_t)(stop - s), true);
		if (out != s)
			memmove(out, s, n);
		out += n;
		if (newline != NULL)
			*out++ = '\n';
		s = stop + (newline != NULL);
	}
	*out = '\0';
}

static void
redact_string(json_t *o)
{
	size_t n = json_string_length(o);
	char *copy = strlen(json_string_value(o)) == n ? strdup(json_string_value(o)) : NULL;

	if (copy == NULL) { /* no memory, or a NUL in it */
		(void)json_string_set(o, "***");
		return;
	}
	redact_text(copy);
	if (strlen(copy) != n || strcmp(copy, json_string_value(o)) != 0)
		(void)json_string_set(o, copy);
	free(copy);
}

static void
redact_value(json_t *o, int depth)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(o))
		redact_string(o);
	if (depth == DEPTH) {
		(void)json_object_clear(o);
		(void)json_array_clear(o);
	}
	json_object_foreach (o, name, value) {
		redact_value(value, depth + 1);
	}
	json_array_foreach (o, i, value) {
		redact_value(value, depth + 1);
	}
}

void
redact_json(json_t *o)
{
	redact_value(o, 0);
}
