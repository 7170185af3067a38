/*
 * process/signals - how signals are left for a program that is about to be executed.
 */
#ifndef PROCESS_SIGNALS_H
#define PROCESS_SIGNALS_H

/* Give every signal its default action and unblock all.  Safe between fork or vfork and exec. */
void signals_reset(void);

#endif
