#include "log/secrets.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "log/pattern.h"

#define FAR 1024 /* bytes from the head of a secret in which it can be known for one */
#define OWN 64   /* expressions of the operator, at most */

/*
 * The expressions.  Each is tried where one of its heads stands, and there alone.  What it matches
 * is replaced, but for what comes before \K.  Runs are possessive ("++"), so that none goes back
 * over what it has read.
 */
/* clang-format off */

/* At least ${min} bytes, letters and digits among them, and ${more}; with large and small ones. */
#define STRONG(more, min) \
	"(?=[A-Za-z" more "]*+[0-9])(?=[0-9" more "]*+[A-Za-z])[A-Za-z0-9" more "]{" #min ",}+"
#define MIXED(more, min) \
	"(?=[a-z0-9" more "]*+[A-Z])(?=[A-Z0-9" more "]*+[a-z])" STRONG(more, min)

/* Where a credential may begin. */
#define BEGIN "(?<![A-Za-z0-9_+-])"

/* What gives a value to the name before it, which may be in quotes or in colours. */
#define COLOUR "(?:\\x1b\\[[0-9;]*+m)?+"
#define BLANKS "[ \\t]{0,16}+"
#define GIVES \
	"(?<loud>(?<=[A-Z]))?+_*+\\\\?+[\"'`]?+\\]?+" COLOUR \
	"(?:(?<tight>=(?![=~])>?+(?![ \\t]))" \
	"|" BLANKS "(?:[:?]?+=(?![=~])>?+|:(?![:=]))" BLANKS ")" COLOUR

/* A value in the quotes "q", without the bytes in ${but}; and one without quotes. */
#define OPEN "\\\\?+(?<q>[\"'`])"
#define QUOTED(but) "(?:[^\\\\\"'`" but "]|(?!\\k{q})[\"'`]|\\\\(?!\\k{q}).)"
#define CLOSED "(?=\\\\?+(?:\\k{q}|\\z))"
#define STOP " \\t\"'`,;&<>|)\\]}\\x1b"
#define BARE "[^" STOP "]"
#define END "(?=[" STOP "\\\\]|\\z)"

/* Not a reference, a placeholder, what was redacted before, a word of examples. */
#define NO_REFERENCE(end) \
	"(?![$<{%@(`!])(?!(.)\\g{-1}*+" end ")" \
	"(?!(?i:string|text|null|none|true|false|undefined|password|passwd|secret|token|" \
	"required|optional|default|unknown|redacted|masked|hidden|missing|invalid|expired|" \
	"example|empty|passphrase|value|changed|incorrect|boolean)" end ")"

/* Not a path; not an expression of a programming language; not a type, such as uint64_t; not words
 * that are joined by dots, dashes or "_", with few digits; not a number. */
#define NO_PATH(stop) "(?![/.~](?:(?![A-Z])[^" stop "])*+(?:[" stop "]|\\z))"
#define NO_CODE "(?![^" STOP "(\\[{\\\\:]*+(?:::|[(\\[{\\\\]))(?![A-Za-z_.]++[,;)\\]}>|])"
#define NO_TYPE "(?!(?i:int|uint|float|utf|base|sha|char)" BARE "{0,8}+" END ")"
#define LETTERS(n) "(?=(?:[0-9_.-]*+[A-Za-z]){" #n "})"
#define DIGITS(n) "(?!(?:[A-Za-z_.-]*+[0-9]){" #n "})" /* fewer */
#define NO_WORD \
	"(?![A-Za-z]++" END ")(?!(?=[A-Za-z0-9]*+[_.-])" \
	"(?:" DIGITS(1) "|" LETTERS(5) DIGITS(2) "|" LETTERS(9) DIGITS(3) "|" \
	LETTERS(13) DIGITS(4) ")[A-Za-z0-9_.-]++" END ")"
#define NO_NUMBER "(?![0-9.]++" END ")"

/* Letters and digits are among the bytes of a value that are not ${stop}. */
#define BOTH(stop) "(?=[^" stop "0-9]*+[0-9])(?=[^" stop "A-Za-z]*+[A-Za-z])"

/* Programs are full of such names, so it depends on how a value is written how it must look: in
 * quotes or behind PASSWORD= it need not be much, behind `token = ` it must. */
#define BARE_VALUE "(?![\"'`])" NO_REFERENCE(END) NO_PATH(STOP) NO_CODE "\\K"
#define PASSWORD \
	"(?:" OPEN NO_REFERENCE(CLOSED) "\\K" QUOTED(" %") "{3,}+(?<!:)" CLOSED \
	"|" BARE_VALUE "(?(<tight>)" BARE "{3,}+|" NO_TYPE NO_WORD BARE "{4,}+))"
