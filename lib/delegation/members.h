/*
 * delegation/members - what a delegation's record holds, each member named once (see
 * base/member.h); those of every record are in log/members.h.
 *
 * delegations/<id>/record.json is what AWCP v1 calls a delegation record, with members of ours.
 * What of it an executor or a caller sees is copied whole, so the members below its objects have
 * the names of the protocol.
 */
#ifndef DELEGATION_MEMBERS_H
#define DELEGATION_MEMBERS_H

#include "log/members.h"

/* What was asked for. */
MEMBER_TEXT(delegation, peer_url, record_peer_url_path(), "") /* the executor's address */
MEMBER_JSON(delegation, environment, "environment")           /* as INVITE has it */
MEMBER_JSON(delegation, resources, "environment.resources")   /* see wire/members.h, "resource" */
MEMBER_JSON(delegation, task, "task")                         /* as INVITE has it */
MEMBER_TEXT(delegation, description, "task.description", "")
MEMBER_TEXT(delegation, prompt, "task.prompt", "")
MEMBER_JSON(delegation, lease, "leaseConfig") /* INVITE's "lease" */
MEMBER_INTEGER(delegation, ttl, "leaseConfig.ttlSeconds", 0)
MEMBER_TEXT(delegation, access_mode, "leaseConfig.accessMode", "rw") /* or "ro" */
MEMBER_BOOL(delegation, narrower, "narrower")                        /* "ro" will do for "rw" */
MEMBER_BOOL(delegation, special, "special") /* has paths that not every executor can be sent */
MEMBER_JSON(delegation, sandbox, "sandbox") /* see sandbox_demand */
MEMBER_INTEGER(delegation, retention, "retentionMs", INT64_MAX) /* from the last change on */
MEMBER_JSON(delegation, snapshot_policy, "snapshotPolicy")
MEMBER_TEXT(delegation, snapshot_mode, "snapshotPolicy.mode", "") /* auto, staged or discard */
MEMBER_INTEGER(delegation, max_snapshots, "snapshotPolicy.maxSnapshots", 10) /* pending */
MEMBER_TEXT(delegation, token_file, "tokenFile", NULL)                       /* absolute path */
MEMBER_BOOL(delegation, auth, "auth") /* there is a credential */

/* How it stands. */
MEMBER_TEXT(delegation, last_event_id, "lastEventId", "0") /* of the event stream */
MEMBER_JSON(delegation, questions, "questions") /* open ones; see wire/members.h, "question" */
MEMBER_JSON(delegation, restarts, "restarts")   /* times at which it was handed over again */

/* What ACCEPT said and START gave. */
MEMBER_INTEGER(delegation, executor_retention, "executorRetentionMs", 0)
MEMBER_JSON(delegation, executor_constraints, "executorConstraints")
MEMBER_INTEGER(delegation, executor_max_ttl, "executorConstraints.maxTtlSeconds", INT64_MAX)
MEMBER_JSON(delegation, executor_work_dir, "executorWorkDir")
MEMBER_BOOL(delegation, fidelity, "fidelity")        /* modes and links are kept */
MEMBER_BOOL(delegation, times, "times")              /* times are, too; archives are tar.zst */
MEMBER_BOOL(delegation, delta, "delta")              /* what comes back refers to what was sent */
MEMBER_JSON(delegation, active_lease, "activeLease") /* START's "lease" */
MEMBER_TEXT(delegation, lease_expires_at, "activeLease.expiresAt", "")

/* What was sent. */
MEMBER_INTEGER(delegation, base_files, "base.files", 0)
MEMBER_INTEGER(delegation, base_bytes, "base.bytes", 0) /* unpacked */
MEMBER_INTEGER(delegation, base_archive_bytes, "base.archiveBytes", 0)

/* What came of it. */
MEMBER_JSON(delegation, result, "result")
MEMBER_TEXT(delegation, summary, "result.summary", "")
MEMBER_JSON(delegation, highlights, "result.highlights")
MEMBER_JSON(delegation, snapshots, "snapshots") /* an array of "snapshot", see below */
MEMBER_TEXT(delegation, applied_snapshot_id, "appliedSnapshotId", NULL)
MEMBER_JSON(delegation, apply_error, "applyError") /* why mode "auto" could not apply it */

/* An entry of "snapshots". */
MEMBER_TEXT(snapshot, id, "id", "")
MEMBER_TEXT(snapshot, delegation_id, "delegationId", "")
MEMBER_TEXT(snapshot, status, "status", "") /* pending, applied or discarded */
MEMBER_TEXT(snapshot, summary, "summary", "")
MEMBER_JSON(snapshot, highlights, "highlights")
MEMBER_BOOL(snapshot, recommended, "recommended")
MEMBER_TEXT(snapshot, local_path, "localPath", NULL) /* in the state directory */
MEMBER_TEXT(snapshot, created_at, "createdAt", "")
MEMBER_TEXT(snapshot, applied_at, "appliedAt", "")
MEMBER_TEXT(snapshot, undone_at, "undoneAt", NULL)
MEMBER_JSON(snapshot, metadata, "metadata") /* against what was sent: */
MEMBER_INTEGER(snapshot, file_count, "metadata.fileCount", 0)
MEMBER_INTEGER(snapshot, total_bytes, "metadata.totalBytes", 0)
MEMBER_JSON(snapshot, changed_files, "metadata.changedFiles") /* the first MESSAGE_CHANGED */
MEMBER_INTEGER(snapshot, added, "metadata.added", 0)
MEMBER_INTEGER(snapshot, changed, "metadata.changed", 0)
MEMBER_INTEGER(snapshot, deleted, "metadata.deleted", 0)
MEMBER_JSON(snapshot, withheld, "metadata.withheld") /* what the executor could not send back */

#endif
