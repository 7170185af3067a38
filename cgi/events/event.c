#include "events/event.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "wire/message.h"

#define PIECE ((size_t)49152) /* bytes of an archive coded at a time; a multiple of 3 */
#define SMALL ((size_t)12288) /* bytes of an archive that may become part of the text; likewise */
#define HEAD 64               /* bytes of what goes before a line of the journal */

static const char before[] = ",\"snapshotBase64\":\"", after[] = "\"}\n\n";

void
event_directory(const struct event_source *s, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s/%s", home_path(), s->kind->collection, s->id);
}

static void
name_of(const struct event_source *s, char name[ID_MAX + 16])
{
	(void)snprintf(name, ID_MAX + 16, "%s/" EVENT_JOURNAL, s->id);
}

int
event_look(const struct event_source *s, struct event_file *f)
{
	char name[ID_MAX + 16];
	struct statx st;

	if (s->kind->file != NULL)
		return s->kind->file(s, f);
	name_of(s, name);
	if (statx(s->dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME | STATX_SIZE, &st) <
	    0)
		return -1;
	f->inode = st.stx_ino;
	f->born = (st.stx_mask & STATX_BTIME) != 0
		      ? (int64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec
		      : 0;
	f->size = (off_t)st.stx_size;
	return 0;
}

void
event_follow(struct event_position *p, const struct event_file *now)
{
	if (p->file.inode != 0 &&
	    (now->inode != p->file.inode || now->born != p->file.born || now->size < p->offset)) {
		p->offset = 0;
		p->seq = 0;
		p->skip = 0;
	}
	p->file = *now;
}

/* The archive's file that the line names. */
static int
open_archive(const struct event_source *s, const char *file, struct err *e)
{
	char path[2 * ID_MAX];

	if (file[0] == '.' || strchr(file, '/') != NULL)
		return err_set(e, ERR_BAD_DATA, "the journal names a file that is not its own");
	(void)snprintf(path, sizeof path, "%s/%.64s", s->id, file);
	return file_open_beneath(s->dirfd, path, O_RDONLY, 0, e);
}

/* A whole event. */
static int
put_event(struct event *v, const char *line, size_t n, struct err *e)
{
	if (v->seq > 0 && buf_printf(&v->text, e, "id: %" PRIu64 "\n", v->seq) < 0)
		return -1;
	if (buf_add(&v->text, "data: ", 6, e) < 0 || buf_add(&v->text, line, n, e) < 0)
		return -1;
	return buf_add(&v->text, "\n\n", 2, e);
}

/* One that ends where its archive begins. */
static int
put_snapshot(struct event *v, const struct event_source *s, json_t *o, struct err *e)
{
	v->archive = open_archive(s, jsonx_text(o, "snapshotFile", ""), e);
	(void)json_object_del(o, "snapshotFile");
	if (v->archive < 0 || buf_printf(&v->text, e, "id: %" PRIu64 "\ndata: ", v->seq) < 0 ||
	    jsonx_dump(o, &v->text, e) < 0)
		return -1;
	v->text.len--; /* the brace */
	return buf_add(&v->text, before, sizeof before - 1, e);
}

int
event_next(const struct event_source *s, struct journal *j, struct event *v, struct err *e)
{
	char name[ID_MAX + 16];

	if (s->kind->next != NULL)
		return s->kind->next(s, j, v, e);
	name_of(s, name);
	*v = (struct event){.archive = -1, .text = BUF_INIT(JOURNAL_LINE + HEAD)};
	int n = journal_next(j, s->dirfd, name, e);
	if (n <= 0)
		return n;
	v->seq = j->seq;
	json_t *o = jsonx_parse(j->line.data, j->line.len, e);
	if (o == NULL)
		return err_add(e, "%s, line %" PRIu64, name, j->seq);
	const char *type = jsonx_text(o, "type", "");
	v->last = s->kind->last_is_end && (strcmp(type, "done") == 0 || strcmp(type, "error") == 0);
	n = json_object_get(o, "snapshotFile") != NULL ? put_snapshot(v, s, o, e)
						       : put_event(v, j->line.data, j->line.len, e);
	json_decref(o);
	if (n < 0)
		event_free(v);
	return n < 0 ? -1 : 1;
}

bool
event_wanted(const struct event *v, const struct event_position *p)
{
	return (v->seq > p->skip || v->last) && v->text.len > 0;
}

bool
event_whole(struct event *v, size_t most)
{
	unsigned char bytes[SMALL + 1];
	char text[BASE64_LENGTH(SMALL)];
	struct err e;

	if (v->archive < 0)
		return v->text.len <= most;
	ssize_t n = file_read(v->archive, bytes, sizeof bytes, &e);
	size_t all = v->text.len + BASE64_LENGTH((size_t)(n > 0 ? n : 0)) + sizeof after - 1;
	if (n < 0 || (size_t)n > SMALL || all > most) {
		(void)lseek(v->archive, 0, SEEK_SET);
		return false;
	}
	size_t kept = v->text.len;
	if (buf_add(&v->text, text, base64_encode(bytes, (size_t)n, text), &e) < 0 ||
	    buf_add(&v->text, after, sizeof after - 1, &e) < 0) {
		v->text.len = kept;
		(void)lseek(v->archive, 0, SEEK_SET);
		return false;
	}
	file_close(v->archive);
	v->archive = -1;
	return true;
}

int
event_error(struct event *v, const char *id, const struct err *why)
{
	struct buf b = BUF_INIT(8192);
	struct err e;
	int status = -1;

	*v = (struct event){.archive = -1, .last = true, .text = BUF_INIT(8192 + HEAD)};
	json_t *event = message_event("error", id, &e);
	if (event != NULL && message_put_error(event, why, &e) == 0 &&
	    jsonx_dump(event, &b, &e) == 0)
		status = put_event(v, b.data, b.len, &e);
	buf_free(&b);
	json_decref(event);
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
