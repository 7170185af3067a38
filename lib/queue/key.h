/*
 * queue/key - which task a key was used for last: links in keys/, named after the key.
 */
#ifndef QUEUE_KEY_H
#define QUEUE_KEY_H

#include "queue/private.h"

#define QUEUE_LINK 256 /* bytes of a file's name with its NUL */

/* The name of the file for ${key}, "<key>" or "<tenant>.<key>": letters, digits, '-' and '_' are
 * themselves, other bytes %XX. */
int queue_link_name(const char *tenant, const char *key, char name[QUEUE_LINK], struct err *e);

/* The number that ${key} was used for last, 0: none. */
int queue_key_find(struct queue *q, const char *tenant, const char *key, uint64_t *number,
		   struct err *e);
int queue_key_set(struct queue *q, const char *tenant, const char *key, uint64_t number,
		  struct err *e);

/* ${key} is not used for task ${number} any more. */
int queue_key_forget(struct queue *q, const char *tenant, const char *key, uint64_t number,
		     struct err *e);

#endif
