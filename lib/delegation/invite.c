/* What a delegation shows to its executor: the INVITE, and the token. */
#include "delegation/delegation.h"

#include <string.h>

#include "delegation/credential.h"
#include "delegation/members.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "wire/members.h"
#include "access/peer.h"

json_t *
delegation_invite(const json_t *delegation, struct err *e)
{
	json_t *list = json_array(), *one, *auth;
	size_t i;

	if (credential_load(delegation, &auth, e) < 0) {
		json_decref(list);
		return NULL;
	}
	json_array_foreach (delegation_resources(delegation), i, one)
		(void)json_array_append_new(list,
					    json_pack("{ss ss ss}", "name", resource_name(one),
						      "type", "fs", "mode", resource_mode(one)));
	json_t *more = json_pack(
	    "{sO sO sO s{so} s{ss so sO*}}", "task", delegation_task(delegation), "lease",
	    delegation_lease(delegation), "retentionMs", json_object_get(delegation, "retentionMs"),
	    "environment", "resources", list, "requirements", "transport", "archive", "fidelity",
	    message_fidelity(), "sandbox", delegation_sandbox(delegation));
	if (auth != NULL && json_object_set(more, "auth", auth) < 0) {
		json_decref(more);
		more = NULL;
	}
	json_decref(auth);
	return message_new("INVITE", delegation_id(delegation), more, e);
}

int
delegation_token(const json_t *delegation, char token[TOKEN_MAX], struct err *e)
{
	const char *file = delegation_token_file(delegation);
	json_t *auth;

	token[0] = '\0';
	if (credential_load(delegation, &auth, e) < 0)
		return -1;
	if (auth != NULL) {
		int status = credential_token(auth, token, e);
		json_decref(auth);
		return status;
	}
	if (file != NULL)
		return token_read(file, token, e);
	json_t *peer = peer_by_url(delegation_peer_url(delegation), NULL);
	const char *known = jsonx_text(peer, "token", "");
	if (strlen(known) < TOKEN_MAX)
		strcpy(token, known);
	json_decref(peer);
	return 0;
}
