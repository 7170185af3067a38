/* The queue: what is run, when, by whom, and what becomes of it. */
#include "queue_tools.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static long clock_wrong; /* s by which the wall clock is wrong */

int
clock_gettime(clockid_t which, struct timespec *t)
{
	int status = (int)syscall(SYS_clock_gettime, which, t);

	t->tv_sec += which == CLOCK_REALTIME ? clock_wrong : 0;
	return status;
}

#define NO QUEUE_NONE
#define WAI QUEUE_WAITING
#define PEN QUEUE_PENDING
#define RUN QUEUE_RUNNING
#define LIM QUEUE_RATE_LIMITED
#define ASK QUEUE_WAITING_ANSWER
#define PAU QUEUE_PAUSED
#define COM QUEUE_COMPLETED
#define FAI QUEUE_FAILED
#define TIM QUEUE_TIMED_OUT
#define CAN QUEUE_CANCELLED
#define BLO QUEUE_BLOCKED
#define UNK QUEUE_UNKNOWN

/* What follows on what, written down a second time; NO: nothing may. */
static const enum queue_state table[QUEUE_STATES][QUEUE_EVENTS] = {
    /*        put  hold due  take ret  lim  retr ask  ans  comp fail time lose canc bloc paus resu
     */
    [NO] = {PEN, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [WAI] = {NO, NO, PEN, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, CAN, BLO, PAU, NO},
    [PEN] = {NO, NO, NO, RUN, NO, NO, NO, NO, NO, NO, NO, NO, NO, CAN, NO, PAU, NO},
    [RUN] = {NO, NO, NO, NO, PEN, LIM, WAI, ASK, NO, COM, FAI, TIM, UNK, CAN, NO, NO, NO},
    [LIM] = {NO, NO, PEN, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, CAN, NO, PAU, NO},
    [ASK] = {NO, NO, NO, NO, PEN, LIM, WAI, NO, RUN, COM, FAI, TIM, UNK, CAN, NO, NO, NO},
    [PAU] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, CAN, BLO, NO, WAI},
    [COM] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [FAI] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [TIM] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [CAN] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [BLO] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
    [UNK] = {NO, NO, NO, NO, NO, NO, WAI, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO},
};

static void
test_states(void)
{
	for (int s = QUEUE_NONE; s < QUEUE_STATES; s++) {
		enum queue_state from = (enum queue_state)s;
		const char *name = queue_state_name(from);
		for (int i = 0; i < QUEUE_EVENTS; i++) {
			why.code = ERR_NONE;
			enum queue_state then = queue_state_next(from, (enum queue_event)i, &why);
			CHECK(then == table[s][i] &&
				  why.code == (then == QUEUE_NONE ? ERR_BAD_STATE : ERR_NONE),
			      "event %d of a task that is %s leads to %s", i, name,
			      queue_state_name(table[s][i]));
		}
		CHECK_INT(queue_state_named(name), s, "a state is found by its name");
		CHECK(queue_state_ended(from) == (s >= QUEUE_COMPLETED), "%s is an end or not",
		      name);
		CHECK(queue_state_held(from) == (s == QUEUE_RUNNING || s == QUEUE_WAITING_ANSWER),
		      "a worker has a task that is %s, or not", name);
	}
	CHECK_INT(queue_state_named("done"), QUEUE_NONE, "an unknown state has no number");
}

static void
test_order(void)
{
	static const uint64_t want[] = {4, 2, 5, 1, 3, 6, 0};
	struct queue *q = queue("order");

	(void)put(q, "{}");
	(void)put(q, "{\"priority\": 5}");
	(void)put(q, "{\"priority\": 0}");
	(void)put(q, "{\"priority\": 9}");
	(void)put(q, "{\"priority\": 5}");
	(void)put(q, "{}");
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
		CHECK_INT(take(q), want[i], "the most urgent is taken, of those the oldest");
	CHECK_STR(state(q, 1), "running", "a task that was taken is running");
	CHECK_STR(outcome(q, 1, 0, "worker"), "tester", "and its attempt says who has it");
	CHECK_INT(finish(q, 1, 1, QUEUE_RETURN), 0, "it is handed back");
	CHECK_INT(take(q), 1, "and taken again");
	CHECK_STR(member(q, 1, "attempt"), "2", "as a second attempt");
	CHECK_STR(outcome(q, 1, 0, "outcome"), "returned", "which the first one's record shows");
	queue_close(q);
}

