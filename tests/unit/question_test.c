/* Questions: what may be asked and answered, and how a task of a queue waits for it. */
#include "queue_tools.h"

#include <unistd.h>

#include "delegation/delegation.h"
#include "queue/question.h"

static json_t *
parse(const char *text)
{
	json_error_t bad;
	json_t *o = json_loads(text, 0, &bad);

	if (o == NULL)
		scratch_fail(text);
	return o;
}

static json_t *
make(const char *text)
{
	json_t *o = parse(text);
	json_t *q = question_make(o, &why);

	json_decref(o);
	return q;
}

static const struct {
	const char *asked;
	enum err_code code;
	const char *text; /* as it is kept */
} questions[] = {
    {"{\"text\": \"go on?\"}", ERR_NONE, "go on?"},
    {"{\"text\": \" \\n a\\tb\\nc \\n\"}", ERR_NONE, "a\tb\nc"},
    {"{\"text\": \"a\\u001b[31mb\\u0007\\u0085c\\u007f\"}", ERR_NONE, "abc"},
    {"{\"text\": \"\\u202ea\\u2066b\\u2069\\u200fc\\u061c\"}", ERR_NONE, "abc"},
    {"{\"text\": \"\\u2028\\u20ac\\u0634\"}", ERR_NONE, "\u2028\u20ac\u0634"},
    {"{\"text\": \"x\", \"type\": \"elicitation\", \"timeout\": 5, \"secret\": true}", ERR_NONE,
     "x"},
    {"{\"text\": \"x\", \"options\": [\"a\", \"b\"], \"default\": \"b\"}", ERR_NONE, "x"},
    {"{\"text\": \"\\u001b[31m\\u0007 \"}", ERR_BAD_DATA, NULL},
    {"{\"text\": 1}", ERR_BAD_DATA, NULL},
    {"{}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"type\": \"order\"}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": \"a\"}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": [1]}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": [\"a\", \" a \"]}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": [\"a\\nb\"]}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": [\"a\"], \"default\": \"b\"}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"options\": "
     "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\","
     "\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
     ERR_TOO_LARGE, NULL},
    {"{\"text\": \"x\", \"timeout\": 0}", ERR_BAD_DATA, NULL},
    {"{\"text\": \"x\", \"secret\": 1}", ERR_BAD_DATA, NULL},
};

static void
test_questions(void)
{
	for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
		why.code = ERR_NONE;
		json_t *q = make(questions[i].asked);
		CHECK(why.code == questions[i].code && (q != NULL) == (why.code == ERR_NONE),
		      "%s is asked or not (%s)", questions[i].asked, why.message);
		if (q != NULL)
			CHECK_STR(jsonx_text(q, "text", NULL), questions[i].text,
				  "its text is kept");
		json_decref(q);
	}
	char text[QUESTION_TEXT + 2];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	json_t *long_one = json_pack("{ss}", "text", text);
	CHECK(question_make(long_one, &why) == NULL && why.code == ERR_TOO_LARGE,
	      "one that is too long is refused, not cut");
	json_decref(long_one);
}

static void
test_answers(void)
{
	char out[QUESTION_ANSWER + 1];

	json_t *free_text = make("{\"text\": \"x\"}");
	json_t *choice =
	    make("{\"text\": \"x\", \"type\": \"file_approval\", \"default\": \"no\"}");
	CHECK_INT(question_take_answer(free_text, "a\033[2Jb\n\n", out, &why), 0,
		  "any text will do");
	CHECK_STR(out, "ab", "without what drives a terminal");
	CHECK_INT(question_take_answer(free_text, "", out, &why), -1, "an empty one will not");
	CHECK_INT(question_take_answer(choice, "yes", out, &why), 0, "an option will do");
	CHECK_INT(question_take_answer(choice, "Yes", out, &why), -1, "letter by letter");
	CHECK_STR(why.hint, "one of: yes, no", "what there is to choose from is told");
	CHECK_INT(question_take_answer(choice, "\n", out, &why), 0, "an empty one is the default");
	CHECK_STR(out, "no", "and that is it");
	json_decref(free_text);
	json_decref(choice);
}

