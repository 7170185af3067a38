#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "buf.h"
#include "clock.h"
#include "file.h"
#include "home.h"
#include "id.h"
#include "journal.h"
#include "jsonx.h"
#include "message.h"
#include "watch.h"

#define KEEPALIVE_MS 30000
#define PIECE ((size_t)49152) /* bytes of an archive coded at a time; a multiple of 3 */

struct follower {
	struct http *h;
	const struct stream_kind *kind;
	const char *owner;
	int dirfd;              /* of the collection */
	char name[ID_MAX + 16]; /* of the journal beneath it */
	struct journal journal;
	uint64_t skip;  /* events up to this number are known to the peer */
	uint64_t inode; /* which file the journal is: a resume begins a new one */
	int64_t born;   /* its birth, ns */
	bool ended;     /* the last event was sent, or the peer is gone */
};

int
stream_archive(struct http *h, int fd, struct err *e)
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

static void
send_text(struct http *h, const char *text)
{
	(void)http_write(h, text, strlen(text));
}

/* Send one event.  ${archive} (or -1) becomes its member snapshotBase64. */
static int
send_event(struct http *h, uint64_t seq, const char *json, size_t n, int archive, struct err *e)
{
	char head[64];
	int status = 0;

	(void)snprintf(head, sizeof head, "id: %" PRIu64 "\ndata: ", seq);
	if (seq > 0)
		send_text(h, head);
	else
		send_text(h, "data: ");
	(void)http_write(h, json, archive < 0 ? n : n - 1);
	if (archive >= 0) {
		send_text(h, ",\"snapshotBase64\":\"");
		status = stream_archive(h, archive, e);
		send_text(h, "\"}");
	}
	send_text(h, "\n\n");
	return status;
}

/* End the stream with an event of our own. */
static void
send_error(struct http *h, const struct err *why)
{
	struct buf b = BUF_INIT(8192);
	struct err e;

	json_t *event = message_event("error", http_id(h), &e);
	if (event != NULL && message_put_error(event, why, &e) == 0 &&
	    jsonx_dump(event, &b, &e) == 0)
		(void)send_event(h, 0, b.data, b.len, -1, &e);
	buf_free(&b);
	json_decref(event);
}

/* The snapshot's line names a file: send that in its place. */
static int
send_snapshot(struct follower *f, json_t *event, struct err *e)
{
	struct buf b = BUF_INIT(JOURNAL_LINE);
	char path[2 * ID_MAX];
	int status = -1;

	const char *file = jsonx_text(event, "snapshotFile", "");
	if (file[0] == '.' || strchr(file, '/') != NULL)
		return err_set(e, ERR_BAD_DATA, "the journal names a file that is not its own");
	(void)snprintf(path, sizeof path, "%s/%.64s", http_id(f->h), file);
	int fd = file_open_beneath(f->dirfd, path, O_RDONLY, 0, e);
	if (fd < 0)
		return -1;
	(void)json_object_del(event, "snapshotFile");
	if (jsonx_dump(event, &b, e) == 0)
		status = send_event(f->h, f->journal.seq, b.data, b.len, fd, e);
	buf_free(&b);
	file_close(fd);
	return status;
}

/* Send the line that was just read, if the peer does not know it. */
static int
send_line(struct follower *f, struct err *e)
{
	const struct buf *line = &f->journal.line;
	int status = 0;

	json_t *event = jsonx_parse(line->data, line->len, e);
	if (event == NULL)
		return err_add(e, "%s, line %" PRIu64, f->name, f->journal.seq);
	const char *type = jsonx_text(event, "type", "");
	bool last =
	    f->kind->last_is_end && (strcmp(type, "done") == 0 || strcmp(type, "error") == 0);
	if (f->journal.seq > f->skip || last) {
		if (json_object_get(event, "snapshotFile") != NULL)
			status = send_snapshot(f, event, e);
		else
			status = send_event(f->h, f->journal.seq, line->data, line->len, -1, e);
	}
	f->ended = last;
	json_decref(event);
	return status;
}

