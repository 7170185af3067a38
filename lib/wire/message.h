/*
 * message - AWCP v1 messages and events: made, and checked when they come from a peer.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <jansson.h>

#include "base/err.h"

#define MESSAGE_MAX (1024 * 1024)   /* bytes of a message without its archive */
#define MESSAGE_PROMPT (768 * 1024) /* bytes of a prompt */
#define MESSAGE_DESCRIPTION 4096    /* bytes of a description of ours; of more a task sees these */
#define MESSAGE_CHANGED 100         /* max paths that a snapshot's metadata names */
#define MESSAGE_RESOURCES 64        /* resources in one delegation */

/* A new message of ${type} ("INVITE", …) with version, delegationId and the members of ${more},
 * which it takes over (NULL: making them failed).  NULL out of memory. */
json_t *message_new(const char *type, const char *id, json_t *more, struct err *e);

/* The message's type, delegationId and version are there and right; returns the type, borrowed. */
const char *message_type(const json_t *m, struct err *e);

/* Check every member of an INVITE that is used, with all that the reference takes: numbers with a
 * fraction, no resources, paths for their names, a description of any length.  ERR_BAD_MESSAGE
 * names the first wrong one, bounds on the prompt give ERR_TOO_LARGE, a transport that is not
 * "archive" ERR_DEP_MISSING. */
int message_check_invite(const json_t *m, struct err *e);

/* Check an answer to INVITE for delegation ${id}: an ACCEPT passes; an ERROR is turned into ${e};
 * anything else is ERR_BAD_MESSAGE. */
int message_check_accept(const json_t *m, const char *id, struct err *e);

/* What a peer keeps of a tree (our extension: INVITE requirements.fidelity, ACCEPT
 * executorConstraints.fidelity, lists of words). */
enum {
	MESSAGE_MODES = 1, /* "modes" */
	MESSAGE_LINKS = 2, /* "links" */
	MESSAGE_TIMES = 4, /* "times", to the ns: archives are tar or tar.zst, not ZIP */
	MESSAGE_DELTA =
	    8, /* "delta": what comes back refers to what was sent (see archive/delta.h) */
};

/* The list of all these words; NULL out of memory. */
json_t *message_fidelity(void);

/* What both we and the peer who sent ${list} keep.  A word that needs one that is not there does
 * not count: modes and links come together, times with them, delta with times. */
unsigned message_agreed(const json_t *list);

/* Check a START (without its archive, which the splitter took out). */
int message_check_start(const json_t *m, struct err *e);

/* Fill ${e} from an object with code, message and hint members, and retryAfterSeconds, an
 * extension: the refusal is temporary.  Returns -1. */
int message_error(const json_t *o, struct err *e);

/* A new event of ${type} for ${id}, stamped now. */
json_t *message_event(const char *type, const char *id, struct err *e);

/* {code, message, hint?, retryAfterSeconds?} of ${why}, without secrets (redact), a new reference;
 * NULL out of memory. */
json_t *message_describe_error(const struct err *why);

/* A new event "error" for ${id} with that. */
json_t *message_error_event(const char *id, const struct err *why, struct err *e);

#endif
