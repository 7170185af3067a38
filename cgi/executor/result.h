/*
 * result - how a task stands, for whoever asks once instead of following its events.
 */
#ifndef EXECUTOR_RESULT_H
#define EXECUTOR_RESULT_H

#include "http/http.h"

/* GET /tasks/:id/result for ${owner} (as in assignment_open). */
void result_answer(struct http *h, const char *owner);

#endif
