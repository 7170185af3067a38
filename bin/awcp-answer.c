/* awcp-answer - what tasks ask, and the answers of a person */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "assignment/assignment.h"
#include "assignment/members.h"
#include "base/utf8.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "lend/session.h"
#include "prompt.h"
#include "queue/members.h"
#include "queue/question.h"
#include "wire/members.h"

static const struct command command = {
    "awcp-answer", "j",
    "usage: awcp-answer [-j]\n"
    "       awcp-answer [-j] task\n"
    "       awcp-answer task [question] answer\n"
    "  -j  print the questions as NDJSON\n"
    "A task is one of a queue, like review.17, or a delegation.  Alone, its open questions\n"
    "are shown in full; without any operand all that are open.  An answer - is read from stdin.\n"};

struct showing {
	bool json, full;
	int worst; /* exit status of the queues so far */
};

static void
print_options(const json_t *question)
{
	const json_t *one;
	size_t i;

	json_array_foreach (question_options(question), i, one) {
		(void)fputs(i == 0 ? " [" : ", ", stdout);
		command_text(json_string_value(one), false);
	}
	if (i > 0)
		(void)putchar(']');
}

/* The text as it is; what could drive a terminal was dropped when it was asked. */
static void
print_full(const char *id, const json_t *question)
{
	const char *fallback = question_default(question);
	const char *until = question_until(question);

	(void)printf("%s %s %s asked %.19s", id, question_id(question), question_type(question),
		     question_asked_at(question));
	if (until != NULL)
		(void)printf(" until %.19s", until);
	(void)printf("\n%s\n", question_text(question));
	if (question_options(question) != NULL)
		(void)fputs("answer:", stdout);
	print_options(question);
	if (question_options(question) != NULL)
		(void)putchar('\n');
	if (fallback != NULL)
		(void)printf("default: %s\n", fallback);
}

static void
print_line(const char *id, const json_t *question)
{
	const char *text = question_text(question);
	char first[121];

	(void)snprintf(first, sizeof first, "%.*s", (int)strcspn(text, "\n"), text);
	(void)printf("%-16s %-4s %-16s ", id, question_id(question), question_type(question));
	command_text(first, false);
	print_options(question);
	(void)putchar('\n');
}

/* Print the open questions ${list} of ${id}. */
static void
show_questions(const struct showing *s, const char *id, const json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		if (s->json) {
			(void)jsonx_set(one, "task", id); /* of our copy */
			command_json(one);
		} else if (s->full) {
			print_full(id, one);
		} else {
			print_line(id, one);
		}
	}
}

static int
show_task(void *arg, const json_t *task)
{
	struct err e;

	json_t *list = queue_questions(task, &e);
	show_questions(arg, task_id(task), list);
	json_decref(list);
	return 0;
}

/* One that is damaged does not hide the others. */
static int
show_queue(void *arg, const char *name)
{
	struct showing *s = arg;
	const struct queue_filter waiting = {.states = 1U << QUEUE_WAITING_ANSWER};
	struct err e;

	struct queue *q = queue_open(name, false, &e);
	int status = q == NULL ? -1 : queue_list(q, &waiting, show_task, arg, &e);
	queue_close(q);
	status = status < 0 ? command_fail(&e) : 0;
	if (status > s->worst)
		s->worst = status;
	return 0;
}

static int
show_delegation(void *arg, const char *id)
{
	struct record r;
	struct err e;

	int status = record_open(DELEGATIONS, id, false, &r, &e);
	if (status < 0)
		status = command_fail(&e);
	else if (!delegation_ended(r.json))
		show_questions(arg, id, delegation_questions(r.json));
	record_close(&r);
	return status;
}

static int
show_all(struct showing *s)
{
	struct err e;

	if (queue_each(show_queue, s, &e) < 0)
		return command_fail(&e);
	int status = record_list(DELEGATIONS, false, show_delegation, s, &e);
	if (status < 0)
		return command_fail(&e);
	return status > s->worst ? status : s->worst;
}

