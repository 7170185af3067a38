/*
 * errand_do - carries an errand out, in the process that errand started for it.
 */
#ifndef DELEGATOR_JOB_RUN_H
#define DELEGATOR_JOB_RUN_H

/* "awcp-delegator errand id [snapshot]"; the exit status.  A failure is told as a JSON object on
 * stdout: {error, code, hint, conflicts?}. */
int errand_do(int argc, char **argv);

#endif
