/*
 * delegator/job_run - runs a job, in the process that was started for it (see delegator/job.h).
 */
#ifndef DELEGATOR_JOB_RUN_H
#define DELEGATOR_JOB_RUN_H

/* "awcp-delegator job id [snapshot]"; the exit status.  A failure is reported as a JSON object on
 * stdout: {error, code, hint, conflicts?}. */
int delegator_job_main(int argc, char **argv);

#endif
