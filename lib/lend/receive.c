/* The archives that come back, in a snapshot event or with /result. */
#include <string.h>

#include "base/file.h"
#include "lend/private.h"
#include "log/lifecycle.h"
#include "log/redact.h"
#include "process/in_child.h"
#include "state/room.h"
#include "wire/message.h"

#define PIECE (32 * 1024) /* of base64; a multiple of 4 */

const char *const lend_archive_member[] = {"snapshotBase64", NULL};

/* Write ${n} bytes at ${p}, decoded. */
static int
write_decoded(struct lend *l, const unsigned char *p, size_t n, struct err *e)
{
	l->received += n;
	if (l->received > (uint64_t)l->max_snapshot) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "a snapshot of more than %lld bytes",
			l->max_snapshot);
		return err_hint(e, "raise AWCP_MAX_SNAPSHOT if you want it");
	}
	if (l->discard)
		return 0;
	if (room_for(l->incoming.fd, n, 0, e) < 0 || file_write(l->incoming.fd, p, n, e) < 0)
		return err_add(e, "snapshot");
	file_write_behind(l->incoming.fd, &l->flushed, l->received);
	return 0;
}

int
lend_archive_write(void *arg, const char *p, size_t n, struct err *e)
{
	unsigned char raw[PIECE / 4 * 3 + 3];
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
		size_t step = n < PIECE ? n : PIECE, len = 0;
		if (base64_decode(&l->decoder, p, step, raw, &len, e) < 0)
			return err_add(e, "snapshot");
		if (write_decoded(l, raw, len, e) < 0)
			return -1;
		p += step;
		n -= step;
	}
	lend_progress(l, "receiving", l->received, 0);
	return 0;
}

static int
keep_in_child(void *arg, struct buf *result, struct err *e)
{
	struct lend *l = arg;
	json_t *metadata = NULL;

	if (snapshot_store(&l->incoming, l->record, &metadata, e) < 0)
		return -1;
	return metadata == NULL ? 0 : jsonx_dump(metadata, result, e);
}

/* Put the archive that has arrived into its place as snapshot ${id}. */
static int
keep_archive(struct lend *l, const char *id, json_t **metadata, struct err *e)
{
	struct buf text = BUF_INIT(65536);

	if (!l->receiving)
		return 0;
	strcpy(l->incoming.id, id);
	int status = in_child(keep_in_child, l, &text, e);
	if (text.len > 0)
		*metadata = jsonx_parse_own(text.data, text.len, NULL);
	buf_free(&text);
	return status;
}

struct arrival {
	const char *id;
	const json_t *event;
	json_t *metadata;
	bool discard;
};

static int
add_snapshot(struct record *r, void *arg, struct err *e)
{
	const struct arrival *a = arg;

	if (snapshot_add(r, a->id, a->event, a->metadata, e) < 0)
		return -1;
	if (a->discard && snapshot_set_status(snapshot_pick(r->json, a->id, NULL), "discarded") < 0)
		return err_memory(e);
	r->hook = "snapshot";
	return 1;
}

int
lend_snapshot_store(struct lend *l, const char *id, const json_t *event, struct err *e)
{
	struct arrival a = {.id = id, .event = event, .discard = l->discard};

	if (!id_valid(id)) {
		lend_archive_abort(l);
		return err_set(e, ERR_BAD_MESSAGE, "a snapshot's id is not an id");
	}
	if (base64_finish(&l->decoder, e) < 0) {
		lend_archive_abort(l);
		return err_add(e, "snapshot %s", id);
	}
	int status = keep_archive(l, id, &a.metadata, e);
	lend_archive_abort(l);
	if (status < 0)
		goto out;
	if ((status = lend_change(l, add_snapshot, &a, true, e)) < 0)
		goto out;
	lifecycle_note("snapshot", l->id, id, NULL, l->discard ? "discarded" : "pending", NULL);
out:
	json_decref(a.metadata);
	return status;
}

static int
read_result(void *arg, const char *p, size_t n, struct err *e)
{
	return jsplit_feed(arg, p, n, e);
}

json_t *
lend_result(struct lend *l, bool archive, int *http, struct err *e)
{
	char url[4096];
	struct lend_request q = {.step = "result", .http.url = lend_task_url(l, "result", url)};
	json_t *o = NULL;
	bool found;

	lend_archive_abort(l);
	struct jsplit *split =
	    jsplit_new(lend_archive_member, MESSAGE_MAX, archive ? lend_archive_write : NULL, l, e);
	if (split != NULL && lend_send(l, &q, read_result, split, e) == 0)
		o = jsplit_finish(split, &found, e);
	*http = q.http.status;
	if (o == NULL)
		lend_archive_abort(l);
	redact_json(o);
	jsplit_free(split);
	return o;
}

/* The snapshot's id in ${result}, or else in ${done}, or else a new one in ${made}; NULL on
 * failure. */
static const char *
name_snapshot(const json_t *result, const char *done, char made[ID_MAX + 1], struct err *e)
{
	if (event_snapshot_id(result)[0] != '\0')
		return event_snapshot_id(result);
	if (done != NULL)
		return done;
	return id_make("snap_", 12, made, e) < 0 ? NULL : made;
}

int
lend_result_fetch(struct lend *l, const json_t *done, struct err *e)
{
	const char *wanted = json_string_value(json_array_get(event_snapshot_ids(done), 0));
	char made[ID_MAX + 1];
	int http = 0, status = 0;

	if (json_array_size(delegation_snapshots(l->record)) > 0)
		return 0;
	json_t *o = lend_result(l, true, &http, e);
	if (o == NULL)
		return -1;
	if (l->received > 0) {
		const char *id = name_snapshot(o, wanted, made, e);
		status = id == NULL ? -1 : lend_snapshot_store(l, id, o, e);
	} else if (wanted != NULL) {
		status = err_set(
		    e, ERR_TRANSPORT_ERROR,
		    "the executor is done but does not give the snapshot back (HTTP %d)", http);
	}
	lend_archive_abort(l);
	json_decref(o);
	return status;
}
