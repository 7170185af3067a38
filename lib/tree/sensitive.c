#include "tree/sensitive.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tree/glob.h"
#include "tree/tree.h"

#define HEAD 8192 /* bytes of a file that are looked at */
#define KEY 40    /* characters of base64 that make a key of what stands below its first line */
#define SEPARATORS " \t\n,"

/* In lower case.  ${parent}: only directly in a directory of this name. */
static const struct {
	const char *begin, *end; /* ${end} NULL: the name is ${begin} */
	const char *parent;
	bool environment; /* of which there are examples */
} names[] = {
    {".env", NULL, NULL, true},
    {".env.", "", NULL, true},
    {"", ".env", NULL, true},
    {".envrc", "", NULL, true},
    {"", ".pem", NULL, false},
    {"", ".key", NULL, false},
    {"", ".p8", NULL, false},
    {"", ".p12", NULL, false},
    {"", ".pfx", NULL, false},
    {"", ".ppk", NULL, false},
    {"", ".jks", NULL, false},
    {"", ".keystore", NULL, false},
    {"", ".keytab", NULL, false},
    {"", ".kdb", NULL, false},
    {"", ".kdbx", NULL, false},
    {"", ".keychain", NULL, false},
    {"", ".keychain-db", NULL, false},
    {"", ".agilekeychain", NULL, false},
    {"", ".ovpn", NULL, false},
    {"", ".kubeconfig", NULL, false},
    {"id_rsa", "", NULL, false},
    {"id_dsa", "", NULL, false},
    {"id_ecdsa", "", NULL, false},
    {"id_ed25519", "", NULL, false},
    {"secring.", "", NULL, false},
    {"credentials.json", NULL, NULL, false},
    {"service-account", ".json", NULL, false},
    {"service_account", ".json", NULL, false},
    {"client_secret", ".json", NULL, false},
    {"application_default_credentials.json", NULL, NULL, false},
    {"credentials.tfrc.json", NULL, NULL, false},
    {".npmrc", NULL, NULL, false},
    {".pypirc", NULL, NULL, false},
    {".netrc", NULL, NULL, false},
    {"_netrc", NULL, NULL, false},
    {".git-credentials", NULL, NULL, false},
    {".pgpass", NULL, NULL, false},
    {"pgpass.conf", NULL, NULL, false},
    {".my.cnf", NULL, NULL, false},
    {".mylogin.cnf", NULL, NULL, false},
    {".vault-token", NULL, NULL, false},
    {".dockercfg", NULL, NULL, false},
    {".s3cfg", NULL, NULL, false},
    {".boto", NULL, NULL, false},
    {".htpasswd", NULL, NULL, false},
    {".terraformrc", NULL, NULL, false},
    {"kubeconfig", NULL, NULL, false},
    {"rclone.conf", NULL, NULL, false},
    {"wallet.dat", NULL, NULL, false},
    {"credentials", "", ".aws", false},
    {"credentials", "", ".cargo", false},
    {"credentials", "", ".gem", false},
    {"credentials", NULL, "git", false},
    {"config.json", NULL, ".docker", false},
    {"config", "", ".kube", false},
    {"accesstokens.json", NULL, ".azure", false},
    {"msal_token_cache.", "", ".azure", false},
    {"hosts.yml", NULL, "gh", false},
    {"auth.json", NULL, ".composer", false},
    {"auth.json", NULL, ".codex", false},
    {"auth.json", NULL, "containers", false},
    {".credentials.json", NULL, NULL, false},
    {"settings.xml", NULL, ".m2", false},
};

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
matches(const char *name, size_t length, const char *begin, const char *end)
{
	size_t b = strlen(begin), z = end == NULL ? 0 : strlen(end);

	if (end == NULL)
		return b == length && memcmp(name, begin, b) == 0;
	return length >= b + z && memcmp(name, begin, b) == 0 &&
	       memcmp(name + length - z, end, z) == 0;
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
	char *slash = strrchr(low, '/');
	const char *name = slash == NULL ? low : slash + 1, *parent = "";
	if (slash != NULL) {
		*slash = '\0';
		const char *above = strrchr(low, '/');
		parent = above == NULL ? low : above + 1;
	}
	size_t length = strlen(name);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (matches(name, length, names[i].begin, names[i].end) &&
		    (names[i].parent == NULL || strcmp(parent, names[i].parent) == 0) &&
		    !(names[i].environment && is_example(name)))
			return true;
	return false;
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
