/*
 * redact: the secrets of a corpus are found, and what only looks like them is left alone.
 *
 * No secret is written here: each is put together from its form and made-up letters when the test
 * runs.
 */
#include "log/redact.h"

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "process/output.h"
#include "scratch.h"

#define LINE 70000

/* Put ${text} at ${to}, without its NUL; how long it is. */
static size_t
put_text(char *to, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		to[n] = text[n];
	return n;
}

/* A secret, and where it stands: "{64h}" is for 64 hexadecimal digits, and likewise a (letters and
 * digits), A (large ones), d (digits), w (base64url), b (base64); "|" is nothing, so that no line
 * below has a form of its own. */
static const char *const secrets[] = {
    "aw|cp_{64h}",
    "token aw|cp_{64h} was made",
    "gh|p_{36a}",
    "remote: https://x-access-token:gh|s_{36a}@example.org/r.git",
    "git|hub_pat_{22a}_{59a}",
    "gh|o_{36a} gh|u_{36a} gh|r_{36a}",
    "np|m_{36a}",
    "h|f_{34a}",
    "s|k-{48a}",
    "s|k-ant-api03-{80w}-AA",
    "export KEY=s|k-proj-{60w}",
    "s|k_live_{24a}",
    "s|k_test_{24a} r|k_live_{24a}",
    "dop|_v1_{64h}",
    "shp|at_{32h}",
    "gl|pat-{20w}",
    "xo|xb-{12d}-{12d}-{24a}",
    "xo|xp-{12d}-{24a} xo|xa-{12d}-{24a}",
    "xo|xr-{12d}-{24a} xo|xs-{12d}-{24a}",
    "xa|pp-1-{12A}-{12d}-{64h}",
    "py|pi-{120w}",
    "wh|sec_{32b}",
    "AK|IA{16A}",
    "aws_access_key_id = AS|IA{16A}",
    "AI|za{35w}",
    "ey|J{30w}.ey|J{80w}.{43w}",
    "{\"jwt\":\"ey|J{30w}.ey|J{80w}.{43w}\"}",
    "Authorization: Bearer {40w}",
    "authorization: bearer {40w}",
    "> Authorization: Basic {24b}",
    "-H 'Authorization: token {40h}'",
    "\"Proxy-Authorization\": \"Basic {24b}\",",
    "curl -H \"X-Api-Key: {32h}\"",
    "sent Bearer {32w} to it",
    "https://alice:{10a}@example.org/path",
    "postgres://app:{10a}@localhost:5432/db?sslmode=disable",
    "redis://:{12a}@10.0.0.1:6379/0",
    "PASSWORD={8a}",
    "DB_PASSWORD={10a} ./run",
    "export MYSQL_PASSWORD='{10a}'",
    "+ PGPASSWORD={10a}",
    "password={8a}",
    "?user=bob&password={8a}&x=1",
    "password: {9a}",
    "  \"password\": \"{9a}\",",
    "{\\\"password\\\":\\\"{9a}\\\",\\\"n\\\":1}",
    "passwd = '{9a}'",
    "config['db_password'] = \"{9a}\"",
    "'password' => '{9a}',",
    "passphrase: \"{9a}\"",
    "--password={9a}",
    "api_key: {32h}",
    "apiKey=\"{32a}\"",
    "api-key = {32a}",
    "\"client_secret\":\"{24a}\"",
    "AWS_SECRET_ACCESS_KEY={40b}",
    "aws_secret_access_key = {40b}",
    "token: {40h}",
    "GITHUB_TOKEN={40h}",
    "access_token={40a}&expires_in=3600",
    "\"refreshToken\" : \"{40w}\"",
    "AccountKey={60b};EndpointSuffix=example.net",
    "SIGNING_KEY := {32b}",
    "\033[31mtoken\033[0m: {40h}",
    "token = \033[32m{40h}\033[0m",
    "password=x api_key: s|k-{48a}",
    "password: x, api_key: {32h}, more",
    "token=ab key=5 client_secret = \"{24a}\"",
    "PASSWORD=*** api_key: {32a}",
    "password=x TOKEN={20a} gh|p_{36a} and DB_PASSWORD='{10a}'",
    "\033[1mPASS|WORD\033[0m=\033[32m{10a}\033[0m",
};

