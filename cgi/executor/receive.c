#include "executor/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assignment/members.h"
#include "base/base64.h"
#include "base/file.h"
#include "config/home.h"
#include "http/caller.h"
#include "state/space.h"
#include "wire/jsplit.h"
#include "wire/members.h"
#include "wire/message.h"

#define PIECE ((size_t)65536) /* bytes read at a time */

static const char *const archive_path[] = {"transportHandle", "workspaceBase64", NULL};

struct spool {
	struct http *h;
	struct received *r;
	const struct assignment_policy *policy;
	uint64_t max;
	struct buf head;      /* the message as it came, up to the archive */
	bool begun;           /* the archive has */
	uint64_t begun_write; /* see file_write_behind */
	bool unwanted;        /* it is not one of a START: not kept */
	struct base64_decoder decoder;
	struct sha256 *hash;
	unsigned char *bytes; /* PIECE decoded */
};

/* What is known of the message when its archive begins: the head, with the string and the two
 * objects that are open closed.  NULL if that is not JSON. */
static json_t *
parse_head(struct spool *s)
{
	struct err ignored;
	char *text = s->head.data;
	size_t n = s->head.len;

	if (text == NULL)
		return NULL;
	/* It ends with the first bytes of the archive, or with its closing quote. */
	while (n > 0 && text[n - 1] != '"')
		n--;
	if (n < s->head.len) {
		s->head.len = n;
		if (buf_add(&s->head, "\"", 1, &ignored) < 0)
			return NULL;
	}
	if (buf_add(&s->head, "}}", 2, &ignored) < 0)
		return NULL;
	return jsonx_parse(s->head.data, s->head.len, &ignored);
}

/* The caller, as far as it is known by now: a long INVITE may name it. */
static const char *
owner_of(const struct spool *s)
{
	return caller_of(s->h)->owner;
}

/* How much more may ${owner} have here, whose token has ${limit}, or 0, for all that it has? */
static int
limit_disk(struct spool *s, const char *owner, long long limit, struct err *e)
{
	uint64_t held;

	if (limit <= 0)
		return 0;
	if (assignment_disk(owner, &held, e) < 0)
		return -1;
	uint64_t left = held < (uint64_t)limit ? (uint64_t)limit - held : 0;
	if (left < s->max)
		s->max = left;
	return 0;
}

/* How much may the caller send, as far as its token says? */
static int
limit_caller(struct spool *s, struct err *e)
{
	const struct token_limits *l = &caller_of(s->h)->token.limits;

	s->max = (uint64_t)assignment_limit(s->policy->max_archive, l->bytes);
	return owner_of(s) == NULL ? 0 : limit_disk(s, owner_of(s), l->disk, e);
}

/* Likewise for who shows no token: it is the one that came with the INVITE of ${record}. */
static int
limit_unnamed(struct spool *s, const json_t *record, struct err *e)
{
	struct token t;
	struct err ignored;

	if (owner_of(s) != NULL || token_reload(assignment_token(record), &t, &ignored) < 0)
		return 0;
	return limit_disk(s, assignment_owner(record), t.limits.disk, e);
}

/* Would ${id} take a START from this caller, and how large?  Asked before its archive is taken in.
 */
