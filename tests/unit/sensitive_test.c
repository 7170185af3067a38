/* What looks like a secret: names in any case, content under any name, and what may be lent all the
 * same. */
#include <fcntl.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"
#include "tree/admit.h"
#include "tree/sensitive.h"

/* In two pieces, so that this file is not taken for what it is about. */
#define KEY       \
	"PRIVATE" \
	" KEY"
#define BASE64 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"

static void
test_names(void)
{
	static const char *const secret[] = {
	    ".env",
	    ".ENV",
	    ".env.local",
	    "a/b/.env.production",
	    "prod.env",
	    ".envrc",
	    "Server.PEM",
	    "ID_RSA",
	    "id_dsa",
	    "id_ed25519_work",
	    ".netrc",
	    "_netrc",
	    ".git-credentials",
	    ".pgpass",
	    ".aws/credentials",
	    "home/.AWS/Credentials",
	    ".docker/config.json",
	    ".kube/config",
	    ".cargo/credentials",
	    ".cargo/credentials.toml",
	    ".vault-token",
	    "db/passwords.kdbx",
	    "Old.KDBX",
	    "gh/hosts.yml",
	    "client_secret_1.json",
	    "keys/app.p8",
	};
	static const char *const harmless[] = {
	    ".env.example",
	    ".env.sample",
	    ".env.local.example",
	    ".env-template",
	    "example.env",
	    "environment",
	    "config.json",
	    "docker/config.json",
	    "kube/config",
	    "credentials",
	    "hosts.yml",
	    "src/main.c",
	    "keyboard.c",
	    "monkey",
	    "aws/credentials",
	    ".environment",
	    "x/.awsome/credentials",
	};

	for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
		CHECK(sensitive_name(secret[i]), "%s is a secret", secret[i]);
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		CHECK(!sensitive_name(harmless[i]), "%s is none", harmless[i]);
}

static bool
in_content(const char *text)
{
	scratch_text("content", text);
	int fd = open("content", O_RDONLY | O_CLOEXEC);
	bool found = sensitive_content(fd);

	(void)close(fd);
	return found;
}

static void
test_content(void)
{
	static const char *const secret[] = {
	    "-----BEGIN " KEY "-----\n" BASE64 "\n",
	    "-----BEGIN RSA " KEY "-----\r\n" BASE64 "\r\n",
	    "-----BEGIN RSA " KEY "-----\nProc-Type: 4,ENCRYPTED\n",
	    "Bag Attributes\n-----BEGIN ENCRYPTED " KEY "-----\n" BASE64,
	    "-----BEGIN OPENSSH " KEY "-----\n" BASE64,
	    "-----BEGIN PGP " KEY " BLOCK-----\n\n" BASE64,
	    "key: |\n  -----BEGIN EC " KEY "-----\n  " BASE64,
	    "{\"private_key\": \"-----BEGIN " KEY "-----\\n" BASE64 "\\n\"}",
	    "k = \"-----BEGIN " KEY "-----\\n\"\n    \"" BASE64 "\\n\"",
	    "PuTTY-User-Key-File-2: ssh-rsa and the rest of it, which is long",
	    "# created: 2026\nAGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQ",
	    "\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5 a store of passwords is not text",
	};
	static const char *const harmless[] = {
	    "-----BEGIN CERTIFICATE-----\n" BASE64 "\n",
	    "-----BEGIN PUBLIC KEY-----\n" BASE64 "\n",
	    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me@here, a public key",
	    "static const char *begins[] = {\"-----BEGIN RSA " KEY "-----\", \"x\"};",
	    "-----BEGIN " KEY "-----\n...\n-----END " KEY "-----\n, as in the manual",
	    "grep -r 'BEGIN " KEY "-----' " BASE64,
	    "",
	};

	for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
		CHECK(in_content(secret[i]), "a key is found in text %zu", i);
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
		CHECK(!in_content(harmless[i]), "none is found in text %zu", i);
}

static void
test_allowed(void)
{
	CHECK(sensitive_allowed(".env.test", "w/a/.env.test"), "a name is allowed anywhere");
	CHECK(sensitive_allowed("a b,certs/*.pem", "w/certs/x.pem"), "so is one of a pattern");
	CHECK(!sensitive_allowed("certs/*.pem", "w/other/x.pem"), "and no other");
	CHECK(!sensitive_allowed(".env.test", ".env"), "nor one that is only similar");
	CHECK(!sensitive_allowed("", ".env"), "no word allows nothing");
}

/* What tree_admit says of "lent", where ${sensitive} may be lent. */
static int
admit(const char *sensitive, struct err *e)
{
	struct resource r = {.name = (char[]){"w"}, .source = (char[]){"lent"}};
	const struct tree_limits l = {
	    .bytes = 1 << 20, .files = 100, .file_bytes = 1 << 20, .sensitive = sensitive};
	struct tree_totals totals;

	*e = (struct err){0};
	return tree_admit(&r, 1, &l, NULL, &totals, e);
}

static void
test_admission(void)
{
	struct err e;

	scratch_dir("lent");
	scratch_text("lent/.env.example", "KEY=put yours here");
	CHECK_INT(admit("", &e), 0, "an example can be lent");
	scratch_text("lent/notes.txt", "-----BEGIN " KEY "-----\n" BASE64 "\n");
	CHECK(admit("", &e) < 0 && e.code == ERR_SENSITIVE_FILES &&
		  strstr(e.message, "notes.txt has a private key") != NULL,
	      "a key under a harmless name is found, and the file is named");
	scratch_text("lent/.env", "KEY=x");
	CHECK(admit("notes.txt", &e) < 0 && strstr(e.message, ".env looks like") != NULL,
	      "what is allowed by name passes, and nothing else");
	CHECK_INT(admit("notes.txt .env", &e), 0, "two names may be allowed");
}

int
main(void)
{
	scratch_open();
	test_names();
	test_content();
	test_allowed();
	test_admission();
	return check_end();
}
