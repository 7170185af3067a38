#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define FILES 2
#define FILE_BYTES ((size_t)256 * 1024)

/* Where a setting comes from; file -1: not from one. */
struct origin {
	int file;
	unsigned line;
	char *text; /* NULL: the file says that the default holds */
};

static char paths[FILES][PATH_MAX];
static struct origin origins[SETTING_COUNT];

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
read_setting(int file, unsigned number, char *line, struct err *e)
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
	const struct setting *s = strncmp(key, "AWCP_", 5) == 0 ? NULL : setting_find(key);
	if (s == NULL) {
		err_set(e, ERR_CONFIG, "there is no setting %.60s", key);
		return err_hint(e, "awcp-config lists them");
	}
	struct origin *p = &origins[s - settings];
	if (p->file == file)
		return err_set(e, ERR_CONFIG, "%s is set in line %u already", key, p->line);
	free(p->text);
	*p = (struct origin){.file = file, .line = number};
	value = trim(value + 1);
	if (value[0] == '\0')
		return 0;
	p->text = strdup(value);
	if (p->text == NULL)
		return err_memory(e);
	return setting_convert(s, &p->text, e) < 0 ? err_add(e, "%s", key) : 0;
}

/* Only those who could set our environment anyway may own the file. */
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
		if (read_setting(file, number, line, e) < 0)
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

/* The path of the ${i}th configuration file (from 0), in the order of reading, into ${path}, of
 * ${size} bytes.  Returns -1 after the last. */
static int
find_file(int i, char *path, size_t size)
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
forget_origins(void)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		free(origins[i].text);
		origins[i] = (struct origin){.file = -1};
	}
}

/* Set the variable of ${id} to what a file says, if the environment says nothing; and a span to
 * seconds, so that it is the same number for everyone who reads it. */
static int
put_variable(enum setting_id id, struct origin *o)
{
	const struct setting *s = &settings[id];
	const char *text = getenv(s->variable);
	char seconds[32];
	int64_t span;

	if (text == NULL && s->alias != NULL)
		text = getenv(s->alias);
	if (text == NULL)
		return o->text == NULL ? 0 : setenv(s->variable, o->text, 1);
	o->file = -1;
	if (s->kind != KIND_SPAN || clock_parse_span(text, &span, NULL) < 0)
		return 0;
	(void)snprintf(seconds, sizeof seconds, "%lld", (long long)span);
	return setenv(s->variable, seconds, 1);
}

int
config_load(struct err *e)
{
	const char *own = getenv("AWCP_CONFIG");

	forget_origins();
	for (int i = 0; i < FILES && find_file(i, paths[i], sizeof paths[i]) == 0; i++)
		if (read_file(i, own != NULL && own[0] != '\0', e) < 0) {
			forget_origins();
			return -1;
		}
	for (enum setting_id id = 0; id < SETTING_COUNT; id++)
		if (put_variable(id, &origins[id]) < 0)
			return err_memory(e);
	/* The code that writes logs has nowhere to complain of this one. */
	return setting_check(&settings[SETTING_LOG], setting_text(SETTING_LOG), e);
}

void
config_get(enum setting_id id, struct config_value *v)
{
	const struct origin *o = &origins[id];

	*v = (struct config_value){.text = setting_text(id), .source = CONFIG_DEFAULT};
	if (o->file >= 0) {
		v->source = CONFIG_FILE;
		v->file = paths[o->file];
		v->line = o->line;
	} else if (setting_given(id) != NULL) {
		v->source = CONFIG_ENVIRONMENT;
	}
}