static void
test_lanes(void)
{
	struct queue *q = queue_with("lanes", "{\"lanes\": {\"wide\": 2, \"any\": 0}}");

	for (int i = 0; i < 2; i++)
		(void)put(q, "{\"lane\": \"one\"}");
	for (int i = 0; i < 3; i++)
		(void)put(q, "{\"lane\": \"wide\"}");
	for (int i = 0; i < 3; i++)
		(void)put(q, "{\"lane\": \"any\"}");
	(void)put(q, "{}");
	CHECK_INT(take(q), 1, "the first of a lane runs");
	CHECK_INT(take(q), 3, "the second waits for it, another lane does not");
	CHECK_INT(take(q), 4, "a lane runs as many as its width");
	CHECK_INT(take(q), 6, "and not more");
	CHECK_INT(take(q), 7, "a width of 0 is no bound");
	CHECK_INT(take(q), 8, "at all");
	CHECK_INT(take(q), 9, "nor is there one without a lane");
	CHECK_INT(take(q), 0, "the rest waits");
	CHECK_INT(finish(q, 1, 1, QUEUE_COMPLETE), 0, "one ends");
	CHECK_INT(take(q), 2, "and its lane goes on");
	CHECK_INT(ask(q, 3, 1), 0, "one waits for an answer");
	CHECK_INT(take(q), 0, "and keeps its place in the lane");
	queue_close(q);

	q = queue_with("width", "{\"width\": 2}");
	for (int i = 0; i < 3; i++)
		(void)put(q, "{}");
	(void)take(q);
	(void)take(q);
	CHECK_INT(take(q), 0, "a queue runs as many as its width");
	CHECK_INT(finish(q, 2, 1, QUEUE_COMPLETE), 0, "one ends");
	CHECK_INT(take(q), 3, "and the queue goes on");
	queue_close(q);
}

static void
test_config(void)
{
	static const char *const bad[] = {"{\"width\": -1}",
					  "{\"lane\": -1}",
					  "{\"width\": \"2\"}",
					  "{\"lanes\": [1]}",
					  "{\"lanes\": {\"a\": -1}}",
					  "{\"recovery\": \"guess\"}",
					  "{\"maxDeaths\": -1}",
					  "{",
					  "[]"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		queue_close(queue("config"));
		scratch_text("home/queue/config/config.json", bad[i]);
		CHECK(queue_open("config", false, &why) == NULL &&
			  strstr(why.message, "config.json") != NULL,
		      "a config.json of %s is refused by name: %s", bad[i], why.message);
		(void)unlink("home/queue/config/config.json");
	}
	CHECK(queue_open("none", false, &why) == NULL && why.code == ERR_NOT_FOUND,
	      "a queue that is not there is not made by looking");
	static const char *const names[] = {
	    "",     ".",
	    "..",   "a/b",
	    "a b",  "a.b",
	    "\xff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK(queue_open(names[i], true, &why) == NULL && why.code == ERR_USAGE,
		      "%s is no name of a queue", names[i]);
}

