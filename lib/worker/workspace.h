/*
 * workspace - the directory that a task works in, from what was received to what is sent back.
 *
 * In assignments/<id>/: work/ has a directory for each resource; report/ is where AWCP_RESULT
 * points; workspace.archive is what was received and never changes, so that a task can begin anew
 * after a crash; received.manifest is what it unpacked to; result.archive is what goes back.
 */
#ifndef WORKER_WORKSPACE_H
#define WORKER_WORKSPACE_H

#include <limits.h>

#include "base/id.h"
#include "archive/pack.h"
#include "state/record.h"
#include "tree/tree.h"

struct workspace {
	int dirfd;             /* the assignment's directory; the record's, not to be closed */
	char path[PATH_MAX];   /* work/, absolute, without links */
	char report[PATH_MAX]; /* report/ */
	char result[PATH_MAX]; /* the file in it that AWCP_RESULT names */
	const char *cwd; /* where the command starts: the first writable resource, else the only
			  * one, else work/ */
	struct resource *resources;
	size_t count;
	bool compressed; /* what was received was */
	unsigned agreed; /* what the delegator takes back: MESSAGE_MODES … of message.h */
	uid_t
	    account; /* that the command runs as, and all of it belongs to; 0: ours.  Set it, and */
	struct interrupt interrupt; /* that of unpacking and packing, after workspace_plan */
};

/* Find out where everything goes, as the INVITE and START in ${r} say.  ${r} stays open as long as
 * ${w} is used.  Give back with workspace_free, also after a failure. */
int workspace_plan(struct workspace *w, const struct record *r, struct err *e);

/* Make work/ and report/ anew from what was received, and set ${w}->compressed.  Nothing of them is
 * left after a failure. */
int workspace_unpack(struct workspace *w, struct err *e);

/* A workspace of ${account} for a task that brings none: an empty work/, and report/, in ${dirfd},
 * which is ${directory} of the state. */
int workspace_empty(struct workspace *w, int dirfd, const char *directory, uid_t account,
		    struct err *e);

/* The directories that may not be written, NULL-terminated; free(3) it, not what is in it. */
const char **workspace_readonly(const struct workspace *w, struct err *e);

/* Pack the writable resources into result.archive, durable when the record is next.  What cannot be
 * sent (a link that leads out of its resource, a FIFO, what may not be read) is withheld (see
 * pack_options).  Nothing may be running in it by then.  *${metadata} is what goes with the
 * snapshot, a new reference: {fileCount, totalBytes, changedFiles, withheld?}. */
int workspace_collect(const struct workspace *w, struct pack_totals *totals, json_t **metadata,
		      struct err *e);

/* What the command wrote to AWCP_RESULT: {summary, highlights?}, a new reference; {summary:
 * ${fallback}} if that is missing or not usable.  NULL out of memory. */
json_t *workspace_result(const struct workspace *w, const char *fallback);

/* Remove what only the task needed: work/, report/, the list of what was received, and a result
 * that was not finished. */
int workspace_remove(int dirfd, struct err *e);

/* Remove report/, and move work/ to ${name} in tmp/, to be removed there: from then on nobody but
 * the caller looks at it. */
int workspace_retire(const struct workspace *w, char name[ID_MAX + 1], struct err *e);

void workspace_free(struct workspace *w);

#endif
