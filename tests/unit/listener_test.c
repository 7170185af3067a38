/* Whose program is at the other end of a connection on this machine. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/listener.h"

static struct err why;

/* Listen at a port of 127.0.0.1 (or of ::1) that nobody has; *${port} is told. */
static int
listen_at(int family, int *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *at = family == AF_INET ? (void *)&four : (void *)&six;
	socklen_t size = family == AF_INET ? sizeof four : sizeof six;

	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, at, size) < 0 || listen(fd, 8) < 0 || getsockname(fd, at, &size) < 0)
		return -1;
	*port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
	return fd;
}

/* Connect to ${port}; *${from} is the port at our end. */
static int
connect_to(int family, int port, int *from)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				   .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons((uint16_t)port)};
	struct sockaddr *at = family == AF_INET ? (void *)&four : (void *)&six;
	socklen_t size = family == AF_INET ? sizeof four : sizeof six;

	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, at, size) < 0 || getsockname(fd, at, &size) < 0)
		return -1;
	*from = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
	return fd;
}

/* What is said of a connection that is taken by a process of ${uid}. */
static int
check_taken_by(int family, uid_t uid)
{
	const char *address = family == AF_INET ? "127.0.0.1" : "::1";
	struct listener_connection c = {.local = address, .peer = address};
	int status;

	int fd = listen_at(family, &c.peer_port);
	if (fd < 0)
		return -2;
	pid_t child = fork();
	if (child == 0) {
		if (uid != geteuid() && setuid(uid) < 0)
			_exit(1);
		(void)accept(fd, NULL, NULL);
		(void)pause();
	}
	int own = connect_to(family, c.peer_port, &c.local_port);
	status = own < 0 ? -2 : listener_check(&c, &why);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	(void)close(own);
	(void)close(fd);
	return status;
}

int
main(void)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		int own = check_taken_by(families[i], geteuid());
		if (own == -2)
			continue; /* there is no such loopback here */
		CHECK_INT(own, 0, "a program of this account may have the token");
		if (geteuid() != 0)
			continue;
		CHECK(check_taken_by(families[i], 65534) < 0 && why.code == ERR_TRANSPORT_ERROR,
		      "one of another account may not");
		CHECK(strstr(why.message, "uid 65534") != NULL, "and is named: %s", why.message);
	}
	const struct listener_connection far = {"192.0.2.1", "192.0.2.2", 40000, 10200},
					 root = {"127.0.0.1", "127.0.0.1", 40000, 80};
	CHECK_INT(listener_check(&far, &why), 0, "another machine is not judged");
	CHECK_INT(listener_check(&root, &why), 0, "nor a port that only root gets");
	return check_end();
}
