#include "queue_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "queue/reader.h"

#define WORD 256 /* after all letters */
#define WORDS_MAX 8

void
queue_flag(const struct queue_option *o)
{
	*(bool *)o->value = true;
}

void
queue_utf8(const char *text)
{
	if (!utf8_valid(text))
		command_usage("not UTF-8: %s", text);
}

void
queue_text(const struct queue_option *o)
{
	queue_utf8(optarg);
	*(const char **)o->value = optarg;
}

void
queue_words(const struct queue_option *o)
{
	struct queue_words *w = o->value;

	queue_utf8(optarg);
	if (w->count == QUEUE_WORDS)
		command_usage("at most %d of one kind", QUEUE_WORDS);
	w->text[w->count++] = optarg;
}

static bool
is_letter(const struct queue_option *o)
{
	return o->name[1] == '\0';
}

void
queue_number(const struct queue_option *o)
{
	char *end;
	long long n = strtoll(optarg, &end, 10);

	if (optarg[0] < '0' || optarg[0] > '9' || *end != '\0' || n > o->max)
		command_usage("%s%s takes a number from 0 to %lld, not %s",
			      is_letter(o) ? "-" : "--", o->name, (long long)o->max, optarg);
	*(int64_t *)o->value = n;
}

void
queue_span(const struct queue_option *o)
{
	if (clock_parse_span(optarg, o->value, NULL) < 0)
		command_usage("--%s takes a span, for example 90, 15m, 2h or 7d, not %s", o->name,
			      optarg);
}

void
queue_marks(const struct queue_option *o)
{
	enum queue_mark mark = queue_mark_named(optarg);

	if (mark == QUEUE_MARKS)
		command_usage("a mark is unread, read or active, not %s", optarg);
	*(uint32_t *)o->value |= (uint32_t)1 << mark;
}

void
queue_options(const struct command *self, const struct queue_option *options, int argc, char **argv)
{
	struct option words[WORDS_MAX + 1] = {{0}};
	const struct queue_option *o;
	size_t n = 0;
	int option;

	for (o = options; o->name != NULL; o++)
		if (!is_letter(o))
			words[n++] = (struct option){o->name, o->read != queue_flag, NULL,
						     WORD + (int)(o - options)};
	while ((option = command_option_word(self, words, argc, argv)) != -1)
		if (option >= WORD) {
			options[option - WORD].read(&options[option - WORD]);
		} else {
			for (o = options; o->name != NULL; o++)
				if (is_letter(o) && o->name[0] == option)
					o->read(o);
		}
}

void
queue_no_operands(int argc, char **argv)
{
	if (optind < argc)
		command_usage("no operand is taken: %s", argv[optind]);
}

int
queue_each_operand(int argc, char **argv, const char *what,
		   int (*each)(void *arg, const char *operand), void *arg)
{
	if (optind == argc)
		command_usage("which %s?", what);
	return command_each(argc - optind, argv + optind, each, arg);
}

static struct queue *open_queue;

struct queue *
queue_of(const char *queue, const char *id, struct queue_claim_id *claim, struct err *e)
{
	char name[QUEUE_NAME + 1];

	claim->attempt = 0;
	if (queue_is_name(id, &claim->number))
		(void)snprintf(name, sizeof name, "%s", queue);
	else if (queue_parse_id(id, name, claim, e) < 0)
		return NULL;
	if (open_queue != NULL && strcmp(queue_name(open_queue), name) == 0)
		return open_queue;
	queue_close(open_queue);
	open_queue = queue_open(name, false, e);
	return open_queue;
}

void
queue_of_close(void)
{
	queue_close(open_queue);
	open_queue = NULL;
}
