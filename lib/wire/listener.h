/*
 * listener - whose program is at the other end of a connection on this machine.
 *
 * Any account may listen at a port that nobody has.  So a token that this account keeps for a
 * program of its own is sent only to a program of its own, or of root: the kernel knows whose the
 * socket is that has taken the connection.
 */
#ifndef WIRE_LISTENER_H
#define WIRE_LISTENER_H

#include "base/err.h"

/* A connection of ours, as addresses are written: "127.0.0.1", "::1". */
struct listener_connection {
	const char *local, *peer;
	int local_port, peer_port;
};

/* May what is at the other end of ${c} have a token of ours?  It may if it is on another machine,
 * which is not ours to judge, or has a port that only root gets.  ERR_TRANSPORT_ERROR if it is
 * another account's, or if that cannot be seen. */
int listener_check(const struct listener_connection *c, struct err *e);

#endif
