/*
 * jsonx: how deep JSON may be, and that half of a thread's stack is enough for the deepest.
 */
#include "base/jsonx.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define HALF ((size_t)128 * 1024) /* of the stack of a thread of cgi/http/pool.c */

/* ${depth} containers inside each other around a 1, an object first: to be freed. */
static char *
nest(unsigned depth, bool arrays)
{
	char *text = malloc((size_t)depth * 6 + 2), *p = text;

	for (unsigned i = 0; i < depth; i++)
		p = stpcpy(p, arrays && i > 0 ? "[" : "{\"a\":");
	p = stpcpy(p, "1");
	for (unsigned i = depth; i > 0; i--)
		p = stpcpy(p, arrays && i > 1 ? "]" : "}");
	return text;
}

static bool
takes(json_t *(*parse)(const char *p, size_t n, struct err *e), unsigned depth, bool arrays)
{
	struct err e;
	char *text = nest(depth, arrays);
	json_t *o = parse(text, strlen(text), &e);
	bool taken = o != NULL;

	json_decref(o);
	free(text);
	return taken || e.code != ERR_BAD_MESSAGE || strstr(e.message, "too deep") == NULL;
}

static void
test_depth(void)
{
	static const unsigned far[] = {100, 2000, 2048, 2049, 1000000};
	const unsigned own = JSONX_DEPTH + JSONX_AROUND;

	for (int arrays = 0; arrays < 2; arrays++) {
		CHECK(takes(jsonx_parse, JSONX_DEPTH, arrays), "what a peer sends may be 64 deep");
		CHECK(!takes(jsonx_parse, JSONX_DEPTH + 1, arrays), "and no deeper");
		CHECK(takes(jsonx_parse_any, JSONX_DEPTH, arrays), "so may any value");
		CHECK(!takes(jsonx_parse_any, JSONX_DEPTH + 1, arrays), "and no deeper");
		CHECK(takes(jsonx_parse_own, own, arrays), "what is kept has room around that");
		CHECK(!takes(jsonx_parse_own, own + 1, arrays), "and an end, too");
		for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
			CHECK(!takes(jsonx_parse, far[i], arrays), "%u deep is refused", far[i]);
	}
}

/* Brackets in strings do not count, however they are quoted, and those side by side neither. */
static void
test_strings(void)
{
	static const char *const unit[] = {"\"[[[[{{{{\"", "\"\\\"[[[\\\\\"", "\"\\\\\\\"{{{\"",
					   "[]", "{\"[\":[]}"};
	struct err e;

	for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++) {
		char text[4096] = "{\"a\":[0";
		for (int n = 0; n < 200; n++)
			(void)strcat(strcat(text, ","), unit[i]);
		(void)strcat(text, "]}");
		json_t *o = jsonx_parse(text, strlen(text), &e);
		CHECK(o != NULL, "two hundred of %s are not deep", unit[i]);
		json_decref(o);
	}
	char broken[] = "{\"a\":\"\\";
	CHECK(jsonx_parse(broken, sizeof broken - 1, &e) == NULL,
	      "a text that ends in a backslash is refused");
}

/* Cut anywhere, what was whole by then is there, and nothing else. */
static void
test_begun(void)
{
	static const char text[] =
	    "{\"a\":\"x,}\\\",\",\"b\":{\"c\":[1,2],\"d\":3},\"e\":true,\"f\":\"long";
	struct err e;
	size_t most = 0;

	for (size_t n = 0; n < sizeof text; n++) {
		json_t *o = jsonx_parse_begun(text, n, &e);
		if (!CHECK(o != NULL && json_object_size(o) >= most, "cut at %zu it is an object",
			   n))
			continue;
		most = json_object_size(o);
		const json_t *b = json_object_get(o, "b");
		CHECK(b == NULL || json_object_size(b) == 2, "cut at %zu a member is whole", n);
		json_decref(o);
	}
	CHECK_INT(most, 3, "all that were whole are seen");
	CHECK(jsonx_parse_begun("[1,2,", 5, &e) == NULL, "what is no object is none");
}

/* All that is done to JSON by calling itself. */
static void *
use_deepest(void *text)
{
	struct err e;
	struct buf b = BUF_INIT(1 << 20);
	json_t *o = jsonx_parse_own(text, strlen(text), &e);
	json_t *copy = json_deep_copy(o);
	bool good = o != NULL && json_equal(o, copy) && jsonx_dump(copy, &b, &e) == 0;
	char *sorted = json_dumps(o, JSON_SORT_KEYS | JSON_INDENT(1));

	good = good && sorted != NULL && b.len > strlen(text) / 2;
	free(sorted);
	buf_free(&b);
	json_decref(copy);
	json_decref(o);
	return good ? text : NULL;
}

static void
test_stack(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	for (int arrays = 0; arrays < 2; arrays++) {
		void *good = NULL;
		char *text = nest(JSONX_DEPTH + JSONX_AROUND, arrays);
		(void)pthread_attr_init(&attributes);
		(void)pthread_attr_setstacksize(&attributes, HALF);
		if (pthread_create(&thread, &attributes, use_deepest, text) == 0)
			(void)pthread_join(thread, &good);
		(void)pthread_attr_destroy(&attributes);
		CHECK(good != NULL, "the deepest takes less than half of a thread's stack");
		free(text);
	}
}

int
main(void)
{
	test_depth();
	test_strings();
	test_begun();
	test_stack();
	return check_end();
}
