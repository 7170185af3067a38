#include "delegation/credential.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "delegation/delegation.h"
#include "delegation/members.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"

#define NAME "auth"
#define AUTH_MAX 16384 /* bytes of it as JSON */

static bool
is_custom(const json_t *auth)
{
	return strcmp(jsonx_text(auth, "type", ""), "custom") == 0;
}

int
credential_check(const json_t *auth, struct err *e)
{
	static const char *const types[] = {"bearer", "api_key", "oauth2", "custom"};
	const char *type = jsonx_text(auth, "type", "");
	const char *secret = jsonx_text(auth, "credential", "");
	const json_t *metadata = json_object_get(auth, "metadata");
	bool known = false;

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		known = known || strcmp(type, types[i]) == 0;
	if (!known)
		return err_set(e, ERR_BAD_MESSAGE,
			       "auth.type must be bearer, api_key, oauth2 or custom");
	if (secret[0] == '\0' || strlen(secret) >= (is_custom(auth) ? 8192 : TOKEN_MAX))
		return err_set(e, ERR_BAD_MESSAGE,
			       "auth.credential must be a string of 1 to %d bytes", TOKEN_MAX - 1);
	for (const char *p = secret; *p != '\0' && !is_custom(auth); p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return err_set(e, ERR_BAD_MESSAGE,
				       "auth.credential has characters that no token has");
	if (metadata != NULL && (!json_is_object(metadata) || json_object_size(metadata) > 32))
		return err_set(e, ERR_BAD_MESSAGE, "auth.metadata must be a small object");
	return 0;
}

int
credential_keep(struct record *r, const json_t *auth, struct err *e)
{
	struct buf b = BUF_INIT(AUTH_MAX);
	json_t *o = json_object();

	/* Only what the protocol names. */
	if (o == NULL || jsonx_set(o, "type", jsonx_text(auth, "type", "")) < 0 ||
	    jsonx_set(o, "credential", jsonx_text(auth, "credential", "")) < 0 ||
	    (json_object_get(auth, "metadata") != NULL &&
	     json_object_set(o, "metadata", json_object_get(auth, "metadata")) < 0) ||
	    json_object_set_new(r->json, "auth", json_true()) < 0) {
		json_decref(o);
		return err_memory(e);
	}
	int status = jsonx_dump(o, &b, e);
	if (status == 0)
		status = file_replace(r->dirfd, NAME, b.data, b.len, true, e);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_free(&b);
	json_decref(o);
	return status < 0 ? err_add(e, "auth") : 0;
}

int
credential_load(const json_t *delegation, json_t **auth, struct err *e)
{
	struct buf b = BUF_INIT(AUTH_MAX);
	const char *id = delegation_id(delegation);
	char path[ID_MAX + sizeof "/" NAME];

	*auth = NULL;
	if (!delegation_auth(delegation))
		return 0;
	int fd = home_dir(DELEGATIONS, e);
	if (fd < 0 || !id_valid(id))
		return fd < 0 ? -1 : err_set(e, ERR_BAD_DATA, "the record has no id");
	(void)snprintf(path, sizeof path, "%s/" NAME, id);
	if (file_slurp(fd, path, &b, e) == 0)
		*auth = jsonx_parse(b.data, b.len, e);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_free(&b);
	return *auth == NULL ? err_add(e, "the credential for the executor of %s", id) : 0;
}

int
credential_token(const json_t *auth, char token[TOKEN_MAX], struct err *e)
{
	const char *secret = jsonx_text(auth, "credential", "");

	token[0] = '\0';
	if (is_custom(auth))
		return 0;
	if (strlen(secret) >= TOKEN_MAX)
		return err_set(e, ERR_BAD_DATA, "the credential for the executor is too long");
	strcpy(token, secret);
	return 0;
}

void
credential_forget(struct record *r)
{
	(void)json_object_del(r->json, "auth"); /* most have none */
}

void
credential_remove(struct record *r)
{
	/* What a crash leaves here goes with the directory. */
	(void)unlinkat(r->dirfd, NAME, 0);
}