static void
test_peer(void)
{
	static const char *const bad[] = {
	    "{\"text\": \"x\"}",
	    "{\"id\": \"q\", \"text\": \"x\"}",
	    "{\"id\": \"../q1\", \"text\": \"x\"}",
	    "{\"id\": \"q1\", \"text\": \"\"}",
	    "{\"id\": \"q1\", \"text\": \"x\", \"until\": 5}",
	    "{\"id\": \"q1\", \"text\": \"x\", \"outcome\": \"a very long outcome, too long\"}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *o = parse(bad[i]);
		json_t *q = question_from_peer(o, &why);
		CHECK(q == NULL, "%s is no question", bad[i]);
		json_decref(q);
		json_decref(o);
	}
	json_t *o = parse("{\"id\": \"q12\", \"text\": \"a\\u001b[1mb\", \"until\": "
			  "\"2000-01-01T00:00:00.000Z\", \"more\": 1}");
	json_t *q = question_from_peer(o, &why);
	CHECK_STR(jsonx_text(q, "text", NULL), "ab", "a peer's question is cleaned");
	CHECK(json_object_get(q, "more") == NULL, "and has no more than it should");
	CHECK(question_open(q) && question_late(q, clock_now()), "its time may be over");
	json_decref(q);
	json_decref(o);
}

/* What ${text}, an event, does to ${r}. */
static int
event(struct record *r, const char *text)
{
	json_t *o = parse(text);
	int status = delegation_question(r, o, &why);

	json_decref(o);
	return status;
}

static size_t
known(const struct record *r)
{
	return json_array_size(json_object_get(r->json, "questions"));
}

static void
test_delegation(void)
{
	static const char asks[] = "{\"type\": \"status\", \"status\": \"progress\", \"question\": "
				   "{\"id\": \"q%d\", \"text\": \"x\"}}";
	struct record r = {.json = json_object()};
	char text[sizeof asks + 16];

	CHECK_INT(event(&r, "{\"type\": \"status\", \"status\": \"progress\"}"), 0, "progress");
	CHECK_INT(event(&r, "{\"type\": \"status\", \"question\": 1}"), 0, "is no question");
	CHECK_INT(
	    event(&r, "{\"type\": \"done\", \"question\": {\"id\": \"q1\", \"text\": \"x\"}}"), 0,
	    "nor is the end");
	for (int i = 1; i <= 20; i++) {
		(void)snprintf(text, sizeof text, asks, i);
		(void)event(&r, text);
	}
	CHECK_INT(known(&r), 16, "a peer has only so many remembered");
	CHECK_INT(event(&r, "{\"type\": \"status\", \"question\": {\"id\": \"q3\", \"outcome\": "
			    "\"answered\"}}"),
		  1, "one is over");
	CHECK_INT(delegation_answered(&r, "q4"), 1, "one was answered here");
	CHECK_INT(delegation_answered(&r, "q4"), 0, "once");
	CHECK_INT(known(&r), 14, "both are forgotten");
	(void)snprintf(text, sizeof text, asks, 5);
	CHECK_INT(event(&r, text), 1, "what is told again is nothing new");
	(void)snprintf(text, sizeof text, asks, 21);
	CHECK_INT(event(&r, text), 2, "what was not told before is");
	CHECK_INT(event(&r, "{\"type\": \"status\", \"status\": \"running\"}"), 1,
		  "it begins anew");
	CHECK_INT(known(&r), 0, "and asks from the beginning");
	json_decref(r.json);
}

static int
ask_from(struct queue *q, uint64_t n, uint32_t attempt, int64_t asked, const char *text)
{
	json_t *question = make(text);
	const struct queue_asked before = {.count = asked};
	int status = queue_ask(q, claim_of(n, attempt), question, &before, &why);

	json_decref(question);
	return status;
}

