/* Guards: who waits, who is stopped for dying too often, and what ends that. */
#include "check.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "state/breaker.h"
#include "scratch.h"

static struct breaker
look(enum breaker_kind kind, const char *name)
{
	struct breaker g;
	struct err e = {.message = ""};

	if (breaker_read(kind, name, &g, &e) < 0)
		CHECK(false, "%s can be looked at: %s", name, e.message);
	return g;
}

static void
test_cooling(void)
{
	int64_t now = clock_now();
	struct breaker g = look(BREAKER_PROFILE, "codex");

	CHECK(g.until == 0 && g.deaths == 0, "what nobody spoke of is free");
	CHECK_INT(breaker_pause(BREAKER_PROFILE, "codex", now + 60000, "quota", NULL), 0,
		  "it cools");
	g = look(BREAKER_PROFILE, "codex");
	CHECK_INT(g.until, now + 60000, "until that time");
	CHECK_STR(g.why, "quota", "for that reason");
	CHECK(!g.stopped, "which is no stop");
	CHECK_INT(look(BREAKER_QUEUE, "codex").until, 0, "a queue of that name does not");
	(void)breaker_pause(BREAKER_PROFILE, "codex", now + 1000, "less", NULL);
	CHECK_INT(look(BREAKER_PROFILE, "codex").until, now + 60000, "the later end stays");
	CHECK_INT(breaker_clear(BREAKER_PROFILE, "codex", NULL), 0, "a person clears it");
	CHECK_INT(look(BREAKER_PROFILE, "codex").until, 0, "and it is free");
	struct err e;
	CHECK_INT(breaker_clear(BREAKER_PROFILE, "codex", &e), -1,
		  "there is nothing left to clear");
	CHECK_INT(e.code, ERR_NOT_FOUND, "which is said");
	CHECK_INT(breaker_pause(BREAKER_PROFILE, "../x", now, "", &e), -1, "a path is no name");
	CHECK_INT(e.code, ERR_USAGE, "but a wrong use");
}

static unsigned
die(const struct breaker_rule *rule, bool *stopped)
{
	(void)breaker_died(BREAKER_QUEUE, "review", rule, "signal 9", stopped, NULL);
	return look(BREAKER_QUEUE, "review").deaths;
}

static void
test_deaths(void)
{
	const struct breaker_rule rule = {3, 60000}, none = {0, 60000};
	bool stopped;

	CHECK_INT(die(&none, &stopped), 0, "without a rule deaths are not counted");
	CHECK_INT(die(&rule, &stopped), 1, "with one they are");
	CHECK_INT(die(&rule, &stopped), 2, "each of them");
	CHECK_INT(breaker_success(BREAKER_QUEUE, "review", NULL), 0, "a success");
	CHECK_INT(look(BREAKER_QUEUE, "review").deaths, 0, "makes them be forgotten");
	(void)die(&rule, &stopped);
	(void)die(&rule, &stopped);
	CHECK(!stopped && look(BREAKER_QUEUE, "review").until == 0, "two do not stop it");
	(void)die(&rule, &stopped);
	struct breaker g = look(BREAKER_QUEUE, "review");
	CHECK(stopped && g.stopped && g.until > clock_now(), "the third does");
	CHECK_STR(g.why, "signal 9", "for what it died of");
	(void)die(&rule, &stopped);
	CHECK(!stopped, "a further one is no news");
	(void)breaker_success(BREAKER_QUEUE, "review", NULL);
	CHECK(look(BREAKER_QUEUE, "review").stopped, "a success of before does not end the stop");
	CHECK_INT(scratch_run("grep -c 'event=guard-stopped kind=queue name=review deaths=3 ' "
			      "log/lifecycle.log | grep -qx 1"),
		  0, "the log has it once");
	(void)breaker_clear(BREAKER_QUEUE, "review", NULL);
}

static int
count_one(void *arg, const struct breaker *g)
{
	int *count = arg;

	*count += g->until != 0;
	return 0;
}

static void
test_end(void)
{
	const struct breaker_rule minute = {1, 60000}, moment = {1, 50};
	bool stopped;
	int over = 0;

	(void)die(&minute, &stopped);
	(void)breaker_pause(BREAKER_PROFILE, "slow", clock_now() + 60000, "quota", NULL);
	(void)breaker_each_over(count_one, &over, NULL);
	CHECK_INT(over, 0, "what is in force is not over");
	(void)breaker_clear(BREAKER_QUEUE, "review", NULL);
	(void)breaker_clear(BREAKER_PROFILE, "slow", NULL);
	(void)die(&moment, &stopped);
	CHECK(stopped, "it is stopped for a twentieth of a second");
	(void)breaker_pause(BREAKER_PROFILE, "slow", clock_now() + 50, "quota", NULL);
	for (int64_t until = clock_steady() + 5000; clock_steady() < until && over < 2;) {
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
		over = 0;
		(void)breaker_each_over(count_one, &over, NULL);
	}
	struct breaker g = look(BREAKER_QUEUE, "review");
	CHECK(g.until == 0 && !g.stopped && g.deaths == 0, "then that is over by itself");
	CHECK_INT(over, 2, "which can be seen");
	CHECK_INT(breaker_end(BREAKER_QUEUE, "review", NULL), 0, "what is over is forgotten");
	CHECK(access("guards/queue.review", F_OK) < 0, "with its file");
	(void)breaker_success(BREAKER_PROFILE, "slow", NULL);
	(void)breaker_end(BREAKER_PROFILE, "slow", NULL);
	int told = scratch_run("grep -c 'event=guard-cleared kind=.* why=\"its .* is over\"' "
			       "log/lifecycle.log | grep -qx 2");
	CHECK_INT(told, 0, "and is told, once each");
}

static int
note(void *arg, const struct breaker *g)
{
	char *text = arg;
	size_t n = strlen(text);

	(void)snprintf(text + n, 256 - n, "%s.%s ", breaker_kind_name(g->kind), g->name);
	return 0;
}

static void
test_list(void)
{
	char text[256] = "";
	int64_t now = clock_now(), soon = now + 20;

	(void)breaker_pause(BREAKER_QUEUE, "b", soon, "", NULL);
	(void)breaker_pause(BREAKER_PROFILE, "z", soon, "", NULL);
	(void)breaker_pause(BREAKER_PROFILE, "y", now + 60000, "", NULL);
	while (clock_now() <= soon)
		(void)usleep(1000);
	scratch_text("guards/stray", "x");
	scratch_text("guards/profile.torn", "{\"until\": ");
	CHECK_INT(breaker_each_over(note, text, NULL), 0, "all can be listed");
	CHECK_STR(text, "profile.z queue.b ", "in order, without what goes on or is none");
	CHECK(access("guards/profile.torn", F_OK) < 0, "a damaged one is moved away");
}

int
main(void)
{
	scratch_open();
	if (setenv("AWCP_HOME", scratch, 1) < 0)
		return 1;
	test_cooling();
	test_deaths();
	test_end();
	test_list();
	return check_end();
}
