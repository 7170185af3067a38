/*
 * process/inherited - what a program gets from whoever started it, made fit to work with.
 *
 * A signal that is ignored or blocked, a descriptor that is closed and a low limit survive exec(2).
 * Children that nobody can wait for, a file of the state that is opened as standard error, or the
 * default action of SIGXFSZ would turn them into damage; after this they are errors, at most.
 */
#ifndef PROCESS_INHERITED_H
#define PROCESS_INHERITED_H

/* To be called first by every program:
 *  - no signal is blocked; SIGCHLD has its default action; SIGPIPE and SIGXFSZ are ignored, so that
 *    the write that would raise them fails.  What else is ignored stays so, as nohup(1) wants it.
 *  - a standard descriptor that is closed fails when it is used, instead of being whatever is
 * opened next;
 *  - the limits on open files and on the stack are what programs expect, as far as the hard limits
 *    let them be. */
void inherited_settle(void);

#endif