#define TOKEN \
	"(?:" OPEN NO_REFERENCE(CLOSED) NO_PATH("\"'` ") "\\K" BOTH(" \"'`") QUOTED(" ") "{8,}+" CLOSED \
	"|" BARE_VALUE "(?:sk-[A-Za-z0-9_-]{12,}+|(?(<tight>)" \
		"(?(<loud>)" NO_NUMBER BARE "{6,}+|" NO_WORD BOTH(STOP) BARE "{8,}+)" \
		"|" NO_TYPE NO_WORD BOTH(STOP) BARE "{16,}+)))"

/* What stands before "key"; and before what a header shows. */
#define KEYS(by) \
	"api" by "|access" by "|secret" by "|private" by "|auth" by "|account" by \
	"|encryption" by "|signing" by "|shared" by "|master" by
#define SCHEME "(?i:basic|bearer|token|digest|negotiate)(?![A-Za-z])"

static struct rule {
	const char *heads; /* with spaces between */
	bool any_case;     /* of their letters */
	const char *expression;
	struct pattern *_Atomic pattern; /* NULL until it is needed */
} rules[] = {
	/* credentials that have a form of their own */
	{"awcp_ dop_v1_ gho_ ghp_ ghr_ ghs_ ghu_ npm_", false,
	 BEGIN "(?:awcp|dop_v1|gh[oprsu]|npm)_" STRONG("", 30), NULL},
	{"sk_live_ sk_test_ rk_live_ shpat_", false,
	 BEGIN "(?:[rs]k_live|sk_test|shpat)_" STRONG("", 16), NULL},
	{"github_pat_", false, BEGIN "github_pat_" STRONG("_", 30), NULL},
	{"whsec_", false, BEGIN "whsec_" STRONG("+/=", 24), NULL},
	{"glpat-", false, BEGIN "glpat-" STRONG("_-", 16), NULL},
	{"xapp- xox", false, BEGIN "(?:xapp|xox[abprs])-" STRONG("-", 16), NULL},
	{"hf_", false, BEGIN "hf_" MIXED("", 30), NULL},
	{"pypi-", false, BEGIN "pypi-" MIXED("_-", 40), NULL},
	{"sk-", false, BEGIN "sk-(?:" MIXED("_-", 20) "|[A-Za-z0-9]{24,}+)", NULL},
	{"AKIA ASIA", false,
	 BEGIN "A[KS]IA(?=[A-Z]*+[0-9])(?=[0-9]*+[A-Z])[A-Z0-9]{16}(?![A-Z0-9])", NULL},
	{"AIza", false, BEGIN "AIza[\\w-]{32,}+", NULL},
	/* a JSON Web Token: base64url of {"..., of the claims, of a signature */
	{"eyJ", false, BEGIN "eyJ[\\w-]{8,}+\\.[\\w-]{8,}+\\.[\\w-]*+", NULL},
	{"Bearer", false, BEGIN "Bearer ++\\K" STRONG("._~+/=-", 12), NULL},

	/* a password in an address */
	{"://", false, "://[^/?#\\s\"'<>\\\\`:]*+:\\K(?![$%{<*])[^/?#\\s\"'<>\\\\`]+(?=@)", NULL},

	/* the head of a private key, and what of it is in the same line */
	{"-----BEGIN", false,
	 "-----BEGIN [^-]{0,48}?PRIVATE KEY[^-]{0,24}-----\\K"
	 "(?:[\\\\nr ]*+[A-Za-z0-9+/=]{16}(?:(?!-----END).)*+)?+", NULL},

	/* what is given to a name that tells what it is */
	{"pass", true,
	 "(?i:pass[_-]*+(?:word|wd|phrase)|(?<=db|db[_-]|smtp|smtp[_-]|user|user[_-])pass)"
	 GIVES PASSWORD, NULL},
	{"secret token credential", true, "(?i:secret|token|credentials?+)" GIVES TOKEN, NULL},
	{"key", true, "(?i:(?<=" KEYS("") "|" KEYS("[_-]") ")key)" GIVES TOKEN, NULL},
	{"authorization", true,
	 "(?i:authorization)" GIVES "\\\\?+[\"'`]?+"
	 "(?:" SCHEME " ++(?![$<{%])\\K[^ \\t\"'`,;<>]{6,}+"
	 "|(?!" SCHEME ")\\K" STRONG("._~+/=-", 16) END ")", NULL},
};

/* A line inside a private key: its last word, with what may stand around it in a log or a program;
 * or, with nothing to replace, what may stand above it, and the end. */