static int
may_start(struct spool *s, const char *id, struct err *e)
{
	struct record record;

	int status = -1;
	if (assignment_open(id, owner_of(s), false, &record, e) < 0 ||
	    assignment_startable(record.json, s->policy, e) < 0 ||
	    limit_unnamed(s, record.json, e) < 0)
		goto out;
	http_known(s->h); /* by the id, if not by a token */
	s->r->in_time = true;
	s->r->hold = assignment_hold_invite(&record);
	/* Near to where it will lie; if that fails, open_file sees why. */
	s->r->fd = openat(record.dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int64_t max = assignment_max_archive(record.json);
	if (max >= 0 && (uint64_t)max < s->max)
		s->max = (uint64_t)max;
	status = 0;
out:
	record_close(&record);
	return status;
}

static int
open_file(struct received *r, struct err *e)
{
	int tmpfd = home_dir("tmp", e);

	if (tmpfd < 0)
		return -1;
	if (r->fd >= 0)
		return 0;
	r->fd = openat(tmpfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (r->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return err_sys(e, "cannot create a file in tmp");
	/* A file system without O_TMPFILE (NFS). */
	if (id_make("receive-", 16, r->name, e) < 0)
		return -1;
	r->fd = openat(tmpfd, r->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (r->fd < 0) {
		r->name[0] = '\0';
		return err_sys(e, "cannot create a file in tmp");
	}
	return 0;
}

/* The archive begins: is it wanted, and from this caller? */
static int
begin_archive(struct spool *s, struct err *e)
{
	json_t *head = parse_head(s);

	s->begun = true;
	buf_free(&s->head);
	const char *type = message_kind(head);
	s->unwanted = type[0] != '\0' && strcmp(type, "START") != 0;
	if (!s->unwanted && id_valid(message_id(head)))
		(void)snprintf(s->r->id, sizeof s->r->id, "%s", message_id(head));
	json_decref(head);
	if (s->unwanted)
		return 0;
	if (limit_caller(s, e) < 0)
		return -1;
	if (s->r->id[0] != '\0') {
		if (may_start(s, s->r->id, e) < 0)
			return -1;
	} else if (owner_of(s) == NULL) {
		err_set(e, ERR_AUTH_FAILED, "who sends this is not known");
		return err_hint(e, "show a bearer token, or put delegationId before the archive");
	}
	return open_file(s->r, e);
}

static int
decode_piece(struct spool *s, const char *p, size_t n, struct err *e)
{
	size_t len = 0;

	/* An error is reported when the whole message is known, the id included. */
	if (base64_decode(&s->decoder, p, n, s->bytes, &len, &s->r->unusable) < 0)
		return 0;
	s->r->size += len;
	if (s->r->size > s->max) {
		err_set(e, ERR_WORKSPACE_TOO_LARGE, "the workspace is larger than %llu bytes",
			(unsigned long long)s->max);
		return err_hint(e, "leave files out, or have AWCP_MAX_ARCHIVE raised");
	}
	sha256_add(s->hash, s->bytes, len);
	/* Many may send at a time: each looks at what the others have left. */
	if (space_for(s->r->fd, len, 0, e) < 0 || file_write(s->r->fd, s->bytes, len, e) < 0)
		return -1;
	file_write_behind(s->r->fd, &s->begun_write, s->r->size);
	return 0;
}

static int
sink(void *arg, const char *p, size_t n, struct err *e)
{
	struct spool *s = arg;

	if (!s->begun && begin_archive(s, e) < 0)
		return -1;
	for (size_t at = 0; at < n && !s->unwanted && s->r->unusable.code == ERR_NONE; at += PIECE)
		if (decode_piece(s, p + at, n - at < PIECE ? n - at : PIECE, e) < 0)
			return -1;
	return 0;
}

/* Up to the archive, from quote to quote: so the head never goes beyond the archive's string. */
static int
feed_head(struct spool *s, struct jsplit *split, const char *p, size_t n, struct err *e)
{
	while (n > 0 && !s->begun) {
		const char *quote = memchr(p, '"', n);
		size_t piece = quote != NULL ? (size_t)(quote - p) + 1 : n;
		if (buf_add(&s->head, p, piece, e) < 0 || jsplit_feed(split, p, piece, e) < 0)
			return -1;
		p += piece;
		n -= piece;
	}
	return n > 0 ? jsplit_feed(split, p, n, e) : 0;
}

/* Does assignment ${id} wait for a START from this caller? */
static int
is_awaited(const struct spool *s, const char *id, struct err *e)
{
	struct record record;

	int status = assignment_open(id, owner_of(s), false, &record, e);
	if (status == 0)
		status = assignment_startable(record.json, s->policy, e);
	record_close(&record);
	return status;
}

/* As much was read as may be of somebody who is not known, and no archive that may come has begun.
 * What is whole of the message tells who it is, or else what to answer. */
static int
identify(struct spool *s, struct err *e)
{
	json_t *begun = s->head.len > 0 ? jsonx_parse_begun(s->head.data, s->head.len, e) : NULL;
	bool start = strcmp(message_kind(begun), "START") == 0;

	s->r->message = begun;
	if (start && id_valid(message_id(begun)) ? is_awaited(s, message_id(begun), e) < 0
						 : caller_from_invite(s->h, begun, e) < 0)
		return -1;
	http_known(s->h);
	s->r->message = NULL;
	json_decref(begun);
	return 0;
}

static int
read_message(struct http *h, struct spool *s, struct jsplit *split, struct err *e)
{
	ssize_t n;
	bool found;

	char *piece = malloc(PIECE);
	if (piece == NULL)
		return err_memory(e);
	while ((n = http_read(h, piece, PIECE, e)) > 0)
		if (feed_head(s, split, piece, (size_t)n, e) < 0 ||
		    (http_unknown(h) && identify(s, e) < 0))
			break;
	free(piece);
	if (n != 0)
		return -1;
	s->r->message = jsplit_finish(split, &found, e);
	if (s->r->message == NULL)
		return -1;
	if (s->r->unusable.code == ERR_NONE)
		(void)base64_finish(&s->decoder, &s->r->unusable);
	sha256_hex(s->hash, s->r->sha256);
	return 0;
}

int
receive(struct http *h, const struct assignment_policy *p, struct received *r, struct err *e)
{
	struct spool s = {.h = h, .r = r, .policy = p};
	int status = -1;

	*r = (struct received){.fd = -1, .hold = -1};
	s.max = UINT64_MAX;
	s.head = (struct buf)BUF_INIT(MESSAGE_MAX + 2 * PIECE);
	s.bytes = malloc(PIECE);
	s.hash = sha256_new(e);
	struct jsplit *split = jsplit_new(archive_path, MESSAGE_MAX, sink, &s, e);
	if (s.bytes == NULL)
		err_memory(e);
	else if (s.hash != NULL && split != NULL)
		status = read_message(h, &s, split, e);
	jsplit_free(split);
	sha256_free(s.hash);
	free(s.bytes);
	buf_free(&s.head);
	return status;
}

int
receive_beginning(struct http *h, struct received *r, struct err *e)
{
	struct buf b = BUF_INIT(PIECE);
	char piece[8192];
	ssize_t n = 1;

	*r = (struct received){.fd = -1, .hold = -1};
	while (!http_unknown(h) && (n = http_read(h, piece, sizeof piece, e)) > 0)
		if (buf_add(&b, piece, (size_t)n, e) < 0)
			break;
	if (n == 0 && b.len > 0)
		r->message = jsonx_parse(b.data, b.len, e);
	else if (n > 0)
		r->message = jsonx_parse_begun(b.data, b.len, e);
	buf_free(&b);
	return r->message == NULL ? -1 : 0;
}

int
received_name(struct received *r, struct err *e)
{
	char from[64];

	int tmpfd = home_dir("tmp", e);
	if (tmpfd < 0)
		return -1;
	/* An archive of no bytes never reached the sink. */
	if (r->fd < 0 && open_file(r, e) < 0)
		return -1;
	if (r->name[0] != '\0')
		return tmpfd;
	(void)snprintf(from, sizeof from, "/proc/self/fd/%d", r->fd);
	if (id_make("receive-", 16, r->name, e) < 0)
		return -1;
	if (linkat(AT_FDCWD, from, tmpfd, r->name, AT_SYMLINK_FOLLOW) < 0) {
		r->name[0] = '\0';
		return err_sys(e, "cannot name a workspace");
	}
	return tmpfd;
}

void
received_arrived(struct received *r)
{
	file_close(r->hold);
	r->hold = -1;
}

void
received_free(struct received *r)
{
	struct err ignored;

	if (r->name[0] != '\0') {
		int tmpfd = home_dir("tmp", &ignored);
		if (tmpfd >= 0)
			(void)unlinkat(tmpfd, r->name, 0); /* taken over: it is not there */
	}
	file_close(r->hold);
	file_close(r->fd);
	json_decref(r->message);
	*r = (struct received){.fd = -1, .hold = -1};
}
