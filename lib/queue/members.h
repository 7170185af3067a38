/*
 * queue/members - the members of a task, of an attempt and of a queue's config.json, each named
 * once.
 *
 * A task is a JSON object.  Whoever puts it says what it is to do, and how; the rest is written by
 * the queue.  Times are RFC 3339 in UTC.
 */
#ifndef QUEUE_MEMBERS_H
#define QUEUE_MEMBERS_H

#include "base/member.h"

/* What may be put. */
MEMBER_JSON(task, payload, "payload")             /* any JSON: what the worker is to do */
MEMBER_INTEGER(task, priority, "priority", 0)     /* 0 to 9, the most urgent */
MEMBER_TEXT(task, lane, "lane", NULL)             /* so many tasks of a lane run at once */
MEMBER_JSON(task, labels, "labels")               /* strings to find it by */
MEMBER_TEXT(task, key, "key", NULL)               /* a second put with this key is the same task */
MEMBER_BOOL(task, unique, "unique")               /* only until the task with this key has ended */
MEMBER_JSON(task, depends_on, "dependsOn")        /* ids of tasks that must end first */
MEMBER_BOOL(task, after_failure, "afterFailure")  /* even if one of those ends badly */
MEMBER_TEXT(task, not_before, "notBefore", NULL)  /* time; set again for each retry */
MEMBER_INTEGER(task, timeout, "timeout", 0)       /* seconds that an attempt may run; 0: any */
MEMBER_INTEGER(task, retries, "retries", 0)       /* after a failure */
MEMBER_INTEGER(task, backoff, "backoff", 10)      /* seconds before the first retry, then doubled */
MEMBER_INTEGER(task, max_deaths, "maxDeaths", -1) /* claims that may be lost; 0: any; -1: as the
						   * queue says */
MEMBER_TEXT(task, recovery, "recovery", "") /* of a lost claim: retry, fail or unknown; "": as the
					     * queue says */
MEMBER_JSON(task, requires, "requires")     /* capabilities that its worker must have */
MEMBER_TEXT(task, session, "session", NULL) /* that it belongs to */
MEMBER_TEXT(task, tenant, "tenant", NULL)   /* whose it is */

/* What the queue writes. */
MEMBER_TEXT(task, id, "id", "")                /* <queue>.<number> */
MEMBER_TEXT(task, name, "name", "")            /* for people: brave-otter-17 */
MEMBER_INTEGER(task, number, "number", 0)      /* in the queue, from 1 */
MEMBER_INTEGER(task, version, "version", 0)    /* of the queue, with this change */
MEMBER_TEXT(task, created, "createdAt", "")    /* time */
MEMBER_TEXT(task, updated, "updatedAt", NULL)  /* time of the last change */
MEMBER_TEXT(task, state, "state", "")          /* see state.h */
MEMBER_INTEGER(task, waits_for, "waitsFor", 0) /* tasks of dependsOn that have not ended */
MEMBER_INTEGER(task, attempt, "attempt", 0)    /* number of the last one; 0: none yet */
MEMBER_JSON(task, attempts, "attempts")        /* the last of them, see below */
MEMBER_INTEGER(task, failures, "failures", 0) /* attempts that failed since it was put or retried */
MEMBER_INTEGER(task, deaths, "deaths", 0)     /* claims that were lost, likewise */
MEMBER_TEXT(task, progress, "progress", NULL) /* as its worker last reported */
MEMBER_JSON(task, result, "result")           /* any JSON, of whoever completed it */
MEMBER_JSON(task, error, "error")             /* {"code", "message"} of the last end */
MEMBER_TEXT(task, error_code, "error.code", NULL)
MEMBER_TEXT(task, error_message, "error.message", NULL)
MEMBER_JSON(task, questions, "questions") /* the last of them, see question.h */
MEMBER_INTEGER(task, asked, "asked", 0)   /* questions so far */

/* What only a reader of it is told. */
MEMBER_TEXT(task, claim, "claim", NULL) /* <queue>.<number>.<attempt>, to its worker */
MEMBER_TEXT(task, mark, "mark", NULL)   /* unread, read or active, see reader.h */
MEMBER_TEXT(task, unfit, "unfit", NULL) /* why no worker takes it, see workers.c */

/* Of a task that carries out an assignment. */
MEMBER_TEXT(task, assignment, "payload.assignment", NULL) /* its id */
MEMBER_INTEGER(task, run_number, "payload.run", 0)        /* which run of it */

/* An attempt, of "attempts". */
MEMBER_INTEGER(attempt, number, "attempt", 0)
MEMBER_TEXT(attempt, worker, "worker", "")
MEMBER_TEXT(attempt, started, "startedAt", "") /* time */
MEMBER_INTEGER(attempt, lease, "leaseMs", 0)   /* ms, as was asked for last */
MEMBER_TEXT(attempt, ended, "endedAt", NULL)   /* time; NULL: it runs */
MEMBER_TEXT(attempt, outcome, "outcome", NULL) /* such as completed, returned, lost */
MEMBER_TEXT(attempt, reason, "reason", NULL)   /* of that, for people */
MEMBER_INTEGER(attempt, exit, "exit", -1)      /* status of the command; -1: there was none */

/* A question of a task, beside what wire/members.h names. */
MEMBER_INTEGER(question, attempt, "attempt", -1) /* that asked it */

/* config.json, where everything may be left out. */
MEMBER_INTEGER(queue_config, width, "width", 0) /* tasks that run at once; 0: any number */
MEMBER_INTEGER(queue_config, lane, "lane", 1)   /* tasks of one lane at once; 0: any number */
MEMBER_JSON(queue_config, lanes, "lanes")       /* {"<lane>": the same for that one} */
MEMBER_INTEGER(queue_config, max_deaths, "maxDeaths",
	       3) /* claims of a task that may be lost; 0: any */
MEMBER_TEXT(queue_config, recovery, "recovery",
	    "retry") /* of a lost claim: retry, fail or unknown */
MEMBER_INTEGER(queue_config, retention, "retention", 0) /* seconds that an ended task is kept */

#endif
