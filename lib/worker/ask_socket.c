#include "worker/ask_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "wire/members.h"

#define POLL_MS 100 /* between two polls of the queue */
#define ALL_MS 1000 /* between two of all questions, also if it has not changed: time passes */
#define PIECE 4096

struct client {
	int fd;               /* -1: free */
	char id[QUESTION_ID]; /* of its question, "" until that has arrived */
	struct buf line;
};

struct ask_socket {
	const struct ask_asker *asker;
	int fd;
	struct client client[QUEUE_OPEN];
	size_t open;      /* questions */
	int64_t since;    /* clock_steady: they are */
	int64_t waited;   /* ms, earlier */
	int64_t poll_at;  /* clock_steady of the next poll of the queue */
	int64_t all_at;   /* and of everything */
	uint64_t version; /* of the queue when it was polled */
};

/* The address of ${name} in the directory ${dirfd}, which may be too deep to be named whole
 * (sun_path has 108 bytes). */
static struct sockaddr_un
address(int dirfd, const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%.64s", dirfd, name);
	return at;
}

/* The socket ${name} is there for ${account}. */
static bool
give(int dirfd, const char *name, uid_t account)
{
	return account == 0 || fchownat(dirfd, name, account, account, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Listen, under a name that is free: the task is not running yet. */
static int
listen_in(const char *directory, uid_t account, struct err *e)
{
	int dirfd = file_open_dir(AT_FDCWD, directory, e);

	if (dirfd < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr_un at = address(dirfd, ASK_SOCKET_NAME);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ||
	    !give(dirfd, ASK_SOCKET_NAME, account) || listen(fd, QUEUE_OPEN) < 0) {
		err_sys(e, "cannot listen for questions");
		file_close(fd);
		fd = -1;
	}
	file_close(dirfd);
	return fd;
}

struct ask_socket *
ask_socket_open(const struct ask_asker *p, const char *directory, uid_t account, struct err *e)
{
	struct ask_socket *a = calloc(1, sizeof *a);

	if (a == NULL) {
		err_memory(e);
		return NULL;
	}
	a->asker = p;
	for (size_t i = 0; i < QUEUE_OPEN; i++)
		a->client[i] = (struct client){.fd = -1, .line = BUF_INIT(QUESTION_LINE)};
	a->fd = listen_in(directory, account, e);
	if (a->fd >= 0)
		return a;
	free(a);
	return NULL;
}

/* ${s} has its reply, or no longer wants one. */
static void
disconnect(struct ask_socket *a, struct client *s)
{
	if (s->id[0] != '\0' && --a->open == 0)
		a->waited += clock_steady() - a->since;
	file_close(s->fd);
	buf_free(&s->line);
	s->fd = -1;
	s->id[0] = '\0';
}

void
ask_socket_close(struct ask_socket *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < QUEUE_OPEN; i++)
		disconnect(a, &a->client[i]);
	file_close(a->fd);
	free(a);
}

size_t
ask_socket_poll(const struct ask_socket *a, struct pollfd fds[ASK_SOCKET_FDS])
{
	size_t n = 1;

	fds[0] = (struct pollfd){.fd = -1, .events = POLLIN};
	for (size_t i = 0; i < QUEUE_OPEN; i++) {
		const struct client *s = &a->client[i];
		if (s->fd < 0)
			fds[0].fd = a->fd; /* one more may connect */
		fds[n++] = (struct pollfd){.fd = s->fd, .events = s->id[0] == '\0' ? POLLIN : 0};
	}
	return n;
}

/* Send ${o}, whose reference is taken, to ${s}, and disconnect it.  A client that does not make
 * room in the socket is not reading. */
static void
reply(struct ask_socket *a, struct client *s, json_t *o)
{
	struct buf text = BUF_INIT(QUESTION_LINE);
	struct err e;

	if (o != NULL && jsonx_dump(o, &text, &e) == 0 && buf_add(&text, "\n", 1, &e) == 0)
		(void)send(s->fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	json_decref(o);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	disconnect(a, s);
}

static void
reply_error(struct ask_socket *a, struct client *s, const struct err *e)
{
	json_t *o = json_object();

	/* Out of memory: the client reads less, and fails all the same. */
	jsonx_set(o, "error", e->message);
	error_set_code(o, err_name(e->code));
	error_set_hint(o, e->hint);
	reply(a, s, o);
}

static void
report_question(const struct ask_socket *a, const json_t *question)
{
	const struct ask_asker *p = a->asker;
	json_t *open = json_copy((json_t *)(uintptr_t)question);

	if (question_secret(open))
		(void)question_set_answer(open, NULL);
	if (p->report != NULL && open != NULL)
		p->report(p->arg, open);
	json_decref(open);
}

/* The line of ${s} has arrived. */
static void
ask_question(struct ask_socket *a, struct client *s)
{
	const struct ask_asker *p = a->asker;
	struct err e;

	json_t *asked = jsonx_parse(s->line.data, s->line.len, &e);
	json_t *question = asked == NULL ? NULL : question_make(asked, &e);
	json_decref(asked);
	if (question == NULL || queue_ask(p->queue, p->claim, question, &p->before, &e) < 0) {
		reply_error(a, s, &e);
	} else {
		(void)snprintf(s->id, sizeof s->id, "%s", question_id(question));
		if (a->open++ == 0)
			a->since = clock_steady();
		report_question(a, question);
	}
	json_decref(question);
}

/* Read what ${s} writes. */
static void
read_question(struct ask_socket *a, struct client *s)
{
	char piece[PIECE];
	struct err e;

	ssize_t n = read(s->fd, piece, sizeof piece);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(a, s);
		return;
	}
	const char *end = memchr(piece, '\n', (size_t)n);
	if (buf_add(&s->line, piece, end != NULL ? (size_t)(end - piece) : (size_t)n, &e) < 0)
		reply_error(a, s, &e);
	else if (end != NULL)
		ask_question(a, s);
}

/* Withdraw the question of ${s}, who hung up. */
static void
withdraw_question(struct ask_socket *a, struct client *s)
{
	const struct ask_asker *p = a->asker;
	json_t *question;
	struct err e;

	/* If that fails it stays open until the attempt ends, and an answer reaches nobody. */
	if (queue_withdraw(p->queue, p->claim, s->id, &question, &e) == 0) {
		report_question(a, question);
		json_decref(question);
	}
	disconnect(a, s);
}

/* Reply to ${s} if its question is closed. */
static void
poll_question(struct ask_socket *a, struct client *s)
{
	const struct ask_asker *p = a->asker;
	json_t *question;
	struct err e;

	int closed = queue_question_poll(p->queue, p->claim, s->id, &question, &e);
	if (closed < 0)
		reply_error(a, s, &e);
	if (closed <= 0)
		return;
	report_question(a, question);
	reply(a, s, question);
}

static void
poll_questions(struct ask_socket *a)
{
	int64_t now = clock_steady();
	uint64_t version;
	struct err e;

	if (a->open == 0 || now < a->poll_at)
		return;
	a->poll_at = now + POLL_MS;
	if (now < a->all_at && queue_version(a->asker->queue, &version, &e) == 0 &&
	    version == a->version)
		return;
	if (queue_version(a->asker->queue, &a->version, &e) < 0)
		return; /* the next poll may succeed */
	a->all_at = now + ALL_MS;
	for (size_t i = 0; i < QUEUE_OPEN; i++)
		if (a->client[i].id[0] != '\0')
			poll_question(a, &a->client[i]);
}

/* Accept a client. */
static void
accept_client(struct ask_socket *a)
{
	for (size_t i = 0; i < QUEUE_OPEN; i++)
		if (a->client[i].fd < 0) {
			a->client[i].fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
			return;
		}
}

void
ask_socket_serve(struct ask_socket *a, const struct pollfd *fds, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct client *s = &a->client[i - 1];
		if (s->fd < 0 || s->fd != fds[i].fd || fds[i].revents == 0)
			continue;
		if (s->id[0] == '\0')
			read_question(a, s);
		else
			withdraw_question(a, s);
	}
	if (n > 0 && fds[0].fd >= 0 && fds[0].revents != 0)
		accept_client(a);
	poll_questions(a);
}

