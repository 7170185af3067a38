/* Sends to syslogd and journald without ever waiting for them: a datagram for which there is no
 * room is lost. */
#include "log/syslog.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG "/dev/log"
#define JOURNAL "/run/systemd/journal/socket"
#define PRIORITY 30 /* daemon, informational (RFC 5424) */

static int
make_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The socket of this process, kept; it is not connected, so that the listener may restart. */
static int
own_socket(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int fd = -1;

	(void)pthread_mutex_lock(&lock);
	if (fd < 0)
		fd = make_socket();
	(void)pthread_mutex_unlock(&lock);
	return fd;
}

static void
send_pieces(const char *path, struct iovec *pieces, size_t n)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct msghdr message = {
	    .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = pieces, .msg_iovlen = n};

	(void)snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	(void)sendmsg(own_socket(), &message, MSG_NOSIGNAL | MSG_DONTWAIT); /* or it is lost */
}

size_t
syslog_head(char out[LOGFMT_LINE])
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm local;

	if (localtime_r(&now, &local) != NULL)
		(void)strftime(when, sizeof when, "%b %e %H:%M:%S", &local);
	int n = snprintf(out, LOGFMT_LINE, "<%d>%s awcp[%ld]: ", PRIORITY, when, (long)getpid());
	return n < 0 ? 0 : (size_t)n;
}

int
syslog_open(struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = SYSLOG};

	int fd = make_socket();
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	err_sys(e, "cannot reach syslogd");
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void
syslog_send(const char *line, size_t n)
{
	struct iovec piece = {(char *)(size_t)line, n};

	send_pieces(SYSLOG, &piece, 1);
}

void
syslog_journal_send(const char *log, const char *event, const char *id, const char *line, size_t n)
{
	char head[512];

	/* No value has a newline in it: the renderer saw to that, and ids and events have none. */
	int length =
	    snprintf(head, sizeof head,
		     "PRIORITY=%d\nSYSLOG_IDENTIFIER=awcp\nAWCP_LOG=%.40s\nAWCP_EVENT=%.60s\n"
		     "%s%.200s%sMESSAGE=",
		     PRIORITY & 7, log, event, id != NULL ? "AWCP_ID=" : "", id != NULL ? id : "",
		     id != NULL ? "\n" : "");
	struct iovec pieces[] = {
	    {head, length < 0 ? 0 : (size_t)length}, {(char *)(size_t)line, n}, {"\n", 1}};

	send_pieces(JOURNAL, pieces, 3);
}