static void
test_dependencies(void)
{
	struct queue *q = queue("needs");

	(void)put(q, "{}");
	(void)put(q, "{}");
	(void)put(q, "{\"dependsOn\": [\"needs.1\", \"needs.2\"]}");
	(void)put(q, "{\"dependsOn\": [\"needs.3\"]}");
	(void)put(q, "{\"dependsOn\": [\"needs.3\"], \"afterFailure\": true}");
	CHECK_STR(state(q, 3), "waiting", "a task waits for those that it depends on");
	(void)take(q);
	(void)take(q);
	CHECK_INT(take(q), 0, "and is not taken meanwhile");
	CHECK_INT(finish(q, 2, 1, QUEUE_COMPLETE), 0, "one of two completes");
	CHECK_STR(state(q, 3), "waiting", "it waits for the other");
	CHECK_INT(finish(q, 1, 1, QUEUE_COMPLETE), 0, "which completes");
	CHECK_STR(state(q, 3), "pending", "and it may run");
	CHECK_STR(state(q, 4), "waiting", "the next one has its own to wait for");
	(void)take(q);
	CHECK_INT(finish(q, 3, 1, QUEUE_FAIL), 0, "it fails");
	CHECK_STR(state(q, 4), "blocked", "what depends on it is blocked");
	CHECK_STR(member(q, 4, "error.message"), "needs.3, which it depends on, did not complete",
		  "with the reason");
	CHECK_STR(state(q, 5), "pending", "but not what runs after a failure as well");
	(void)put(q, "{\"dependsOn\": [\"needs.4\"]}");
	CHECK_STR(state(q, 6), "blocked", "one that depends on a blocked one is so at once");
	(void)put(q, "{\"dependsOn\": [\"needs.1\", \"needs.2\"]}");
	CHECK_STR(state(q, 7), "pending", "one that depends on completed ones is not held up");
	(void)put(q, "{\"dependsOn\": [\"needs.5\"]}");
	(void)put(q, "{\"dependsOn\": [\"needs.8\"]}");
	(void)put(q, "{\"dependsOn\": [\"needs.9\", \"needs.7\"]}");
	CHECK_INT(queue_control(q, 5, QUEUE_CANCEL, "not wanted", &why), 0, "one is cancelled");
	CHECK_STR(state(q, 8), "blocked", "and all that depend on it");
	CHECK_STR(state(q, 9), "blocked", "are blocked");
	CHECK_STR(state(q, 10), "blocked", "through any number of steps");
	CHECK_STR(member(q, 10, "error.message"), "needs.9, which it depends on, did not complete",
		  "each with its reason");
	CHECK_INT(queue_control(q, 5, QUEUE_RETRY, NULL, &why), 0, "the first is wanted again");
	CHECK_STR(state(q, 8), "waiting", "and what it blocked waits for it");
	CHECK_STR(member(q, 8, "error.message"), "", "with nothing wrong");
	CHECK_STR(state(q, 10), "waiting", "through any number of steps");
	CHECK_STR(member(q, 10, "waitsFor"), "2", "for what has not ended");
	CHECK_INT(queue_control(q, 5, QUEUE_CANCEL, "not wanted", &why), 0,
		  "it is cancelled again");
	CHECK_STR(state(q, 10), "blocked", "and all that depend on it are blocked again");
	CHECK_INT(queue_control(q, 10, QUEUE_RETRY, NULL, &why), 0,
		  "a person wants one all the same");
	CHECK_STR(state(q, 10), "pending", "and it may run");
	CHECK_INT(put(q, "{\"dependsOn\": [\"needs.12\"]}"), 0, "an unknown task is refused");
	CHECK_INT(why.code, ERR_NOT_FOUND, "as not found");
	CHECK_INT(put(q, "{\"dependsOn\": [\"needs.11\"]}"), 0, "as is the task itself");
	CHECK_INT(put(q, "{\"dependsOn\": [\"lanes.1\"]}"), 0, "and one of another queue");
	CHECK_INT(why.code, ERR_BAD_DATA, "as bad data");
	CHECK_INT(put(q, "{\"dependsOn\": [\"needs\"]}"), 0, "and what is no task");
	uint64_t number = put(q, "{}");
	CHECK_INT(number, 11, "what was refused has taken no number");
	CHECK_INT(wrong(q), 0, "and the index is right");
	queue_close(q);
}

