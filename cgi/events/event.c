#include "events/event.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "wire/members.h"
#include "wire/message.h"

#define PIECE ((size_t)49152) /* bytes of an archive coded at a time; a multiple of 3 */
#define SMALL ((size_t)12288) /* bytes of an archive that may become part of the text; likewise */
#define HEAD 64               /* bytes of an event beside its entry */

static const char before[] = ",\"snapshotBase64\":\"", after[] = "\"}\n\n";

/* The archive's file that ${entry} names. */
static int
open_archive(const struct feed *f, const json_t *entry, struct err *e)
{
	char path[2 * ID_MAX];
	const char *file = event_snapshot_file(entry);

	if (file[0] == '.' || strchr(file, '/') != NULL)
		return err_set(e, ERR_BAD_DATA, "the journal names a file that is not its own");
	int dirfd = home_dir(f->collection, e);
	if (dirfd < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/%.64s", f->subject, file);
	return file_open_beneath(dirfd, path, O_RDONLY, 0, e);
}

/* A whole event. */
static int
put_event(struct event *v, const json_t *entry, struct err *e)
{
	if (v->seq > 0 && buf_printf(&v->text, e, "id: %" PRIu64 "\n", v->seq) < 0)
		return -1;
	if (buf_add(&v->text, "data: ", 6, e) < 0 || jsonx_dump(entry, &v->text, e) < 0)
		return -1;
	return buf_add(&v->text, "\n\n", 2, e);
}

/* One that ends where its archive begins. */
static int
put_snapshot(struct event *v, const struct feed *f, json_t *entry, struct err *e)
{
	v->archive = open_archive(f, entry, e);
	(void)event_set_snapshot_file(entry, NULL);
	if (v->archive < 0 || buf_printf(&v->text, e, "id: %" PRIu64 "\ndata: ", v->seq) < 0 ||
	    jsonx_dump(entry, &v->text, e) < 0)
		return -1;
	v->text.len--; /* the brace */
	return buf_add(&v->text, before, sizeof before - 1, e);
}

/* A whole event, or a short form of it if it is too large for a stream of this kind. */
static int
put_bounded(struct event *v, const struct stream_kind *k, const json_t *entry, struct err *e)
{
	if (put_event(v, entry, e) == 0)
		return 0;
	if (k->shorten == NULL || e->code != ERR_TOO_LARGE)
		return -1;
	json_t *o = k->shorten(entry);
	buf_clear(&v->text);
	int status = put_event(v, o, e);
	json_decref(o);
	return status;
}

int
event_next(struct feed_reader *r, const struct stream_kind *k, struct event *v, struct err *e)
{
	json_t *entry;
	int n = feed_next(r, &entry, e);

	if (n <= 0)
		return n;
	*v = (struct event){.seq = r->at.seq,
			    .archive = -1,
			    .text = BUF_INIT(k->shorten != NULL ? EVENT_LOOP : FEED_ENTRY + HEAD)};
	if (entry == NULL)
		return 1;
	v->last = k->last_is_end && feed_is_last(entry);
	bool names_archive = r->feed.kind == &feed_journal && event_snapshot_file(entry) != NULL;
	n = names_archive ? put_snapshot(v, &r->feed, entry, e) : put_bounded(v, k, entry, e);
	json_decref(entry);
	if (n < 0)
		event_free(v);
	return n < 0 ? -1 : 1;
}

bool
event_whole(struct event *v, size_t max)
{
	unsigned char bytes[SMALL + 1];
	char text[BASE64_LENGTH(SMALL)];
	struct err e;

	if (v->archive < 0)
		return v->text.len <= max;
	ssize_t n = file_read(v->archive, bytes, sizeof bytes, &e);
	if (n < 0 || (size_t)n > SMALL ||
	    v->text.len + BASE64_LENGTH((size_t)n) + sizeof after - 1 > max)
		return false;
	file_close(v->archive);
	v->archive = -1;
	return buf_add(&v->text, text, base64_encode(bytes, (size_t)n, text), &e) == 0 &&
	       buf_add(&v->text, after, sizeof after - 1, &e) == 0;
}

int
event_error(struct event *v, const char *id, const struct err *why)
{
	struct err e;
	int status = -1;

	*v = (struct event){.archive = -1, .last = true, .text = BUF_INIT(8192)};
	json_t *entry = message_error_event(id, why, &e);
	if (entry != NULL)
		status = put_event(v, entry, &e);
	json_decref(entry);
	return status;
}

int
event_archive(struct http *h, int fd, struct err *e)
{
	ssize_t n;

	unsigned char *bytes = malloc(PIECE);
	char *text = malloc(BASE64_LENGTH(PIECE));
	if (bytes == NULL || text == NULL) {
		n = err_memory(e);
		goto out;
	}
	while ((n = file_read(fd, bytes, PIECE, e)) > 0)
		if (http_write(h, text, base64_encode(bytes, (size_t)n, text)) < 0)
			break; /* gone: no failure of ours */
out:
	free(text);
	free(bytes);
	return n < 0 ? -1 : 0;
}

int
event_send(struct http *h, struct event *v, struct err *e)
{
	int status = 0;

	(void)http_write(h, v->text.data, v->text.len);
	if (v->archive >= 0) {
		status = event_archive(h, v->archive, e);
		/* Also after a failure: what follows is an event of its own. */
		(void)http_write(h, after, sizeof after - 1);
	}
	return status;
}

void
event_free(struct event *v)
{
	file_close(v->archive);
	v->archive = -1;
	buf_free(&v->text);
}