static struct rule key_line = {
	"", false,
	"(?:(?:[ \\t\"'`(]*+|.*[ \\t|][\"'`(]*+(?=[A-Za-z0-9+/=]{16}))\\K[A-Za-z0-9+/=]++"
	"(?=(?:\\\\[nr]|[ \\t\\r\"'`,;+)\\\\])*+(?:-----END|\\z))"
	"|\\s*+\\z\\K|.*:.*\\K|.*-----END.*\\K)", NULL
};
/* clang-format on */

static struct pattern *own[OWN];
static size_t owns;

/* The rule, from 1, whose heads begin with three bytes, of which we take what large and small
 * letters have in common. */
#define FOLD(c) ((unsigned char)(c)&31U)
#define THREE 32768U
static uint8_t starts[THREE];
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void
prepare(void)
{
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
		for (const char *p = rules[i].heads; *p != '\0'; p += strspn(p, " ")) {
			starts[FOLD(p[0]) << 10 | FOLD(p[1]) << 5 | FOLD(p[2])] = (uint8_t)(i + 1);
			p += strcspn(p, " ");
		}
}

/* Does one of the heads of ${rule} stand before the ${n} bytes at ${p} end? */
static bool
has_head(const struct rule *rule, const char *p, size_t n)
{
	size_t length;

	for (const char *head = rule->heads; *head != '\0';
	     head += length + strspn(head + length, " ")) {
		length = strcspn(head, " ");
		if (length <= n &&
		    (rule->any_case ? strncasecmp(p, head, length) : memcmp(p, head, length)) == 0)
			return true;
	}
	return false;
}

/* Match ${rule} at byte *${from}.  It is compiled when it is first needed.  Only what matches as
 * far as the first FAR bytes is looked at any further, so that many heads in a line cost little. */
static int
match_rule(struct rule *rule, const char *p, size_t n, size_t *from, size_t *to)
{
	struct pattern *none = NULL, *x = rule->pattern;

	if (x == NULL) {
		x = pattern_new(rule->expression, true, NULL);
		if (x == NULL)
			return -1;
		if (!atomic_compare_exchange_strong(&rule->pattern, &none, x)) {
			pattern_free(x); /* another thread was faster */
			x = none;
		}
	}
	size_t at = *from, far = n - at < FAR ? n : at + FAR;
	int found = pattern_find(x, p, far, from, to);
	if (found == 1 && *to == far && far < n) {
		*from = at;
		found = pattern_find(x, p, n, from, to);
	}
	return found;
}

/* Find the next secret that begins at a head in the ${n} bytes at ${p} from *${from} on.  Returns
 * as pattern_find. */
static int
find_head(const char *p, size_t n, size_t *from, size_t *to)
{
	unsigned three = 0;

	(void)pthread_once(&prepared, prepare);
	for (size_t i = *from, first = *from + 2; i < n; i++) {
		three = (three << 5 | FOLD(p[i])) % THREE;
		if (starts[three] == 0 || i < first)
			continue;
		struct rule *rule = &rules[starts[three] - 1];
		size_t at = i - 2;
		if (!has_head(rule, p + at, n - at))
			continue;
		int found = match_rule(rule, p, n, &at, to);
		if (found != 0) {
			*from = at;
			return found;
		}
	}
	return 0;
}

int
secrets_find_key_line(const char *p, size_t n, size_t *from, size_t *to)
{
	return match_rule(&key_line, p, n, from, to);
}

size_t
secrets_sets(void)
{
	return 1 + owns;
}

int
secrets_find(size_t set, const char *p, size_t n, size_t *from, size_t *to)
{
	return set == 0 ? find_head(p, n, from, to) : pattern_find(own[set - 1], p, n, from, to);
}

/* Add the expression in ${line}. */
static int
add_own(const char *line, struct err *e)
{
	size_t from = 0, to;

	if (owns == OWN)
		return err_set(e, ERR_CONFIG, "more than %d expressions", OWN);
	struct pattern *x = pattern_new(line, false, e);
	if (x == NULL)
		return -1;
	own[owns++] = x;
	if (pattern_find(x, "", 0, &from, &to) == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "the expression matches where there is nothing");
}

int
secrets_load(struct err *e)
{
	const char *path = setting_given(SETTING_REDACT);
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int status = -1;

	if (path == NULL)
		return 0;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return err_set(e, ERR_CONFIG, "cannot read AWCP_REDACT, %s: %s", path,
			       strerror(errno));
	for (unsigned number = 1; (n = getline(&line, &size, f)) >= 0; number++) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (n > 0 && line[0] != '#' && add_own(line, e) < 0) {
			err_add(e, "%s:%u", path, number);
			goto out;
		}
	}
	if (ferror(f)) {
		err_set(e, ERR_CONFIG, "cannot read %s", path);
		goto out;
	}
	status = 0;
out:
	free(line);
	(void)fclose(f); /* it was only read */
	return status;
}