static void
test_pause(void)
{
	struct queue *q = queue("pause");

	(void)put(q, "{}");
	(void)put(q, "{\"dependsOn\": [\"pause.1\"]}");
	CHECK_INT(queue_control(q, 1, QUEUE_PAUSE, NULL, &why), 0, "a pending task is paused");
	CHECK_INT(queue_control(q, 2, QUEUE_PAUSE, NULL, &why), 0, "and one that waits");
	CHECK_INT(take(q), 0, "neither is taken");
	CHECK_INT(queue_control(q, 1, QUEUE_RESUME, NULL, &why), 0, "one is resumed");
	CHECK_STR(state(q, 1), "pending", "and may run");
	uint32_t attempt;
	CHECK_INT(take_for(q, 60000, &attempt), 1, "a worker takes it");
	CHECK_INT(queue_control(q, 1, QUEUE_PAUSE, NULL, &why), -1, "what runs cannot be paused");
	CHECK_INT(why.code, ERR_BAD_STATE, "that is the wrong state");
	CHECK_INT(queue_control(q, 1, QUEUE_RETRY, NULL, &why), -1, "nor tried again");
	CHECK_INT(why.code, ERR_BAD_STATE, "it runs");
	CHECK_INT(finish(q, 1, attempt, QUEUE_COMPLETE), 0, "it completes");
	CHECK_STR(state(q, 2), "paused", "what depended on it stays paused");
	CHECK_INT(queue_control(q, 2, QUEUE_RESUME, NULL, &why), 0, "until it is resumed");
	CHECK_STR(state(q, 2), "pending", "and waits for nothing then");
	(void)take_for(q, 60000, &attempt);
	CHECK_INT(queue_control(q, 2, QUEUE_CANCEL, "enough", &why), 0,
		  "what runs can be cancelled");
	CHECK_STR(member(q, 2, "error.message"), "enough", "with a reason");
	CHECK_STR(outcome(q, 2, -1, "outcome"), "cancelled", "which its attempt shows");
	CHECK_INT(finish(q, 2, attempt, QUEUE_COMPLETE), -1, "its worker can do nothing any more");
	CHECK_INT(why.code, ERR_BAD_STATE, "its claim is over");
	CHECK_INT(queue_control(q, 2, QUEUE_CANCEL, NULL, &why), 0,
		  "and once more, which changes nothing");
	CHECK_INT(queue_control(q, 2, QUEUE_RETRY, NULL, &why), 0, "it is wanted again");
	CHECK_INT(take_for(q, 60000, &attempt), 2, "and taken");
	CHECK_INT(attempt, 2, "as another attempt");
	CHECK_STR(member(q, 2, "error.message"), "", "without the old error");
	CHECK_INT(queue_control(q, 3, QUEUE_CANCEL, NULL, &why), -1, "there is no other");
	CHECK_INT(why.code, ERR_NOT_FOUND, "to be found");
	queue_close(q);
}

static void
test_time(void)
{
	struct queue *q = queue("time");
	char text[CLOCK_TEXT], asked[128];
	const struct queue_worker w = {.name = "tester", .lease = 60000};
	struct queue_claim *c;
	int64_t next, at = clock_now() + 120;

	(void)snprintf(asked, sizeof asked, "{\"notBefore\": \"%s\"}", clock_format(at, text));
	(void)put(q, asked);
	(void)put(q, "{\"notBefore\": \"1999-01-01T00:00:00Z\", \"priority\": 1}");
	CHECK_STR(state(q, 1), "waiting", "a task waits for its time");
	CHECK_STR(state(q, 2), "pending", "which may have been");
	CHECK_INT(take(q), 2, "who is due is taken");
	CHECK_INT(queue_take(q, &w, &c, &next, &why), 0, "nobody else");
	CHECK(next == at, "and it is known when somebody will be");
	pass(at - clock_now() + 5);
	CHECK_INT(take(q), 1, "who then is taken");
	const struct queue_outcome o = {.event = QUEUE_LIMIT, .pause = 80, .exit = -1};
	CHECK_INT(queue_finish(q, claim_of(1, 1), &o, &why), 0, "it is handed back for a while");
	CHECK_STR(state(q, 1), "rate_limited", "and waits");
	CHECK_INT(take(q), 0, "so long");
	pass(90);
	CHECK_INT(queue_tend(q, &why), 0, "then");
	CHECK_STR(state(q, 1), "pending", "it may run");
	CHECK_STR(member(q, 1, "failures"), "", "and has not failed");
	queue_close(q);
}

/* The ms until task ${number} may be taken. */
static int64_t
delay(struct queue *q, uint64_t number)
{
	int64_t at = 0;

	(void)clock_parse(member(q, number, "notBefore"), &at, &why);
	return at - clock_now();
}

