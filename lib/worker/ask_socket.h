/*
 * worker/ask_socket - where a running task asks its questions: a socket, AWCP_ASK.
 *
 * The socket lies in the directory of AWCP_RESULT, so that it can be reached from a sandbox without
 * a network or the state directory, and it belongs to the process that runs the task.  A client
 * writes one line, {"text", "type", "options", "default", "timeout", "secret"}, and reads
 * one, as soon as there is an answer: the question with its "outcome" and "answer", or
 * {"error", "code", "hint"}.  A client that hangs up before withdraws its question.  Each
 * connection is one question; there may be QUEUE_OPEN at a time, others wait to be accepted.
 *
 * The questions are kept in the task's record (queue/question.h), which is polled ten times a
 * second, and only read if the queue has changed.
 */
#ifndef WORKER_ASK_SOCKET_H
#define WORKER_ASK_SOCKET_H

#include <poll.h>

#include "queue/question.h"

#define ASK_SOCKET_NAME "ask"
#define ASK_SOCKET_FDS (QUEUE_OPEN + 1)

/* Whose questions they are; all of it stays the caller's. */
struct ask_asker {
	struct queue *queue;
	struct queue_claim_id claim;
	struct queue_asked before; /* in earlier runs */
	/* Called with a question when it is asked, and again when it is closed, without a secret
	 * answer; may be NULL. */
	void (*report)(void *arg, const json_t *question);
	void *arg;
};

struct ask_socket;

/* Listen in ${directory}, for what runs as ${account} (0: as we do); ${p} is used until
 * ask_socket_close. */
struct ask_socket *ask_socket_open(const struct ask_asker *p, const char *directory, uid_t account,
				   struct err *e);

/* Disconnect all clients.  What is open ends with the attempt. */
void ask_socket_close(struct ask_socket *a);

/* What to wait for; returns how many. */
size_t ask_socket_poll(const struct ask_socket *a, struct pollfd fds[ASK_SOCKET_FDS]);

/* Serve the clients; ${fds} as poll(2) has left it, or not polled.  To be called every tenth of a
 * second. */
void ask_socket_serve(struct ask_socket *a, const struct pollfd *fds, size_t n);

/* For how many ms a question was open.  0 for NULL. */
int64_t ask_socket_waited(const struct ask_socket *a);

/* Ask ${line}, a line of JSON with its newline, at ${socket}, the path of such a socket, and wait
 * for the reply: a new reference.  NULL with ERR_TRANSPORT_ERROR if nobody listens, or with the
 * error of the reply. */
json_t *ask_socket_ask(const char *socket, const char *line, struct err *e);

#endif
