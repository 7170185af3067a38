/* What an executor is shown of a delegation: the INVITE, and the token. */
#include "delegation/delegation.h"

#include <string.h>

#include "access/peer.h"
#include "delegation/credential.h"
#include "delegation/members.h"
#include "wire/members.h"
#include "wire/message.h"

/* The resources of ${delegation} without what stays here; NULL out of memory. */
static json_t *
public_resources(const json_t *delegation)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach (delegation_resources(delegation), i, one) {
		json_t *o =
		    json_pack("{ss ss ss}", resource_name_path(), resource_name(one),
			      resource_type_path(), "fs", resource_mode_path(), resource_mode(one));
		if (json_array_append_new(list, o) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* All but the credential. */
static int
put_members(json_t *m, const json_t *delegation)
{
	if (invite_set_task(m, json_incref(delegation_task(delegation))) < 0 ||
	    invite_set_lease(m, json_incref(delegation_lease(delegation))) < 0 ||
	    invite_set_retention(m, delegation_retention(delegation)) < 0 ||
	    invite_set_resources(m, public_resources(delegation)) < 0 ||
	    invite_set_transport(m, "archive") < 0 ||
	    invite_set_fidelity(m, message_fidelity()) < 0)
		return -1;
	json_t *sandbox = delegation_sandbox(delegation);
	return sandbox == NULL ? 0 : invite_set_sandbox(m, json_incref(sandbox));
}

json_t *
delegation_invite(const json_t *delegation, struct err *e)
{
	json_t *auth;

	if (credential_load(delegation, &auth, e) < 0)
		return NULL;
	json_t *m = json_object();
	if (put_members(m, delegation) < 0 ||
	    (auth != NULL && invite_set_auth(m, json_incref(auth)) < 0)) {
		json_decref(m);
		m = NULL;
	}
	json_decref(auth);
	return message_new("INVITE", record_id(delegation), m, e);
}

int
delegation_token(const json_t *delegation, char token[TOKEN_MAX], bool *own, struct err *e)
{
	const char *file = delegation_token_file(delegation);
	json_t *auth;

	token[0] = '\0';
	*own = false;
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
	*own = token[0] != '\0';
	json_decref(peer);
	return 0;
}