static void
test_retries(void)
{
	struct queue *q = queue("retries");
	uint32_t attempt;

	(void)put(q, "{\"retries\": 3, \"backoff\": 1}");
	for (int i = 1; i <= 2; i++) {
		(void)take_for(q, 60000, &attempt);
		CHECK_INT(attempt, i, "a task is tried");
		CHECK_INT(finish(q, 1, attempt, QUEUE_FAIL), 0, "and fails");
		CHECK_STR(state(q, 1), "waiting", "a retry is left");
		int64_t ms = delay(q, 1);
		CHECK(ms > i * 1000 - 600 && ms <= i * 1000, "in %d s: %lld ms", i, (long long)ms);
		CHECK_INT(queue_control(q, 1, QUEUE_PAUSE, NULL, &why), 0, "it is held");
		CHECK_INT(queue_control(q, 1, QUEUE_RESUME, NULL, &why), 0, "and let go");
		CHECK_STR(state(q, 1), "waiting", "which does not shorten its time");
		if (i == 1)
			pass(delay(q, 1) + 2);
	}
	(void)put(q, "{\"retries\": 2, \"backoff\": 0}");
	for (int i = 1; i <= 3; i++) {
		CHECK_INT(take_for(q, 60000, &attempt), 2, "a retry without delay is taken");
		CHECK_INT(finish(q, 2, attempt, i == 2 ? QUEUE_TIME_OUT : QUEUE_FAIL), 0,
			  "and fails");
		pass(2);
	}
	CHECK_STR(state(q, 2), "failed", "after the last retry it has");
	CHECK_STR(member(q, 2, "failures"), "3", "so many times");
	CHECK_STR(outcome(q, 2, 1, "outcome"), "timed_out", "of which each attempt tells");
	(void)put(q, "{\"retries\": 5}");
	(void)take_for(q, 60000, &attempt);
	const struct queue_outcome last = {
	    .event = QUEUE_FAIL, .last = true, .exit = 3, .code = "NO_USE", .message = "no use"};
	CHECK_INT(queue_finish(q, claim_of(3, attempt), &last, &why), 0,
		  "a worker knows that it is no use");
	CHECK_STR(state(q, 3), "failed", "and no retry is made");
	CHECK_STR(member(q, 3, "error.code"), "NO_USE", "the error is kept");
	(void)put(q, "{\"retries\": 1000, \"backoff\": 31622400}");
	(void)take_for(q, 60000, &attempt);
	(void)finish(q, 4, attempt, QUEUE_FAIL);
	CHECK(delay(q, 4) > (int64_t)365 * 86400000, "the longest backoff is not shortened");
	queue_close(q);
}

