/* sse: every stream in every split gives the same events. */
#include <stdlib.h>

#include "base/buf.h"
#include "check.h"
#include "wire/sse.h"

static const struct {
	const char *stream;
	const char *events; /* "id=data;" for each; data that did not end has no ";" */
} streams[] = {
    {"data: {\"a\":1}\n\n", "={\"a\":1};"},
    {"data: one\n\ndata: two\n\n", "=one;=two;"},
    {"data: one\r\n\r\ndata: two\r\n\r\n", "=one;=two;"},
    {"data: one\ndata: two\n\n", "=one;=two;"},
    {": keepalive\n\ndata: x\n\n: keepalive\n\n", "=x;"},
    {"event: snapshot\nretry: 5\ndata: x\n\n", "=x;"},
    {"id: 7\ndata: x\n\ndata: y\n\n", "7=x;=y;"},
    {"id:7\r\ndata: x\r\n\r\nid: 8\r\ndata: y\r\n\r\n", "7=x;8=y;"},
    {"id: 7\nid\nid: \ndata: x\n\n", "=x;"},
    {"id: 7\n\ndata: x\n\n", "=x;"},
    {"id: 7\n: not the end of an event\ndata: x\n\n", "7=x;"},
    {"data:x\ndata\ndata :x\n data: x\nDATA: x\ndatax: y\nxdata: z\ni\nd\n", ""},
    {"data: \n\ndata:  x \n\n", "=;= x ;"},
    {"data: a\rb\r\r\nid: 1\rx\n", "=a\rb\r;"},
    {"data: unfinished", "=unfinished"},
    {"\n\n\r\n\r\ndata: x\n", "=x;"},
    {"id: 1\n\r\ndata: x\n", "=x;"},
    {"id: 1\n\rx\ndata: x\n", "1=x;"},
    {"id: 123456789012345678901234567890123456789012345678901234567890123\ndata: x\n",
     "123456789012345678901234567890123456789012345678901234567890123=x;"},
    {"id: 1234567890123456789012345678901234567890123456789012345678901234\ndata: x\n", "=x;"},
    {"id: 2\nid: 1234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "01234567890123456789012345678901234567890123456789012345678901234567890\ndata: x\n",
     "2=x;"},
};

struct seen {
	struct buf text;
	const struct sse_reader *r;
	bool inside;
};

static int
event(void *arg, const char *p, size_t n, int last, struct err *e)
{
	struct seen *seen = arg;

	if (!seen->inside && buf_printf(&seen->text, e, "%s=", seen->r->id) < 0)
		return -1;
	seen->inside = !last;
	if (last && n != 0)
		return err_set(e, ERR_INTERNAL, "the end came with bytes");
	return buf_add(&seen->text, last ? ";" : p, last ? 1 : n, e);
}

/* Read ${stream} in pieces that end at ${a} and ${b}, or by bytes with ${a} > ${n}. */
static bool
reads(const char *stream, size_t n, size_t a, size_t b, const char *want, struct seen *seen)
{
	struct sse_reader r = {.data = event, .arg = seen};
	struct err e;
	int bad = 0;

	buf_clear(&seen->text);
	seen->r = &r;
	seen->inside = false;
	if (a > n) {
		for (size_t i = 0; i < n; i++)
			bad |= sse_read(&r, stream + i, 1, &e);
	} else {
		bad |= sse_read(&r, stream, a, &e);
		bad |= sse_read(&r, stream + a, b - a, &e);
		bad |= sse_read(&r, stream + b, n - b, &e);
	}
	seen->r = NULL;
	const char *saw = seen->text.data != NULL ? seen->text.data : "";
	if (bad == 0 && strcmp(saw, want) == 0)
		return true;
	(void)printf("# at %zu and %zu saw %s\n", a, b, saw);
	return false;
}

static void
test_splits(void)
{
	struct seen seen = {.text = BUF_INIT(4096)};

	for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
		const char *stream = streams[i].stream, *want = streams[i].events;
		size_t n = strlen(stream);
		bool good = reads(stream, n, n + 1, 0, want, &seen);
		for (size_t a = 0; good && a <= n; a++)
			for (size_t b = a; good && b <= n; b++)
				good = reads(stream, n, a, b, want, &seen);
		CHECK(good, "stream %zu gives its events in every split", i);
	}
	CHECK(reads("id: a\0b\ndata: x\n", 16, 17, 0, "=x;", &seen), "an id with a NUL is no id");
	buf_free(&seen.text);
}

static int
refuse(void *arg, const char *p, size_t n, int last, struct err *e)
{
	int *left = arg;

	(void)p;
	(void)n;
	if ((*left)-- > 0)
		return 0;
	return err_set(e, ERR_CANCELLED, last ? "stopped at the end" : "stopped inside");
}

static void
test_stop(void)
{
	int left = 0;
	struct sse_reader r = {.data = refuse, .arg = &left};
	struct err e;

	CHECK(sse_read(&r, "data: x\n", 8, &e) == -1 && e.code == ERR_CANCELLED,
	      "the taker of events can stop the reader");
	CHECK_STR(e.message, "stopped inside", "and its error comes out unchanged");
	left = 1;
	r = (struct sse_reader){.data = refuse, .arg = &left};
	CHECK(sse_read(&r, "data: x\n", 8, &e) == -1, "it can stop at the end of an event, too");
	CHECK_STR(e.message, "stopped at the end", "and that error comes out unchanged");
}

int
main(void)
{
	test_splits();
	test_stop();
	return check_end();
}