/* What is left as it is. */
static const char *const harmless[] = {
    "cc -c -o build/o/lib/token.o lib/token.c",
    "token = next_token(p);",
    "if (token == NULL || password != other)",
    "char *password = getpass(\"Password: \");",
    "password = self.password",
    "def login(user, password=None, token=None):",
    "connect(user=user, password=password, token=token)",
    "let token: u64 = tokens.len();",
    "token: uint64_t",
    "type Secret = Option<String>; secret: Secret,",
    "  password: string;",
    "  \"password\": \"string\",",
    "PASSWORD=$PASSWORD TOKEN=\"$(cat token)\" SECRET=${SECRET}",
    "PASSWORD=",
    "PASSWORD=*** password: *****",
    "TOKEN_FILE=/run/secrets/token",
    "SECRET=/run/secrets/db",
    "max_tokens=1024, MAX_TOKEN=1024 tokens: 120000",
    "prompt tokens: 12345, completion tokens: 678",
    "next_page_token: \"\"",
    "password: \"Please enter your password for $1\"",
    "Enter password: ",
    "wrong password: 3 attempts left",
    "error: secret: permission denied",
    "<input type=\"password\" name=\"password\">",
    "Bearer authentication is required",
    "WWW-Authenticate: Bearer realm=\"awcp\"",
    "Authorization: header missing",
    "authorization = base64.decodebytes(authorization2)",
    "https://example.org:8080/a@b",
    "http://127.0.0.1:10200/awcp",
    "git@github.com:owner/name.git",
    "ssh://git@example.org:22/x",
    "scheme://$USER:$PASS@host",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "dlg_0123456789abcdef0123456789abcdef snap_0123456789ab",
    "awcp_queue_is_a_name_of_something_long_here",
    "sk-learn-is-not-a-key-however-long-this-name-may-be-0-24",
    "task-sk-0123 desk-chair risk-free-and-more-of-that-with-2-digits",
    "ASIAPACIFIC AKIARA",
    "-----BEGIN CERTIFICATE-----",
    "MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJ",
    "-----END CERTIFICATE-----",
    "-----------------------------------------------------------------",
    "grep -- '-----BEGIN RSA PRIVATE KEY-----' file",
    "the line after it is text: it stays",
    "kubectl get secret my-secret-name -o yaml; secretName: my-secret-name-2",
    "credentials = oauth2.credentials",
    "client_secret=self.oauth2_parameters.client_secret,",
    "ok 17 - a token that expires is refused (token.bats:12)",
    "Tokens::Token: 5; a::token::b=7",
};

static unsigned long state = 1;

static unsigned
chance(unsigned below)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % below;
}

/* Write ${form} with made-up bytes to ${out}; they are remembered in ${made} with a NUL behind each
 * run of them, and an empty one at the end. */
static void
make(const char *form, char *out, char *made)
{
	static const char all[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (; *form != '\0'; form++) {
		char *end = NULL;
		unsigned long n = *form == '{' ? strtoul(form + 1, &end, 10) : 0;
		if (*form == '|')
			continue;
		if (n == 0) {
			*out++ = *form;
			continue;
		}
		for (unsigned long i = 0; i < n; i++) {
			unsigned k = *end == 'h'   ? chance(16)
				     : *end == 'd' ? chance(10)
						   : chance(62);
			if (*end == 'A')
				k = chance(2) == 0 ? chance(10) : 36 + chance(26);
			/* A digit, a small and a large letter are in all of them. */
			if (i < 3 && *end != 'd')
				k = (unsigned[]){7, *end == 'A' ? 40U : 11U,
						 *end == 'h' ? 3U : 44U}[i];
			char c = all[k];
			if (i > 3 && i + 1 < n && (*end == 'w' || *end == 'b') && chance(12) == 0)
				c = *end == 'w' ? '_' : '/';
			*out++ = *made++ = c;
		}
		*made++ = '\0';
		form = end + 1;
	}
	*out = *made = '\0';
}

/* What of ${made} is still in ${text}, or NULL. */
static const char *
leaks(const char *text, const char *made)
{
	for (; *made != '\0'; made += strlen(made) + 1)
		if (strlen(made) > 3 && strstr(text, made) != NULL)
			return made;
	return NULL;
}

static void
check_secrets(void)
{
	char line[2000], whole[2000], made[2000];
	int missed = 0, changed = 0;

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		for (int round = 0; round < 20; round++) {
			make(secrets[i], whole, made);
			strcpy(line, whole);
			redact_text(line);
			if (leaks(line, made) == NULL && strstr(line, "***") != NULL)
				continue;
			missed++;
			(void)printf("# %s\n#   became %s\n", whole, line);
		}
	CHECK_INT(missed, 0, "every secret of the corpus is replaced");
	for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
		strcpy(line, harmless[i]);
		redact_text(line);
		if (strcmp(line, harmless[i]) == 0)
			continue;
		changed++;
		(void)printf("# %s\n#   became %s\n", harmless[i], line);
	}
	CHECK_INT(changed, 0, "what only looks like a secret is left as it is");
	strcpy(line, "user=bob pass");
	strcat(line, "word=hunter2 host=x");
	redact_text(line);
	CHECK_STR(line, "user=bob password=*** host=x", "what stands around a secret stays");
	strcpy(whole, line);
	redact_text(line);
	CHECK_STR(line, whole, "what was redacted is not redacted again");
}

