#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"

#define FILES 2
#define SETTINGS 128 /* at most */
#define FILE_BYTES ((size_t)256 * 1024)

/* Where a setting comes from; file -1: not from one. */
struct place {
	int file;
	unsigned line;
	char *text; /* NULL: the file says that the default holds */
};

static char paths[FILES][PATH_MAX];
static struct place places[SETTINGS];

const char *
config_kind_name(enum config_kind kind)
{
	static const char *const names[] = {"text", "number", "bytes",  "span",
					    "path", "paths",  "choice", "url"};

	return names[kind];
}

const char *
config_key(const struct config_setting *s, char name[CONFIG_NAME])
{
	const char *from = s->variable + strlen("AWCP_");
	size_t i = 0;

	for (; from[i] != '\0' && i + 1 < CONFIG_NAME; i++)
		name[i] = (char)(from[i] == '_' ? '-' : tolower((unsigned char)from[i]));
	name[i] = '\0';
	return name;
}

const struct config_setting *
config_find(const char *name)
{
	char key[CONFIG_NAME];

	for (const struct config_setting *s = config_settings; s->variable != NULL; s++)
		if (strcmp(s->variable, name) == 0 || strcmp(config_key(s, key), name) == 0)
			return s;
	return NULL;
}

/* Is ${text} one of the words in ${choices}? */
static bool
is_choice(const char *choices, const char *text)
{
	size_t n = strcspn(text, "|");

	for (const char *p = text[n] == '\0' ? choices : NULL; p != NULL; p = strchr(p, '|')) {
		p += *p == '|';
		if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == '\0'))
			return true;
	}
	return false;
}

/* Replace every ~ that begins a path in *${text} by the account's directory. */
static int
expand(char **text, bool several, struct err *e)
{
	struct buf b = BUF_INIT(FILE_BYTES);
	const char *account = getenv("HOME");
	int status = 0;

	for (const char *p = *text; *p != '\0' && status == 0; p += *p == ':') {
		size_t n = several ? strcspn(p, ":") : strlen(p);
		if (p[0] == '~' && (n == 1 || p[1] == '/')) {
			if (account == NULL || account[0] != '/')
				status = err_set(e, ERR_CONFIG, "there is no HOME for ~");
			else
				status = buf_printf(&b, e, "%s%.*s", account, (int)n - 1, p + 1);
		} else if (p[0] != '/') {
			status = err_set(e, ERR_CONFIG, "not an absolute path: %.*s",
					 (int)(n < 200 ? n : 200), p);
		} else {
			status = buf_add(&b, p, n, e);
		}
		p += n;
		if (status == 0 && *p == ':')
			status = buf_add(&b, ":", 1, e);
	}
	if (status < 0) {
		buf_free(&b);
		return -1;
	}
	free(*text);
	*text = b.data;
	return 0;
}

/* Check the value *${text} of ${s}, and turn it into what the variable takes. */
static int
convert(const struct config_setting *s, char **text, struct err *e)
{
	long long number;
	int64_t seconds;

	switch (s->kind) {
	case CONFIG_PATH:
	case CONFIG_PATHS:
		return expand(text, s->kind == CONFIG_PATHS, e);
	case CONFIG_CHOICE:
		if (is_choice(s->choices, *text))
			return 0;
		return err_set(e, ERR_CONFIG, "it is one of %s, not %.40s", s->choices, *text);
	case CONFIG_NUMBER:
	case CONFIG_BYTES:
		if (home_number(*text, &number) == 0)
			return 0;
		err_set(e, ERR_CONFIG, "not a number: %.40s", *text);
		return err_hint(e, "give digits, with K, M, G or T behind them if you like");
	case CONFIG_SPAN:
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
	case CONFIG_TEXT:
	case CONFIG_URL:
		break;
	}
	return 0;
}

int
config_check(const struct config_setting *s, const char *text, struct err *e)
{
	char *copy = strdup(text);
	int status = 0;

	if (copy == NULL)
		return err_memory(e);
	/* A path may be relative there. */
	if (text[0] != '\0' && s->kind != CONFIG_PATH && s->kind != CONFIG_PATHS)
		status = convert(s, &copy, e);
	free(copy);
	return status < 0 ? err_add(e, "%s", s->variable) : 0;
}

/* Cut blanks off both ends of ${p}, in place. */
static char *
trim(char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	size_t n = strlen(p);
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	p[n] = '\0';
	return p;
}

/* End ${line} where its comment begins: at a # with nothing or a blank before it. */
static void
drop_comment(char *line)
{
	for (char *p = line; (p = strchr(p, '#')) != NULL; p++)
		if (p == line || isspace((unsigned char)p[-1])) {
			*p = '\0';
			return;
		}
}

