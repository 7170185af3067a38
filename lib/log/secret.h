/* secret - how a secret in a line is found. */
#ifndef LOG_SECRET_H
#define LOG_SECRET_H

#include "log/redact.h"

/* A line, and the part of it that is searched. */
struct redact_text {
	const char *p;
	size_t begin; /* what is before is done */
	size_t end;
};

/* A secret: from ${from} to before ${to}. */
struct redact_span {
	size_t from, to;
	char open; /* it reaches the end of the line, and may go on: in this quote, or ' ' */
};

static inline bool
redact_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
redact_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
redact_is_alnum(char c)
{
	return redact_is_digit(c) || redact_is_letter(c);
}

/* Is there a secret around byte ${i}?  A credential with a form of its own; what is assigned to a
 * name; a password in an address. */
bool redact_token(const struct redact_text *t, size_t i, struct redact_span *s);
bool redact_assigned(const struct redact_text *t, size_t i, struct redact_span *s);
bool redact_address(const struct redact_text *t, size_t i, struct redact_span *s);

/* Does a private key begin at the dashes before ${i}?  The span is what of it is in this line. */
bool redact_key(const struct redact_text *t, size_t i, struct redact_span *s);

/* The last word of a line inside a private key, empty if there is none in it; false if this is no
 * line of a key. */
bool redact_key_line(const struct redact_text *t, struct redact_span *s, bool *last);

/* At least ${min} bytes, letters and digits among them. */
bool redact_is_strong(const char *p, size_t n, size_t min);

#endif
