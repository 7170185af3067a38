/*
 * queue/name - what tasks are called, and short stand-ins for texts.
 */
#ifndef QUEUE_NAME_H
#define QUEUE_NAME_H

#include <stdint.h>

/* A hash of ${text}, never 0; 0 for NULL. */
uint64_t queue_hash(const char *text);

/* Two bits that stand for ${text} in a cell, beside those of other texts. */
uint64_t queue_bits(const char *text);

/* Write "brave-otter-17". */
void queue_human_name(uint64_t number, char out[64]);

#endif
