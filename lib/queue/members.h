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

/* What may be put; the names are also what the put refuses or accepts. */
#define TASK_PAYLOAD "payload"            /* any JSON: what the worker is to do */
#define TASK_PRIORITY "priority"          /* 0 (the default) to 9, the most urgent */
#define TASK_LANE "lane"                  /* so many tasks of a lane run at once */
#define TASK_LABELS "labels"              /* strings to find it by */
#define TASK_KEY "key"                    /* a second put with this key is the same task */
#define TASK_UNIQUE "unique"              /* true: only until the task with this key has ended */
#define TASK_DEPENDS_ON "dependsOn"       /* ids of tasks that must end first */
#define TASK_AFTER_FAILURE "afterFailure" /* true: even if one of those ends badly */
#define TASK_NOT_BEFORE "notBefore"       /* time; set again for each retry */
#define TASK_TIMEOUT "timeout"            /* seconds that an attempt may run; 0: any */
#define TASK_RETRIES "retries"            /* after a failure */
#define TASK_BACKOFF "backoff"            /* seconds before the first retry, then doubled */
#define TASK_MAX_DEATHS "maxDeaths"       /* lost claims before it is quarantined; 0: any */
#define TASK_RECOVERY "recovery"          /* retry, fail or unknown, of a lost claim */
#define TASK_REQUIRES "requires"          /* capabilities that its worker must have */
#define TASK_SESSION "session"            /* that it belongs to */
#define TASK_TENANT "tenant"              /* whose it is */

MEMBER_JSON(task, payload, TASK_PAYLOAD)
MEMBER_INTEGER(task, priority, TASK_PRIORITY, 0)
MEMBER_TEXT(task, lane, TASK_LANE, NULL)
MEMBER_JSON(task, labels, TASK_LABELS)
MEMBER_TEXT(task, key, TASK_KEY, NULL)
MEMBER_BOOL(task, unique, TASK_UNIQUE)
MEMBER_JSON(task, depends_on, TASK_DEPENDS_ON)
MEMBER_BOOL(task, after_failure, TASK_AFTER_FAILURE)
MEMBER_TEXT(task, not_before, TASK_NOT_BEFORE, NULL)
MEMBER_INTEGER(task, timeout, TASK_TIMEOUT, 0)
MEMBER_INTEGER(task, retries, TASK_RETRIES, 0)
MEMBER_INTEGER(task, backoff, TASK_BACKOFF, 10)
MEMBER_INTEGER(task, max_deaths, TASK_MAX_DEATHS, -1) /* -1: as the queue has it */
MEMBER_TEXT(task, recovery, TASK_RECOVERY, "")        /* "": likewise */
MEMBER_JSON(task, requires, TASK_REQUIRES)
MEMBER_TEXT(task, session, TASK_SESSION, NULL)
MEMBER_TEXT(task, tenant, TASK_TENANT, NULL)

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
MEMBER_TEXT(task, progress, "progress", NULL) /* as the worker told it last */
MEMBER_JSON(task, result, "result")           /* any JSON, of whoever completed it */
MEMBER_JSON(task, error, "error")             /* {"code", "message"} of the last end */
MEMBER_JSON(task, questions, "questions")     /* the last of them, see question.h */
MEMBER_INTEGER(task, asked, "asked", 0)       /* questions so far */

/* What only a reader of it is told. */
MEMBER_TEXT(task, claim, "claim", NULL) /* <queue>.<number>.<attempt>, to its worker */
MEMBER_TEXT(task, mark, "mark", NULL)   /* unread, read or active, see reader.h */

/* Of a task that carries out an assignment. */
MEMBER_TEXT(task, assignment, "payload.assignment", NULL) /* its id */
MEMBER_INTEGER(task, run_number, "payload.run", 0)        /* which run of it */

/* An attempt, of "attempts". */
MEMBER_INTEGER(attempt, number, "attempt", 0)
MEMBER_TEXT(attempt, worker, "worker", "")
MEMBER_TEXT(attempt, started, "startedAt", "") /* time */
MEMBER_INTEGER(attempt, lease, "leaseMs", 0)   /* ms, as it was claimed */
MEMBER_TEXT(attempt, ended, "endedAt", NULL)   /* time; NULL: it runs */
MEMBER_TEXT(attempt, outcome, "outcome", NULL) /* such as completed, returned, lost */
MEMBER_TEXT(attempt, reason, "reason", NULL)   /* of that, for people */
MEMBER_INTEGER(attempt, exit, "exit", -1)      /* status of the command; -1: there was none */

/* config.json. */
MEMBER_JSON(queue_config, lanes, "lanes") /* {"<lane>": tasks at once}; 0: any number */
MEMBER_TEXT(queue_config, recovery, "recovery", "retry")
#define QUEUE_CONFIG_WIDTH "width"          /* tasks that run at once; 0: any number */
#define QUEUE_CONFIG_LANE "lane"            /* tasks of one lane at once (1); 0: any number */
#define QUEUE_CONFIG_MAX_DEATHS "maxDeaths" /* lost claims before quarantine (3); 0: any */
#define QUEUE_CONFIG_RETENTION "retention"  /* seconds that an ended task is kept */

#endif
