#include "queue_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/reader.h"

int64_t
queue_option_number(const char *option, int64_t min, int64_t max)
{
	char *end;
	long long n = strtoll(optarg, &end, 10);

	if ((optarg[0] < '0' || optarg[0] > '9') || *end != '\0' || n < min || n > max)
		command_usage("%s takes a number from %lld to %lld, not %s", option, (long long)min,
			      (long long)max, optarg);
	return n;
}

int64_t
queue_option_span(const char *option)
{
	int64_t seconds;

	if (clock_parse_span(optarg, &seconds, NULL) < 0)
		command_usage("%s takes a span, for example 90, 15m, 2h or 7d, not %s", option,
			      optarg);
	return seconds;
}

void
queue_option_add(struct queue_words *w)
{
	if (w->count == QUEUE_WORDS)
		command_usage("at most %d of one kind", QUEUE_WORDS);
	w->text[w->count++] = optarg;
}

uint32_t
queue_option_mark(void)
{
	enum queue_mark mark = queue_mark_named(optarg);

	if (mark == QUEUE_MARKS)
		command_usage("a mark is unread, read or active, not %s", optarg);
	return (uint32_t)1 << mark;
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
