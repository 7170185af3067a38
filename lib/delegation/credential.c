#include "delegation/credential.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"
#include "delegation/delegation.h"
#include "delegation/members.h"

#define NAME "auth"
#define AUTH_MAX 16384  /* bytes of it as JSON */
#define CUSTOM_MAX 8192 /* bytes of a custom credential, and its NUL */

MEMBER_TEXT(credential, type, "type", "")
MEMBER_TEXT(credential, secret, "credential", "")
MEMBER_JSON(credential, metadata, "metadata")

static bool
is_custom(const json_t *auth)
{
	return strcmp(credential_type(auth), "custom") == 0;
}

int
credential_check(const json_t *auth, struct err *e)
{
	static const char *const types[] = {"bearer", "api_key", "oauth2", "custom"};
	const char *secret = credential_secret(auth);
	const json_t *metadata = credential_metadata(auth);
	bool known = false;

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		known = known || strcmp(credential_type(auth), types[i]) == 0;
	if (!known)
		return err_set(e, ERR_BAD_MESSAGE,
			       "auth.type must be bearer, api_key, oauth2 or custom");
	if (secret[0] == '\0' || strlen(secret) >= (is_custom(auth) ? CUSTOM_MAX : TOKEN_MAX))
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

/* Only what the protocol names. */
static json_t *
copy_auth(const json_t *auth)
{
	return json_pack("{ss ss sO*}", credential_type_path(), credential_type(auth),
			 credential_secret_path(), credential_secret(auth),
			 credential_metadata_path(), credential_metadata(auth));
}

int
credential_keep(struct record *r, const json_t *auth, struct err *e)
{
	struct buf b = BUF_INIT(AUTH_MAX);
	int status = -1;

	json_t *o = copy_auth(auth);
	if (o == NULL || delegation_set_auth(r->json, true) < 0) {
		err_memory(e);
		goto out;
	}
	if (jsonx_dump(o, &b, e) < 0)
		goto out;
	status = file_replace(r->dirfd, NAME, b.data, b.len, true, e);
out:
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
	const char *id = record_id(delegation);
	char path[ID_MAX + sizeof "/" NAME];

	*auth = NULL;
	if (!delegation_auth(delegation))
		return 0;
	if (!id_valid(id))
		return err_set(e, ERR_BAD_DATA, "the record has no id");
	int fd = home_dir(DELEGATIONS, e);
	if (fd < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/" NAME, id);
	if (file_slurp(fd, path, &b, e) == 0)
		*auth = jsonx_parse_own(b.data, b.len, e);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_free(&b);
	return *auth == NULL ? err_add(e, "the credential for the executor of %s", id) : 0;
}

int
credential_token(const json_t *auth, char token[TOKEN_MAX], struct err *e)
{
	const char *secret = credential_secret(auth);

	token[0] = '\0';
	if (is_custom(auth))
		return 0;
	if (strlen(secret) >= TOKEN_MAX)
		return err_set(e, ERR_BAD_DATA, "the credential for the executor is too long");
	strcpy(token, secret);
	return 0;
}

void
credential_remove(struct record *r)
{
	/* What a crash leaves here goes with the directory. */
	(void)unlinkat(r->dirfd, NAME, 0);
}