static void
test_keys(void)
{
	struct queue *q = queue("keys");
	char asked[400], longest[201];

	CHECK_INT(put(q, "{\"key\": \"a\", \"payload\": {\"x\": [1, null]}}"), 1, "a key is used");
	CHECK_INT(put(q, "{\"key\": \"a\", \"payload\": {\"x\": [1, null]}}"), 1,
		  "the same payload gives the same task");
	CHECK_INT(put(q, "{\"key\": \"a\", \"payload\": {\"x\": [1, 0]}}"), 0, "another does not");
	CHECK_INT(why.code, ERR_KEY_REUSED, "the key was used");
	CHECK_INT(put(q, "{\"key\": \"a\", \"tenant\": \"t\", \"payload\": 1}"), 2,
		  "another tenant's keys are its own");
	CHECK_INT(put(q, "{\"key\": \"a\", \"tenant\": \"u\", \"payload\": 2}"), 3, "each");
	CHECK_INT(put(q, "{\"key\": \"a\", \"tenant\": \"t\", \"payload\": 1}"), 2, "and kept");
	CHECK_INT(put(q, "{\"key\": \"t.a\", \"payload\": 3}"), 4, "a dot in a key is no tenant");
	CHECK_INT(put(q, "{\"key\": \"../a/%2F \\u00e4\", \"payload\": 4}"), 5,
		  "any text is a key");
	CHECK_INT(put(q, "{\"key\": \"../a/%2F \\u00e4\", \"payload\": 4}"), 5, "and found again");
	(void)take(q);
	(void)finish(q, 1, 1, QUEUE_COMPLETE);
	CHECK_INT(put(q, "{\"key\": \"a\", \"payload\": {\"x\": [1, null]}}"), 1,
		  "a key outlives its task's end");
	CHECK_INT(put(q, "{\"key\": \"b\", \"unique\": true, \"payload\": 1}"), 6,
		  "a key may be used once at a time");
	CHECK_INT(put(q, "{\"key\": \"b\", \"unique\": true, \"payload\": 1}"), 6,
		  "nothing is put while that task goes on");
	CHECK_INT(put(q, "{\"key\": \"b\", \"unique\": true, \"payload\": 2}"), 0,
		  "and something else is not taken for it");
	CHECK_INT(why.code, ERR_KEY_REUSED, "but refused");
	(void)queue_control(q, 6, QUEUE_CANCEL, NULL, &why);
	CHECK_INT(put(q, "{\"key\": \"b\", \"unique\": true, \"payload\": 2}"), 7,
		  "and again after the task's end");
	CHECK_INT(put(q, "{\"key\": \"b\", \"payload\": 2}"), 7, "then it stands for that one");
	memset(longest, 'k', 200);
	longest[200] = '\0';
	(void)snprintf(asked, sizeof asked, "{\"key\": \"%s\"}", longest);
	CHECK_INT(put(q, asked), 8, "a key of 200 bytes will do");
	CHECK_INT(put(q, asked), 8, "and is found");
	(void)snprintf(asked, sizeof asked, "{\"key\": \"%sk\"}", longest);
	CHECK_INT(put(q, asked), 0, "one of 201 bytes is too long");
	memset(longest, '/', 200);
	(void)snprintf(asked, sizeof asked, "{\"key\": \"%s\"}", longest);
	CHECK_INT(put(q, asked), 0, "as is one that is so as a file's name");
	CHECK_INT(why.code, ERR_TOO_LARGE, "which the error says");
	/* A note about a task that was never put, as a full disk leaves it. */
	if (symlink("9", "home/queue/keys/keys/ghost") < 0)
		scratch_fail("ghost");
	CHECK_INT(put(q, "{\"payload\": 1}"), 9, "a task is put");
	CHECK_INT(put(q, "{\"key\": \"ghost\", \"payload\": 1}"), 10,
		  "a key that was noted and not used is free");
	queue_close(q);
}