static int
read_line(int file, unsigned number, char *line, struct err *e)
{
	drop_comment(line);
	char *key = trim(line);
	if (key[0] == '\0')
		return 0;
	char *value = strchr(key, '=');
	if (value == NULL) {
		err_set(e, ERR_CONFIG, "neither a comment nor \"key = value\"");
		return err_hint(e, "awcp.conf(5) says how it is written");
	}
	*value = '\0';
	key = trim(key);
	const struct config_setting *s = strncmp(key, "AWCP_", 5) == 0 ? NULL : config_find(key);
	if (s == NULL) {
		err_set(e, ERR_CONFIG, "there is no setting %.60s", key);
		return err_hint(e, "awcp-config lists them");
	}
	struct place *p = &places[s - config_settings];
	if (p->file == file)
		return err_set(e, ERR_CONFIG, "%s is set in line %u already", key, p->line);
	free(p->text);
	*p = (struct place){.file = file, .line = number};
	value = trim(value + 1);
	if (value[0] == '\0')
		return 0;
	p->text = strdup(value);
	if (p->text == NULL)
		return err_memory(e);
	return convert(s, &p->text, e) < 0 ? err_add(e, "%s", key) : 0;
}

/* Only who could set our environment anyway may have a say in it. */
static int
check_owner(int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFIG, "not a file");
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err_set(e, ERR_PERMISSION, "it belongs to another user");
		return err_hint(e, "chown it to root or to yourself");
	}
	if ((st.st_mode & 0022) != 0) {
		err_set(e, ERR_PERMISSION, "others may write to it");
		return err_hint(e, "chmod go-w it, if you trust what is in it");
	}
	return 0;
}

static int
read_lines(int file, char *text, struct err *e)
{
	unsigned number = 1;

	for (char *line = text; line != NULL; number++) {
		char *next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (read_line(file, number, line, e) < 0)
			return err_add(e, "%s:%u", paths[file], number);
		line = next;
	}
	return 0;
}

/* Read the file, if it is there; ${wanted}: it must be. */
static int
read_file(int file, bool wanted, struct err *e)
{
	struct buf b = BUF_INIT(FILE_BYTES);
	char piece[4096];
	int status = -1;
	ssize_t n;

	int fd = open(paths[file], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		if (!wanted && (errno == ENOENT || errno == ENOTDIR))
			return 0;
		err_sys(e, "cannot read %s", paths[file]);
		e->code = ERR_CONFIG;
		return -1;
	}
	if (check_owner(fd, e) < 0)
		goto out;
	while ((n = file_read(fd, piece, sizeof piece, e)) > 0)
		if (buf_add(&b, piece, (size_t)n, e) < 0)
			goto out;
	if (n < 0 || buf_add(&b, "", 0, e) < 0)
		goto out;
	if (strlen(b.data) != b.len) {
		err_set(e, ERR_CONFIG, "it has a NUL, so it is no text");
		goto out;
	}
	status = read_lines(file, b.data, e);
	goto done;
out:
	err_add(e, "%s", paths[file]);
done:
	buf_free(&b);
	file_close(fd);
	return status;
}

int
config_file(int i, char *path, size_t size)
{
	const char *own = getenv("AWCP_CONFIG"), *config = getenv("XDG_CONFIG_HOME");
	const char *account = getenv("HOME");
	int n = -1;

	path[0] = '\0';
	if (own != NULL && own[0] != '\0') {
		if (i == 0 && strcmp(own, "none") != 0)
			n = snprintf(path, size, "%s", own);
	} else if (i == 0) {
		n = snprintf(path, size, "%s", CONFIG_SYSTEM);
	} else if (i == 1 && config != NULL && config[0] == '/') {
		n = snprintf(path, size, "%s/awcp/config", config);
	} else if (i == 1 && account != NULL && account[0] == '/') {
		n = snprintf(path, size, "%s/.config/awcp/config", account);
	}
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

static void
forget(void)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		free(places[i].text);
		places[i] = (struct place){.file = -1};
	}
}

/* Set the variable of ${s} to what a file says, if nothing does; and a span to seconds, as which
 * most code reads it, wherever it comes from. */
static int
put(const struct config_setting *s, struct place *p)
{
	const char *text = getenv(s->variable);
	char seconds[32];
	int64_t span;

	if (text == NULL)
		return p->text == NULL ? 0 : setenv(s->variable, p->text, 1);
	p->file = -1;
	if (s->kind != CONFIG_SPAN || clock_parse_span(text, &span, NULL) < 0)
		return 0;
	(void)snprintf(seconds, sizeof seconds, "%lld", (long long)span);
	return setenv(s->variable, seconds, 1);
}

int
config_load(struct err *e)
{
	const char *own = getenv("AWCP_CONFIG");

	forget();
	for (int i = 0; i < FILES && config_file(i, paths[i], sizeof paths[i]) == 0; i++)
		if (read_file(i, own != NULL && own[0] != '\0', e) < 0) {
			forget();
			return -1;
		}
	for (const struct config_setting *s = config_settings; s->variable != NULL; s++)
		if (put(s, &places[s - config_settings]) < 0)
			return err_memory(e);
	/* What writes logs cannot complain. */
	const char *log = getenv("AWCP_LOG");
	return log == NULL ? 0 : config_check(config_find("AWCP_LOG"), log, e);
}

void
config_get(const struct config_setting *s, struct config_value *v)
{
	const struct place *p = &places[s - config_settings];
	const char *text = getenv(s->variable);

	*v = (struct config_value){.text = s->otherwise, .source = CONFIG_DEFAULT};
	if (p->file >= 0) {
		v->source = CONFIG_FILE;
		v->file = paths[p->file];
		v->line = p->line;
	} else if (text != NULL && text[0] != '\0') {
		v->source = CONFIG_ENVIRONMENT;
	}
	if (text != NULL && text[0] != '\0')
		v->text = text;
}
