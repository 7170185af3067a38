#include "log/redact.h"

#include <stdlib.h>
#include <string.h>

#include "log/secrets.h"

#define STARS 3          /* written for a secret, or fewer for a shorter one */
#define KEY_LINES 400    /* of a private key, at most: 16384 bits have 200 */
#define WAIT_SECRET 8192 /* bytes of a credential, at most; a JSON Web Token may be long */
#define WAIT_NAME 96     /* of the name or head before it */
#define DEPTH 64

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

static bool
has_key_end(const char *p, size_t n)
{
	return memmem(p, n, "-----END", 8) != NULL;
}

/* Is what begins at byte ${i} behind the head of a private key? */
static bool
is_key(const char *p, size_t i)
{
	return i >= 5 && memcmp(p + i - 5, "-----", 5) == 0;
}

/* The quote that the secret at byte ${i} is in, or ' '. */
static char
quote_before(const char *p, size_t i)
{
	return i > 0 && strchr("\"'`", p[i - 1]) != NULL ? p[i - 1] : ' ';
}

/* Replace the secrets of ${set} in the ${n} bytes at ${p}; returns how many there are then.  Where
 * the search fails nothing of the rest is kept. */
static size_t
replace_matches(struct redact *r, size_t set, char *p, size_t n, bool ends)
{
	struct rewrite w = {.p = p};
	size_t from = 0, to = n;

	for (;;) {
		int found = secrets_find(set, p, n, &from, &to);
		if (found == 0)
			break;
		if (found < 0) {
			replace(&w, w.read, n);
			break;
		}
		if (set == 0 && is_key(p, from))
			r->key = !has_key_end(p + to, n - to);
		else if (to == n && !ends)
			r->open = quote_before(p, from);
		replace(&w, from, to);
		if (to == n)
			break;
		from = to + (from == to);
	}
	copy_until(&w, n);
	return w.written;
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

/* Replace what of the ${n} bytes at ${p} belongs to the secret that the previous piece began. */
static size_t
replace_open(struct redact *r, char *p, size_t n, bool ends)
{
	struct rewrite w = {.p = p};
	size_t to = open_end(r, p, n);

	replace(&w, 0, to);
	copy_until(&w, n);
	if (to < n || ends)
		r->open = '\0';
	return w.written;
}

/* Replace the word of a private key in the line. */
static size_t
replace_key(struct redact *r, char *p, size_t n)
{
	struct rewrite w = {.p = p};
	size_t from = 0, to;

	int found = secrets_find_key_line(p, n, &from, &to);
	if (found <= 0 || r->key++ > KEY_LINES) {
		r->key = 0;
		return n;
	}
	if (has_key_end(p, n))
		r->key = 0;
	replace(&w, from, to);
	copy_until(&w, n);
	return w.written;
}

size_t
redact_line(struct redact *r, char *p, size_t n, bool ends)
{
	if (r->open != '\0')
		n = replace_open(r, p, n, ends);
	if (r->key != 0)
		n = replace_key(r, p, n);
	for (size_t set = 0; set < secrets_sets(); set++)
		n = replace_matches(r, set, p, n, ends);
	return n;
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