static void
test_fences(void)
{
	struct queue *q = queue("fences");
	uint32_t first, second;

	(void)put(q, "{}");
	CHECK_INT(take_for(q, 1, &first), 1, "a task is taken for a moment");
	pass(5);
	CHECK_INT(take_for(q, 60000, &second), 1, "the lease ended: another takes it");
	CHECK_STR(outcome(q, 1, 0, "reason"), "its lease ended", "the reason is recorded");
	for (int i = 0; i < QUEUE_EVENTS; i++)
		if (table[QUEUE_RUNNING][i] != QUEUE_NONE)
			CHECK(finish(q, 1, first, (enum queue_event)i) < 0 &&
				  why.code == ERR_BAD_STATE,
			      "the first one's event %d is refused", i);
	CHECK_INT(queue_beat(q, claim_of(1, first), 60000, NULL, &why), -1, "nor can it beat");
	CHECK_INT(finish(q, 1, second + 1, QUEUE_COMPLETE), -1, "nor can who never had it");
	CHECK_STR(state(q, 1), "running", "nothing has changed");
	CHECK_INT(queue_beat(q, claim_of(1, second), 60000, "half of it", &why), 0,
		  "the second one can");
	CHECK_STR(member(q, 1, "progress"), "half of it", "and shows how far it is");
	CHECK_INT(queue_beat(q, claim_of(1, second), -1, NULL, &why), -1,
		  "a negative lease is none");
	CHECK_INT(queue_beat(q, claim_of(1, second), INT64_MAX, NULL, &why), -1,
		  "nor is one without an end");
	CHECK_INT(why.code, ERR_USAGE, "which is the caller's mistake");
	CHECK_INT(take_for(q, 0, NULL), 0, "so it is when taking");
	CHECK_INT(queue_beat(q, claim_of(1, second), 1, NULL, &why), 0,
		  "a beat can shorten the lease");
	pass(5);
	CHECK_INT(queue_beat(q, claim_of(1, second), 60000, NULL, &why), 0,
		  "and one that nobody has noticed can be saved");
	CHECK_INT(ask(q, 1, second), 0, "a question is asked");
	CHECK_INT(queue_answer(q, 1, NULL, "so", NULL, &why), 0, "and answered");
	CHECK_INT(queue_answer(q, 1, NULL, "so", NULL, &why), -1, "once");
	CHECK_INT(finish(q, 1, second, QUEUE_COMPLETE), 0, "it completes");
	uint64_t before, after;
	(void)queue_version(q, &before, &why);
	CHECK_INT(finish(q, 1, second, QUEUE_COMPLETE), 0, "to say so again does no harm");
	CHECK_INT(queue_version(q, &after, &why), 0, "and");
	CHECK_INT(after, before, "changes nothing");
	CHECK_INT(finish(q, 1, second, QUEUE_FAIL), -1, "but nothing else may be said");
	json_t *result = json_integer(3);
	const struct queue_outcome other = {.event = QUEUE_COMPLETE, .result = result, .exit = -1};
	CHECK_INT(queue_finish(q, claim_of(1, second), &other, &why), -1, "nor another result");
	json_decref(result);
	CHECK_INT(finish(q, 1, first, QUEUE_RETURN), -1,
		  "and who lost the claim has not handed it back");
	(void)put(q, "{}");
	CHECK_INT(queue_control(q, 2, QUEUE_CANCEL, "no", &why), 0, "a task is cancelled");
	(void)queue_version(q, &before, &why);
	CHECK_INT(queue_control(q, 2, QUEUE_CANCEL, "no, no", &why), 0, "twice");
	(void)queue_version(q, &after, &why);
	CHECK_INT(after, before, "which is once");
	CHECK_STR(member(q, 2, "error.message"), "no", "for the first reason");
	(void)put(q, "{\"retries\": 1}");
	(void)take(q);
	CHECK_INT(finish(q, 3, 1, QUEUE_FAIL), 0, "one fails without a reason");
	CHECK_STR(member(q, 3, "error.message"), "its worker did not say why", "and has one");
	const struct queue_outcome failed = {.event = QUEUE_FAIL, .exit = 3};
	(void)put(q, "{}");
	(void)take(q);
	CHECK_INT(queue_finish(q, claim_of(4, 1), &failed, &why), 0, "so has one of which");
	CHECK_STR(member(q, 4, "error.message"), "it ended with status 3", "the status is known");
	queue_close(q);
}

/* A worker's lease is as long as it asked for, and no longer, whatever is done to the clock. */
static void
test_leases(void)
{
	struct queue *q = queue("leases");

	(void)put(q, "{}");
	(void)take_for(q, 500, NULL);
	pass(300);
	CHECK_INT(queue_beat(q, claim_of(1, 1), 0, NULL, &why), 0, "a beat that says no lease");
	pass(300);
	CHECK_STR(state(q, 1), "running", "begins the one that was taken anew");
	clock_wrong = -3600;
	pass(300);
	CHECK_STR(state(q, 1), "lapsed", "which no clock that is put back makes longer");
	json_t *stats = queue_stats(q, NULL, &why);
	CHECK_INT(jsonx_number(stats, "states.lapsed", -1), 1,
		  "one that lapsed is counted as that");
	CHECK_INT(jsonx_number(stats, "states.running", -1), 0, "and as nothing else");
	json_decref(stats);
	struct queue_filter f = {.states = 0};
	CHECK_INT(count(q, &f), 1, "it is listed with what has not ended");
	CHECK_INT(queue_filter_state(&f, "lapsed"), 0, "or alone");
	CHECK_INT(count(q, &f), 1, "by that name");
	f.states = 1 << QUEUE_RUNNING;
	CHECK_INT(count(q, &f), 0, "but is not said to run");
	CHECK_INT(queue_filter_state(&f, "lapsing"), -1, "other names are none");
	CHECK_INT(take_for(q, 60000, NULL), 1, "and another worker may have it");
	CHECK_STR(state(q, 1), "running", "which then has it");
	clock_wrong = 7200;
	CHECK_INT(take(q), 0, "though the clock is put forward");
	clock_wrong = 0;
	queue_close(q);
}

