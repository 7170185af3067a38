/*
 * worker/outcome - what the end of a command says of its task and of its profile.
 *
 *	done      exit 0; earlier deaths of the profile are forgotten
 *	failed    any other end: that is between the task and the command
 *	limited   exit 75, or a failure whose last lines match the operator's pattern: the profile
 *	          is rate-limited, and cools down
 *	died      killed by a signal that was not ours, could not be started, or failed within a
 *	          second without having read any of its prompt: the profile may be stopped for that
 */
#ifndef WORKER_OUTCOME_H
#define WORKER_OUTCOME_H

#include "worker/execution.h"
#include "worker/task_options.h"

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_LIMITED, OUTCOME_DIED };

#define OUTCOME_REASON 512

/* Judge the command of ${x}, which ended by itself with the wait status ${status}, and note it for
 * the profile.  ${why}: the reason of a limit. */
enum outcome outcome_classify(const struct task_options *o, const struct execution *x,
			      struct output *out, int status, char why[OUTCOME_REASON]);

/* The command could not be started, because of ${why}: note that it died. */
void outcome_not_started(const struct task_options *o, const struct err *why);

/* The signal that killed a command with the wait status ${status}, or 0.  The sandbox reports it as
 * a shell does. */
int outcome_signal(const struct sandbox *sandbox, int status);

/* For how many ms ${task} is to wait when its profile is limited: 0 if there is another for it. */
int64_t outcome_pause(const struct task_options *o, const json_t *task);

#endif
