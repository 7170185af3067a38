/*
 * process/signals - how signals are reset for a program that is about to be executed, and watched.
 */
#ifndef PROCESS_SIGNALS_H
#define PROCESS_SIGNALS_H

#include "base/err.h"

/* Give every signal its default action and unblock all.  Safe between fork or vfork and exec. */
void signals_reset(void);

/* Block the ${n} ${signals} in this process, and return a non-blocking descriptor that reads them
 * (signalfd(2)); -1 on failure. */
int signals_watch(const int *signals, size_t n, struct err *e);

#endif
