/* A token by the file of its record: what it is now.  No digest is made here, so that who only asks
 * for that need not load what makes them. */
#include "access/token.h"

#include <stdio.h>
#include <string.h>

#include "access/private.h"
#include "base/clock.h"
#include "base/jsonx.h"
#include "config/home.h"

int
token_load(int dirfd, const char *name, json_t **o, struct err *e)
{
	struct err why;

	*o = home_load(dirfd, name, TOKEN_RECORD, "token", &why);
	if (*o != NULL || why.code == ERR_NOT_FOUND || why.code == ERR_BAD_DATA)
		return 0;
	if (e != NULL)
		*e = why;
	return -1;
}

/* Fill ${t} from the token's record ${o}, if it is valid now. */
static int
check_token(const json_t *o, struct token *t, struct err *e)
{
	const char *text = jsonx_text(o, "expiresAt", NULL), *name = jsonx_text(o, "name", "");
	const char *tenant = jsonx_text(o, "tenant", name);
	int64_t expires = 0;

	/* What cannot be read as a time or a limit must not mean that there is none. */
	if (text != NULL && (clock_parse(text, &expires, e) < 0 || expires <= clock_now())) {
		err_set(e, ERR_AUTH_FAILED, "the token has expired");
		return err_hint(e, "ask the operator of this executor for a new one");
	}
	if (name[0] == '\0' || tenant[0] == '\0' || token_limits_read(o, &t->limits, e) < 0)
		return err_set(e, ERR_AUTH_FAILED, "the token cannot be used");
	t->expires = expires;
	t->rights = rights_of(o);
	(void)snprintf(t->name, sizeof t->name, "%s", name);
	(void)snprintf(t->tenant, sizeof t->tenant, "%s", tenant);
	(void)snprintf(t->file, sizeof t->file, "%s", jsonx_text(o, "sha256", ""));
	return 0;
}

int
token_reload(const char *file, struct token *t, struct err *e)
{
	int fd = home_dir("tokens", e), status = -1;
	json_t *o = NULL;

	if (fd < 0)
		return -1;
	/* Whoever asks chooses the token, not its digest: looking the digest up by name tells
	 * nothing that helps to guess. */
	if (strlen(file) == SHA256_HEX - 1 && token_load(fd, file, &o, e) < 0)
		return -1; /* for lack of memory, or because of the disk: nobody's fault */
	if (o != NULL && strcmp(jsonx_text(o, "sha256", ""), file) == 0) {
		status = check_token(o, t, e);
	} else {
		err_set(e, ERR_AUTH_FAILED, "the credential is not known here");
		err_hint(e, "ask the operator of this executor for a token (awcp-token add)");
	}
	json_decref(o);
	return status;
}
