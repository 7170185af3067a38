#include "http/caller.h"

#include <string.h>

#include "base/jsonx.h"
#include "config/home.h"
#include "http/pool.h"
#include "http/private.h"
#include "http/throttle.h"
#include "state/space.h"

#define SECRET 32 /* characters of an id after "dlg_" that nobody guesses */

static bool open_to_all;
static long long max_requests;

int
caller_policy(struct err *e)
{
	const char *auth = setting_text(SETTING_AUTH);

	if (throttle_policy(e) < 0 || setting_number(SETTING_THREADS, &max_requests, e) < 0)
		return -1;
	if (max_requests < POOL_MIN)
		max_requests = POOL_MIN;
	if (strcmp(auth, "token") == 0)
		return 0;
	if (strcmp(auth, "none") == 0) {
		open_to_all = true;
		return 0;
	}
	err_set(e, ERR_CONFIG, "AWCP_AUTH is neither token nor none: %.40s", auth);
	return -1;
}

bool
caller_is_open(void)
{
	return open_to_all;
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

/* Who is let in without a token is no web page: see browser.h. */
static void
admit_anybody(struct http *h)
{
	h->caller.owner = "";
	h->caller.token.rights = RIGHTS_ALL;
	http_known(h);
}

/* The caller, whose token is known, is let in for one of ${rights}, unless too much of it is open.
 */
static int
let_in(struct http *h, unsigned rights, struct err *e)
{
	if (pass_get(&h->pass, &h->caller.token, rights, e) < 0)
		return -1;
	if (pass_take(&h->pass, HOLDER_CONNECTION, max_requests, e) == 0)
		return 0;
	pass_put(&h->pass);
	return -1;
}

static int
admit_token(struct http *h, const char *credential, unsigned rights, struct err *e)
{
	if (token_holder(credential, rights, &h->caller.token, e) < 0 || let_in(h, rights, e) < 0)
		return -1;
	h->caller.owner = h->caller.token.tenant;
	http_known(h);
	return 0;
}

int
caller_identify(struct http *h, unsigned rights, struct err *e)
{
	const char *credential = http_bearer(h);

	if (open_to_all)
		admit_anybody(h);
	return open_to_all || credential == NULL ? 0 : admit_token(h, credential, rights, e);
}

int
caller_admit(struct http *h, struct err *e)
{
	unsigned asks = h->route->asks;

	if ((asks & (ROUTE_PUBLIC | ROUTE_MESSAGE)) != 0)
		return 0;
	if (caller_identify(h, asks & RIGHTS_ALL, e) < 0)
		return -1;
	if (h->caller.owner == NULL && (asks & ROUTE_BY_ID) == 0)
		return nobody(e);
	if ((asks & ROUTE_ADDS) == 0)
		return 0;
	int fd = home_open(e);
	return fd < 0 ? -1 : space_for(fd, 0, 1, e);
}

/* An id is a credential if nobody guesses it: 128 random bits, which are 32 hexadecimal digits. */
static bool
is_secret(const char *id)
{
	return strlen(id) - (strncmp(id, "dlg_", 4) == 0 ? 4 : 0) >= SECRET;
}

int
caller_from_invite(struct http *h, const json_t *invite, struct err *e)
{
	const char *id = jsonx_text(invite, "delegationId", "");

	if (h->caller.owner != NULL)
		return 0;
	/* Whatever its "type" says: all that we give out are tokens. */
	if (jsonx_at(invite, "auth.credential") == NULL)
		return nobody(e);
	const char *credential = jsonx_string(invite, "auth.credential", TOKEN_MAX, e);
	if (credential == NULL || admit_token(h, credential, RIGHT_INVITE, e) < 0)
		return -1;
	h->caller.capability = is_secret(id);
	return 0;
}

int
caller_vouch(struct http *h, const char *file, struct err *e)
{
	if (token_reload(file, &h->caller.token, e) < 0 ||
	    token_may(&h->caller.token, RIGHT_INVITE, e) < 0)
		return -1;
	return let_in(h, RIGHT_INVITE, e);
}

const struct caller *
caller_of(const struct http *h)
{
	return &h->caller;
}

const struct pass *
caller_pass(const struct http *h)
{
	return &h->pass;
}

void
caller_leave(struct http *h)
{
	pass_release(&h->pass, HOLDER_CONNECTION);
	pass_put(&h->pass);
}

void
caller_hide(const char *owner, struct err *e)
{
	if (owner == NULL && e->code == ERR_NOT_FOUND)
		(void)nobody(e);
}
