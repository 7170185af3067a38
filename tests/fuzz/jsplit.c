/* The splitter: wherever the text is cut, the outcome is the same; what it takes is JSON. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "wire/jsplit.h"

struct outcome {
	json_t *rest; /* NULL: refused */
	bool found;
	struct buf cut;
};

static int
collect(void *arg, const char *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n, e);
}

static void
split(struct outcome *o, const char *p, size_t n, size_t piece)
{
	static const char *const path[] = {"h", "b", NULL};
	struct err e;
	int status = 0;

	*o = (struct outcome){.cut = BUF_INIT(1 << 20)};
	struct jsplit *s = jsplit_new(path, 1 << 16, collect, &o->cut, &e);
	PROMISE(s != NULL);
	for (size_t at = 0; at < n && status == 0; at += piece)
		status = jsplit_feed(s, p + at, n - at < piece ? n - at : piece, &e);
	if (status == 0)
		o->rest = jsplit_finish(s, &o->found, &e);
	jsplit_free(s);
}

static void
clear(struct outcome *o)
{
	json_decref(o->rest);
	buf_free(&o->cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct outcome whole, bytes;

	if (n > 1 << 16)
		return 0;
	split(&whole, (const char *)p, n, n + 1);
	split(&bytes, (const char *)p, n, n > 0 ? 1 + p[n - 1] % 7U : 1);
	PROMISE((whole.rest != NULL) == (bytes.rest != NULL));
	if (whole.rest != NULL) {
		PROMISE(whole.found == bytes.found && whole.cut.len == bytes.cut.len);
		PROMISE(whole.cut.len == 0 ||
			memcmp(whole.cut.data, bytes.cut.data, whole.cut.len) == 0);
		PROMISE(json_equal(whole.rest, bytes.rest));
		PROMISE(json_is_object(whole.rest));
	}
	clear(&whole);
	clear(&bytes);
	return 0;
}
