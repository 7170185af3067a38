/*
 * jsonx - jansson with bounds and errors of ours.
 *
 * Members are named by a path such as "task.prompt".  Every function that reads says what was
 * wrong: "task.prompt must be a string".
 */
#ifndef BASE_JSONX_H
#define BASE_JSONX_H

#include <jansson.h>

#include "base/buf.h"

#define JSONX_DEPTH 64  /* objects and arrays inside each other in what a peer sends, at most */
#define JSONX_AROUND 16 /* and more of them that we put around that in what we keep */

/* Parse ${n} bytes as one JSON object; half a surrogate pair becomes U+FFFD; duplicate members,
 * trailing text and more than JSONX_DEPTH containers inside each other are errors.  Returns a new
 * reference or NULL: ERR_BAD_MESSAGE, or ERR_INTERNAL if memory is out, which says nothing of the
 * text. */
json_t *jsonx_parse(const char *p, size_t n, struct err *e);

/* The same for any JSON value. */
json_t *jsonx_parse_any(const char *p, size_t n, struct err *e);

/* The members that are whole in the ${n} first bytes of the text of an object: a new reference to
 * an object with them, or NULL. */
json_t *jsonx_parse_begun(const char *p, size_t n, struct err *e);

/* As jsonx_parse, for text that we wrote ourselves, in which lies what a peer sent. */
json_t *jsonx_parse_own(const char *p, size_t n, struct err *e);

/* The member at ${path}, borrowed; NULL if it or something on the way is missing. */
json_t *jsonx_at(const json_t *o, const char *path);

/* The string at ${path}, borrowed, at most ${max} bytes.  NULL and an error if it is missing, not
 * a string, longer, or has a NUL inside. */
const char *jsonx_string(const json_t *o, const char *path, size_t max, struct err *e);

/* The string at ${path}, borrowed, or ${fallback} if it is missing or not a string. */
const char *jsonx_text(const json_t *o, const char *path, const char *fallback);

/* The integer at ${path}, between ${low} and ${high} (a real without a fraction will do). */
int jsonx_integer(const json_t *o, const char *path, int64_t low, int64_t high, int64_t *value,
		  struct err *e);

/* The same, but a fraction is cut off. */
int jsonx_whole(const json_t *o, const char *path, int64_t low, int64_t high, int64_t *value,
		struct err *e);

/* The number at ${path} as an integer, or ${fallback}. */
int64_t jsonx_number(const json_t *o, const char *path, int64_t fallback);

/* Set member ${key} of ${o} to the string ${s}; a NULL ${s} removes it.  Bytes that are not UTF-8
 * become U+FFFD.  Returns -1 only when memory is out. */
int jsonx_set(json_t *o, const char *key, const char *s);

/* ${s} as a JSON string, as jsonx_set writes it; NULL when memory is out. */
json_t *jsonx_new_text(const char *s);

/* Set the member at ${path} to ${value}, whose reference is taken over; objects that are missing on
 * the way are made.  Returns -1 when memory is out, and for a NULL ${value}. */
int jsonx_put(json_t *o, const char *path, json_t *value);

/* Remove the member at ${path}, if there is one. */
void jsonx_drop(json_t *o, const char *path);

/* Append the string ${s} to the array ${o}; as jsonx_set. */
int jsonx_append(json_t *o, const char *s);

/* Is the string ${s} in the array ${list}? */
bool jsonx_lists(const json_t *list, const char *s);

/* Append ${o} as compact JSON without a newline to ${b}. */
int jsonx_dump(const json_t *o, struct buf *b, struct err *e);

/* The object in the file ${name} of at most ${max} bytes: a new reference, or NULL; then errno is
 * ENOENT if, and only if, there is no such file. */
json_t *jsonx_load(int dirfd, const char *name, size_t max, struct err *e);

/* Replace the file ${name} by ${o} and a newline, as file_replace; ERR_TOO_LARGE if that is more
 * than ${max} bytes. */
int jsonx_save(int dirfd, const char *name, const json_t *o, size_t max, bool durable,
	       struct err *e);

#endif
