#include "wire/listener.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define WAIT_MS 5000 /* for a busy program to take the connection */
#define PAUSE_MS 5
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
	while (find_in("/proc/net/tcp", true, c, &uid) == 0 &&
	       find_in("/proc/net/tcp6", false, c, &uid) == 0) {
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
