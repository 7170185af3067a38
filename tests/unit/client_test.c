/* client: which addresses are taken, and which are this machine. */
#include "check.h"
#include "wire/client.h"

static void
test_check_url(void)
{
	static const char *const good[] = {"http://host",
					   "http://host:10200/awcp",
					   "HTTP://HOST/",
					   "https://a.example.org/x/awcp",
					   "http://127.0.0.1:1/awcp",
					   "http://[::1]:10200/awcp"};
	static const char *const bad[] = {"",
					  "host",
					  "host:10200",
					  "host:10200/awcp",
					  "/awcp",
					  "http:",
					  "http://",
					  "http:///awcp",
					  "ftp://host/awcp",
					  "file:///etc/passwd",
					  "http://host:0x/awcp",
					  "http://host:99999/awcp",
					  "http://ho st/awcp",
					  "http://host/aw cp",
					  "http://host/\nX: y",
					  "http://host/\177",
					  "https//host/awcp",
					  "localhost",
					  "http://[::1",
					  "httpx://host",
					  "http://host/awcp?",
					  "http://host/awcp?x=1",
					  "http://host/awcp#f"};
	struct err e;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(url_check(good[i], &e) == 0, "%s is an address", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		e.code = ERR_NONE;
		CHECK(url_check(bad[i], &e) == -1 && e.code == ERR_USAGE && e.hint[0] != '\0',
		      "bad address %zu is refused with a hint", i);
	}
	CHECK(url_check("http://me:secret@host/awcp", &e) == -1 &&
		  strstr(e.message, "secret") == NULL && strstr(e.hint, "secret") == NULL,
	      "an address with a password is refused and not shown");
	CHECK(url_check("http://:secret@host/awcp", &e) == -1 &&
		  strstr(e.message, "secret") == NULL,
	      "nor is one with only a password");
}

static void
test_loopback(void)
{
	static const char *const here[] = {"http://localhost/awcp",    "http://LocalHost:10200",
					   "https://127.0.0.1:1/awcp", "http://127.255.3.4/",
					   "http://[::1]:10200/awcp",  "http://[::1]"};
	static const char *const away[] = {"http://example.org/",
					   "http://localhost.example.org/",
					   "http://127.0.0.1.example.org/",
					   "http://127.example.org/",
					   "http://128.0.0.1/",
					   "http://12.7.0.0/",
					   "http://[::2]/",
					   "http://[fe80::1]/",
					   "http://xlocalhost/",
					   "http://example.org/localhost",
					   "http://example.org/?127.0.0.1",
					   "localhost",
					   "",
					   "http://localhost@example.org/",
					   "http://127.0.0.1@example.org/",
					   "ftp://localhost/"};

	for (size_t i = 0; i < sizeof here / sizeof *here; i++)
		CHECK(url_is_loopback(here[i]), "%s is this machine", here[i]);
	for (size_t i = 0; i < sizeof away / sizeof *away; i++)
		CHECK(!url_is_loopback(away[i]), "\"%s\" is not this machine", away[i]);
}

static void
test_token(void)
{
	static const char *const bad[] = {"", "two words", "line\nbreak", "\303\244", "del\177"};
	struct err e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(client_new(bad[i], false, 1, &e) == NULL && e.code == ERR_USAGE,
		      "bad token %zu is refused", i);
	struct client *c = client_new("awcp_0123456789abcdef", false, 1, &e);
	CHECK(c != NULL, "a good token is taken");
	client_free(c);
	client_free(NULL);
}

static void
test_plain(void)
{
	static const char *const plain[][2] = {
	    {"HTTP://LocalHost:10200/awcp", "http://127.0.0.1:10200/awcp"},
	    {"https://Build.Example/AWCP", "https://build.example/AWCP"},
	    {"http://host:80/awcp", "http://host/awcp"},
	    {"http://[::1]:1/awcp", "http://[::1]:1/awcp"},
	    {"http://localhost.example/", "http://localhost.example/"}};

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		char *saw = url_plain(plain[i][0]);
		CHECK_STR(saw, plain[i][1], "an address is written plainly");
		free(saw);
	}
	CHECK(url_plain("not an address") == NULL, "what is none is none");
}

int
main(void)
{
	test_check_url();
	test_plain();
	test_loopback();
	test_token();
	return check_end();
}
