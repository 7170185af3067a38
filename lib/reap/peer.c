/*
 * Peers: the file of one is touched when it accepts a delegation; one that was not for longer than
 * AWCP_PEER_RETENTION goes, with the token that was used there.
 */
#include "reap/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"

void
reap_peers(struct reap *r)
{
	const struct dirent *entry;
	char id[300], span[32];
	struct reap_deed d;
	struct err e;

	DIR *dir = r->limits.peers == 0 ? NULL : home_list("peers");
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		int64_t age = reap_age(r, dirfd(dir), entry->d_name);
		if (age < r->limits.peers)
			continue;
		(void)snprintf(id, sizeof id, "peers/%s", entry->d_name);
		reap_deed(&d, REAP_PEERS, id, "remove", "it was not heard of for %s",
			  reap_span(age, span));
		if (reap_should_remove(r, &d))
			reap_did(r, &d, reap_remove(dirfd(dir), entry->d_name, &e), &e);
	}
	if (dir != NULL)
		(void)closedir(dir);
}
