/* A delegation is opened to work on it. */
#include "lend/session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/settings.h"
#include "lend/private.h"

#define QUIET_MAX_S 86400

void
lend_note(const struct lend *l, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (l->observer.note == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_clean(text);
	l->observer.note(l->observer.arg, text);
}

void
lend_progress(const struct lend *l, const char *what, uint64_t done, uint64_t total)
{
	if (l->observer.progress != NULL)
		l->observer.progress(l->observer.arg, what, done, total);
}

static void
set_record(struct lend *l, json_t *json)
{
	json_decref(l->record);
	l->record = json_incref(json);
}

int
lend_read(struct lend *l, struct err *e)
{
	struct record r;

	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0)
		set_record(l, r.json);
	record_close(&r);
	return status;
}

struct change {
	struct lend *l;
	delegation_work *work;
	void *arg;
};

static int
change_and_remember(struct record *r, void *arg, struct err *e)
{
	const struct change *c = arg;

	int changed = c->work == NULL ? 0 : c->work(r, c->arg, e);
	set_record(c->l, r->json);
	return changed;
}

int
lend_change(struct lend *l, delegation_work *work, void *arg, bool durable, struct err *e)
{
	struct change c = {l, work, arg};

	return delegation_change(l->id, change_and_remember, &c, durable, e);
}

/* Learn the addresses of ${url}: PROTOCOL "Who talks to whom" strips "/" and then "/awcp". */
static int
set_addresses(struct lend *l, const char *url, struct err *e)
{
	size_t n = strlen(url);

	if (url_check(url, e) < 0)
		return -1;
	if (n >= sizeof l->url)
		return err_set(e, ERR_USAGE, "the executor's address is too long");
	strcpy(l->url, url);
	while (n > 0 && l->url[n - 1] == '/')
		l->url[--n] = '\0';
	strcpy(l->base, l->url);
	if (n >= 5 && strcmp(l->base + n - 5, "/awcp") == 0)
		l->base[n - 5] = '\0';
	return 0;
}

int
lend_connect(struct lend *l, long max_s, struct err *e)
{
	char token[TOKEN_MAX];
	long long quiet, timeout;
	bool own;

	l->discard = strcmp(delegation_snapshot_mode(l->record), "discard") == 0;
	if (setting_number(SETTING_MAX_SNAPSHOT, &l->max_snapshot, e) < 0 ||
	    setting_number(SETTING_QUIET, &quiet, e) < 0 ||
	    setting_number(SETTING_TIMEOUT, &timeout, e) < 0 ||
	    set_addresses(l, delegation_peer_url(l->record), e) < 0 ||
	    delegation_token(l->record, token, &own, e) < 0)
		return -1;
	l->quiet = quiet < 1 ? 1 : quiet > QUIET_MAX_S ? QUIET_MAX_S : (long)quiet;
	l->timeout = timeout < 1 ? 1 : timeout > max_s ? max_s : (long)timeout;
	l->client = client_new(token[0] != '\0' ? token : NULL, own, l->timeout, e);
	explicit_bzero(token, sizeof token);
	return l->client == NULL ? -1 : 0;
}

int
lend_attach(struct lend *l, const char *id, struct err *e)
{
	struct record r;

	*l = (struct lend){.dirfd = -1, .lockfd = -1};
	if (record_open(DELEGATIONS, id, false, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	strcpy(l->id, r.id);
	set_record(l, r.json);
	l->dirfd = r.dirfd;
	r.dirfd = -1;
	record_close(&r);
	return 0;
}

void
lend_detach(struct lend *l)
{
	lend_archive_abort(l);
	jsplit_free(l->split);
	json_decref(l->last);
	json_decref(l->record);
	client_free(l->client);
	file_close(l->lockfd);
	file_close(l->dirfd);
}

struct lend *
lend_open(const char *id, const struct lend_observer *o, struct err *e)
{
	struct lend *l = calloc(1, sizeof *l);

	if (l == NULL) {
		err_memory(e);
		return NULL;
	}
	if (lend_attach(l, id, e) < 0)
		goto err;
	if (o != NULL)
		l->observer = *o;
	if ((l->lockfd = file_lock(l->dirfd, "follow.lock", false, e)) < 0)
		goto err;
	/* Whoever followed it before may have changed the record until now. */
	if (lend_read(l, e) < 0 || lend_connect(l, LONG_MAX, e) < 0)
		goto err;
	return l;
err:
	lend_close(l);
	return NULL;
}

void
lend_close(struct lend *l)
{
	if (l == NULL)
		return;
	lend_detach(l);
	free(l);
}

void
lend_archive_abort(struct lend *l)
{
	if (l->receiving)
		snapshot_abort(&l->incoming);
	l->receiving = false;
	l->received = l->flushed = 0;
	l->decoder = (struct base64_decoder){0};
}
