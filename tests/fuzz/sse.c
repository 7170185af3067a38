/* A stream of events: however it is cut into pieces, the same is read. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "wire/sse.h"

static int
collect(void *arg, const char *p, size_t n, int last, struct err *e)
{
	struct buf *b = arg;

	PROMISE(!last || n == 0);
	return buf_add(b, last ? "\n" : p, last ? 1 : n, e);
}

static int
read_in_pieces(const struct fuzz_input *in, size_t piece, struct buf *out, char id[SSE_ID])
{
	struct sse_reader r = {.data = collect, .arg = out};
	struct err e;
	int status = 0;

	for (size_t at = 0; status == 0 && at < in->n; at += piece)
		status = sse_read(&r, (const char *)in->p + at,
				  in->n - at < piece ? in->n - at : piece, &e);
	memcpy(id, r.id, SSE_ID);
	PROMISE(memchr(id, '\0', SSE_ID) != NULL);
	return status;
}

static void *
work(void *arg)
{
	const struct fuzz_input *in = arg;
	struct buf whole = BUF_INIT(1 << 20), bytes = BUF_INIT(1 << 20);
	char one[SSE_ID], other[SSE_ID];

	int status = read_in_pieces(in, in->n + 1, &whole, one);
	PROMISE(read_in_pieces(in, 1 + in->p[in->n - 1] % 7U, &bytes, other) == status);
	PROMISE(whole.len == bytes.len &&
		(whole.len == 0 || memcmp(whole.data, bytes.data, whole.len) == 0));
	PROMISE(strcmp(one, other) == 0);
	buf_free(&whole);
	buf_free(&bytes);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	return n == 0 ? 0 : fuzz_in_thread(work, p, n);
}
