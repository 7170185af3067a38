/*
 * pool - the threads of a FastCGI program.
 *
 * A thread that waits for a request is idle.  When the last idle one gets a request another is
 * started, up to a limit; when a thread is done and enough are idle without it, it ends.
 */
#ifndef HTTP_POOL_H
#define HTTP_POOL_H

#include <fcgiapp.h>

#include "base/err.h"

#define POOL_MIN 64 /* threads that there may be in any case */

/* Accept requests and hand each to ${answer}, in up to ${limit} threads.  Returns only when no more
 * can be accepted: -1. */
int pool_run(unsigned limit, void (*answer)(FCGX_Request *r), struct err *e);

/* How many threads there may be when ${max} are asked for. */
unsigned pool_limit(unsigned max);

/* Start ${run}(NULL) in a detached thread with the stack of a thread here; ERR_BUSY if there can be
 * none. */
int pool_thread(void *(*run)(void *), struct err *e);

#endif