/* Begin at the first line again, if the journal is not the file that it was. */
static void
check_identity(struct follower *f)
{
	struct statx st;

	if (statx(f->dirfd, f->name, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME | STATX_SIZE,
		  &st) < 0)
		return; /* there is none yet, or none any more */
	int64_t born = (st.stx_mask & STATX_BTIME) != 0
			   ? (int64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec
			   : 0;
	if (f->inode != 0 &&
	    (st.stx_ino != f->inode || born != f->born || (off_t)st.stx_size < f->journal.offset)) {
		journal_close(&f->journal);
		journal_open(&f->journal);
		f->skip = 0;
	}
	f->inode = st.stx_ino;
	f->born = born;
}

/* Send what is new.  Leaves no file open and no buffer, for the wait may be long. */
static int
send_news(struct follower *f, struct err *e)
{
	int n = 0;

	check_identity(f);
	while (!f->ended && (n = journal_next(&f->journal, f->dirfd, f->name, e)) > 0)
		if (send_line(f, e) < 0)
			n = -1;
	file_close(f->journal.fd);
	f->journal.fd = -1;
	buf_free(&f->journal.line);
	if (http_flush(f->h) < 0)
		f->ended = true;
	return n < 0 ? -1 : 0;
}

/* Send what there is, and what comes, up to the end. */
static int
follow(struct follower *f, struct watch *w, struct err *e)
{
	bool looked = false, over = false;
	int64_t next = clock_steady() + KEEPALIVE_MS;

	for (;;) {
		if (send_news(f, e) < 0)
			return -1;
		if (f->ended || over)
			return 0;
		if (!looked) {
			/* It reads the record: as rarely as the kind allows. */
			if (f->kind->look(http_id(f->h), f->owner, &over, e) < 0)
				return -1;
			looked = true;
			continue; /* what was told before the look is here now */
		}
		int64_t left = next - clock_steady();
		if (!f->kind->last_is_end && left > WATCH_POLL_MS)
			left = WATCH_POLL_MS;
		int why = watch_wait(w, http_peer(f->h), left > 0 ? (int)left : 0);
		if (why == 2)
			return 0;
		looked = f->kind->last_is_end;
		if (clock_steady() >= next) {
			send_text(f->h, ": keepalive\n\n");
			next = clock_steady() + KEEPALIVE_MS;
			looked = false;
		}
	}
}

/* How many events a journal has. */
static int
count_events(struct follower *f, uint64_t *count, struct err *e)
{
	struct journal j;
	int n;

	journal_open(&j);
	while ((n = journal_next(&j, f->dirfd, f->name, e)) > 0)
		continue;
	*count = j.seq;
	journal_close(&j);
	return n;
}

/* Where the peer left off: Last-Event-ID. */
static int
find_start(struct follower *f, bool over, struct err *e)
{
	const char *last = http_variable(f->h, "HTTP_LAST_EVENT_ID");
	uint64_t count;

	if (count_events(f, &count, e) < 0)
		return -1;
	if (last != NULL && last[0] >= '0' && last[0] <= '9')
		f->skip = strtoumax(last, NULL, 10);
	else if (over && f->kind->last_is_end && count > 0)
		f->skip = count - 1;
	/* A number that was never given is one of an earlier run. */
	if (f->skip > count)
		f->skip = 0;
	return 0;
}

static int
open_follower(struct follower *f, struct watch **w, struct err *e)
{
	char path[8192];
	bool over;

	if (f->kind->look(http_id(f->h), f->owner, &over, e) < 0)
		return -1;
	f->dirfd = home_dir(f->kind->collection, e);
	if (f->dirfd < 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/%s/%s", home_path(), f->kind->collection,
		       http_id(f->h));
	*w = watch_open(path, e); /* before the journal is read: nothing is missed */
	if (*w == NULL || find_start(f, over, e) < 0)
		return -1;
	return over ? 0 : http_park(f->h, e);
}

static void
begin_stream(struct http *h)
{
	http_begin(h, 200, "text/event-stream",
		   "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
	send_text(h, ": events\n\n");
	(void)http_flush(h);
}

void
stream_error(struct http *h, const struct err *why)
{
	begin_stream(h);
	send_error(h, why);
}

int
stream_events(struct http *h, const struct stream_kind *k, const char *owner, struct err *e)
{
	struct follower f = {.h = h, .kind = k, .owner = owner, .dirfd = -1};
	struct watch *w = NULL;

	(void)snprintf(f.name, sizeof f.name, "%s/events.ndjson", http_id(h));
	journal_open(&f.journal);
	int status = http_drain(h, 4096, e);
	if (status == 0)
		status = open_follower(&f, &w, e);
	if (status == 0) {
		begin_stream(h);
		if (follow(&f, w, e) < 0) {
			http_log("events: %s", e->message);
			if (e->code != ERR_NOT_FOUND)
				(void)err_set(e, e->code, "the server cannot read what happened");
			send_error(h, e);
		}
	}
	watch_close(w);
	journal_close(&f.journal);
	return status;
}
