#include "delegator/job.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "delegation/delegation.h"
#include "base/file.h"
#include "http/http.h"
#include "http/log.h"
#include "base/jsonx.h"
#include "process/launch.h"
#include "delegator/owned.h"

#define ANSWER_MAX 262144 /* bytes that an errand may have to say */
#define KEEP_S 10         /* between two looks at what is unfinished */

extern char **environ;

/* The environment without the request's: in CGI, headers are variables, secrets among them. */
static char **
own_environment(void)
{
	size_t n = 0, kept = 0;

	while (environ[n] != NULL)
		n++;
	char **list = calloc(n + 1, sizeof *list);
	for (size_t i = 0; list != NULL && i < n; i++)
		if (strncmp(environ[i], "HTTP_", 5) != 0 && strncmp(environ[i], "REQUEST_", 8) != 0)
			list[kept++] = environ[i];
	return list;
}

/* Start ${s}; as launch. */
static pid_t
start(struct launch *s, struct err *e)
{
	s->program = "/proc/self/exe";
	char **environment = own_environment();
	if (environment == NULL)
		return err_memory(e);
	s->envp = environment;
	pid_t child = launch(s, e);
	free(environment);
	return child;
}

/* Understand what a failed errand printed. */
static int
failed(const struct buf *answer, json_t **more, struct err *e)
{
	json_t *o = jsonx_parse(answer->data != NULL ? answer->data : "", answer->len, NULL);
	const char *code = jsonx_text(o, "code", NULL);

	if (code == NULL) {
		json_decref(o);
		return err_set(e, ERR_INTERNAL, "a process that worked for this request died");
	}
	err_set(e, err_from_name(code), "%s", jsonx_text(o, "error", ""));
	err_hint(e, "%s", jsonx_text(o, "hint", ""));
	*more = o;
	return -1;
}

int
errand_run(const char *errand, const char *id, const char *snapshot, const char *input,
	   json_t **more, struct err *e)
{
	struct buf answer = BUF_INIT(ANSWER_MAX);
	struct err ignored;
	char piece[4096];
	int ends[2];
	ssize_t n;

	*more = NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	char *const argv[] = {(char *)"awcp-delegator", (char *)(uintptr_t)errand,
			      (char *)(uintptr_t)id, (char *)(uintptr_t)snapshot, NULL};
	struct launch s = {.argv = argv, .input = input, .stdoutfd = ends[1], .stderrfd = -1};
	pid_t child = start(&s, e);
	file_close(ends[1]);
	int how = -1, status = -1;
	if (child > 0) {
		while ((n = file_read(ends[0], piece, sizeof piece, &ignored)) > 0)
			(void)buf_add(&answer, piece, (size_t)n, &ignored); /* or it is no JSON */
		how = launch_wait(child);
	}
	file_close(ends[0]);
	if (child > 0)
		status = how == 0 ? 0 : failed(&answer, more, e);
	buf_free(&answer);
	return status;
}

int
errand_follow(const char *id, struct err *e)
{
	char *const argv[] = {(char *)"awcp-delegator", (char *)"follow", (char *)(uintptr_t)id,
			      NULL};
	struct launch s = {.argv = argv, .stdoutfd = -1, .detached = true};
	struct record r;

	int status = record_open(DELEGATIONS, id, false, &r, e);
	/* What it has to tell is about this one delegation. */
	s.stderrfd = status < 0
			 ? -1
			 : openat(r.dirfd, "follow.log",
				  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	record_close(&r);
	if (status < 0)
		return -1;
	if (s.stderrfd < 0)
		return err_sys(e, "cannot write follow.log");
	pid_t child = start(&s, e);
	if (child > 0)
		(void)launch_wait(child); /* only for what started it */
	file_close(s.stderrfd);
	return child > 0 ? 0 : -1;
}

/* Follow one that nobody follows.  A follower that is just starting may be overlooked, or be put
 * off for the moment that the look takes: it tries again, and one of two gives way. */
static int
keep_one(void *arg, const struct record *r)
{
	struct err e;

	(void)arg;
	int fd = openat(r->dirfd, "follow.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool followed = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
	file_close(fd);
	/* One that has ended is left when it is still to be applied. */
	bool over = delegation_ended(r->json) && !delegation_waits(r->json);
	if (!followed && !over && errand_follow(r->id, &e) < 0)
		http_log("follow %s: %s", r->id, e.message);
	return 0;
}

_Noreturn static void
keep(void)
{
	struct err e;

	for (;;) {
		if (lent_list(NULL, true, keep_one, NULL, &e) < 0)
			http_log("cannot see what is unfinished: %s", e.message);
		(void)sleep(KEEP_S);
	}
}

static void *
keeper(void *unused)
{
	(void)unused;
	keep();
}

int
errand_keep(struct err *e)
{
	pthread_t thread;

	json_object_seed(0); /* before there are two who would */
	int number = pthread_create(&thread, NULL, keeper, NULL);
	if (number != 0)
		return err_set(e, ERR_BUSY, "cannot start a thread: %s", strerror(number));
	(void)pthread_detach(thread);
	return 0;
}
