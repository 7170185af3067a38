/* The archives that come back, in a snapshot event or with /result. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "lend/private.h"
#include "log/lifecycle.h"
#include "process/in_child.h"
#include "state/space.h"
#include "wire/message.h"

#define WITHHELD_TOLD 10  /* sentences */
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
	if (space_for(l->incoming.fd, n, 0, e) < 0 || file_write(l->incoming.fd, p, n, e) < 0)
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

/* What the executor says that it could not send back goes to *${metadata}, and is told. */
static int
keep_withheld(struct lend *l, const json_t *event, json_t **metadata, struct err *e)
{
	json_t *entry = json_object(), *list = json_array();
	char text[ERR_MESSAGE];
	const json_t *one;
	int status = 0;
	size_t i;

	json_array_foreach (event_withheld(event), i, one) {
		if (!json_is_string(one) || i >= MESSAGE_CHANGED)
			continue;
		(void)snprintf(text, sizeof text, "%s", json_string_value(one));
		text[text_trim(text, strlen(text))] = '\0';
		status |= jsonx_append(list, text);
		if (i < WITHHELD_TOLD)
			lend_note(l, "cannot come back, and stays here as it is: %s", text);
	}
	if (*metadata != NULL)
		status |= snapshot_set_metadata(entry, *metadata);
	if (json_array_size(list) > 0)
		status |= snapshot_set_withheld(entry, json_incref(list));
	*metadata = json_incref(snapshot_metadata(entry));
	json_decref(entry);
	json_decref(list);
	return status < 0 ? err_memory(e) : 0;
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
	if (status < 0 || (status = keep_withheld(l, event, &a.metadata, e)) < 0)
		goto out;
	if ((status = lend_change(l, add_snapshot, &a, true, e)) < 0)
		goto out;
	lifecycle_note("snapshot", l->id, id, NULL, l->discard ? "discarded" : "pending", NULL);
out:
	json_decref(a.metadata);
	return status;
}
