/*
 * receive - takes in a message of any size: its JSON, and the archive inside it.
 *
 * A START carries its workspace as one JSON string of up to gigabytes.  It is cut out as it passes,
 * decoded and hashed into a file in tmp/ that has no name yet, so that nothing remains
 * however this ends.  Members may come in any order, so the archive may be here before the id that
 * it is for; but a caller without a credential must send the id first, because only that
 * shows whether we accept anything from it.
 */
#ifndef EXECUTOR_RECEIVE_H
#define EXECUTOR_RECEIVE_H

#include "assignment/assignment.h"
#include "http/caller.h"
#include "base/id.h"
#include "base/sha256.h"

struct received {
	json_t *message; /* "" in the place of the archive; what was whole of one that could not be
			  * read, or NULL */
	char id[ID_MAX + 1]; /* of the assignment that the archive is for, as far as known, or "" */
	uint64_t size;       /* of the archive */
	char sha256[SHA256_HEX];
	struct err unusable;   /* what is wrong with the archive; ERR_NONE if nothing is */
	int hold;              /* see assignment_hold_invite; or -1 */
	bool in_time;          /* the START was when it began to arrive */
	int fd;                /* private: the file, or -1 */
	char name[ID_MAX + 1]; /* of the file in tmp/, once received_name gave it one, or "" */
};

/* Read the body of ${h}, whose caller may not be known: then a long INVITE must begin with a
 * credential, and the caller is known by that.  Its archive may be as large as AWCP_MAX_ARCHIVE,
 * the token and the assignment's record allow.  Fails with ERR_BAD_MESSAGE, ERR_TOO_LARGE,
 * ERR_WORKSPACE_TOO_LARGE, what assignment_open says of the id, or ERR_AUTH_FAILED; ${r}->message
 * may have what is known of the message all the same.  An archive that is not base64 is no failure
 * here: ${r}->unusable says so.  Give ${r} back with received_free, also after a failure. */
int receive(struct http *h, const struct assignment_policy *p, struct received *r, struct err *e);

/* Read no more of the body of ${h} than may be of somebody who is not known, and have what is whole
 * of the message as ${r}->message, without an archive.  Give ${r} back as after receive. */
int receive_beginning(struct http *h, struct received *r, struct err *e);

/* Give the archive a name of its own in tmp/, ${r}->name.  Returns a descriptor of tmp/, not to be
 * closed, or -1. */
int received_name(struct received *r, struct err *e);

/* The START is recorded, and its worker may begin. */
void received_arrived(struct received *r);

/* Throw away what was not taken over. */
void received_free(struct received *r);

#endif
