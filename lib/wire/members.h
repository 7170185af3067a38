/*
 * wire/members - the members of AWCP v1 messages, events and their parts, each named once (see
 * base/member.h).  Those marked with + are extensions of ours.
 */
#ifndef WIRE_MEMBERS_H
#define WIRE_MEMBERS_H

#include "base/member.h"

/* Every message. */
MEMBER_TEXT(message, version, "version", "")
MEMBER_TEXT(message, kind, "type", "") /* INVITE, ACCEPT, START or ERROR */
MEMBER_TEXT(message, id, "delegationId", "")

/* INVITE. */
MEMBER_JSON(invite, task, "task")
MEMBER_TEXT(invite, description, "task.description", "")
MEMBER_TEXT(invite, prompt, "task.prompt", "")
MEMBER_JSON(invite, lease, "lease")
MEMBER_INTEGER(invite, ttl, "lease.ttlSeconds", 0)
MEMBER_TEXT(invite, access_mode, "lease.accessMode", "ro") /* or "rw" */
MEMBER_INTEGER(invite, retention, "retentionMs", 0)
MEMBER_JSON(invite, environment, "environment")
MEMBER_JSON(invite, resources, "environment.resources")
MEMBER_TEXT(invite, transport, "requirements.transport", "archive")
MEMBER_TEXT(invite, queue, "requirements.queue", NULL) /* + */
MEMBER_JSON(invite, fidelity, "requirements.fidelity") /* + see message_fidelity */
MEMBER_JSON(invite, sandbox, "requirements.sandbox")   /* + see sandbox_demand */
MEMBER_JSON(invite, auth, "auth")

/* A resource of "environment.resources"; source, exclude and include stay with the delegator. */
MEMBER_TEXT(resource, name, "name", "")
MEMBER_TEXT(resource, type, "type", "")
MEMBER_TEXT(resource, source, "source", "") /* absolute path */
MEMBER_TEXT(resource, mode, "mode", "ro")   /* or "rw" */
MEMBER_JSON(resource, exclude, "exclude")   /* + patterns, see filter.h */
MEMBER_JSON(resource, include, "include")   /* + */

/* ACCEPT. */
MEMBER_INTEGER(accept, retention, "retentionMs", 0)
MEMBER_JSON(accept, work_dir, "executorWorkDir")
MEMBER_JSON(accept, constraints, "executorConstraints")
MEMBER_INTEGER(accept, max_ttl, "executorConstraints.maxTtlSeconds", INT64_MAX)
MEMBER_TEXT(accept, access_mode, "executorConstraints.acceptedAccessMode", "rw")
MEMBER_JSON(accept, sandbox, "executorConstraints.sandboxProfile")
MEMBER_JSON(accept, fidelity, "executorConstraints.fidelity") /* + */

/* The answer to GET /status. */
MEMBER_JSON(status, fidelity, "fidelity") /* + */

/* START. */
MEMBER_JSON(start, lease, "lease")
MEMBER_TEXT(start, expires_at, "lease.expiresAt", "")
MEMBER_TEXT(start, access_mode, "lease.accessMode", "rw")
MEMBER_TEXT(start, transport, "transportHandle.transport", "")
MEMBER_TEXT(start, workspace, "transportHandle.workspaceBase64", "")
MEMBER_TEXT(start, checksum, "transportHandle.checksum", "")

/* ERROR, "error" in a record or a result, and the answer to a refused request. */
MEMBER_TEXT(error, code, "code", NULL) /* see err_name */
MEMBER_TEXT(error, message, "message", "no reason was given")
MEMBER_TEXT(error, hint, "hint", "")
MEMBER_INTEGER(error, retry_after, "retryAfterSeconds", 0) /* + */

/* An event; /result has the last of them as an object of its own. */
MEMBER_TEXT(event, type, "type", "") /* status, snapshot, done or error */
MEMBER_TEXT(event, delegation_id, "delegationId", "")
MEMBER_TEXT(event, timestamp, "timestamp", "")
MEMBER_TEXT(event, status, "status", "") /* of /result: running, completed, error, not_found */
MEMBER_TEXT(event, message, "message", NULL)
MEMBER_TEXT(event, summary, "summary", "")
MEMBER_JSON(event, highlights, "highlights")
MEMBER_BOOL(event, recommended, "recommended")
MEMBER_TEXT(event, snapshot_id, "snapshotId", "")
MEMBER_JSON(event, snapshot_ids, "snapshotIds")
MEMBER_JSON(event, withheld, "metadata.withheld") /* + sentences on what could not be sent back */
MEMBER_TEXT(event, recommended_id, "recommendedSnapshotId", NULL)
MEMBER_TEXT(event, snapshot_archive, "snapshotBase64", NULL)
MEMBER_TEXT(event, snapshot_file, "snapshotFile", NULL) /* in a journal, instead of the archive */
MEMBER_JSON(event, failure, "error")                    /* of /result */
MEMBER_JSON(event, question, "question")                /* + */

/* A question; see question.h. */
MEMBER_TEXT(question, id, "id", "") /* q1, q2, … */
MEMBER_TEXT(question, type, "type", "")
MEMBER_TEXT(question, text, "text", "")
MEMBER_JSON(question, options, "options")
MEMBER_TEXT(question, default, "default", NULL)
MEMBER_BOOL(question, secret, "secret")
MEMBER_TEXT(question, asked_at, "askedAt", "")
MEMBER_TEXT(question, until, "until", NULL) /* RFC 3339 */
MEMBER_TEXT(question, outcome, "outcome", NULL)
MEMBER_TEXT(question, answer, "answer", NULL)
MEMBER_TEXT(question, by, "by", NULL)
MEMBER_TEXT(question, closed_at, "closedAt", NULL)

/* An answer on its way to the executor. */
MEMBER_TEXT(answer, question, "question", NULL) /* its id */
MEMBER_TEXT(answer, text, "answer", NULL)

#endif
