#include "wire/upload.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/jsonx.h"
#include "wire/message.h"
#include "base/sha256.h"

#define PIECE (48 * 1024) /* bytes of the archive at a time; a multiple of 3 */

struct upload {
	struct buf text; /* the message with the empty string */
	size_t split;    /* where the archive goes */
	size_t checksum; /* and where its checksum does */
	struct sha256 *hash;
	int fd;
	uint64_t size;
	uint64_t sent;     /* of the archive */
	size_t head, tail; /* of the text, before and after the split */
	char coded[BASE64_LENGTH(PIECE)];
	size_t begin, end; /* what of coded is not handed out yet */
	void (*progress)(void *arg, uint64_t done, uint64_t size);
	void *arg;
};

struct upload *
upload_new(const json_t *start, int fd, uint64_t size,
	   void (*progress)(void *arg, uint64_t done, uint64_t size), void *arg, struct err *e)
{
	static const char empty[] = "\"workspaceBase64\":\"\"";
	static const char sum[] = ",\"checksum\":\"" UPLOAD_CHECKSUM;
	struct upload *u = calloc(1, sizeof *u);

	if (u == NULL) {
		err_memory(e);
		return NULL;
	}
	*u = (struct upload){.text = BUF_INIT(MESSAGE_MAX),
			     .fd = fd,
			     .size = size,
			     .progress = progress,
			     .arg = arg};
	if ((u->hash = sha256_new(e)) == NULL || jsonx_dump(start, &u->text, e) < 0)
		goto err;
	const char *at = strstr(u->text.data, empty);
	if (at == NULL || strncmp(at + sizeof empty - 1, sum, sizeof sum - 1) != 0) {
		err_set(e, ERR_INTERNAL, "a START has no place for the archive");
		goto err;
	}
	u->split = (size_t)(at - u->text.data) + sizeof empty - 2;
	u->checksum = u->split + sizeof sum - (sizeof UPLOAD_CHECKSUM - 1);
	return u;
err:
	upload_free(u);
	return NULL;
}

/* All of the archive is hashed: fill in its checksum. */
static void
put_checksum(struct upload *u)
{
	char hex[SHA256_HEX];

	sha256_hex(u->hash, hex);
	memcpy(u->text.data + u->checksum, hex, sizeof hex - 1);
}

/* Encode the next piece of the archive. */
static int
refill(struct upload *u, struct err *e)
{
	unsigned char raw[PIECE];
	size_t want = u->size - u->sent < PIECE ? (size_t)(u->size - u->sent) : PIECE;
	size_t have = 0;

	while (have < want) {
		ssize_t n = pread(u->fd, raw + have, want - have, (off_t)(u->sent + have));
		if (n < 0)
			return err_sys(e, "cannot read the packed workspace");
		if (n == 0)
			return err_set(e, ERR_IO, "the packed workspace is shorter than it was");
		have += (size_t)n;
	}
	sha256_add(u->hash, raw, have);
	u->begin = 0;
	u->end = base64_encode(raw, have, u->coded);
	u->sent += have;
	if (u->sent == u->size)
		put_checksum(u);
	if (u->progress != NULL)
		u->progress(u->arg, u->sent, u->size);
	return 0;
}

static size_t
copy_some(char *to, size_t cap, const char *from, size_t n)
{
	if (n > cap)
		n = cap;
	memcpy(to, from, n);
	return n;
}

static ssize_t
read_body(void *arg, char *p, size_t n, struct err *e)
{
	struct upload *u = arg;
	size_t done = 0;

	while (done < n) {
		size_t got;
		if (u->head < u->split) {
			got = copy_some(p + done, n - done, u->text.data + u->head,
					u->split - u->head);
			u->head += got;
		} else if (u->begin < u->end) {
			got = copy_some(p + done, n - done, u->coded + u->begin, u->end - u->begin);
			u->begin += got;
		} else if (u->sent < u->size) {
			if (refill(u, e) < 0)
				return -1;
			continue;
		} else {
			size_t left = u->text.len - u->split - u->tail;
			got =
			    copy_some(p + done, n - done, u->text.data + u->split + u->tail, left);
			u->tail += got;
			if (got == 0)
				break;
		}
		done += got;
	}
	return (ssize_t)done;
}

struct client_body
upload_body(struct upload *u)
{
	u->sent = 0;
	u->head = u->tail = u->begin = u->end = 0;
	sha256_reset(u->hash);
	if (u->size == 0)
		put_checksum(u);
	return (struct client_body){read_body, u, u->text.len + BASE64_LENGTH(u->size)};
}

void
upload_free(struct upload *u)
{
	if (u == NULL)
		return;
	buf_free(&u->text);
	sha256_free(u->hash);
	free(u);
}
