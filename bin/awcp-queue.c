/*
 * awcp-queue - the durable queue: to put, to take, to look at.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue_command.h"
#include "queue/reader.h"

#define USAGE                                                                                      \
	"usage: awcp-queue put [-ju] [-q queue] [-f file] [-k key] [-L label]... [-l lane]\n"      \
	"                  [-p priority] [-r capability]... [-w task]... [--after span]\n"         \
	"                  [--always] [--backoff span] [--retries n] [--session name]\n"           \
	"                  [--timeout span] [prompt... | -]\n"                                     \
	"       awcp-queue take [-jW] [-q queue] [-r capability]... [--lease span]\n"              \
	"       awcp-queue beat [-m progress] [--lease span] claim...\n"                           \
	"       awcp-queue done [-f result] claim...\n"                                            \
	"       awcp-queue fail [-m why] [--exit n] [--last] claim...\n"                           \
	"       awcp-queue return [-m why] claim...\n"                                             \
	"       awcp-queue limit [-m why] [--after span] claim...\n"                               \
	"       awcp-queue cancel [-m why] [-q queue] task...\n"                                   \
	"       awcp-queue retry|pause|resume [-q queue] task...\n"                                \
	"       awcp-queue list [-j] [-q queue] [-k key] [-L label]... [-l lane] [-s state]...\n"  \
	"                  [--limit n] [--session name] [--since version [-W]]\n"                  \
	"                  [--reader name [--mark mark]...] [task]\n"                              \
	"       awcp-queue read [-q queue] [--mark mark] --reader name [--since version | "        \
	"task...]\n"                                                                               \
	"       awcp-queue show [-j] [-q queue] task...\n"                                         \
	"       awcp-queue wait [-j] [-q queue] [--since version | task...]\n"                     \
	"       awcp-queue output [-W] [-q queue] task...\n"                                       \
	"       awcp-queue stats [-jW] [-q queue]\n"                                               \
	"       awcp-queue check [-q queue] [--repair]\n"                                          \
	"       awcp-queue retire [-n] [-q queue] [--older span]\n"                                \
	"  -f file        the prompt is in it, or the result of done (JSON)\n"                     \
	"  -j             JSON; with put - the tasks are, one a line\n"                            \
	"  -k key         put once only: the same key gives the same task\n"                       \
	"  -L label       of the task\n"                                                           \
	"  -l lane        tasks of a lane run one after the other\n"                               \
	"  -m why         for the record\n"                                                        \
	"  -n             only say what would be done\n"                                           \
	"  -p priority    0 (the default) to 9, the most urgent\n"                                 \
	"  -q queue       default; stats: all\n"                                                   \
	"  -r capability  that the worker must have, or has\n"                                     \
	"  -s state       only those, or all; without it all that have not ended\n"                \
	"  -u             nothing is put while the task with this key has not ended\n"             \
	"  -W             wait for a task, for changes, or refresh\n"                              \
	"  -w task        after which this one runs\n"                                             \
	"  --after span   not before that time has passed (90, 15m, 2h, 7d)\n"                     \
	"  --always       run even if a task of -w did not complete\n"                             \
	"  --backoff span before the first retry, doubled for each (10)\n"                         \
	"  --exit n       status of the command that failed\n"                                     \
	"  --last         no retry, whatever is left\n"                                            \
	"  --lease span   how long the claim holds without a beat (60)\n"                          \
	"  --limit n      tasks or changes to list, at most (50, with -W all; 0: all)\n"           \
	"  --mark mark    unread, read or active: only those; or what they are from now on\n"      \
	"  --older span   what ended so long ago (as the queue says, 7d)\n"                        \
	"  --reader name  who reads\n"                                                             \
	"  --repair       make the index anew\n"                                                   \
	"  --retries n    after a failure (0)\n"                                                   \
	"  --session name that the task belongs to\n"                                              \
	"  --since version  the changes after it; with read those up to it\n"                      \
	"  --timeout span the task may run so long\n"                                              \
	"A task is called like review.17, or by its name in the queue of -q, a claim on it like\n" \
	"review.17.1; - reads them from stdin.\n"

static const struct command self = {"awcp-queue", "f:jk:L:l:m:np:q:r:s:uvWw:", USAGE};

enum word {
	AFTER = 256,
	ALWAYS,
	BACKOFF,
	EXIT,
	LAST,
	LEASE,
	LIMIT,
	MARK,
	OLDER,
	READER,
	REPAIR,
	RETRIES,
	SINCE,
	SESSION,
	TIMEOUT
};

static const struct option words[] = {{"after", required_argument, NULL, AFTER},
				      {"always", no_argument, NULL, ALWAYS},
				      {"backoff", required_argument, NULL, BACKOFF},
				      {"exit", required_argument, NULL, EXIT},
				      {"last", no_argument, NULL, LAST},
				      {"lease", required_argument, NULL, LEASE},
				      {"limit", required_argument, NULL, LIMIT},
				      {"mark", required_argument, NULL, MARK},
				      {"older", required_argument, NULL, OLDER},
				      {"reader", required_argument, NULL, READER},
				      {"repair", no_argument, NULL, REPAIR},
				      {"retries", required_argument, NULL, RETRIES},
				      {"since", required_argument, NULL, SINCE},
				      {"session", required_argument, NULL, SESSION},
				      {"timeout", required_argument, NULL, TIMEOUT},
				      {0}};

/* The subcommands, and the options that each knows; long ones by a letter of their own:
 * A after, N always, B backoff, E exit, T last, D lease, M limit, G mark, Y older, K reader,
 * R repair, C retries, S since, Z session, O timeout. */
