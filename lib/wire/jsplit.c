/*
 * What is kept is the text itself, byte for byte, with the one string emptied: its tokens are the
 * same as those of the whole, so whether the text is JSON at all is left to the parser at the end.
 * Only strings, brackets, colons and commas are distinguished here.
 */
#include "wire/jsplit.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsonx.h"

#define GATHER 4096   /* pieces between escapes are put together to this size */
#define BAD_CODE 0x80 /* decoded escapes are ASCII; this stands for any that is not */

_Static_assert(JSONX_DEPTH <= 64, "jsplit.objects has a bit for each container");

enum mode { OUTSIDE, KEY, VALUE, CUT };

struct jsplit {
	const char *const *path;
	jsplit_sink *sink;
	void *arg;
	struct buf rest;
	enum mode mode;
	unsigned depth;   /* containers that are open */
	unsigned on_path; /* how many of them, from the outermost, lie on the path */
	uint64_t objects; /* bit d: the container at depth d + 1 is an object; JSONX_DEPTH bits */
	bool ended;       /* the outermost container was closed */
	bool value_next;  /* a colon was seen: the next string is a value */
	bool key_same;    /* the last key in the innermost container on the path is the path's */
	size_t key_at;    /* bytes of the path's name that the key being read has matched */
	bool found;
	unsigned escape; /* inside an escape: 5 after the backslash, 4 to 1 hex digits to come */
	unsigned code;   /* what those hex digits say so far */
	size_t gathered;
	char gather[GATHER];
};

struct jsplit *
jsplit_new(const char *const *path, size_t max, jsplit_sink *sink, void *arg, struct err *e)
{
	struct jsplit *s = calloc(1, sizeof *s);

	if (s == NULL) {
		err_memory(e);
		return NULL;
	}
	s->path = path;
	s->sink = sink;
	s->arg = arg;
	s->rest = (struct buf)BUF_INIT(max);
	return s;
}

void
jsplit_reset(struct jsplit *s)
{
	s->mode = OUTSIDE;
	s->depth = s->on_path = 0;
	s->objects = 0;
	s->ended = s->value_next = s->key_same = s->found = false;
	s->escape = 0;
	s->gathered = 0;
	buf_clear(&s->rest);
}

void
jsplit_free(struct jsplit *s)
{
	if (s == NULL)
		return;
	buf_free(&s->rest);
	free(s);
}

/* The last name of the path, for messages. */
static const char *
last_name(const struct jsplit *s)
{
	size_t i = 0;

	while (s->path[i] != NULL && s->path[i + 1] != NULL)
		i++;
	return s->path[i];
}

static int
keep_text(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	if (buf_add(&s->rest, p, n, e) < 0)
		return err_add(e, "the JSON without \"%s\"", last_name(s));
	return 0;
}

static int
flush_gathered(struct jsplit *s, struct err *e)
{
	size_t n = s->gathered;

	s->gathered = 0;
	return n > 0 && s->sink != NULL ? s->sink(s->arg, s->gather, n, e) : 0;
}

/* Pass on a piece of the string: a long one in place, short ones together. */
static int
pass_on(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	if (n > GATHER - s->gathered && flush_gathered(s, e) < 0)
		return -1;
	if (n <= GATHER / 4) {
		memcpy(s->gather + s->gathered, p, n);
		s->gathered += n;
		return 0;
	}
	if (flush_gathered(s, e) < 0)
		return -1;
	return s->sink != NULL ? s->sink(s->arg, p, n, e) : 0;
}

/* How many bytes at ${p} are plain ASCII that stands for itself in a string.  It takes eight
 * at a time, and finds quotes, backslashes, control characters and all that is not ASCII in one
 * pass, at a cost that does not depend on how many there are. */
static size_t
plain_length(const char *p, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t x, quote, backslash;
		memcpy(&x, p + i, 8);
		quote = x ^ ones * '"';
		backslash = x ^ ones * '\\';
		/* A byte without its high bit gets it by such a subtraction if it is smaller. */
		if ((x | (x - ones * 0x20) | (quote - ones) | (backslash - ones)) & high)
			break;
	}
	while (i < n && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x80 && p[i] != '"' &&
	       p[i] != '\\')
		i++;
	return i;
}

/* The next character of a key; it can only match as long as all before it did. */
static void
match_key(struct jsplit *s, unsigned code)
{
	if (!s->key_same)
		return;
	unsigned char expected = (unsigned char)s->path[s->on_path - 1][s->key_at];
	if (expected != '\0' && code == expected)
		s->key_at++;
	else
		s->key_same = false;
}

/* An escape is complete and stands for ${code}. */
static int
end_escape(struct jsplit *s, unsigned code, struct err *e)
{
	char c = (char)code;

	s->escape = 0;
	if (s->mode == KEY)
		match_key(s, code < BAD_CODE ? code : 0);
	if (s->mode != CUT)
		return 0;
	if (code == 0 || code >= BAD_CODE)
		return err_set(e, ERR_BAD_MESSAGE, "\"%s\" has a bad escape", last_name(s));
	return pass_on(s, &c, 1, e);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A byte inside an escape. */
static int
read_escape(struct jsplit *s, char c, struct err *e)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	if (s->escape == 5) {
		const char *at = c != '\0' ? strchr(from, c) : NULL;
		s->code = 0;
		s->escape = 4;
		if (c == 'u')
			return 0;
		return end_escape(s, at != NULL ? (unsigned)to[at - from] : BAD_CODE, e);
	}
	int digit = hex_digit(c);
	if (digit < 0) /* the text is broken; a kept string goes to the parser as it is */
		return end_escape(s, BAD_CODE, e);
	s->code = s->code << 4 | (unsigned)digit;
	return --s->escape > 0 ? 0 : end_escape(s, s->code, e);
}