/* A private key of ${lines} lines with ${before} in front of each, of which ${made} is known. */
static void
make_key(const char *before, const char *behind, int lines, char *out, char *made)
{
	*out = '\0';
	out += sprintf(out,
		       "%s-----BE"
		       "GIN %sPRIV"
		       "ATE KEY-----%s\n",
		       before, "RSA ", behind);
	for (int i = 0; i < lines; i++) {
		out += sprintf(out, "%s", before);
		make(i + 1 < lines ? "{64b}" : "{24b}", out, made);
		made += strlen(made) + 1;
		out += strlen(out);
		out += sprintf(out, "%s\n", behind);
	}
	*made = '\0';
	(void)sprintf(out,
		      "%s-----E"
		      "ND RSA PRIV"
		      "ATE KEY-----%s\nthe end",
		      before, behind);
}

static void
check_keys(void)
{
	static const struct {
		const char *before, *behind, *what;
	} ways[] = {{"", "", "as it is in a file"},
		    {"", "\r", "with the ends of lines of Windows"},
		    {"    ", "", "with spaces before it"},
		    {"2026-11-20T09:05:42Z app | ", "", "in a log"},
		    {"  \"", "\\n\" +", "in a program"}};
	static char text[20000], made[20000], sentence[100];

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		make_key(ways[i].before, ways[i].behind, 26, text, made);
		redact_text(text);
		(void)snprintf(sentence, sizeof sentence, "a private key is replaced, %s",
			       ways[i].what);
		CHECK(leaks(text, made) == NULL && strstr(text, "PRIVATE KEY") != NULL, "%s",
		      sentence);
		CHECK(strstr(text, "\nthe end") != NULL, "and what follows it stays");
	}
	make("{\"key\": \"-----BE|GIN PRIV|ATE KEY-----\\n{64b}\\n{64b}\\n{20b}\\n-----E|ND "
	     "PRIV|ATE KEY-----"
	     "\\n\", \"next\": 5}",
	     text, made);
	redact_text(text);
	CHECK(leaks(text, made) == NULL && strstr(text, "\"next\": 5}") != NULL,
	      "a private key in one line of JSON is replaced");
	make("-----BE|GIN PRIV|ATE KEY-----\n{64b}\nand then it breaks off\nword", text, made);
	redact_text(text);
	CHECK(leaks(text, made) == NULL && strstr(text, "and then it breaks off\nword") != NULL,
	      "one that breaks off ends there");
}

/* Put ${line} through an output in pieces of ${piece} bytes; its log is left in ${log}. */
static void
put_out(const char *line, size_t n, size_t piece, char *log, size_t size)
{
	int fd = open("log", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct output *o = output_new(fd, 1 << 20, NULL);

	for (size_t at = 0; at < n; at += piece)
		output_add(o, OUTPUT_STDOUT, line + at, piece < n - at ? piece : n - at);
	output_end(o);
	ssize_t have = pread(fd, log, size - 1, 0);
	log[have < 0 ? 0 : have] = '\0';
	output_free(o);
}

/* Wherever a long line is broken, no secret is written in two halves. */
static void
check_breaks(void)
{
	static char line[2 * LINE], log[2 * LINE], made[400], secret[400];
	size_t leaked = 0, runs = 0;

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i += 5)
		for (size_t k = 0; k < 60; k++) {
			make(secrets[i], secret, made);
			size_t n = strlen(secret), at = OUTPUT_LINE - k * (n + 4) / 60;
			memset(line, 'x', sizeof line);
			for (size_t space = k % 7; space < LINE; space += 7)
				line[space] = ' ';
			line[at - 1] = ' ';
			(void)put_text(line + at, secret);
			line[at + n] = ' ';
			put_out(line, LINE, k % 2 == 0 ? 4096 : 65536, log, sizeof log);
			const char *left = leaks(log, made);
			/* In two halves, with a newline between them. */
			for (const char *m = made; left == NULL && *m != '\0'; m += strlen(m) + 1)
				if (strlen(m) >= 8) {
					char half[9] = {0};
					memcpy(half, m, 8);
					if (strstr(log, half) != NULL)
						left = m;
					memcpy(half, m + strlen(m) - 8, 8);
					if (strstr(log, half) != NULL)
						left = m;
				}
			leaked += left != NULL;
			runs++;
		}
	CHECK(leaked == 0 && runs > 100, "no secret is written where a line is broken (%zu of %zu)",
	      leaked, runs);
	for (size_t i = 0; i < LINE; i++)
		line[i] = "yz"[i % 2];
	put_out(line, LINE, 1000, log, sizeof log);
	CHECK(strlen(log) == LINE + 2 && log[OUTPUT_LINE] == '\n',
	      "a line without a place to break at is broken all the same");
	(void)put_text(line, "DB_PASS"
			     "WORD=");
	put_out(line, LINE, 1000, log, sizeof log);
	CHECK(strstr(log, "yzyz") == NULL, "a secret longer than a line is replaced");
}