static const struct job {
	const char *name, *options;
	int (*run)(const struct queue_options *o);
	bool operands; /* it takes some */
} jobs[] = {
    {"put", "fjkLlpqruwANBCZO", queue_do_put, true},
    {"take", "jWqrD", queue_do_take, false},
    {"beat", "Dm", queue_do_beat, true},
    {"done", "f", queue_do_done, true},
    {"fail", "mET", queue_do_fail, true},
    {"return", "m", queue_do_return, true},
    {"limit", "mA", queue_do_limit, true},
    {"retry", "q", queue_do_retry, true},
    {"cancel", "mq", queue_do_cancel, true},
    {"pause", "q", queue_do_pause, true},
    {"resume", "q", queue_do_resume, true},
    {"list", "jqkLlsMSZWGK", queue_do_list, true},
    {"show", "jq", queue_do_show, true},
    {"stats", "jqW", queue_do_stats, false},
    {"wait", "jqS", queue_do_wait, true},
    {"output", "qW", queue_do_output, true},
    {"read", "qGKS", queue_do_read, true},
    {"check", "qR", queue_do_check, false},
    {"retire", "nqY", queue_do_retire, false},
};

static const char word_letters[] = "ANBETDMGYKRCSZO"; /* of enum word, in its order */

static int64_t
number(const char *option, const char *text, int64_t least, int64_t most)
{
	char *end;
	long long n = strtoll(text, &end, 10);

	if ((text[0] < '0' || text[0] > '9') || *end != '\0' || n < least || n > most)
		command_usage("%s takes a number from %lld to %lld, not %s", option,
			      (long long)least, (long long)most, text);
	return n;
}

static int64_t
span(const char *option, const char *text)
{
	int64_t seconds;

	if (clock_parse_span(text, &seconds, NULL) < 0)
		command_usage("%s takes a span such as 90, 15m, 2h or 7d, not %s", option, text);
	return seconds;
}

static void
add(const char *list[QUEUE_LABELS + 1], size_t *count, const char *text)
{
	if (*count == QUEUE_LABELS)
		command_usage("at most %d of one kind", QUEUE_LABELS);
	list[(*count)++] = text;
}

static uint32_t
parse_state(const char *text)
{
	enum queue_state state = queue_state_named(text);

	if (strcmp(text, "all") == 0)
		return ~(uint32_t)1;
	if (state == QUEUE_NONE)
		command_usage("there is no state %s", text);
	return (uint32_t)1 << state;
}

