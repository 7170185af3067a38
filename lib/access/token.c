#include "access/token.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/private.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "log/lifecycle.h"
#include "base/sha256.h"

static int
digest_token(const char *token, char out[SHA256_HEX], struct err *e)
{
	struct sha256 *h = sha256_new(e);

	if (h == NULL)
		return -1;
	sha256_add(h, token, strlen(token));
	sha256_hex(h, out);
	sha256_free(h);
	return 0;
}

static int
is_digest(const struct dirent *d)
{
	return strlen(d->d_name) == SHA256_HEX - 1;
}

/* Call ${each} for every token with its file's name; it may stop the walk with non-zero. */
static int
each_token(int (*each)(void *arg, const char *file, const json_t *token), void *arg, struct err *e)
{
	struct dirent **names;
	int status = 0;

	int fd = home_dir("tokens", e);
	if (fd < 0)
		return -1;
	int n = scandirat(fd, ".", &names, is_digest, alphasort);
	if (n < 0)
		return err_sys(e, "cannot read tokens");
	for (int i = 0; i < n && status == 0; i++) {
		json_t *o;
		status = token_load(fd, names[i]->d_name, &o, e);
		if (o != NULL)
			status = each(arg, names[i]->d_name, o);
		json_decref(o);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return status;
}

/* The tokens of one name, found under the lock of all. */
struct named {
	const char *name;
	const char *except; /* a file to pass over, or NULL */
	json_t *token;      /* the last one found */
	int dirfd, lockfd;
	bool remove; /* what is found */
	int found;
	struct err *e;
};

static int
find_named(void *arg, const char *file, const json_t *token)
{
	struct named *n = arg;

	if (strcmp(jsonx_text(token, "name", ""), n->name) != 0 ||
	    (n->except != NULL && strcmp(file, n->except) == 0))
		return 0;
	n->found++;
	json_decref(n->token);
	n->token = json_incref((json_t *)(uintptr_t)token);
	if (n->remove && unlinkat(n->dirfd, file, 0) < 0)
		return err_sys(n->e, "cannot remove a token of %s", n->name);
	return 0;
}

/* Lock tokens/ and find, or ${remove}, those of ${name}.  To be given back with close_named, also
 * if it fails. */
static int
open_named(const char *name, bool remove, struct named *n, struct err *e)
{
	*n = (struct named){.name = name, .lockfd = -1, .remove = remove, .e = e};
	if (name_check("token", name, e) < 0)
		return -1;
	n->dirfd = home_dir("tokens", e);
	if (n->dirfd < 0)
		return -1;
	n->lockfd = file_lock(n->dirfd, ".lock", true, e);
	return n->lockfd < 0 ? -1 : each_token(find_named, n, e);
}

/* The same, and there must be some. */
static int
open_known(const char *name, bool remove, struct named *n, struct err *e)
{
	if (open_named(name, remove, n, e) < 0)
		return -1;
	return n->found > 0 ? 0 : err_set(e, ERR_NOT_FOUND, "there is no token named %s", name);
}

static void
close_named(struct named *n)
{
	json_decref(n->token);
	file_close(n->lockfd);
}

/* Make a token, store ${o} as its record, and write the token to ${out} and the name of its file to
 * ${file}. */
static int
store_token(int dirfd, json_t *o, char out[70], char file[SHA256_HEX], struct err *e)
{
	char made[ID_MAX + 1];
	int status = -1;

	if (id_make("awcp_", 64, made, e) < 0 || digest_token(made, file, e) < 0)
		return -1;
	if (jsonx_set(o, "sha256", file) < 0) {
		err_memory(e);
		goto out;
	}
	if (jsonx_save(dirfd, file, o, TOKEN_RECORD, true, e) < 0)
		goto out;
	memcpy(out, made, 70);
	status = 0;
out:
	explicit_bzero(made, sizeof made);
	return status;
}

static json_t *
new_token(const struct token *t, struct err *e)
{
	char now[CLOCK_TEXT], then[CLOCK_TEXT];

	json_t *o = json_pack("{ss ss so ss* ss* so*}", "name", t->name, "createdAt",
			      clock_format(clock_now(), now), "rights",
			      rights_describe(t->rights != 0 ? t->rights : RIGHTS_USUAL), "tenant",
			      t->tenant[0] != '\0' ? t->tenant : NULL, "expiresAt",
			      t->expires > 0 ? clock_format(t->expires, then) : NULL, "limits",
			      token_limits_describe(&t->limits));
	if (o == NULL)
		err_memory(e);
	return o;
}

/* A tenant is called as a token is: it may be the name of one. */
static int
check_tenant(const struct token *t, struct err *e)
{
	return t->tenant[0] == '\0' ? 0 : name_check("tenant", t->tenant, e);
}

int
token_add(const struct token *t, char out[70], struct err *e)
{
	const char *name = t->name;
	char file[SHA256_HEX];
	struct named known;
	json_t *o = NULL;
	int status = -1;

	if (check_tenant(t, e) < 0)
		return -1;
	if (open_named(name, false, &known, e) < 0)
		goto out;
	if (known.found > 0) {
		err_set(e, ERR_CONFLICT, "there is a token named %s already", name);
		err_hint(e, "remove it first (awcp-token rm %s), or rotate it", name);
		goto out;
	}
	o = new_token(t, e);
	if (o == NULL || store_token(known.dirfd, o, out, file, e) < 0)
		goto out;
	lifecycle_note("token", name, NULL, NULL, "valid", "added");
	status = 0;
out:
	json_decref(o);
	close_named(&known);
	return status;
}

/* Save what ${t} changes in the record that was found. */
static int
change_found(const struct named *known, const struct token *t, struct err *e)
{
	const char *file = jsonx_text(known->token, "sha256", "");
	json_t *o = known->token;

	if ((t->rights != 0 && json_object_set_new(o, "rights", rights_describe(t->rights)) < 0) ||
	    (t->tenant[0] != '\0' && jsonx_set(o, "tenant", t->tenant) < 0))
		return err_memory(e);
	if (strlen(file) != SHA256_HEX - 1)
		return err_set(e, ERR_BAD_DATA, "the record of token %s is damaged", t->name);
	return jsonx_save(known->dirfd, file, o, TOKEN_RECORD, true, e);
}

int
token_change(const struct token *t, struct err *e)
{
	char rights[RIGHTS_TEXT];
	struct named known;
	int status = -1;

	if (check_tenant(t, e) < 0)
		return -1;
	if (open_known(t->name, false, &known, e) < 0)
		goto out;
	status = change_found(&known, t, e);
	if (status == 0)
		lifecycle_note("token", t->name, NULL, "valid", "valid",
			       rights_format(t->rights, ",", rights));
out:
	close_named(&known);
	return status;
}

int
token_rotate(const char *name, char out[70], struct err *e)
{
	char file[SHA256_HEX], now[CLOCK_TEXT];
	struct named known;
	int status = -1;

	if (open_known(name, false, &known, e) < 0)
		goto out;
	if (jsonx_set(known.token, "rotatedAt", clock_format(clock_now(), now)) < 0) {
		err_memory(e);
		goto out;
	}
	/* The new one first: a crash leaves two that work, and the next rotation removes both. */
	if (store_token(known.dirfd, known.token, out, file, e) < 0)
		goto out;
	known.except = file;
	known.remove = true;
	if (each_token(find_named, &known, e) < 0 || file_sync_dir(known.dirfd, e) < 0)
		goto out;
	lifecycle_note("token", name, NULL, "valid", "valid", "rotated");
	status = 0;
out:
	close_named(&known);
	return status;
}

int
token_remove(const char *name, struct err *e)
{
	struct named known;
	int status = -1;

	if (open_known(name, true, &known, e) < 0)
		goto out;
	if (file_sync_dir(known.dirfd, e) < 0)
		goto out;
	lifecycle_note("token", name, NULL, "valid", "removed", "removed");
	status = 0;
out:
	close_named(&known);
	return status;
}

struct listing {
	int (*each)(void *arg, const json_t *token);
	void *arg;
};

static int
list_one(void *arg, const char *file, const json_t *token)
{
	const struct listing *l = arg;
	json_t *o = json_copy((json_t *)(uintptr_t)token);

	(void)file;
	(void)json_object_del(o, "sha256");
	int status = o == NULL ? 0 : l->each(l->arg, o);
	json_decref(o);
	return status;
}

int
token_list(int (*each)(void *arg, const json_t *token), void *arg, struct err *e)
{
	struct listing l = {each, arg};

	return each_token(list_one, &l, e);
}

int
token_holder(const char *credential, unsigned rights, struct token *t, struct err *e)
{
	char file[SHA256_HEX] = "";

	if (strlen(credential) < TOKEN_MAX && digest_token(credential, file, e) < 0)
		return -1;
	return token_reload(file, t, e) < 0 ? -1 : token_may(t, rights, e);
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
		err_sys(e, "cannot read the token file %s", path);
		goto out;
	}
	if (S_ISREG(st.st_mode) && (st.st_mode & 0077) != 0) {
		err_set(e, ERR_PERMISSION, "others may read the token file %s", path);
		err_hint(e, "chmod 600 %.200s", path);
		goto out;
	}
	ssize_t n = file_read(fd, out, TOKEN_MAX - 1, e);
	if (n < 0)
		goto out;
	out[n] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (out[0] == '\0' || strspn(out, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					  "0123456789-._~+/=") != strlen(out)) {
		err_set(e, ERR_BAD_DATA, "%s does not begin with a bearer token", path);
		goto out;
	}
	status = 0;
out:
	file_close(fd);
	return status;
}
