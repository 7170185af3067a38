/*
 * token - who may call us, to do what, until when, and how much.
 *
 * A token is "awcp_" and 64 hex digits (256 random bits).  tokens/<sha256 of it> holds its name,
 * its rights, its tenant, when it expires, and its limits; the token itself is never stored here.
 * What is done with a token belongs to its tenant, which is its name unless its record has another.
 */
#ifndef ACCESS_TOKEN_H
#define ACCESS_TOKEN_H

#include <jansson.h>

#include "base/err.h"
#include "base/sha256.h"

#define TOKEN_MAX 256    /* bytes of the longest credential with its NUL */
#define TOKEN_NAME 64    /* longest name */
#define TOKEN_QUEUES 512 /* bytes of the names of the queues that a token may use */

/* What a token may do.  Each route of each program asks for one of these. */
enum token_right {
	RIGHT_INVITE = 1, /* have tasks run here: INVITE, and all that follows on it */
	RIGHT_LEND = 2,   /* have directories of this machine delegated */
	RIGHT_WORK = 4,   /* take tasks of queues, and end them */
	RIGHT_PUT = 8,    /* put tasks on queues, and steer them */
	RIGHT_READ = 16,  /* look at what its tenant has */
	RIGHT_ENROL = 32, /* enter executors in a registry */
	RIGHT_ADMIN = 64  /* do so for all tenants, and read the metrics */
};

/* Those of a token that is made without naming any, and of one that an earlier version made: what
 * each token may do without danger to others. */
#define RIGHTS_USUAL ((unsigned)(RIGHT_INVITE | RIGHT_WORK | RIGHT_PUT | RIGHT_READ))
#define RIGHTS_ALL 127U
#define RIGHTS_TEXT 64 /* bytes of all their names with a NUL */

/* What a token may do, within what all may do; 0 and "" set no limit. */
struct token_limits {
	long long active;          /* unfinished delegations at a time */
	long long ttl;             /* longest lease, s */
	long long bytes;           /* largest archive of a workspace */
	long long rate;            /* INVITEs a minute */
	long long connections;     /* requests at a time, of each program */
	long long streams;         /* event streams and waiting claims at a time, likewise */
	long long tasks;           /* unfinished tasks of a queue */
	long long disk;            /* bytes of what it has sent and not yet taken back */
	long long questions;       /* questions of a task */
	long long events;          /* bytes of the events of a delegation */
	char queues[TOKEN_QUEUES]; /* "a,b": what it may use; the first is the default */
};

struct token {
	char name[TOKEN_NAME + 1];
	char tenant[TOKEN_NAME + 1];
	char file[SHA256_HEX]; /* of its record; "" for none */
	unsigned rights;       /* of enum token_right, with what the settings add to its record */
	int64_t expires;       /* ms since 1970; 0: never */
	struct token_limits limits;
};

/* The rights in ${text}, such as "invite,read", into *${rights}. */
int rights_parse(const char *text, unsigned *rights, struct err *e);

/* The reverse, with ${between} them, into ${out}. */
const char *rights_format(unsigned rights, const char *between, char out[RIGHTS_TEXT]);

/* As an array of names, as a token's record has them, a new reference; NULL out of memory. */
json_t *rights_describe(unsigned rights);

/* What the record ${token} allows, with what AWCP_CALLERS (to lend) and AWCP_OPERATORS (all
 * tenants) allow the token of its name. */
unsigned rights_of(const json_t *token);

/* Set the limit in ${text}, such as "ttl=600", "bytes=1G" or "queue=a,b". */
int token_limit(struct token_limits *l, const char *text, struct err *e);

/* Is ${queue} one of those in ${l}, which has some? */
bool token_allows(const struct token_limits *l, const char *queue);

/* ${l} as a token's record has it: {active?, ttl?, bytes?, rate?, ..., queues?: [name]}, a new
 * reference; NULL if it sets none.  And what the record ${token} says; ERR_USAGE if that makes no
 * sense. */
json_t *token_limits_describe(const struct token_limits *l);
int token_limits_read(const json_t *token, struct token_limits *l, struct err *e);

/* Make a token as ${t} says, whose .name ([A-Za-z0-9._-]) must be new and whose .file is not looked
 * at, and write it to ${out}, 70 bytes.  .tenant "": its name; .rights 0: RIGHTS_USUAL. */
int token_add(const struct token *t, char out[70], struct err *e);

/* The token called ${t}->name has other .rights, unless those are 0, and another .tenant, unless
 * that is "".  Who holds it keeps it. */
int token_change(const struct token *t, struct err *e);

/* Make a new token for ${name}, with all that the old one's record says, which stops working, and
 * write it to ${out}, 70 bytes. */
int token_rotate(const char *name, char out[70], struct err *e);

/* Remove the token of ${name}. */
int token_remove(const char *name, struct err *e);

/* Call ${each} for every token with {name, createdAt, rights?, tenant?, expiresAt?, limits?}. */
int token_list(int (*each)(void *arg, const json_t *token), void *arg, struct err *e);

/* Who holds ${credential}, and have they one of ${rights}?  ERR_AUTH_FAILED if nobody holds it, or
 * not any more; ERR_DECLINED if it is right, but not for that: then ${t} is filled as well.  Nobody
 * learns whose a token is without saying what for. */
int token_holder(const char *credential, unsigned rights, struct token *t, struct err *e);

/* Has ${t} one of ${rights}?  ERR_DECLINED. */
int token_may(const struct token *t, unsigned rights, struct err *e);

/* What the token with the record ${file} is now; as token_holder, without a question for rights. */
int token_reload(const char *file, struct token *t, struct err *e);

/* Read a token from the first line of ${path}; a file that others may read is refused. */
int token_read(const char *path, char out[TOKEN_MAX], struct err *e);

#endif
