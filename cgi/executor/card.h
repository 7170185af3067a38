/*
 * card - the agent card: what this executor is, for whoever looks for one.
 *
 * The operator writes it (agent-card.json in the state directory); what the program knows better is
 * filled in: the member "awcp", with transports, limits and what may be asked for, and that it
 * streams.  It is public, as cards are.
 */
#ifndef EXECUTOR_CARD_H
#define EXECUTOR_CARD_H

#include "assignment/assignment.h"
#include "http/http.h"

/* GET /.well-known/agent-card.json; 404 if there is no file. */
void card_answer(struct http *h, const struct assignment_policy *p);

#endif