/* The closing quote was read. */
static int
end_string(struct jsplit *s, struct err *e)
{
	if (s->mode == CUT) {
		s->found = true;
		if (flush_gathered(s, e) < 0)
			return -1;
	} else if (s->mode == KEY && s->key_same) {
		s->key_same = s->path[s->on_path - 1][s->key_at] == '\0';
	}
	s->value_next = false;
	s->mode = OUTSIDE;
	return 0;
}

/* Read inside the string that is cut out; returns the bytes used, or -1. */
static ssize_t
read_cut(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	size_t i = 0;

	while (i < n) {
		if (s->escape > 0) {
			if (read_escape(s, p[i++], e) < 0)
				return -1;
			continue;
		}
		size_t run = plain_length(p + i, n - i);
		if (run > 0 && pass_on(s, p + i, run, e) < 0)
			return -1;
		i += run;
		if (i == n)
			break;
		if (p[i] == '"') {
			if (keep_text(s, "\"", 1, e) < 0 || end_string(s, e) < 0)
				return -1;
			return (ssize_t)i + 1;
		}
		if (p[i] != '\\')
			return err_set(e, ERR_BAD_MESSAGE,
				       "\"%s\" has a character that is not allowed in it (0x%02x)",
				       last_name(s), (unsigned char)p[i]);
		s->escape = 5;
		i++;
	}
	return (ssize_t)n;
}

/* Read inside a string that is kept. */
static ssize_t
read_kept(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	size_t i = 0;

	while (i < n && s->mode != OUTSIDE) {
		char c = p[i++];
		if (s->escape > 0)
			(void)read_escape(s, c, e); /* fails only in the string that is cut */
		else if (c == '\\')
			s->escape = 5;
		else if (c == '"')
			(void)end_string(s, e);
		else if (s->mode == KEY)
			match_key(s, (unsigned char)c);
	}
	return keep_text(s, p, i, e) < 0 ? -1 : (ssize_t)i;
}

/* The innermost open container is the path's, and its last key too. */
static bool
at_path(const struct jsplit *s)
{
	return s->depth == s->on_path && s->value_next && s->key_same;
}

static int
begin_string(struct jsplit *s, struct err *e)
{
	bool in_object = s->depth > 0 && (s->objects >> (s->depth - 1) & 1) != 0;

	if (in_object && !s->value_next) {
		s->mode = KEY;
		if (s->depth == s->on_path)
			s->key_same = true;
		s->key_at = 0;
		return 0;
	}
	s->mode = VALUE;
	if (in_object && at_path(s) && s->path[s->depth] == NULL) {
		if (s->found)
			return err_set(e, ERR_BAD_MESSAGE, "\"%s\" is there twice", last_name(s));
		s->mode = CUT;
	}
	return 0;
}

static int
open_container(struct jsplit *s, bool object, struct err *e)
{
	bool on = object && (s->depth == 0 || (at_path(s) && s->path[s->depth] != NULL));

	if (s->depth == JSONX_DEPTH)
		return err_set(e, ERR_BAD_MESSAGE, "the JSON is nested too deep");
	s->objects &= ~(UINT64_C(1) << s->depth);
	s->objects |= (uint64_t)object << s->depth;
	s->depth++;
	if (on)
		s->on_path = s->depth;
	s->value_next = false;
	return 0;
}

static int
close_container(struct jsplit *s, bool object, struct err *e)
{
	if (s->depth == 0 || (s->objects >> (s->depth - 1) & 1) != (uint64_t)object)
		return err_set(e, ERR_BAD_MESSAGE, "the JSON has a bracket too many");
	s->depth--;
	if (s->on_path > s->depth)
		s->on_path = s->depth;
	s->value_next = false;
	s->ended = s->depth == 0;
	return 0;
}

static int
read_structure(struct jsplit *s, char c, struct err *e)
{
	if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
		return 0;
	/* Reported at once, so that a page of HTML need not be collected first. */
	if (s->depth == 0 && (s->ended || c != '{'))
		return err_set(e, ERR_BAD_MESSAGE,
			       s->ended ? "trailing data after the JSON object"
					: "not a JSON object");
	switch (c) {
	case '"':
		return begin_string(s, e);
	case '{':
	case '[':
		return open_container(s, c == '{', e);
	case '}':
	case ']':
		return close_container(s, c == '}', e);
	case ':':
	case ',':
		s->value_next = c == ':';
		return 0;
	default:
		return 0;
	}
}

static ssize_t
read_outside(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	size_t i = 0;

	while (i < n && s->mode == OUTSIDE)
		if (read_structure(s, p[i++], e) < 0)
			return -1;
	return keep_text(s, p, i, e) < 0 ? -1 : (ssize_t)i;
}

int
jsplit_feed(struct jsplit *s, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t used = s->mode == OUTSIDE ? read_outside(s, p, n, e)
			       : s->mode == CUT   ? read_cut(s, p, n, e)
						  : read_kept(s, p, n, e);
		if (used < 0)
			return -1;
		p += used;
		n -= (size_t)used;
	}
	return flush_gathered(s, e);
}

json_t *
jsplit_finish(struct jsplit *s, bool *found, struct err *e)
{
	*found = s->found;
	if (!s->ended) {
		err_set(e, ERR_BAD_MESSAGE,
			s->mode == CUT ? "the JSON ends early, inside \"%s\""
				       : "the JSON ends early",
			last_name(s));
		return NULL;
	}
	return jsonx_parse(s->rest.data, s->rest.len, e);
}
