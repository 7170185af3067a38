/*
 * asking - where a running task asks its questions: a socket, AWCP_ASK.
 *
 * The socket lies in the directory of AWCP_RESULT, so that it can be reached from a sandbox without
 * a network or the state directory, and it belongs to the process that carries the task out.  Who
 * connects writes one line, {"text", "type", "options", "default", "timeout", "secret"}, and reads
 * one, as soon as there is something to say: the question with its "outcome" and "answer", or
 * {"error", "code", "hint"}.  Who hangs up before does not want to know any more.  Each connection
 * is one question; there may be QUEUE_OPEN at a time, others wait to be let in.
 *
 * The questions are kept in the task's record (queue_question), which is looked at ten times a
 * second if the queue has changed at all.
 */
#ifndef WORKER_ASK_SOCKET_H
#define WORKER_ASK_SOCKET_H

#include <jansson.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "queue/question.h"

#define ASKING_SOCKET "ask"
#define ASKING_FDS (QUEUE_OPEN + 1)

/* Whose questions they are; all of it stays the caller's. */
struct asking_place {
	struct queue *queue;
	struct queue_claim_id claim;
	int64_t asked; /* before, elsewhere: ids go on behind that */
	/* Told of a question that was asked, and again when it is over, without a secret answer;
	 * may be NULL. */
	void (*tell)(void *arg, const json_t *question);
	void *arg;
};

struct ask_socket;

/* Listen in ${directory}; ${p} is used until ask_socket_close. */
struct ask_socket *ask_socket_open(const struct asking_place *p, const char *directory,
				   struct err *e);

/* Hang up on everybody.  What is open ends with the attempt. */
void ask_socket_close(struct ask_socket *a);

/* What to wait for; returns how many. */
size_t ask_socket_poll(const struct ask_socket *a, struct pollfd fds[ASKING_FDS]);

/* Do what there is to do; ${fds} as poll(2) has left it, or not.  To be called every tenth of a
 * second. */
void ask_socket_serve(struct ask_socket *a, const struct pollfd *fds, size_t n);

/* For how long, ms, there was a question open.  0 for NULL. */
int64_t ask_socket_waited(const struct ask_socket *a);

/* Ask ${line}, a line of JSON with its newline, at ${socket}, the path of such a socket, and wait
 * for what comes back: a new reference.  NULL with ERR_TRANSPORT_ERROR if there is nobody, or with
 * what was told. */
json_t *ask_socket_ask(const char *socket, const char *line, struct err *e);

#endif
