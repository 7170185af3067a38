/* What a token may do, by its record and by the settings. */
#include "check.h"
#include "scratch.h"

#include "access/token.h"
#include "base/clock.h"
#include "base/jsonx.h"

static struct err why;

static void
test_words(void)
{
	static const char *const bad[] = {"", "invite,", ",read", "invited", "read put", "READ"};
	char text[RIGHTS_TEXT];
	unsigned rights = 0;

	CHECK_INT(rights_parse("read,invite,read", &rights, &why), 0, "rights are read");
	CHECK_INT(rights, RIGHT_INVITE | RIGHT_READ, "each once");
	CHECK_STR(rights_format(rights, ",", text), "invite,read", "and written in one order");
	CHECK_STR(rights_format(RIGHTS_ALL, ", ", text),
		  "invite, lend, work, put, read, enrol, admin", "all of them have a name");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK(rights_parse(bad[i], &rights, &why) < 0 && why.code == ERR_USAGE,
		      "\"%s\" is no list of rights", bad[i]);
}

static unsigned
of(const char *record)
{
	json_t *o = json_loads(record, 0, NULL);
	unsigned rights = rights_of(o);

	json_decref(o);
	return rights;
}

static void
test_records(void)
{
	(void)setenv("AWCP_CALLERS", "ann bob", 1);
	(void)setenv("AWCP_OPERATORS", "bob", 1);
	CHECK_INT(of("{\"name\": \"old\"}"), RIGHTS_USUAL, "an earlier version's may do the usual");
	CHECK_INT(of("{\"name\": \"x\", \"rights\": []}"), 0, "no right is no right");
	CHECK_INT(of("{\"name\": \"x\", \"rights\": \"lend\"}"), 0, "nor is what is no list");
	CHECK_INT(of("{\"name\": \"x\", \"rights\": [\"read\", \"fly\", 3]}"), RIGHT_READ,
		  "a right of a later version is passed over");
	CHECK_INT(of("{\"name\": \"ann\", \"rights\": [\"read\"]}"), RIGHT_READ | RIGHT_LEND,
		  "AWCP_CALLERS gives the right to lend");
	CHECK_INT(of("{\"name\": \"bob\"}"), RIGHTS_USUAL | RIGHT_LEND | RIGHT_ADMIN,
		  "and AWCP_OPERATORS that to all tenants");
	CHECK_INT(of("{\"name\": \"an\"}"), RIGHTS_USUAL, "a part of a name is none");
	CHECK_INT(of("{\"name\": \"\", \"rights\": []}"), 0, "nor is an empty one");
	(void)unsetenv("AWCP_CALLERS");
	(void)unsetenv("AWCP_OPERATORS");
}

static void
test_tokens(void)
{
	struct token t = {.name = "ann", .tenant = "team"}, held;
	char secret[70], file[SHA256_HEX];

	CHECK_INT(token_add(&t, secret, &why), 0, "a token is made");
	CHECK_INT(token_holder(secret, RIGHT_PUT, &held, &why), 0, "it may do what is usual");
	CHECK_STR(held.name, "ann", "it has its name");
	CHECK_STR(held.tenant, "team", "and its tenant");
	CHECK(token_holder(secret, RIGHT_LEND | RIGHT_ADMIN, &held, &why) < 0 &&
		  why.code == ERR_DECLINED,
	      "what it may not do is refused as that");
	CHECK(token_holder(secret, 0, &held, &why) < 0 && why.code == ERR_DECLINED,
	      "who asks for no right gets none");
	(void)snprintf(file, sizeof file, "%s", held.file);
	CHECK_INT(token_change(&(struct token){.name = "ann", .rights = RIGHT_LEND}, &why), 0,
		  "its rights are changed");
	CHECK_INT(token_holder(secret, RIGHT_LEND, &held, &why), 0, "the same token has them");
	CHECK(token_holder(secret, RIGHT_PUT, &held, &why) < 0, "and not those that it had");
	CHECK_STR(held.tenant, "team", "its tenant stays");
	CHECK_INT(token_reload(file, &held, &why), 0, "it is found again by its file");
	CHECK(token_change(&(struct token){.name = "eve", .rights = 1}, &why) < 0 &&
		  why.code == ERR_NOT_FOUND,
	      "one that is not there is not changed");
	CHECK(token_add(&(struct token){.name = "x", .tenant = "../x"}, secret, &why) < 0,
	      "a tenant's name is like a token's");
	CHECK_INT(token_remove("ann", &why), 0, "it is removed");
	CHECK(token_reload(file, &held, &why) < 0 && why.code == ERR_AUTH_FAILED,
	      "and not found any more");
	t = (struct token){.name = "late", .expires = clock_now() - 1};
	CHECK_INT(token_add(&t, secret, &why), 0, "one that has expired");
	CHECK(token_holder(secret, RIGHTS_ALL, &held, &why) < 0 && why.code == ERR_AUTH_FAILED,
	      "is not valid");
}

/* A record whose name or tenant is "" must not be taken for everybody's. */
static void
test_damage(void)
{
	static const char *const members[] = {"name", "tenant"};
	struct token t = {.name = "ann"}, held;
	char secret[70], path[128];

	CHECK_INT(token_add(&t, secret, &why), 0, "a token is made");
	(void)token_holder(secret, RIGHT_READ, &held, &why);
	(void)snprintf(path, sizeof path, "home/tokens/%s", held.file);
	for (size_t i = 0; i < 2; i++) {
		json_t *o = json_load_file(path, 0, NULL);
		json_t *good = json_deep_copy(o);
		(void)jsonx_set(o, members[i], "");
		(void)json_dump_file(o, path, 0);
		CHECK(token_holder(secret, RIGHT_READ, &held, &why) < 0 &&
			  why.code == ERR_AUTH_FAILED,
		      "a token without a %s opens nothing", members[i]);
		(void)json_dump_file(good, path, 0);
		json_decref(o);
		json_decref(good);
	}
}

int
main(void)
{
	char path[64];

	scratch_open();
	(void)snprintf(path, sizeof path, "%s/home", scratch);
	(void)setenv("AWCP_HOME", path, 1);
	test_words();
	test_records();
	test_tokens();
	test_damage();
	return check_end();
}
