/*
 * question - what a running task asks a person, and what the person says.
 *
 * A question is an object: "id" (q1, q2, ...), "type", "text", and if they were given "options"
 * (the answer is one of them), "default" (what an empty answer means, and silence), "until" (RFC
 * 3339: nobody is waited for any longer), "secret" (true: the answer is written nowhere for long);
 * "askedAt", and "attempt" in the record of a queue.  One that is over has "outcome", "closedAt",
 * and "answer" and "by" (who answered) where there are any.
 *
 * Both sides may mean harm to the other's terminal, so neither text is kept as it came: escape
 * sequences, control characters other than tab and newline, and characters that change the
 * direction of what follows are dropped.  What is too long is refused, for the end of a text may be
 * what matters.
 */
#ifndef WIRE_QUESTION_H
#define WIRE_QUESTION_H

#include <jansson.h>

#include "base/err.h"

#define QUESTION_ID 16      /* bytes of "q1" with its NUL, at most */
#define QUESTION_TEXT 4096  /* longest text, bytes */
#define QUESTION_OPTIONS 16 /* to choose from, at most */
#define QUESTION_OPTION 200 /* longest of them */
#define QUESTION_ANSWER 4096
#define QUESTION_LINE 65536                     /* of a question as a line of JSON */
#define QUESTION_TIMEOUT ((int64_t)366 * 86400) /* longest, s */

/* Make a question, without an id, of ${asked}: {"type", "text", "options", "default", "timeout"
 * (seconds), "secret"}, of which only the text is needed.  A new reference, or NULL: ERR_BAD_DATA,
 * ERR_TOO_LARGE. */
json_t *question_make(const json_t *asked, struct err *e);

/* A question as ${peer} sends it, checked and cleaned in the same way, with its id, times and
 * outcome; a new reference, or NULL. */
json_t *question_from_peer(const json_t *peer, struct err *e);

/* Write ${answer} to ${question} to ${out} as it is taken: cleaned, and the default if it is empty.
 * ERR_BAD_DATA if it is none of the options. */
int question_take_answer(const json_t *question, const char *answer, char out[QUESTION_ANSWER + 1],
			 struct err *e);

/* Read {"question", "answer"} of ${o}, borrowed: a question's id, or NULL if it names none, and
 * text of any length. */
int question_answer_of(const json_t *o, const char **id, const char **answer, struct err *e);

/* End ${question}: ${outcome} is "answered", "default", "timed_out" or "withdrawn".  ${answer} and
 * ${by} may be NULL. */
int question_close(json_t *question, const char *outcome, const char *answer, const char *by,
		   struct err *e);

/* True if it has no outcome. */
bool question_open(const json_t *question);

/* True if its time is over at ${now}, ms since 1970. */
bool question_late(const json_t *question, int64_t now);

/* Is ${id} like q1? */
bool question_id_valid(const char *id);

/* The question ${id} in ${list}, an array, borrowed; with NULL for ${id} the only open one.
 * ERR_NOT_FOUND, or ERR_USAGE if there are several. */
json_t *question_find(const json_t *list, const char *id, struct err *e);

#endif
