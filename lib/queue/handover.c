/*
 * queue/handover - a claim goes to another process: its ids with the descriptor of its file, which
 * carries the lock of a held claim, then the task as JSON.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "queue/private.h"

struct handover {
	struct queue_claim_id id;
	uint64_t end;
	size_t length; /* of the task, bytes */
};

/* Room for one descriptor. */
union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static int
send_head(int socket, struct handover *h, int claimfd)
{
	union control control = {0};
	struct iovec part = {h, sizeof *h};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control.space};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof claimfd);
	memcpy(CMSG_DATA(c), &claimfd, sizeof claimfd);
	do
		n = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int
queue_claim_send(const struct queue_claim *c, int socket, struct err *e)
{
	struct buf task = BUF_INIT(SIZE_MAX);
	int status = -1;

	if (jsonx_dump(c->task, &task, e) < 0)
		goto out;
	struct handover h = {c->id, c->end, task.len};
	if (send_head(socket, &h, c->fd) < 0)
		err_sys(e, "cannot hand over a claim");
	else
		status = file_write(socket, task.data, task.len, e);
out:
	buf_free(&task);
	return status;
}

/* The descriptor that comes with ${h}, or -1. */
static int
receive_head(int socket, struct handover *h)
{
	union control control = {0};
	struct iovec part = {h, sizeof *h};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof control.space};
	ssize_t n;
	int fd;

	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	const struct cmsghdr *c = n == (ssize_t)sizeof *h ? CMSG_FIRSTHDR(&m) : NULL;
	if (c == NULL || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

struct queue_claim *
queue_claim_receive(int socket)
{
	struct handover h = {0};
	int fd = receive_head(socket, &h);

	if (fd < 0)
		return NULL;
	struct queue_claim *c = queue_claim_new(h.id, NULL);
	if (c == NULL) {
		file_close(fd);
		return NULL;
	}
	c->fd = fd;
	c->end = h.end;
	char *text = malloc(h.length + 1);
	if (text != NULL && file_read(socket, text, h.length, NULL) == (ssize_t)h.length)
		c->task = jsonx_parse_own(text, h.length, NULL);
	free(text);
	if (c->task != NULL)
		return c;
	queue_claim_free(c);
	return NULL;
}
