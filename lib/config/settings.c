#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#define PATHS_MAX ((size_t)256 * 1024)

#define SETTING_ENTRY(name, the_kind, ...) \
	{.variable = "AWCP_" #name, .kind = KIND_##the_kind, .fallback = __VA_ARGS__},
const struct setting settings[SETTING_COUNT] = {SETTINGS(SETTING_ENTRY)};
#undef SETTING_ENTRY

int
setting_parse_number(const char *text, long long *value)
{
	char *end;

	errno = 0;
	long long n = strtoll(text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : *end == 'T' ? 40 : 0;
	if (end == text || errno != 0 || n < 0 || end[shift != 0] != '\0' || n > LLONG_MAX >> shift)
		return -1;
	*value = n << shift;
	return 0;
}

const char *
setting_given(enum setting_id id)
{
	const struct setting *s = &settings[id];
	const char *text = getenv(s->variable);

	if (text == NULL && s->alias != NULL)
		text = getenv(s->alias);
	return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *
setting_text(enum setting_id id)
{
	const char *text = setting_given(id);

	return text != NULL ? text : settings[id].fallback;
}

/* A span may be plain seconds, too, which config_load makes of the others. */
static int
parse_number(enum setting_kind kind, const char *text, long long *value)
{
	int64_t seconds;

	if (setting_parse_number(text, value) == 0)
		return 0;
	if (kind != KIND_SPAN || clock_parse_span(text, &seconds, NULL) < 0)
		return -1;
	*value = seconds;
	return 0;
}

long long
setting_default(enum setting_id id)
{
	long long value = 0;

	/* The table has numbers only: a test of every setting sees to it. */
	(void)parse_number(settings[id].kind, settings[id].fallback, &value);
	return value;
}

int
setting_number(enum setting_id id, long long *value, struct err *e)
{
	const char *text = setting_given(id);

	if (text != NULL && parse_number(settings[id].kind, text, value) == 0)
		return 0;
	*value = setting_default(id);
	if (text == NULL)
		return 0;
	if (settings[id].kind == KIND_SPAN) {
		err_set(e, ERR_CONFIG, "%s is not a span of time: %.40s", settings[id].variable,
			text);
		return err_hint(e, "give seconds, or a number with s, m, h or d, for example 15m");
	}
	err_set(e, ERR_CONFIG, "%s is not a number: %.40s", settings[id].variable, text);
	return err_hint(e, "give digits, with K, M, G or T after them if you like");
}

const char *
setting_key(const struct setting *s, char key[SETTING_KEY])
{
	const char *from = s->variable + strlen("AWCP_");
	size_t i = 0;

	for (; from[i] != '\0' && i + 1 < SETTING_KEY; i++)
		key[i] = (char)(from[i] == '_' ? '-' : tolower((unsigned char)from[i]));
	key[i] = '\0';
	return key;
}

/* Is ${name} ${variable}, or the key made of it? */
static bool
is_named(const char *variable, const char *name)
{
	char key[SETTING_KEY];

	return strcmp(variable, name) == 0 ||
	       strcmp(setting_key(&(struct setting){.variable = variable}, key), name) == 0;
}

const struct setting *
setting_find(const char *name)
{
	for (const struct setting *s = settings; s < settings + SETTING_COUNT; s++)
		if (is_named(s->variable, name) || (s->alias != NULL && is_named(s->alias, name)))
			return s;
	return NULL;
}

/* Append to ${b} the ${n} bytes of a path at ${path}, with the account's directory for its ~. */
static int
add_path(struct buf *b, const char *path, size_t n, struct err *e)
{
	const char *account = getenv("HOME");

	if (path[0] == '~' && (n == 1 || path[1] == '/')) {
		if (account == NULL || account[0] != '/')
			return err_set(e, ERR_CONFIG, "there is no HOME for ~");
		return buf_printf(b, e, "%s%.*s", account, (int)n - 1, path + 1);
	}
	if (path[0] != '/')
		return err_set(e, ERR_CONFIG, "not an absolute path: %.*s",
			       (int)(n < 200 ? n : 200), path);
	return buf_add(b, path, n, e);
}

/* Replace every ~ that begins a path in *${text}; with ${several} colons separate them. */
static int
expand_paths(char **text, bool several, struct err *e)
{
	struct buf b = BUF_INIT(PATHS_MAX);

	for (const char *p = *text; *p != '\0'; p += *p == ':') {
		size_t n = several ? strcspn(p, ":") : strlen(p);
		if (add_path(&b, p, n, e) < 0)
			goto out;
		p += n;
		if (*p == ':' && buf_add(&b, ":", 1, e) < 0)
			goto out;
	}
	free(*text);
	*text = b.data;
	return 0;
out:
	buf_free(&b);
	return -1;
}

int
setting_convert(const struct setting *s, char **text, struct err *e)
{
	long long number;
	int64_t seconds;

	switch (s->kind) {
	case KIND_PATH:
	case KIND_PATHS:
		return expand_paths(text, s->kind == KIND_PATHS, e);
	case KIND_CHOICE:
		if (text_lists(s->choices, "|", *text))
			return 0;
		return err_set(e, ERR_CONFIG, "it is one of %s, not %.40s", s->choices, *text);
	case KIND_NUMBER:
	case KIND_BYTES:
		if (setting_parse_number(*text, &number) == 0)
			return 0;
		err_set(e, ERR_CONFIG, "not a number: %.40s", *text);
		return err_hint(e, "give digits, with K, M, G or T after them if you like");
	case KIND_SPAN:
		if (strcmp(*text, "0") == 0)
			return 0;
		if (clock_parse_span(*text, &seconds, e) < 0) {
			e->code = ERR_CONFIG;
			return -1;
		}
		free(*text);
		if (asprintf(text, "%lld", (long long)seconds) < 0) {
			*text = NULL;
			return err_memory(e);
		}
		return 0;
	case KIND_TEXT:
	case KIND_URL:
		break;
	}
	return 0;
}

int
setting_check(const struct setting *s, const char *text, struct err *e)
{
	char *copy = strdup(text);
	int status = 0;

	if (copy == NULL)
		return err_memory(e);
	/* In the environment a path may be relative. */
	if (text[0] != '\0' && s->kind != KIND_PATH && s->kind != KIND_PATHS)
		status = setting_convert(s, &copy, e);
	free(copy);
	return status < 0 ? err_add(e, "%s", s->variable) : 0;
}

const char *
setting_kind_name(enum setting_kind kind)
{
	static const char *const names[] = {"text", "number", "bytes",  "span",
					    "path", "paths",  "choice", "url"};

	return names[kind];
}
