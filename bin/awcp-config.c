/* awcp-config - what is in force, and where it comes from */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "config/config.h"
#include "config/home.h"

static const struct command command = {
    "awcp-config", "ej",
    "usage: awcp-config [-ej] [key...]\n"
    "  -e  what the files set, as commands that make sh export it\n"
    "  -j  NDJSON, a setting a line\n"
    "A key is a name as in the files (max-ttl), or a variable (AWCP_MAX_TTL); its value alone is\n"
    "printed.  Without keys and options the output is a configuration file.\n"};

struct options {
	bool shell;
	bool json;
};

static const char *const sources[] = {
    [CONFIG_DEFAULT] = "default", [CONFIG_FILE] = "file", [CONFIG_ENVIRONMENT] = "environment"};

/* An address without the name and the password that may be in it; to be freed. */
static char *
without_secret(const char *url)
{
	const char *host = strstr(url, "://"), *at;
	char *text;

	host = host == NULL ? url : host + 3;
	size_t n = strcspn(host, "/?#");
	at = memrchr(host, '@', n);
	if (at == NULL)
		return strdup(url);
	return asprintf(&text, "%.*s***%s", (int)(host - url), url, at) < 0 ? NULL : text;
}

/* What is in force of ${s}, as it may be shown; to be freed. */
static char *
shown(const struct setting *s, const struct config_value *v)
{
	struct err ignored;

	if (s == &settings[SETTING_HOME] && home_find(&ignored) != NULL)
		return strdup(home_find(&ignored));
	return s->kind == KIND_URL ? without_secret(v->text) : strdup(v->text);
}

static json_t *
describe_setting(const struct setting *s, const struct config_value *v, const char *text)
{
	char key[SETTING_KEY];
	json_t *o =
	    json_pack("{ss ss ss ss ss ss ss}", "key", setting_key(s, key), "variable", s->variable,
		      "kind", setting_kind_name(s->kind), "default", s->fallback, "value", text,
		      "source", sources[v->source], "help", s->help);

	if (o != NULL && v->source == CONFIG_FILE) {
		(void)json_object_set_new(o, "file", json_string(v->file));
		(void)json_object_set_new(o, "line", json_integer(v->line));
	}
	return o;
}

/* "export AWCP_MAX_TTL='3600'" */
static void
print_export(const char *variable, const char *text)
{
	(void)printf("export %s='", variable);
	for (; *text != '\0'; text++)
		if (*text == '\'')
			(void)fputs("'\\''", stdout);
		else
			(void)putchar(*text);
	(void)puts("'");
}

/* "max-ttl = 3600  # /etc/awcp/awcp.conf:3" */
static void
print_setting(const struct setting *s, const struct config_value *v, const char *text)
{
	char key[SETTING_KEY];
	int n = printf("%s =%s", setting_key(s, key), text[0] != '\0' ? " " : "");

	command_text(text, false);
	n += (int)strlen(text);
	(void)printf("%*s  # ", n < 38 ? 38 - n : 0, "");
	if (v->source == CONFIG_FILE)
		(void)printf("%s:%u\n", v->file, v->line);
	else
		(void)printf("%s\n", sources[v->source]);
}

static int
show_setting(const struct options *o, enum setting_id id, bool alone)
{
	const struct setting *s = &settings[id];
	struct config_value v;

	config_get(id, &v);
	if (o->shell) {
		if (v.source == CONFIG_FILE && getenv(s->variable) != NULL)
			print_export(s->variable, v.text);
		return 0;
	}
	char *text = shown(s, &v);
	json_t *line = text != NULL && o->json ? describe_setting(s, &v, text) : NULL;
	if (text == NULL || (o->json && line == NULL)) {
		free(text);
		command_note("memory is out, or a value is not UTF-8");
		return EX_SOFTWARE;
	}
	if (o->json)
		command_json(line);
	else if (alone)
		(void)printf("%s\n", text);
	else
		print_setting(s, &v, text);
	json_decref(line);
	free(text);
	return 0;
}

static int
show_key(void *arg, const char *key)
{
	const struct setting *s = setting_find(key);

	if (s == NULL) {
		command_note("there is no setting %s; awcp-config lists them", key);
		return EX_NOINPUT;
	}
	return show_setting(arg, (enum setting_id)(s - settings), true);
}

int
main(int argc, char **argv)
{
	struct options o = {.json = false};
	int option, status = 0;

	while ((option = command_option(&command, argc, argv)) != -1)
		if (option == 'e')
			o.shell = true;
		else
			o.json = true;
	if (o.shell && o.json)
		command_usage("-e or -j");
	if (optind < argc)
		return command_end(command_each(argc - optind, argv + optind, show_key, &o));
	for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
		int one = show_setting(&o, id, false);
		status = one > status ? one : status;
	}
	return command_end(status);
}