static uint32_t
parse_mark(const char *text)
{
	enum queue_mark mark = queue_mark_named(text);

	if (mark == QUEUE_MARKS)
		command_usage("a mark is unread, read or active, not %s", text);
	return (uint32_t)1 << mark;
}

static void
set_letter(struct queue_options *o, int option)
{
	switch (option) {
	case 'f':
		o->file = optarg;
		break;
	case 'j':
		o->json = true;
		break;
	case 'k':
		o->key = optarg;
		break;
	case 'L':
		add(o->labels, &o->label_count, optarg);
		break;
	case 'l':
		o->lane = optarg;
		break;
	case 'm':
		o->reason = optarg;
		break;
	case 'n':
		o->dry = true;
		break;
	case 'p':
		o->priority = number("-p", optarg, 0, 9);
		break;
	case 'q':
		o->queue = optarg;
		o->all = false;
		break;
	case 'r':
		add(o->requires, &o->require_count, optarg);
		break;
	case 's':
		o->states |= parse_state(optarg);
		break;
	case 'u':
		o->unique = true;
		break;
	case 'W':
		o->wait = true;
		break;
	case 'w':
		if (o->needs == NULL)
			o->needs = json_array();
		(void)json_array_append_new(o->needs, json_string(optarg));
		break;
	}
}

static void
set_word(struct queue_options *o, int option)
{
	switch (option) {
	case AFTER:
		o->after = span("--after", optarg);
		break;
	case ALWAYS:
		o->always = true;
		break;
	case BACKOFF:
		o->backoff = span("--backoff", optarg);
		break;
	case EXIT:
		o->exit = number("--exit", optarg, 0, 255);
		break;
	case LAST:
		o->last = true;
		break;
	case LEASE:
		o->lease = span("--lease", optarg) * 1000;
		break;
	case LIMIT:
		o->limit = number("--limit", optarg, 0, INT32_MAX);
		break;
	case MARK:
		o->marks |= parse_mark(optarg);
		break;
	case OLDER:
		o->older = strcmp(optarg, "0") == 0 ? 0 : span("--older", optarg) * 1000;
		break;
	case READER:
		o->reader = optarg;
		break;
	case REPAIR:
		o->repair = true;
		break;
	case RETRIES:
		o->retries = number("--retries", optarg, 0, 1000);
		break;
	case SINCE:
		o->since = number("--since", optarg, 0, INT64_MAX);
		break;
	case SESSION:
		o->session = optarg;
		break;
	case TIMEOUT:
		o->timeout = span("--timeout", optarg);
		break;
	}
}

static const struct job *
find_job(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof jobs / sizeof jobs[0]; i++)
		if (strcmp(jobs[i].name, name) == 0)
			return &jobs[i];
	if (name != NULL)
		command_usage("there is no %s", name);
	command_usage("say what to do: put, take, list, ...");
}

int
main(int argc, char **argv)
{
	struct queue_options o = {.queue = "default",
				  .all = true,
				  .priority = -1,
				  .after = -1,
				  .timeout = -1,
				  .retries = -1,
				  .backoff = -1,
				  .lease = QUEUE_LEASE_MS,
				  .limit = -1,
				  .since = -1,
				  .older = -1,
				  .exit = -1};
	const struct job *job;
	const char *name = NULL;
	int option;

	if (argc > 1 && argv[1][0] != '-') {
		name = argv[1];
		argv++;
		argc--;
	}
	while ((option = command_option_word(&self, words, argc, argv)) != -1) {
		job = find_job(name);
		int letter = option < AFTER ? option : word_letters[option - AFTER];
		if (strchr(job->options, letter) == NULL)
			command_usage("%s does not take %s", job->name, argv[optind - 1]);
		if (option < AFTER)
			set_letter(&o, option);
		else
			set_word(&o, option);
	}
	job = find_job(name);
	o.operands = argv + optind;
	o.count = argc - optind;
	if (o.count > 0 && !job->operands)
		command_usage("%s takes no operand", job->name);
	int status = job->run(&o);
	queue_of_close();
	json_decref(o.needs);
	return command_end(status);
}
