#include "token.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "file.h"
#include "home.h"
#include "id.h"
#include "jsonx.h"
#include "sha256.h"

static int
check_name(const char *name, struct err *e)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name);

	if (n >= 1 && n <= TOKEN_NAME && strspn(name, allowed) == n && name[0] != '.')
		return 0;
	(void)err_set(e, ERR_USAGE, "not a token's name: %.80s", name);
	return err_hint(e, "1 to %d letters, digits, . _ and -, not beginning with a dot",
			TOKEN_NAME);
}

static int
digest(const char *token, char out[SHA256_HEX], struct err *e)
{
	struct sha256 *h = sha256_new(e);

	if (h == NULL)
		return -1;
	sha256_add(h, token, strlen(token));
	sha256_hex(h, out);
	sha256_free(h);
	return 0;
}

/* The record in file ${name} of tokens/; NULL if it cannot be read. */
static json_t *
load(int dirfd, const char *name, struct err *e)
{
	struct buf b = BUF_INIT(65536);
	json_t *o = NULL;

	if (file_slurp(dirfd, name, &b, e) == 0 && (o = jsonx_parse(b.data, b.len, e)) == NULL)
		(void)home_quarantine(dirfd, name, "token", NULL);
	buf_free(&b);
	return o;
}

static int
is_digest(const struct dirent *d)
{
	return strlen(d->d_name) == SHA256_HEX - 1;
}

/* Call ${each} for every token with its file's name; it may stop the walk with non-zero. */
static int
walk(int (*each)(void *arg, const char *file, const json_t *token), void *arg, struct err *e)
{
	struct dirent **names;
	int status = 0;

	int fd = home_dir("tokens", e);
	if (fd < 0)
		return -1;
	int n = scandirat(fd, ".", &names, is_digest, alphasort);
	if (n < 0)
		return err_sys(e, "cannot read tokens");
	for (int i = 0; i < n; i++) {
		json_t *o = status == 0 ? load(fd, names[i]->d_name, NULL) : NULL;
		if (o != NULL)
			status = each(arg, names[i]->d_name, o);
		json_decref(o);
		free(names[i]);
	}
	free(names);
	return status;
}

struct named {
	const char *name;
	char file[SHA256_HEX];
};

static int
is_named(void *arg, const char *file, const json_t *token)
{
	struct named *n = arg;

	if (strcmp(jsonx_text(token, "name", ""), n->name) != 0)
		return 0;
	strcpy(n->file, file);
	return 1;
}

int
token_add(const char *name, char out[70], struct err *e)
{
	struct named known = {.name = name};
	struct buf b = BUF_INIT(65536);
	char made[ID_MAX + 1], file[SHA256_HEX], now[CLOCK_TEXT];
	int status = -1;

	if (check_name(name, e) < 0)
		return -1;
	int fd = home_dir("tokens", e);
	int lockfd = fd < 0 ? -1 : file_lock(fd, ".lock", true, e);
	if (lockfd < 0)
		return -1;
	int found = walk(is_named, &known, e);
	if (found == 1) {
		(void)err_set(e, ERR_CONFLICT, "there is a token named %s already", name);
		(void)err_hint(e, "remove it first: awcp-token rm %s", name);
	}
	if (found != 0 || id_make("awcp_", 64, made, e) < 0 || digest(made, file, e) < 0)
		goto out;
	json_t *o = json_pack("{ss ss ss}", "name", name, "sha256", file, "createdAt",
			      clock_format(clock_now(), now));
	if (o == NULL) {
		(void)err_memory(e);
		goto out;
	}
	status = jsonx_dump(o, &b, e);
	json_decref(o);
	if (status == 0)
		status = file_replace(fd, file, b.data, b.len, true, e);
	if (status == 0)
		memcpy(out, made, 70);
out:
	buf_free(&b);
	file_close(lockfd);
	return status;
}

int
token_remove(const char *name, struct err *e)
{
	struct named known = {.name = name};

	if (check_name(name, e) < 0)
		return -1;
	int fd = home_dir("tokens", e);
	int found = fd < 0 ? -1 : walk(is_named, &known, e);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no token named %s", name);
	if (unlinkat(fd, known.file, 0) < 0)
		return err_sys(e, "cannot remove the token of %s", name);
	return file_sync_dir(fd, e);
}

struct listing {
	int (*each)(void *arg, const json_t *token);
	void *arg;
};

static int
show(void *arg, const char *file, const json_t *token)
{
	const struct listing *l = arg;
	json_t *o = json_pack("{ss ss}", "name", jsonx_text(token, "name", ""), "createdAt",
			      jsonx_text(token, "createdAt", ""));

	(void)file;
	int status = o == NULL ? 0 : l->each(l->arg, o);
	json_decref(o);
	return status;
}

int
token_list(int (*each)(void *arg, const json_t *token), void *arg, struct err *e)
{
	struct listing l = {each, arg};

	return walk(show, &l, e);
}

int
token_owner(const char *credential, char name[TOKEN_NAME + 1], struct err *e)
{
	char file[SHA256_HEX];
	json_t *o = NULL;

	int fd = home_dir("tokens", e);
	if (fd < 0)
		return -1;
	/* Whoever asks chooses the token, not its digest: looking the digest up by name tells
	 * nothing that helps to guess. */
	if (strlen(credential) < TOKEN_MAX && digest(credential, file, e) == 0)
		o = load(fd, file, NULL);
	if (o != NULL && sha256_equal(jsonx_text(o, "sha256", ""), file)) {
		(void)snprintf(name, TOKEN_NAME + 1, "%s", jsonx_text(o, "name", ""));
		json_decref(o);
		return 0;
	}
	json_decref(o);
	(void)err_set(e, ERR_AUTH_FAILED, "the credential is not known here");
	return err_hint(e, "ask the operator of this executor for a token (awcp-token add)");
}

int
token_read(const char *path, char out[TOKEN_MAX], struct err *e)
{
	struct stat st;
	int status = -1;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot read the token file %s", path);
	if (fstat(fd, &st) < 0) {
		(void)err_sys(e, "cannot read the token file %s", path);
		goto out;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & 0077) != 0) {
		(void)err_set(e, ERR_PERMISSION, "others may read the token file %s", path);
		(void)err_hint(e, "chmod 600 %.200s", path);
		goto out;
	}
	ssize_t n = file_read(fd, out, TOKEN_MAX - 1, e);
	if (n < 0)
		goto out;
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (out[0] == '\0' || strspn(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789-._~+/=") != strlen(out)) {
		(void)err_set(e, ERR_BAD_DATA, "%s does not begin with a bearer token", path);
		goto out;
	}
	status = 0;
out:
	file_close(fd);
	return status;
}
