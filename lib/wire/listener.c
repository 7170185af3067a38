#include "wire/listener.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define WAIT_MS 5000 /* for a busy program to take the connection */
#define PAUSE_MS 1
#define UNPRIVILEGED 1024 /* the first port that anybody gets */
#define ROW 256           /* bytes of a line that matter */
#define ADDRESS 33        /* hex digits of one, and a NUL */

/* Write ${ip} to ${out} as /proc/net/tcp6 has it, or with ${v4} as /proc/net/tcp; false if it has
 * no such form. */
static bool
write_address(const char *ip, bool v4, char out[ADDRESS])
{
	struct in6_addr six = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	uint32_t words[4];

	bool short_form = inet_pton(AF_INET, ip, &six.s6_addr[12]) == 1;
	if (!short_form && (v4 || inet_pton(AF_INET6, ip, &six) != 1))
		return false;
	memcpy(words, &six, sizeof words);
	if (v4)
		(void)snprintf(out, ADDRESS, "%08X", words[3]);
	else
		(void)snprintf(out, ADDRESS, "%08X%08X%08X%08X", words[0], words[1], words[2],
			       words[3]);
	return true;
}

/* Whose the other end of ${c} is, as ${table} says: 1 and *${uid}, 0 if it is not there, or nobody
 * has taken it yet. */
static int
find_in(const char *table, bool v4, const struct listener_connection *c, uid_t *uid)
{
	char row[ROW], local[ADDRESS], peer[ADDRESS], here[ADDRESS], there[ADDRESS];
	unsigned here_port, there_port, owner;
	unsigned long inode;
	int found = 0;

	if (!write_address(c->local, v4, local) || !write_address(c->peer, v4, peer))
		return 0;
	FILE *f = fopen(table, "re");
	while (found == 0 && f != NULL && fgets(row, sizeof row, f) != NULL) {
		if (sscanf(row, " %*u: %32[0-9A-F]:%x %32[0-9A-F]:%x %*x %*s %*s %*s %u %*d %lu",
			   here, &here_port, there, &there_port, &owner, &inode) != 6 ||
		    here_port != (unsigned)c->peer_port || there_port != (unsigned)c->local_port ||
		    strcmp(here, peer) != 0 || strcmp(there, local) != 0)
			continue;
		*uid = owner;
		found = inode != 0; /* else it waits to be taken, and is nobody's */
	}
	if (f != NULL)
		(void)fclose(f);
	return found;
}

/* A question to the kernel about one socket (sock_diag(7)), and the answer to it. */
struct diag_question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 asked;
};

struct diag_answer {
	struct nlmsghdr head;
	union {
		struct inet_diag_msg socket;
		struct nlmsgerr error;
		char more[1024]; /* attributes, which are not read */
	} u;
};

/* Fill ${q} with the other end of ${c}; false if that is no address. */
static bool
make_question(const struct listener_connection *c, struct diag_question *q)
{
	struct inet_diag_sockid *id = &q->asked.id;

	*q = (struct diag_question){
	    .head = {.nlmsg_len = sizeof *q,
		     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		     .nlmsg_flags = NLM_F_REQUEST},
	    .asked = {.sdiag_protocol = IPPROTO_TCP, .idiag_states = UINT32_MAX}};
	q->asked.sdiag_family = strchr(c->peer, ':') == NULL ? AF_INET : AF_INET6;
	id->idiag_sport = htons((uint16_t)c->peer_port);
	id->idiag_dport = htons((uint16_t)c->local_port);
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return inet_pton(q->asked.sdiag_family, c->peer, id->idiag_src) == 1 &&
	       inet_pton(q->asked.sdiag_family, c->local, id->idiag_dst) == 1;
}

/* Whose the other end of ${c} is, as the kernel says when it is asked: as find_in, which reads all
 * that there are; -1 if it cannot be asked, or knows nothing of it. */
static int
find_by_asking(const struct listener_connection *c, uid_t *uid)
{
	struct diag_question q;
	struct diag_answer a;
	int found = -1;

	if (!make_question(c, &q))
		return -1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0 || send(fd, &q, sizeof q, 0) != (ssize_t)sizeof q)
		goto out;
	ssize_t n = recv(fd, &a, sizeof a, 0);
	if (n < (ssize_t)(sizeof a.head + sizeof a.u.socket) ||
	    a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		goto out;
	/* Where there is no such connection, the kernel tells of who listens. */
	const struct inet_diag_msg *m = &a.u.socket;
	if (m->id.idiag_dport == q.asked.id.idiag_dport)
		found = m->idiag_inode != 0;
	*uid = m->idiag_uid;
out:
	file_close(fd);
	return found;
}

static int
find_owner(const struct listener_connection *c, uid_t *uid)
{
	int found = find_by_asking(c, uid);

	if (found >= 0)
		return found;
	found = find_in("/proc/net/tcp", true, c, uid);
	return found != 0 ? found : find_in("/proc/net/tcp6", false, c, uid);
}

static bool
is_on_this_machine(const struct listener_connection *c)
{
	return strcmp(c->local, c->peer) == 0 || strncmp(c->peer, "127.", 4) == 0 ||
	       strcmp(c->peer, "::1") == 0;
}

int
listener_check(const struct listener_connection *c, struct err *e)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
	int64_t until = clock_steady() + WAIT_MS;
	uid_t uid = 0;

	if (!is_on_this_machine(c) || c->peer_port < UNPRIVILEGED)
		return 0;
	while (find_owner(c, &uid) == 0) {
		if (clock_steady() >= until) {
			err_set(e, ERR_TRANSPORT_ERROR,
				"nobody can be seen at port %d, who asks for a "
				"token of this account",
				c->peer_port);
			return err_hint(e, "if it is to have one, give it with -T");
		}
		(void)nanosleep(&pause, NULL);
	}
	if (uid == 0 || uid == geteuid())
		return 0;
	err_set(
	    e, ERR_TRANSPORT_ERROR,
	    "a program of another account (uid %u) is at port %d, where one of this account's is "
	    "expected: the token is not sent",
	    (unsigned)uid, c->peer_port);
	return err_hint(e, "start awcp-serve again on another port, or give a token with -T");
}
