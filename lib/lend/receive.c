/* The archives that come back, as a snapshot event or as /result. */
#include <stdio.h>
#include <string.h>

#include "process/in_child.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "lend/private.h"
#include "log/lifecycle.h"
#include "wire/message.h"
#include "wire/members.h"
#include "log/redact.h"
#include "delegation/members.h"

const char *const follow_archive[] = {"snapshotBase64", NULL};

void
follow_drop(struct lend *l)
{
	if (l->receiving)
		snapshot_abort(&l->incoming);
	l->receiving = false;
	l->received = l->behind = 0;
	l->decoder = (struct base64_decoder){0};
}

int
follow_take(void *arg, const char *p, size_t n, struct err *e)
{
	unsigned char raw[24 * 1024 + 3];
	struct lend *l = arg;
	char id[ID_MAX + 1];

	/* The snapshot's id may come after its archive: until then it has a name of ours. */
	if (!l->receiving && !l->discard) {
		if (id_make("snap_", 12, id, e) < 0 ||
		    snapshot_receive(l->dirfd, id, &l->incoming, e) < 0)
			return -1;
		l->receiving = true;
	}
	while (n > 0) {
		size_t step = n < 32 * 1024 ? n : 32 * 1024, len = 0;
		if (base64_decode(&l->decoder, p, step, raw, &len, e) < 0)
			return err_add(e, "snapshot");
		l->received += len;
		if (l->received > (uint64_t)l->most) {
			err_set(e, ERR_WORKSPACE_TOO_LARGE, "a snapshot of more than %lld bytes",
				l->most);
			return err_hint(e, "raise AWCP_MAX_SNAPSHOT if you want it");
		}
		if (!l->discard && file_write(l->incoming.fd, raw, len, e) < 0)
			return err_add(e, "snapshot");
		if (!l->discard)
			file_write_behind(l->incoming.fd, &l->behind, l->received);
		p += step;
		n -= step;
	}
	lend_progress(l, "receiving", l->received, 0);
	return 0;
}

struct keeping {
	struct snapshot_incoming *incoming;
	const json_t *delegation;
};

static int
keep_aside(void *arg, struct buf *result, struct err *e)
{
	const struct keeping *k = arg;
	json_t *metadata = NULL;

	int status = snapshot_store(k->incoming, k->delegation, &metadata, e);
	if (status == 0 && metadata != NULL)
		status = jsonx_dump(metadata, result, e);
	return status;
}

int
follow_keep(struct lend *l, const char *id, const json_t *event, struct err *e)
{
	struct buf text = BUF_INIT(65536);
	json_t *metadata = NULL;
	struct record r;

	if (!id_valid(id)) {
		follow_drop(l);
		return err_set(e, ERR_BAD_MESSAGE, "a snapshot's id is not an id");
	}
	if (base64_finish(&l->decoder, e) < 0) {
		follow_drop(l);
		return err_add(e, "snapshot %s", id);
	}
	int status = record_open(DELEGATIONS, l->id, false, &r, e);
	if (status == 0 && l->receiving) {
		strcpy(l->incoming.id, id);
		struct keeping k = {&l->incoming, r.json};
		status = in_child(keep_aside, &k, &text, e);
		if (text.len > 0)
			metadata = jsonx_parse(text.data, text.len, NULL);
	}
	record_close(&r);
	follow_drop(l);
	if (status == 0 && (status = record_open(DELEGATIONS, l->id, true, &r, e)) == 0) {
		status = snapshot_add(&r, id, event, metadata, e);
		if (status == 0 && l->discard)
			status = jsonx_set(snapshot_pick(r.json, id, NULL), "status", "discarded");
		if (status == 0)
			status = delegation_save(&r, true, e);
		if (status == 0)
			lifecycle_note("snapshot", r.id, id, NULL,
				       l->discard ? "discarded" : "pending", NULL);
		delegation_close(&r, status == 0 ? "snapshot" : NULL);
	}
	json_decref(metadata);
	buf_free(&text);
	return status;
}

/* Ask the executor for the whole result; it holds what a lost stream could not bring. */
struct result {
	struct lend *l;
	struct jsplit *split;
};

static int
read_result(void *arg, const char *p, size_t n, struct err *e)
{
	struct result *r = arg;

	return jsplit_feed(r->split, p, n, e);
}

json_t *
follow_result(struct lend *l, bool archive, int *http, struct err *e)
{
	char url[4096];
	json_t *o = NULL;
	bool found;
	struct result r = {
	    l, jsplit_new(follow_archive, MESSAGE_MAX, archive ? follow_take : NULL, l, e)};

	const struct lend_request request = {.step = "result",
					     .url = lend_task_url(l, "result", url)};

	follow_drop(l);
	if (r.split != NULL && lend_send(l, &request, read_result, &r, http, e) == 0)
		o = jsplit_finish(r.split, &found, e);
	if (o == NULL)
		follow_drop(l);
	redact_json(o);
	jsplit_free(r.split);
	return o;
}

static bool
has_snapshot(const json_t *delegation)
{
	return json_array_size(delegation_snapshots(delegation)) > 0;
}

int
follow_fetch(struct lend *l, const json_t *done, struct err *e)
{
	const json_t *ids = event_snapshot_ids(done);
	const char *want = json_string_value(json_array_get(ids, 0));
	char made[ID_MAX + 1];
	struct record r;
	int http = 0;

	if (record_open(DELEGATIONS, l->id, false, &r, e) < 0) {
		record_close(&r);
		return -1;
	}
	bool have = has_snapshot(r.json);
	record_close(&r);
	if (have)
		return 0;
	json_t *o = follow_result(l, true, &http, e);
	if (o == NULL)
		return -1;
	int status = 0;
	if (l->received > 0) {
		if (event_snapshot_id(o)[0] != '\0')
			want = event_snapshot_id(o);
		if (want == NULL && id_make("snap_", 12, made, e) == 0)
			want = made;
		status = want == NULL ? -1 : follow_keep(l, want, o, e);
	} else if (want != NULL) {
		status = err_set(
		    e, ERR_TRANSPORT_ERROR,
		    "the executor is done but does not give the snapshot back (HTTP %d)", http);
	}
	follow_drop(l);
	json_decref(o);
	return status;
}