/* The outcome and the answer of a question, "" while it is open. */
static const char *
heard(struct queue *q, uint64_t n, uint32_t attempt, const char *id)
{
	static char text[100];
	json_t *question = NULL;

	int over = queue_question_poll(q, claim_of(n, attempt), id, &question, &why);
	(void)snprintf(text, sizeof text, "%s%s%s", over < 0 ? "failed" : "",
		       jsonx_text(question, "outcome", ""), jsonx_text(question, "answer", ""));
	json_decref(question);
	return text;
}

static void
test_queue(void)
{
	uint32_t attempt, second;

	struct queue *q = queue_with("asks", "{\"recovery\": \"retry\"}");
	CHECK_INT(put(q, "{}"), 1, "a task");
	CHECK_INT(ask(q, 1, 1), -1, "that nobody has asks nothing");
	(void)take_for(q, 60000, &attempt);
	CHECK_INT(ask(q, 1, attempt), 0, "one that runs does");
	CHECK_STR(state(q, 1), "waiting_answer", "and waits");
	CHECK_INT(ask(q, 1, attempt), 0, "it may ask twice");
	CHECK_STR(heard(q, 1, attempt, "q1"), "", "there is no answer yet");
	CHECK_INT(queue_answer(q, 1, NULL, "a", "me", &why), -1, "which one is answered?");
	CHECK_INT(why.code, ERR_USAGE, "must be said");
	CHECK_INT(queue_answer(q, 1, "q2", "b", "me", &why), 0, "the second");
	CHECK_STR(state(q, 1), "waiting_answer", "it still waits for the first");
	CHECK_INT(queue_answer(q, 1, NULL, "a", NULL, &why), 0, "which is now the only one");
	CHECK_STR(state(q, 1), "running", "then it goes on");
	CHECK_STR(heard(q, 1, attempt, "q1"), "answereda", "the answers are heard");
	CHECK_STR(heard(q, 1, attempt, "q2"), "answeredb", "each by its question");
	CHECK_STR(heard(q, 1, attempt, "q3"), "failed", "and no other");
	CHECK_INT(ask(q, 1, attempt), 0, "a third");
	CHECK_INT(finish(q, 1, attempt, QUEUE_RETURN), 0, "the worker gives it back");
	CHECK_INT(queue_answer(q, 1, "q3", "c", NULL, &why), -1, "that ends the question");
	CHECK_INT(why.code, ERR_BAD_STATE, "as can be told from one that never was");
	(void)take_for(q, 60000, &second);
	CHECK_INT(ask(q, 1, attempt), -1, "whose claim is over does not ask");
	CHECK_INT(ask(q, 1, second), 0, "the next one does");
	CHECK_INT(queue_answer(q, 1, "q3", "c", NULL, &why), -1, "and what it did not ask");
	CHECK_INT(why.code, ERR_BAD_STATE, "is still over");
	CHECK_STR(heard(q, 1, second, "q4"), "", "it hears nothing of that");
	CHECK_INT(wrong(q), 0, "the index agrees with the journal");
	CHECK_INT(finish(q, 1, second, QUEUE_COMPLETE), 0, "a task may end without an answer");
	CHECK_INT(queue_answer(q, 1, "q4", "d", NULL, &why), -1, "that then finds nobody");
	queue_close(q);
}

