/*
 * token - who may call us, until when, and how much.
 *
 * A token is "awcp_" and 64 hex digits (256 random bits).  tokens/<sha256 of it> holds its owner's
 * name, when it expires, and its limits; the token itself is never stored here.
 */
#ifndef ACCESS_TOKEN_H
#define ACCESS_TOKEN_H

#include <jansson.h>

#include "base/err.h"

#define TOKEN_MAX 256    /* bytes of the longest credential with its NUL */
#define TOKEN_NAME 64    /* longest name */
#define TOKEN_QUEUES 512 /* bytes of the names of the queues that a token may use */

/* What a token may do, within what all may do; 0 and "" set no limit. */
struct token_limits {
	long long active;          /* unfinished delegations at a time */
	long long ttl;             /* longest lease, s */
	long long bytes;           /* largest archive of a workspace */
	long long rate;            /* INVITEs a minute */
	char queues[TOKEN_QUEUES]; /* "a,b": what it may use; the first is the default */
};

struct token {
	char name[TOKEN_NAME + 1];
	struct token_limits limits;
};

/* Set the limit in ${text}, such as "ttl=600", "bytes=1G" or "queue=a,b". */
int token_limit(struct token_limits *l, const char *text, struct err *e);

/* Is ${queue} one of those in ${l}, which has some? */
bool token_allows(const struct token_limits *l, const char *queue);

/* ${l} as a token's record has it: {active?, ttl?, bytes?, rate?, queues?: [name]}, a new
 * reference; NULL if it sets none.  And what the record ${token} says; ERR_USAGE if that makes no
 * sense. */
json_t *token_limits_describe(const struct token_limits *l);
int token_limits_read(const json_t *token, struct token_limits *l, struct err *e);

/* Make a token for ${name} ([A-Za-z0-9._-], unique), with ${l} (or NULL), that expires at
 * ${expires} (ms since 1970; 0: never), and write it to ${out}, 70 bytes. */
int token_add(const char *name, const struct token_limits *l, int64_t expires, char out[70],
	      struct err *e);

/* Make a new token for ${name}, with the limits and the expiry of the old one, which stops working,
 * and write it to ${out}, 70 bytes. */
int token_rotate(const char *name, char out[70], struct err *e);

/* Remove the token of ${name}. */
int token_remove(const char *name, struct err *e);

/* Call ${each} for every token with {name, createdAt, expiresAt?, limits?}. */
int token_list(int (*each)(void *arg, const json_t *token), void *arg, struct err *e);

/* Who holds ${credential}, and what may they?  ERR_AUTH_FAILED if nobody does, or not any more. */
int token_holder(const char *credential, struct token *t, struct err *e);

/* As token_holder, only the name. */
int token_owner(const char *credential, char name[TOKEN_NAME + 1], struct err *e);

/* Read a token from the first line of ${path}; a file that others may read is refused. */
int token_read(const char *path, char out[TOKEN_MAX], struct err *e);

#endif