/* Take a claim that is held, in a process that is killed with it. */
static void
die(const char *name)
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		scratch_fail("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		const struct queue_worker w = {.name = "child", .lease = 60000, .held = true};
		struct queue_claim *c;
		struct queue *q = queue(name);
		byte = queue_take(q, &w, &c, NULL, &why) == 1 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			(void)pause();
		_exit(1);
	}
	if (pid < 0 || read(ready[0], &byte, 1) != 1 || byte != 'y')
		scratch_fail("a held claim");
	struct queue *q = queue(name);
	CHECK_INT(take(q), 0, "a claim that is held holds");
	queue_close(q);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void
test_deaths(void)
{
	struct queue *q = queue_with("deaths", "{\"maxDeaths\": 2}");

	(void)put(q, "{}");
	die("deaths");
	CHECK_INT(take(q), 1, "it is taken again as soon as its worker died");
	CHECK_STR(outcome(q, 1, 0, "reason"), "its worker died", "which is recorded");
	CHECK_INT(finish(q, 1, 2, QUEUE_RETURN), 0, "it is handed back");
	die("deaths");
	CHECK_INT(take(q), 0, "one that killed its worker twice is not");
	CHECK_STR(state(q, 1), "failed", "it has failed");
	CHECK_STR(member(q, 1, "error.code"), "QUARANTINED", "and is in quarantine");
	CHECK_STR(outcome(q, 1, 0, "worker"), "child", "with its history");
	CHECK_INT(queue_control(q, 1, QUEUE_RETRY, NULL, &why), 0, "a person may try it again");
	CHECK_INT(take_for(q, 1, NULL), 1, "it is taken");
	pass(5);
	CHECK_INT(take(q), 1, "and has two lives again");
	(void)finish(q, 1, 5, QUEUE_COMPLETE);
	(void)put(q, "{\"maxDeaths\": 0}");
	for (int i = 0; i < 30; i++) {
		(void)take_for(q, 1, NULL);
		pass(3);
	}
	CHECK_INT(take(q), 2, "one without a bound is taken for ever");
	json_t *task = queue_show(q, 2, &why);
	CHECK_INT(json_array_size(json_object_get(task, "attempts")), 20,
		  "of its attempts the last are shown");
	json_decref(task);
	CHECK_STR(member(q, 2, "attempt"), "31", "and all are counted");
	queue_close(q);
}

static void
test_recovery(void)
{
	struct queue *q = queue_with("fail", "{\"recovery\": \"fail\"}");

	(void)put(q, "{\"retries\": 5}");
	(void)take_for(q, 1, NULL);
	pass(5);
	CHECK_INT(queue_tend(q, &why), 0, "a lease ends");
	CHECK_STR(state(q, 1), "failed", "by policy the task has failed");
	CHECK_STR(member(q, 1, "error.code"), "LEASE_ENDED", "for that reason");
	(void)put(q, "{}");
	die("fail");
	(void)queue_tend(q, &why);
	CHECK_STR(member(q, 2, "error.code"), "WORKER_DIED", "or as its worker died");
	queue_close(q);
	q = queue_with("unknown", "{\"recovery\": \"unknown\"}");
	(void)put(q, "{}");
	(void)put(q, "{\"dependsOn\": [\"unknown.1\"]}");
	(void)take_for(q, 1, NULL);
	pass(5);
	(void)queue_tend(q, &why);
	CHECK_STR(state(q, 1), "unknown", "by another nobody guesses");
	CHECK_STR(state(q, 2), "blocked", "and what depends on it is blocked");
	queue_close(q);
}

int
main(void)
{
	home();
	test_states();
	test_order();
	test_lanes();
	test_config();
	test_dependencies();
	test_pause();
	test_time();
	test_retries();
	test_keys();
	test_fences();
	test_leases();
	test_deaths();
	test_recovery();
	return check_end();
}
