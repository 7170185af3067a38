/*
 * control - what people want with a task: POST /queue/:name/tasks/:number/...
 */
#ifndef QUEUED_CONTROL_H
#define QUEUED_CONTROL_H

#include "http/http.h"

void control_answer(struct http *h); /* a question of its worker */
void control_cancel(struct http *h);
void control_retry(struct http *h);
void control_pause(struct http *h);
void control_resume(struct http *h);

#endif
