/*
 * record - one JSON object in one file, replaced and never edited.
 *
 * A collection ("delegations", "assignments") has a directory for each record, <id>/, with
 * record.json in it.  Readers take no lock.  A writer opens the record for change, which holds
 * flock on <id>/lock from reading the old record to renaming the new one.
 *
 * Beside the records, <collection>/.open/<id> is an empty file while the record is unfinished: an
 * index, so that listing unfinished work does not cost more as history grows.  The record is the
 * truth; the index is a hint that is corrected whenever the record is written.  Where possible it
 * is another name of the lock: creating a file costs more than anything else here, apart from
 * making it durable, above all on a file system where many were removed.
 */
#ifndef STATE_RECORD_H
#define STATE_RECORD_H

#include <jansson.h>

#include "base/err.h"

struct record {
	int dirfd;    /* the record's directory, <collection>/<id>/ */
	int lockfd;   /* holds the lock, or -1 */
	json_t *json; /* the content; change it in place, then record_save */
	char id[129];
	const char *collection;
	bool created;         /* by record_create, and not durable yet */
	char saved_state[24]; /* "" if none is saved */
	const char *event;    /* what changed it since, or NULL; for lifecycle.log */
	const char *hook;     /* to run when it is closed, or NULL; see delegation_close */
};

/* Create the directory and the lock of a new record, with an empty object in ${r}; nothing is
 * visible to record_open before record_save.  ERR_CONFLICT if there is one already. */
int record_create(const char *collection, const char *id, struct record *r, struct err *e);

/* Read record ${id}.  ${change}: take the lock first.  ERR_NOT_FOUND if there is none; a record
 * that is not JSON is moved to corrupt/ and reported as ERR_BAD_DATA.  Give it back with
 * record_close, also after a failed one: if that was ERR_NOT_FOUND and the lock is held, there is a
 * directory and no record in it. */
int record_open(const char *collection, const char *id, bool change, struct record *r,
		struct err *e);

/* Replace the file by what ${r}->json holds now, with a new "updatedAt".  ${open}: the record is
 * unfinished (index).  ${durable}: it survives a power cut.  Needs the lock.  Another state, or
 * ${r}->event, is logged in lifecycle.log.  On a full disk it takes what is set aside (space.h). */
int record_save(struct record *r, bool open, bool durable, struct err *e);

/* Release the lock, descriptors and JSON. */
void record_close(struct record *r);

/* Remove the record with all that lies in its directory: renamed into tmp/, then, without its lock,
 * removed; of ${r} the JSON is left.  The log says that it was because of ${r}->event. */
int record_remove(struct record *r, struct err *e);

/* Find the one id in the collection that begins with ${prefix} and write it to ${id}.  An exact id
 * is found at once; a prefix reads the names in the directory.  ERR_NOT_FOUND, or ERR_USAGE if it
 * is not unique or not an id. */
int record_find(const char *collection, const char *prefix, char id[129], struct err *e);

/* Call ${each} for every id, in order of name: of all records, or only unfinished ones (by the
 * index).  Stops when ${each} returns non-zero and returns that; -1 with ${e} on failure. */
int record_list(const char *collection, bool all, int (*each)(void *arg, const char *id), void *arg,
		struct err *e);

#endif
