/*
 * command - what every command of ours does the same way.
 *
 * A command only translates: arguments in, a call into lib/, text out.  Data goes to stdout,
 * progress and complaints to stderr; every complaint is "awcp-invite: what failed: why; hint".
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <jansson.h>

#include "base/err.h"

struct command {
	const char *name;    /* "awcp-invite" */
	const char *options; /* for getopt(3), without h and V */
	const char *usage;   /* the text of -h: one line "usage: ...", then a line an option */
};

/* Settle what was inherited, use UTF-8, load the configuration, remember ${c} for the messages;
 * handles -h and -V.  Returns the next option as getopt(3) does, -1 after the last; a wrong option
 * ends the program with 64, a wrong configuration with 78 after the last option.  The first call
 * comes before the program opens anything or reads the environment. */
int command_option(const struct command *c, int argc, char **argv);

/* The program reads the configuration itself, and goes on if it is wrong; before command_option. */
void command_skip_config(void);

/* As command_option, with the long options ${words} (getopt_long(3)); a complete word only. */
int command_option_word(const struct command *c, const struct option *words, int argc, char **argv);

/* Print ${e} to stderr and return its exit status. */
int command_fail(const struct err *e);

/* Print "name: text; hint" for a usage error and exit with 64. */
_Noreturn void command_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Print "name: text" to stderr. */
void command_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Call ${each} for every operand; "-" stands for the lines of stdin. Returns the greatest of the
 * exit statuses. */
int command_each(int argc, char **argv, int (*each)(void *arg, const char *operand), void *arg);

/* Print ${o} as a line of JSON to stdout. */
void command_json(const json_t *o);

/* Print ${s} to ${stream} with what must not be shown as it is (text_unshown) as "?", so that a
 * name from outside neither drives the terminal nor looks like another. */
void command_text(const char *s, bool error_stream);

/* Print the text ${s} of several lines to stdout as command_text does: the lines below the first
 * begin in column ${column}, or with 0 follow it on the same line. */
void command_prose(const char *s, int column);

/* "1.2 MB" into ${out}. */
const char *command_bytes(uint64_t bytes, char out[16]);

/* Has writing to stdout failed?  Then there is no use in going on with what only prints. */
bool command_cut_off(void);

/* Is nobody there any more to read stdout?  For those who write to the descriptor itself. */
bool command_reader_gone(void);

/* Flush stdout.  What could not be written there is reported, with the reason of the first failure
 * (a full disk), but not when the reader has seen enough.  Returns ${status} or 74.  Where a
 * program ends without it, this happens all the same. */
int command_end(int status);

#endif
