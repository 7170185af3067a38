/* Messages of a peer: what is taken as the reference takes it, and what is refused by name. */
#include "check.h"

#include <jansson.h>

#include "base/id.h"
#include "base/jsonx.h"
#include "wire/members.h"
#include "wire/message.h"

static const char invite[] =
    "{\"version\":\"1\",\"type\":\"INVITE\",\"delegationId\":\"dlg_1\","
    "\"task\":{\"description\":\"d\",\"prompt\":\"p\"},"
    "\"lease\":{\"ttlSeconds\":60,\"accessMode\":\"rw\"},\"retentionMs\":1000,"
    "\"environment\":{\"resources\":[{\"name\":\"ws\",\"type\":\"fs\",\"mode\":\"rw\"}]}}";

/* INVITE with ${text}, JSON, at ${path}; NULL: without it.  0, or the code of its refusal. */
static enum err_code
check_with(const char *path, const char *text, struct err *e)
{
	json_t *m = jsonx_parse(invite, sizeof invite - 1, e);

	if (text == NULL)
		jsonx_drop(m, path);
	else if (jsonx_put(m, path, json_loads(text, JSON_DECODE_ANY, NULL)) < 0)
		CHECK(false, "%s can be put to %s", text, path);
	*e = (struct err){.code = ERR_NONE};
	int status = message_check_invite(m, e);
	json_decref(m);
	return status < 0 ? e->code : ERR_NONE;
}

#define RESOURCE(name) "{\"name\":\"" name "\",\"type\":\"fs\",\"mode\":\"rw\"}"

static void
test_taken(void)
{
	static const struct {
		const char *path, *text;
	} taken[] = {
	    {"lease.ttlSeconds", "60.5"},
	    {"lease.ttlSeconds", "1.0"},
	    {"retentionMs", "0.25"},
	    {"environment.resources", "[]"},
	    {"environment.resources", NULL},
	    {"environment", NULL},
	    {"environment.resources",
	     "[" RESOURCE("a/b") "," RESOURCE("a/c") "," RESOURCE("b") "]"},
	    {"environment.resources", "[" RESOURCE("..a/.b") "]"},
	    {"task.description", "\"\""},
	};
	struct err e;

	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
		CHECK(check_with(taken[i].path, taken[i].text, &e) == ERR_NONE,
		      "%s: %s is taken: %s", taken[i].path,
		      taken[i].text != NULL ? taken[i].text : "nothing", e.message);
	char *longest = malloc(500003);
	if (longest == NULL)
		abort();
	memset(longest, 'x', 500002);
	longest[0] = longest[500001] = '"';
	longest[500002] = '\0';
	CHECK(check_with("task.description", longest, &e) == ERR_NONE,
	      "a description of 500 kB is taken: %s", e.message);
	free(longest);
}

static void
test_refused(void)
{
	static const struct {
		const char *path, *text;
	} refused[] = {
	    {"lease.ttlSeconds", "0.5"},
	    {"lease.ttlSeconds", "-1"},
	    {"lease.ttlSeconds", "1e300"},
	    {"lease.ttlSeconds", "\"60\""},
	    {"retentionMs", "-0.5e3"},
	    {"environment", "true"},
	    {"environment", "[]"},
	    {"environment.resources", "null"},
	    {"environment.resources", "{}"},
	    {"environment.resources", "[" RESOURCE("a") "," RESOURCE("a/b") "]"},
	    {"environment.resources", "[" RESOURCE("a/b/c") "," RESOURCE("a/b") "]"},
	    {"environment.resources", "[" RESOURCE("a//b") "]"},
	    {"environment.resources", "[" RESOURCE("/a") "]"},
	    {"environment.resources", "[" RESOURCE("a/") "]"},
	    {"environment.resources", "[" RESOURCE("a/../b") "]"},
	    {"environment.resources", "[" RESOURCE("a/./b") "]"},
	    {"environment.resources", "[" RESOURCE("a/.awcp") "]"},
	    {"environment.resources", "[" RESOURCE("a\\nb") "]"},
	    {"task.description", NULL},
	};
	struct err e;

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		enum err_code code = check_with(refused[i].path, refused[i].text, &e);
		CHECK(code == ERR_BAD_MESSAGE && strstr(e.message, refused[i].path) != NULL,
		      "%s: %s is refused by its name: %s", refused[i].path,
		      refused[i].text != NULL ? refused[i].text : "nothing", e.message);
	}
	CHECK(!id_resource_valid("a/b"), "a resource of ours has one name");
}

/* Strings of JavaScript may have halves of characters. */
static void
test_surrogates(void)
{
	static const struct {
		const char *text, *value;
	} all[] = {
	    {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
	    {"\\ud83d", "\xef\xbf\xbd"},
	    {"a\\ude00b", "a\xef\xbf\xbd"
			  "b"},
	    {"\\uD83D\\uD83D\\uDE00", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
	    {"\\ud83d\\u0041", "\xef\xbf\xbd"
			       "A"},
	    {"\\ud83d\\n\\\\ud83d", "\xef\xbf\xbd\n\\ud83d"},
	    {"\\\\ud83d", "\\ud83d"},
	    {"\\ud83", NULL},
	    {"\\ud83d\\x", NULL},
	    {"\\ude00\xff", NULL},
	};
	char text[128];

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		int n = snprintf(text, sizeof text, "{\"a\":\"%s\"}", all[i].text);
		json_t *o = jsonx_parse(text, (size_t)n, NULL);
		CHECK_STR(jsonx_text(o, "a", NULL), all[i].value, all[i].text);
		json_decref(o);
	}
}

int
main(void)
{
	test_taken();
	test_refused();
	test_surrogates();
	return check_end();
}
