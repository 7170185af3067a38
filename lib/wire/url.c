#include "wire/client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

/* Parse ${url}, which is http or https with a host; NULL if it is not. */
static CURLU *
parse_url(const char *url)
{
	CURLU *u = curl_url();

	for (const char *p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			goto bad;
	if (u == NULL || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
		goto bad;
	/* The URL parser lets other schemes and any number of slashes pass. */
	const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
			   : strncasecmp(url, "https://", 8) == 0 ? url + 8
								  : "/";
	if (*host != '/')
		return u;
bad:
	curl_url_cleanup(u);
	return NULL;
}

bool
url_is_loopback(const char *url)
{
	CURLU *u = parse_url(url);
	char *host = NULL;
	struct in_addr v4;
	bool is = false;

	if (u != NULL && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		is = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
		if (!is && inet_pton(AF_INET, host, &v4) == 1)
			is = ntohl(v4.s_addr) >> 24 == 127;
	}
	curl_free(host);
	curl_url_cleanup(u);
	return is;
}

char *
url_plain(const char *url)
{
	CURLU *u = parse_url(url);
	char *host = NULL, *text = NULL, *plain = NULL;

	if (u == NULL || curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		goto out;
	for (char *p = host; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	const char *as = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	if (curl_url_set(u, CURLUPART_HOST, as, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, CURLU_NO_DEFAULT_PORT) == CURLUE_OK)
		plain = strdup(text);
out:
	curl_free(text);
	curl_free(host);
	curl_url_cleanup(u);
	return plain;
}

int
url_check(const char *url, struct err *e)
{
	CURLU *u = parse_url(url);
	char *user = NULL;

	if (u == NULL) {
		err_set(e, ERR_USAGE, "not an address: %.200s", url);
		return err_hint(e, "an address looks like http://host:10200/awcp");
	}
	CURLUcode has_user = curl_url_get(u, CURLUPART_USER, &user, 0);
	curl_free(user);
	curl_url_cleanup(u);
	if (has_user != CURLUE_NO_USER) {
		/* The address itself is not shown: it may hold a password. */
		err_set(e, ERR_USAGE, "an address must not name a user");
		return err_hint(e, "give a token instead");
	}
	/* Paths are appended to it, and what follows these is no path. */
	if (strpbrk(url, "?#") != NULL) {
		err_set(e, ERR_USAGE, "an address has no ? or #: %.200s", url);
		return err_hint(e, "an address looks like http://host:10200/awcp");
	}
	return 0;
}
