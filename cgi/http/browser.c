#include "http/browser.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "base/text.h"
#include "http/body.h"

#define HOST 256 /* bytes of a host's name with its NUL */

/* The address that ${text} is, one of IPv4 as IPv6 has it.  False if it is none. */
static bool
parse_address(const char *text, struct in6_addr *address)
{
	unsigned char *bytes = address->s6_addr;

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	return inet_pton(AF_INET, text, bytes + 12) == 1;
}

static bool
is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* The host in ${authority}, such as "[::1]:10200", in lower case.  False if there is none. */
static bool
parse_host(const char *authority, char host[HOST])
{
	bool bracket = authority[0] == '[';
	const char *begin = authority + bracket;
	size_t n = strcspn(begin, bracket ? "]" : ":");

	if (!bracket && n > 0 && begin[n - 1] == '.')
		n--;
	if (n == 0 || n >= HOST)
		return false;
	for (size_t i = 0; i < n; i++)
		host[i] = (char)tolower((unsigned char)begin[i]);
	host[n] = '\0';
	return true;
}

/* Is ${host} this machine, by a name that nobody else can have? */
static bool
is_ours(const struct http *h, const char *host)
{
	const char *at = http_variable(h, "SERVER_ADDR");
	struct in6_addr asked = IN6ADDR_ANY_INIT, own;

	if (strcmp(host, "localhost") == 0 || text_lists(setting_text(SETTING_HOSTS), " ", host))
		return true;
	if (!parse_address(host, &asked))
		return false;
	return is_loopback(&asked) ||
	       (at != NULL && parse_address(at, &own) && memcmp(&asked, &own, sizeof asked) == 0);
}

static int
check_host(const struct http *h, const char *authority, struct err *e)
{
	char host[HOST];

	if (parse_host(authority, host) && is_ours(h, host))
		return 0;
	err_set(e, ERR_DECLINED, "this is not the name of a server that asks for no token");
	return err_hint(e, "use its address, or have the name put into AWCP_HOSTS");
}

/* Does a page say that it is from elsewhere than ${authority}? */
static bool
is_foreign(const struct http *h, const char *authority)
{
	const char *origin = http_variable(h, "HTTP_ORIGIN");
	const char *site = http_variable(h, "HTTP_SEC_FETCH_SITE");

	if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return true;
	if (origin == NULL)
		return false;
	const char *from = strncmp(origin, "http://", 7) == 0    ? origin + 7
			   : strncmp(origin, "https://", 8) == 0 ? origin + 8
								 : "";
	return strcasecmp(from, authority) != 0;
}

int
browser_check(const struct http *h, struct err *e)
{
	const char *authority = http_variable(h, "HTTP_HOST");

	if (authority == NULL)
		return 0; /* every browser sends one */
	if (check_host(h, authority, e) < 0)
		return -1;
	if (is_foreign(h, authority)) {
		err_set(e, ERR_DECLINED, "no web page may call without a token");
		return err_hint(e, "run it with AWCP_AUTH=token");
	}
	if (!http_has_body(h) || body_is(h, "application/json") ||
	    body_is(h, "application/x-ndjson"))
		return 0;
	err_set(e, ERR_BAD_MESSAGE, "the request is not said to be JSON");
	return err_hint(e, "send it with Content-Type: application/json");
}