static void
test_many(void)
{
	uint32_t attempt;
	json_t *question = NULL;
	char id[QUESTION_ID];

	struct queue *q = queue("many");
	(void)put(q, "{}");
	(void)take_for(q, 60000, &attempt);
	for (int i = 1; i <= 40; i++) {
		CHECK_INT(ask(q, 1, attempt), 0, "one after the other");
		(void)snprintf(id, sizeof id, "q%d", i);
		CHECK_INT(queue_withdraw(q, claim_of(1, attempt), id, &question, &why), 0,
			  "is withdrawn");
		json_decref(question);
	}
	CHECK_STR(state(q, 1), "running", "and does not keep the task waiting");
	for (int i = 0; i < QUEUE_OPEN; i++)
		CHECK_INT(ask(q, 1, attempt), 0, "some are open");
	CHECK_INT(ask(q, 1, attempt), -1, "but not any number");
	CHECK_INT(why.code, ERR_BUSY, "at a time");
	json_t *task = queue_show(q, 1, &why);
	json_t *open = queue_questions(task, &why);
	CHECK_INT(json_array_size(json_object_get(task, "questions")), QUEUE_QUESTIONS,
		  "the last ones are kept");
	CHECK_INT(json_array_size(open), QUEUE_OPEN, "among them all that are open");
	json_decref(open);
	json_decref(task);
	CHECK_INT(ask_from(q, 1, attempt + 1, 0, "{\"text\": \"x\"}"), -1, "not of another claim");
	(void)finish(q, 1, attempt, QUEUE_RETURN);
	(void)take_for(q, 60000, &attempt);
	CHECK_INT(ask_from(q, 1, attempt, 99, "{\"text\": \"x\"}"), 0,
		  "ids may go on from elsewhere");
	CHECK_STR(heard(q, 1, attempt, "q100"), "", "behind what was asked there");
	queue_close(q);
}

static void
test_time(void)
{
	uint32_t attempt;

	struct queue *q = queue("time");
	(void)put(q, "{}");
	(void)take_for(q, 60000, &attempt);
	(void)ask_from(q, 1, attempt, 0, "{\"text\": \"x\", \"timeout\": 1, \"default\": \"d\"}");
	(void)ask_from(q, 1, attempt, 0, "{\"text\": \"x\", \"timeout\": 1}");
	CHECK_STR(heard(q, 1, attempt, "q1"), "", "there is some time");
	pass(1050);
	CHECK_STR(heard(q, 1, attempt, "q1"), "defaultd", "silence is the default");
	CHECK_STR(state(q, 1), "waiting_answer", "the other one was not heard yet");
	CHECK_STR(heard(q, 1, attempt, "q2"), "timed_out", "if there is one");
	CHECK_STR(state(q, 1), "running", "then the task goes on");
	CHECK_INT(queue_answer(q, 1, "q2", "late", NULL, &why), -1, "later is too late");
	queue_close(q);
}

static int
secrets(void)
{
	return access("home/queue/secret/answers/1.q1", F_OK) == 0;
}

static void
test_secret(void)
{
	static const char asked[] = "{\"text\": \"x\", \"secret\": true}";
	uint32_t attempt;

	struct queue *q = queue("secret");
	(void)put(q, "{}");
	(void)take_for(q, 60000, &attempt);
	(void)ask_from(q, 1, attempt, 0, asked);
	CHECK_INT(queue_answer(q, 1, NULL, "sesame", NULL, &why), 0, "a secret is told");
	CHECK(secrets(), "and waits to be heard");
	CHECK_STR(member(q, 1, "questions"), "", "the record does not have it");
	CHECK_STR(heard(q, 1, attempt, "q1"), "answeredsesame", "the task hears it");
	CHECK(!secrets(), "and nobody else");
	CHECK_STR(heard(q, 1, attempt, "q1"), "failed", "nor again");
	CHECK_INT(put(q, "{}"), 2, "another task");
	(void)take_for(q, 60000, &attempt);
	(void)ask_from(q, 2, attempt, 0, asked);
	(void)queue_answer(q, 2, NULL, "sesame", NULL, &why);
	CHECK_INT(access("home/queue/secret/answers/2.q1", F_OK), 0, "has a secret");
	CHECK_INT(queue_control(q, 2, QUEUE_CANCEL, NULL, &why), 0, "that ends with the attempt");
	CHECK_INT(access("home/queue/secret/answers/2.q1", F_OK), -1, "heard or not");
	queue_close(q);
}

int
main(void)
{
	home();
	test_questions();
	test_answers();
	test_peer();
	test_delegation();
	test_queue();
	test_many();
	test_time();
	test_secret();
	return check_end();
}
