/*
 * err - what went wrong, said once by whoever knows why.
 *
 * A function that can fail takes a struct err as its last argument, returns -1 or NULL, and fills
 * it.  The struct has no pointers: it lives on the stack and is never freed.  One table ties every
 * code to its name on the wire (AWCP v1 ERROR codes), its exit status (sysexits(3)) and its HTTP
 * status.  Text that comes from outside may be passed as an argument: control characters are
 * replaced, so that a message always stays on one line.
 *
 * Every interface of ours needs this header, so it also brings bool, size_t and int64_t.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_code {
	ERR_NONE,
	/* AWCP v1 */
	ERR_DECLINED,
	ERR_DEP_MISSING,
	ERR_WORKSPACE_TOO_LARGE,
	ERR_WORKSPACE_NOT_FOUND,
	ERR_WORKSPACE_INVALID,
	ERR_SENSITIVE_FILES,
	ERR_WORKDIR_DENIED,
	ERR_START_EXPIRED,
	ERR_EXPIRED,
	ERR_AUTH_FAILED,
	ERR_SETUP_FAILED,
	ERR_TASK_FAILED,
	ERR_CANCELLED,
	ERR_TRANSPORT_ERROR,
	ERR_CHECKSUM_MISMATCH,
	ERR_SSE_FAILED,
	ERR_NOT_FOUND,
	/* ours, for what the protocol has no code */
	ERR_USAGE,
	ERR_BAD_MESSAGE,  /* not JSON, a member missing or of the wrong type */
	ERR_BAD_DATA,     /* a file or an argument's content cannot be understood */
	ERR_TOO_LARGE,    /* over a bound that is not the workspace's */
	ERR_KEY_REUSED,   /* an idempotency key, with another payload */
	ERR_CONFLICT,     /* the directory or the record changed in the meantime */
	ERR_BAD_STATE,    /* the state machine does not allow it */
	ERR_BUSY,         /* try again later */
	ERR_RATE_LIMITED, /* too many requests */
	ERR_BAD_METHOD,   /* HTTP method */
	ERR_PERMISSION,
	ERR_CANNOT_CREATE,
	ERR_NO_SPACE,
	ERR_IO,
	ERR_CONFIG,
	ERR_INTERNAL, /* memory, or a bug */
	ERR_COUNT
};

#define ERR_MESSAGE 768 /* bytes of a message with its NUL */

struct err {
	enum err_code code;
	char message[ERR_MESSAGE];
	char hint[256];
	unsigned retry; /* seconds after which it may go better; 0: not by waiting */
};

/* Fill ${e} (may be NULL) with ${code} and a message; clears the hint.  Returns -1. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with the code that fits errno and ": <strerror>" appended.  Returns -1. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "<text>: " before the message of ${e}; each level may do so once.  Returns -1. */
int err_add(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say what the person can do about it.  Returns -1. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* It may go better in ${seconds}.  Returns -1. */
int err_retry(struct err *e, unsigned seconds);

/* Out of memory.  Returns -1. */
int err_memory(struct err *e);

/* The wire name of ${code}, such as "CHECKSUM_MISMATCH". */
const char *err_name(enum err_code code);

/* The code with wire name ${name}, or ERR_TASK_FAILED for one that we do not know. */
enum err_code err_from_name(const char *name);

/* The exit status for ${code}, sysexits(3). */
int err_exit(enum err_code code);

/* The exit status for ${e}: that of its code, but 75 if it was declined for now only. */
int err_status(const struct err *e);

/* The HTTP status for ${code}. */
int err_http(enum err_code code);

/* Replace every character of ${s} that must not be shown as it is (text_unshown) by '?', in place.
 */
void err_clean(char *s);

#endif