static void
check_output(void)
{
	char line[400], made[400], log[4000];
	int wait;

	int fd = open("log", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct output *o = output_new(fd, 1 << 20, NULL);
	make("key gh|p_{36a} and PASS|WORD={9a}\n", line, made);
	output_add(o, OUTPUT_STDOUT, line, strlen(line));
	output_add(o, OUTPUT_STDERR, line, strlen(line));
	ssize_t n = pread(fd, log, sizeof log - 1, 0);
	log[n < 0 ? 0 : n] = '\0';
	CHECK_STR(log, "key *** and PASSWORD=***\nkey *** and PASSWORD=***\n",
		  "the log of an output has no secret");
	CHECK_STR(output_progress(o, 1, &wait), "key *** and PASSWORD=***", "nor has progress");
	CHECK_STR(output_last(o, OUTPUT_STDOUT), "key *** and PASSWORD=***", "nor the summary");
	CHECK_STR(output_complaint(o), "key *** and PASSWORD=***", "nor the complaint");
	output_free(o);
}

static void
check_json(void)
{
	char text[400], made[400];

	make("gh|p_{36a}", text, made);
	json_t *o = json_pack("{ss s[s{ss}] si}", "a", text, "b", "fine", "c", text, "n", 5);
	redact_json(o);
	char *out = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	CHECK_STR(out, "{\"a\":\"***\",\"b\":[\"fine\",{\"c\":\"***\"}],\"n\":5}",
		  "strings anywhere in JSON are redacted");
	free(out);
	json_decref(o);
}

/* Anything at all is read without harm and never grows. */
static void
check_junk(void)
{
	static const char pieces[][16] = {
	    "=",   ":",     "://",    "\"",          "'",   "token", "PASSWORD",
	    "eyJ", "-----", "BEGIN ", "PRIVATE KEY", "sk-", "ghp_",  " ",
	    "\\",  "\n",    "AKIA",   "Bearer ",     "@",   "x1",    "END "};
	static char line[5000];
	size_t grown = 0;

	for (int i = 0; i < 3000; i++) {
		struct redact r = {0};
		size_t n = 0, want = chance(4000);
		while (n < want) {
			const char *p = pieces[chance(sizeof pieces / sizeof pieces[0])];
			n += put_text(line + n, p);
			if (chance(4) == 0)
				line[n++] = (char)chance(256);
		}
		char *copy = malloc(n + 1); /* so that a sanitizer sees what is read beyond it */
		memcpy(copy, line, n);
		size_t left = redact_line(&r, copy, n, chance(2) == 0);
		grown += left > n || redact_wait(&r, copy, left) > left;
		free(copy);
	}
	CHECK_INT(grown, 0, "a line never grows");
}

/* Words around it, and no digit in it, do not hide a credential. */
static void
check_amid_text(void)
{
	static const char *const lines[][2] = {
	    {"see api_key: s"
	     "k-abcdefghijklmnopqrstuv in the file",
	     "see api_key: *** in the file"},
	    {"it was s"
	     "k-abcdefghijklmnopqrstuvwxyz, I think",
	     "it was ***, I think"},
	    {"(s"
	     "k-abcdefghijklmnop0123456789)",
	     "(***)"},
	    {"sk-learn is in sk-learn-contributions", "sk-learn is in sk-learn-contributions"}};
	char text[200];

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		(void)snprintf(text, sizeof text, "%s", lines[i][0]);
		redact_text(text);
		CHECK_STR(text, lines[i][1], "a credential amid other words");
	}
}

int
main(void)
{
	scratch_open();
	check_secrets();
	check_keys();
	check_output();
	check_breaks();
	check_json();
	check_junk();
	check_amid_text();
	return check_end();
}