/* Write to ${task} what the assignment that begins with ${id} is called in its queue. */
static int
find_assignment(const char *id, char task[ID_MAX + 1], struct err *e)
{
	char whole[ID_MAX + 1];
	struct record r;

	if (record_find(ASSIGNMENTS, id, whole, e) < 0)
		return -1;
	int status = record_open(ASSIGNMENTS, whole, false, &r, e);
	if (status == 0)
		(void)snprintf(task, ID_MAX + 1, "%s.%lld", assignment_queue(r.json),
			       (long long)assignment_task_number(r.json));
	record_close(&r);
	return status;
}

/* What ${id} means, written to ${task}: 1, a task of a queue, also that of an assignment; 0, a
 * delegation. */
static int
resolve(const char *id, char task[ID_MAX + 1], struct err *e)
{
	if (strchr(id, '.') != NULL) {
		(void)snprintf(task, ID_MAX + 1, "%s", id);
		return 1;
	}
	if (record_find(DELEGATIONS, id, task, e) == 0)
		return 0;
	return e->code != ERR_NOT_FOUND || find_assignment(id, task, e) < 0 ? -1 : 1;
}

static struct queue *
open_queue(const char *id, uint64_t *number, struct err *e)
{
	char name[QUEUE_NAME + 1];
	struct queue_claim_id task;

	if (queue_parse_id(id, name, &task, e) < 0)
		return NULL;
	*number = task.number;
	return queue_open(name, false, e);
}

static int
show_one(struct showing *s, const char *id)
{
	char whole[ID_MAX + 1];
	json_t *task = NULL;
	uint64_t number;
	struct err e;

	s->full = true;
	int is_task = resolve(id, whole, &e);
	if (is_task < 0)
		return command_fail(&e);
	if (is_task == 0)
		return show_delegation(s, whole);
	struct queue *q = open_queue(whole, &number, &e);
	if (q != NULL)
		task = queue_show(q, number, &e);
	queue_close(q);
	if (task == NULL)
		return command_fail(&e);
	int status = show_task(s, task);
	json_decref(task);
	return status;
}

/* The name of this account, for the record. */
static const char *
answerer(void)
{
	const struct passwd *me = getpwuid(geteuid());

	return me == NULL ? NULL : me->pw_name;
}

static int
answer_task(const char *id, const char *question, const char *text, struct err *e)
{
	char whole[ID_MAX + 1];
	uint64_t number;

	int is_task = resolve(id, whole, e);
	if (is_task < 0)
		return -1;
	if (is_task == 0)
		return lend_answer(whole, question, text, e);
	struct queue *q = open_queue(whole, &number, e);
	int status = q == NULL ? -1 : queue_answer(q, number, question, text, answerer(), e);
	queue_close(q);
	return status;
}

static int
answer_one(int argc, char **argv)
{
	struct buf text = BUF_INIT(QUESTION_ANSWER + 1);
	char *last = argv[argc - 1];
	struct err e;
	int status = -1;

	if (argc == 2 && question_id_valid(last))
		command_usage("what is the answer to %s?", last);
	if (argc == 3 && !question_id_valid(argv[1]))
		command_usage("%s is not the id of a question, like q1; quote the answer", argv[1]);
	if (!utf8_valid(last))
		command_usage("not UTF-8: %s", last);
	/* An empty answer is one: the default. */
	if (strcmp(last, "-") == 0 && prompt_read("answer", "-", 0, NULL, &text, &e) < 0)
		goto out;
	status = answer_task(argv[0], argc == 3 ? argv[1] : NULL,
			     text.data != NULL ? text.data : last, &e);
out:
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	if (status == 0)
		return 0;
	err_add(&e, "%s", argv[0]);
	return command_fail(&e);
}

int
main(int argc, char **argv)
{
	struct showing s = {.json = false};
	int option;

	while ((option = command_option(&command, argc, argv)) != -1)
		if (option == 'j')
			s.json = true;
	argc -= optind;
	argv += optind;
	if (argc > 3)
		command_usage("too many operands; quote the answer");
	int status = argc == 0   ? show_all(&s)
		     : argc == 1 ? show_one(&s, argv[0])
				 : answer_one(argc, argv);
	return command_end(status);
}
