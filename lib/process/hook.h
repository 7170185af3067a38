/*
 * process/hook - the operator's own programs, run when something happens to a delegation or an
 * assignment.
 *
 * A hook is a program in $AWCP_HOOKS, else hooks/ of the state directory, named after what happens:
 * admission, created, started, question, snapshot, applied, completed, error where we lend;
 * admission, started, completed, error where we execute.  It gets the record as JSON on stdin, and
 * AWCP_ID, AWCP_HOOK and AWCP_ROLE ("delegator" or "executor") in an environment that otherwise has
 * only a few harmless variables, so that nothing secret goes along.  What it prints goes to
 * log/hooks.log, redacted.  It has a session of its own, which is killed when
 * AWCP_HOOK_TIMEOUT is over.
 *
 * Only the hook "admission" is asked and waited for.  All others are notified: nobody waits for
 * them, and a missing one changes nothing; one that fails leaves a line in log/lifecycle.log.
 */
#ifndef PROCESS_HOOK_H
#define PROCESS_HOOK_H

#include <jansson.h>

#include "base/err.h"

#define HOOK_ANSWER 256 /* bytes of an answer with its NUL */

/* Run hook ${name}, if there is one, about ${record} of ${id}.  Returns as soon as it runs.
 * Call it when the record's lock is released. */
void hook_notify(const char *name, const char *id, const json_t *record);

/* Run hook ${name} with ${question} about ${id} from ${owner} (NULL: nobody else), and wait for its
 * answer.  Returns 1 if it exits with 0, or there is none; 0 if it exits with 1, with the first
 * line that it printed
 * in ${answer}; -1 with ERR_SETUP_FAILED if it cannot be run, ends in any other way or takes too
 * long, which is also in log/lifecycle.log. */
int hook_ask(const char *name, const char *id, const char *owner, const json_t *question,
	     char answer[HOOK_ANSWER], struct err *e);

#endif
