#include "tree/sensitive.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tree/glob.h"
#include "tree/tree.h"

#define HEAD 8192 /* bytes of a file that are looked at */
#define KEY 40    /* characters of base64 that make a key of what stands below its first line */
#define SEPARATORS " \t\n,"

/* Patterns in lower case, of a name or of the name of a directory and one directly in it. */
static const char *const names[] = {
    /* keys, and what holds them */
    "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.keytab", "*.kdb",
    "*.kdbx", "*.keychain", "*.keychain-db", "*.agilekeychain", "id_rsa*", "id_dsa*", "id_ecdsa*",
    "id_ed25519*", "secring.*", "wallet.dat",
    /* by their names alone */
    "*.ovpn", "*.kubeconfig", "kubeconfig", "credentials.json", ".credentials.json",
    "service-account*.json", "service_account*.json", "client_secret*.json",
    "application_default_credentials.json", "credentials.tfrc.json", ".terraformrc", ".npmrc",
    ".pypirc", ".netrc", "_netrc", ".git-credentials", ".pgpass", "pgpass.conf", ".my.cnf",
    ".mylogin.cnf", ".vault-token", ".dockercfg", ".s3cfg", ".boto", ".htpasswd", "rclone.conf",
    /* by what they are in */
    ".aws/credentials*", ".cargo/credentials*", ".gem/credentials*", "git/credentials",
    ".docker/config.json", ".kube/config*", ".azure/accesstokens.json", ".azure/msal_token_cache.*",
    "gh/hosts.yml", ".composer/auth.json", ".codex/auth.json", "containers/auth.json",
    ".m2/settings.xml"};

/* Those of which there are examples. */
static const char *const environments[] = {".env", ".env.*", "*.env", ".envrc*"};

/* What the name of a file says that is only to be filled in. */
static const char *const examples[] = {"example", "examples", "sample",   "template", "tmpl",
				       "tpl",     "dist",     "defaults", "schema"};

/* Is one of the words of ${name} that of an example? */
static bool
is_example(const char *name)
{
	for (const char *p = name; *p != '\0'; p += strspn(p, ".-_")) {
		size_t n = strcspn(p, ".-_");
		for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++)
			if (strlen(examples[i]) == n && strncmp(p, examples[i], n) == 0)
				return true;
		p += n;
	}
	return false;
}

static bool
is_one_of(const char *const *patterns, size_t count, const char *name, const char *with_parent)
{
	for (size_t i = 0; i < count; i++)
		if (glob_match(patterns[i], strchr(patterns[i], '/') ? with_parent : name))
			return true;
	return false;
}

bool
sensitive_name(const char *path)
{
	char low[TREE_PATH + 1];
	size_t n = strlen(path);

	if (n >= sizeof low)
		return false; /* nor can it be sent */
	for (size_t i = 0; i <= n; i++)
		low[i] = (char)tolower((unsigned char)path[i]);
	const char *name = low, *with_parent = low;
	for (const char *slash = low; (slash = strchr(slash, '/')) != NULL; name = ++slash)
		with_parent = name;
	return is_one_of(names, sizeof names / sizeof names[0], name, with_parent) ||
	       (is_one_of(environments, sizeof environments / sizeof environments[0], name, name) &&
		!is_example(name));
}

/* Does a key follow the first line of one, which ends at ${p}?  In JSON or in a program the end of
 * a line may be written as \n, and each line quoted. */
static bool
key_follows(const char *p)
{
	size_t n = 0;

	for (bool on = true; on;) {
		size_t blank = strspn(p, " \t\r\n\"'+");
		p += blank;
		on = blank > 0;
		if (p[0] == '\\' && (p[1] == 'n' || p[1] == 'r')) {
			p += 2;
			on = true;
		}
	}
	if (strncmp(p, "Proc-Type:", 10) == 0 || strncmp(p, "Version:", 8) == 0 ||
	    strncmp(p, "Comment:", 8) == 0)
		return true;
	while (n < KEY && (isalnum((unsigned char)p[n]) || p[n] == '+' || p[n] == '/'))
		n++;
	return n == KEY;
}

/* Is there a private key in ${text}, as PEM, OpenSSH and PGP write it? */
static bool
has_pem(const char *text)
{
	static const char *const ends[] = {"PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"};

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		for (const char *p = text; (p = strstr(p, ends[i])) != NULL; p++) {
			const char *line = p;
			while (line > text && (isupper((unsigned char)line[-1]) ||
					       isdigit((unsigned char)line[-1]) || line[-1] == ' '))
				line--;
			if (line - text >= 5 && strncmp(line - 5, "-----BEGIN ", 11) == 0 &&
			    key_follows(p + strlen(ends[i])))
				return true;
		}
	return false;
}

bool
sensitive_content(int fd)
{
	static const char keepass[] = "\x03\xd9\xa2\x9a";
	char text[HEAD + 1];

	ssize_t n = pread(fd, text, HEAD, 0);
	if (n < KEY)
		return false; /* what cannot be read is found elsewhere */
	if (memcmp(text, keepass, 4) == 0)
		return true;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' '; /* so that all of it is a string */
	text[n] = '\0';
	return has_pem(text) || strncmp(text, "PuTTY-User-Key-File-", 20) == 0 ||
	       strncmp(text, "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY", 37) == 0 ||
	       strncmp(text, "AGE-SECRET-KEY-1", 16) == 0 ||
	       strstr(text, "\nAGE-SECRET-KEY-1") != NULL;
}

/* Does ${pattern} fit ${path}, or what follows one of its slashes? */
static bool
fits(const char *pattern, const char *path)
{
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		if (glob_match(pattern, p))
			return true;
	}
	return false;
}

bool
sensitive_allowed(const char *allowed, const char *path)
{
	char pattern[TREE_PATH + 1];
	size_t n;

	for (const char *p = allowed; *(p += strspn(p, SEPARATORS)) != '\0'; p += n) {
		n = strcspn(p, SEPARATORS);
		(void)snprintf(pattern, sizeof pattern, "%.*s", (int)n, p);
		if (n < sizeof pattern && fits(pattern, path))
			return true;
	}
	return false;
}
