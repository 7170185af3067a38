/*
 * What an executor keeps of a tree, before it is invited.
 *
 * Its status tells: one of ours names there what it keeps, one of the reference does not, and what
 * has no status is none of ours.  It is asked only where that matters: where the tree has links or
 * names that not every executor can be sent.
 */
#include <limits.h>
#include <stdio.h>

#include "lend/private.h"
#include "wire/message.h"

enum tree_peer
lend_peer(struct lend *l)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	enum tree_peer peer = TREE_PEER_UNKNOWN;
	char url[4096];
	struct lend_request q = {.step = "status", .http.url = url};
	struct err ignored; /* who cannot be asked says it in ACCEPT */

	(void)snprintf(url, sizeof url, "%s/status", l->url);
	if (lend_send(l, &q, lend_collect, &answer, &ignored) == 0 &&
	    (q.http.status == 200 || q.http.status == 404)) {
		json_t *o = answer.len > 0 ? jsonx_parse(answer.data, answer.len, NULL) : NULL;
		bool keeps = (message_agreed(status_fidelity(o)) & MESSAGE_LINKS) != 0;
		peer = keeps ? TREE_PEER_KEEPS : TREE_PEER_PLAIN;
		json_decref(o);
	}
	buf_free(&answer);
	return peer;
}

enum tree_peer
lend_peer_of(json_t *delegation)
{
	struct lend l = {.dirfd = -1, .lockfd = -1, .record = json_incref(delegation)};
	enum tree_peer peer = TREE_PEER_UNKNOWN;
	struct err ignored; /* as above */

	if (lend_connect(&l, LONG_MAX, &ignored) == 0)
		peer = lend_peer(&l);
	lend_detach(&l);
	return peer;
}
