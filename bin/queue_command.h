/*
 * queue_command - what the subcommands of awcp-queue share.
 */
#ifndef QUEUE_COMMAND_H
#define QUEUE_COMMAND_H

#include "command.h"
#include "queue/queue.h"

/* A subcommand: it reads its own options, of which argv[0] is its name, and returns the exit
 * status. */
typedef int queue_subcommand(int argc, char **argv);

queue_subcommand queue_do_put;
queue_subcommand queue_do_take, queue_do_beat;
queue_subcommand queue_do_done, queue_do_fail, queue_do_return, queue_do_limit;
queue_subcommand queue_do_cancel, queue_do_retry, queue_do_pause, queue_do_resume;
queue_subcommand queue_do_list, queue_do_wait;
queue_subcommand queue_do_show, queue_do_stats;
queue_subcommand queue_do_output, queue_do_read;
queue_subcommand queue_do_check, queue_do_retire;

#define QUEUE_DEFAULT "default" /* the queue, where none is named */
#define QUEUE_WORDS 16          /* values of an option that may be repeated */

struct queue_words {
	const char *text[QUEUE_WORDS + 1]; /* NULL-terminated */
	size_t count;
};

/* The value that getopt(3) has read for ${option}; a wrong one ends the program. */
int64_t queue_option_number(const char *option, int64_t min, int64_t max);
int64_t queue_option_span(const char *option); /* seconds */
void queue_option_add(struct queue_words *w);
uint32_t queue_option_mark(void); /* as a bit */

/* The operands after the options: none may be there; or at least one ${what} ("task"), for each of
 * which ${each} is called as command_each does. */
void queue_no_operands(int argc, char **argv);
int queue_each_operand(int argc, char **argv, const char *what,
		       int (*each)(void *arg, const char *operand), void *arg);

/* Open the queue of the task or claim ${id}, or take the one that was open last.  What people call
 * a task is looked for in ${queue}.  NULL on failure; it is closed by queue_of_close. */
struct queue *queue_of(const char *queue, const char *id, struct queue_claim_id *claim,
		       struct err *e);
void queue_of_close(void);

#endif