int64_t
ask_socket_waited(const struct ask_socket *a)
{
	if (a == NULL)
		return 0;
	return a->waited + (a->open > 0 ? clock_steady() - a->since : 0);
}

static int
connect_to_socket(const char *path, struct err *e)
{
	char directory[4096];
	const char *slash = strrchr(path, '/');

	if (slash == NULL || (size_t)(slash - path) >= sizeof directory)
		return err_set(e, ERR_TRANSPORT_ERROR, "AWCP_ASK is not the path of a socket");
	(void)snprintf(directory, sizeof directory, "%.*s/", (int)(slash - path), path);
	int dirfd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct sockaddr_un at = address(dirfd, slash + 1);
	if (dirfd < 0 || fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof at) < 0) {
		err_sys(e, "nobody listens at %.200s", path);
		e->code = ERR_TRANSPORT_ERROR;
		file_close(fd);
		fd = -1;
	}
	file_close(dirfd);
	return fd;
}

static int
read_reply(int fd, struct buf *line, struct err *e)
{
	char piece[PIECE];
	ssize_t n;

	while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && buf_add(line, piece, (size_t)n, e) < 0)
			return -1;
	if (line->len > 0 && line->data[line->len - 1] == '\n')
		return 0;
	return err_set(e, ERR_TRANSPORT_ERROR,
		       "the connection was closed: the task is being stopped");
}

json_t *
ask_socket_ask(const char *socket_path, const char *line, struct err *e)
{
	struct buf answer = BUF_INIT(QUESTION_LINE);
	json_t *o = NULL;

	int fd = connect_to_socket(socket_path, e);
	if (fd >= 0 && file_write(fd, line, strlen(line), e) == 0 &&
	    read_reply(fd, &answer, e) == 0)
		o = jsonx_parse(answer.data, answer.len, e);
	file_close(fd);
	buf_free(&answer);
	const char *code = error_code(o);
	if (code == NULL)
		return o;
	err_set(e, err_from_name(code), "%s", jsonx_text(o, "error", ""));
	err_hint(e, "%s", error_hint(o));
	json_decref(o);
	return NULL;
}
