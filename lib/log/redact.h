/*
 * redact - replaces secrets in text by "***" before the text is written anywhere.
 *
 * It finds what has a form of its own (tokens of ours and of well-known services, JSON Web Tokens,
 * blocks of private keys, credentials in headers and addresses), and values that are assigned to a
 * name that gives them away (PASSWORD=..., "apiKey": "...").  The name alone is not enough where it
 * is common in programs: `token = next(p)` is left as it is, and so is a reference such as
 * $PASSWORD.  It is a net for accidents, not a fence: whoever wants a secret to get through can
 * write it backwards.
 *
 * Only text about the work is redacted: logs, output, events, errors.  The content of files,
 * prompts and answers are never touched.
 */
#ifndef LOG_REDACT_H
#define LOG_REDACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The state after the previous lines; all zero for the first. */
struct redact {
	unsigned key; /* inside a private key: lines of it that were seen */
	char open;    /* the last piece of a line ended inside a secret: its quote, or ' ' */
};

/* Redact the line ${p} of ${n} bytes in place; returns how many it has then, never more.  With
 * ${ends} false it is a piece of a line that goes on in the next call. */
size_t redact_line(struct redact *r, char *p, size_t n, bool ends);

/* How many bytes at the end of the ${n} bytes at ${p}, a piece of a line that was redacted, should
 * wait for what follows, since a secret may begin in them.  Less than half of a piece of 32 KiB. */
size_t redact_wait(const struct redact *r, const char *p, size_t n);

/* Redact the text ${s}, of any number of lines, in place. */
void redact_text(char *s);

/* Redact every string in ${o}, which nobody else may be using; what is too deep is left out. */
void redact_json(json_t *o);

#endif
