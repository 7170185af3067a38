/* rules - one for each kind of thing that reap looks after. */
#ifndef REAP_RULES_H
#define REAP_RULES_H

#include "reap/context.h"

/* For one record.  Calls reap_again when it is done with it. */
void reap_assignment(struct reap *r, const char *id);
void reap_delegation(struct reap *r, const char *id);

/* Handle some of all records, from where the previous run ended. */
void reap_walk(struct reap *r, enum reap_walk_id which);

/* Periodic. */
void reap_queues(struct reap *r);
void reap_tasks(struct reap *r);
void reap_breakers(struct reap *r);
void reap_open(struct reap *r);
void reap_tmp(struct reap *r);
void reap_servers(struct reap *r);
void reap_processes(struct reap *r);
void reap_logs(struct reap *r);
void reap_corrupt(struct reap *r);
void reap_peers(struct reap *r);
void reap_space(struct reap *r);
void reap_readers(struct reap *r);
void reap_terminals(struct reap *r);

#endif
