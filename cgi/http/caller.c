#include "http/caller.h"

#include <string.h>

#include "http/body.h"
#include "base/jsonx.h"
#include "http/throttle.h"

#define SECRET 32 /* characters of an id after "dlg_" that nobody guesses */

static bool open_to_all;

int
caller_policy(struct err *e)
{
	const char *auth = setting_text(SETTING_AUTH);

	if (throttle_policy(e) < 0)
		return -1;
	if (strcmp(auth, "token") == 0)
		return 0;
	if (strcmp(auth, "none") == 0) {
		open_to_all = true;
		return 0;
	}
	err_set(e, ERR_CONFIG, "AWCP_AUTH is neither token nor none: %.40s", auth);
	return -1;
}

const char *
caller_scheme(void)
{
	return open_to_all ? "none" : "bearer";
}

static int
nobody(struct err *e)
{
	err_set(e, ERR_AUTH_FAILED, "a token is needed here");
	return err_hint(e, "send \"Authorization: Bearer\" and a token that awcp-token add made");
}

int
caller_identify(const struct http *h, struct caller *c, struct err *e)
{
	const char *credential = http_bearer(h);

	*c = (struct caller){.owner = NULL};
	if (open_to_all) {
		c->owner = "";
		return 0;
	}
	if (credential == NULL)
		return 0;
	if (token_holder(credential, &c->token, e) < 0)
		return -1;
	c->owner = c->token.name;
	return 0;
}

/* An id is a credential if nobody guesses it: 128 random bits, which are 32 hexadecimal digits. */
static bool
is_secret(const char *id)
{
	return strlen(id) - (strncmp(id, "dlg_", 4) == 0 ? 4 : 0) >= SECRET;
}

int
caller_from_invite(const json_t *invite, struct caller *c, struct err *e)
{
	const char *type = jsonx_text(invite, "auth.type", "");
	const char *id = jsonx_text(invite, "delegationId", "");

	if (c->owner != NULL)
		return 0;
	if (strcmp(type, "bearer") != 0 && strcmp(type, "api_key") != 0)
		return nobody(e);
	const char *credential = jsonx_string(invite, "auth.credential", TOKEN_MAX, e);
	if (credential == NULL || token_holder(credential, &c->token, e) < 0)
		return -1;
	c->owner = c->token.name;
	c->capability = is_secret(id);
	return 0;
}

int
caller_required(const struct caller *c, struct err *e)
{
	return c->owner != NULL ? 0 : nobody(e);
}

int
caller_admit(const struct http *h, struct caller *c, struct err *e)
{
	if (caller_identify(h, c, e) < 0 || caller_required(c, e) < 0)
		return -1;
	if (c->owner[0] != '\0' || http_variable(h, "HTTP_ORIGIN") == NULL)
		return 0;
	err_set(e, ERR_AUTH_FAILED, "no web page may call without a token");
	return err_hint(e, "run it with AWCP_AUTH=token");
}

bool
caller_listed(enum setting_id list, const char *name, bool fallback)
{
	const char *names = setting_given(list);

	return names == NULL ? fallback : body_named(names, name);
}

void
caller_hide(const char *owner, struct err *e)
{
	if (owner == NULL && e->code == ERR_NOT_FOUND)
		(void)nobody(e);
}
