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

/* An option, and where its value goes. */
struct queue_option {
	const char *name;                             /* a letter, or a word for -- */
	void (*read)(const struct queue_option *own); /* one of the following, or the caller's */
	void *value;
	int64_t max; /* of a number, which is at least 0 */
};

/* ${text} goes into a record, where it must be UTF-8: what is not ends the program. */
void queue_utf8(const char *text);

void queue_flag(const struct queue_option *o);   /* bool; takes no value */
void queue_text(const struct queue_option *o);   /* const char * */
void queue_words(const struct queue_option *o);  /* struct queue_words, to which it is added */
void queue_number(const struct queue_option *o); /* int64_t */
void queue_span(const struct queue_option *o);   /* int64_t, seconds */
void queue_marks(const struct queue_option *o);  /* uint32_t, to which it is added as a bit */

/* Read the options of ${self}, of which ${options}, ended by {0}, has all; a wrong value ends the
 * program. */
void queue_options(const struct command *self, const struct queue_option *options, int argc,
		   char **argv);

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
