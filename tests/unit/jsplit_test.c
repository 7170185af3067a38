/*
 * jsplit: what it makes of a text in pieces is compared with what the JSON library makes of the
 * whole, for good texts, for every text that one wrong byte makes of them, and for every split.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/jsonx.h"
#include "check.h"
#include "wire/jsplit.h"

static const char *const path[] = {"h", "b", NULL};

/* Texts with and without a string at h.b, in all the shapes in which it can be missed. */
static const char *const texts[] = {
    "{\"h\":{\"b\":\"QUJD\"}}",
    " {\n\t\"v\" : \"1\" , \"h\" :\r\n{ \"c\" : null, \"b\" : \"QUJD\" , \"x\" : [1] } } \n",
    "{\"b\":\"no\",\"h\":{\"h\":{\"b\":\"no\"},\"b\":\"yes\"},\"x\":{\"h\":{\"b\":\"no\"}}}",
    "{\"h\":[{\"b\":\"no\"}],\"x\":[\"h\",{\"h\":{\"b\":\"no\"}},\"b\",\"no\"]}",
    "{\"h\":[\"b\",\"no\"],\"hb\":{\"b\":\"no\"},\"\":{\"b\":\"no\"}}",
    "{\"h\":{\"bb\":\"no\",\"\":\"no\",\"B\":\"no\",\"c\":\"b\",\"b\":\"yes\"}}",
    "{\"\\u0068\":{\"\\u0062\":\"a\\/b\\u002B\\u002f\\\"\\\\\\n\\t\\r\\b\\f=\"}}",
    "{\"x\":\"\\\"h\\\":{\\\"b\\\":\\\"no\\\"}\\\\\",\"h\":{\"b\":\"\"}}",
    "{\"h\":{\"b\":1},\"x\":-1.5e+3,\"y\":[true,false,null]}",
    "{\"h\":{\"b\":{\"b\":\"no\"}}}",
    "{\"h\":{\"b\":[\"no\"],\"c\":{\"b\":\"no\"}}}",
    "{\"h\":\"b\",\"b\":\"no\"}",
    "{\"h\":null,\"t\":\"\303\244\\u00e4\\ud83d\\ude00\"}",
    "{\"h\":{},\"x\":{\"b\":\"no\"},\"y\":[[],{},[{}]]}",
    "{\"h\":{\"b\":\"one\"},\"h\":{\"c\":\"two\"}}",
    "{\"h\":{\"b\":\"one\",\"b\":\"two\"}}",
    "{\"h\":{\"b\":1,\"b\":\"two\"}}",
    "{\"h\":{\"b\":\"one\",\"\\u0062\":2}}",
    "{\"h\":{\"b\":\"one\"}}{\"h\":{\"b\":\"two\"}}",
    "{}",
    "[{\"h\":{\"b\":\"no\"}}]",
    "\"h\"",
    "",
};
#define TEXTS (sizeof texts / sizeof *texts)

static struct buf cut = BUF_INIT(1 << 20);

static int
collect(void *arg, const char *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n, e);
}

/* Feed ${text} in pieces that end at ${a} and ${b}; with ${a} > ${n} byte by byte. */
static json_t *
split(struct jsplit *s, const char *text, size_t n, size_t a, size_t b, bool *found, struct err *e)
{
	buf_clear(&cut);
	jsplit_reset(s);
	*found = false;
	if (a > n) {
		for (size_t i = 0; i < n; i++)
			if (jsplit_feed(s, text + i, 1, e) < 0)
				return NULL;
	} else if (jsplit_feed(s, text, a, e) < 0 || jsplit_feed(s, text + a, b - a, e) < 0 ||
		   jsplit_feed(s, text + b, n - b, e) < 0) {
		return NULL;
	}
	return jsplit_finish(s, found, e);
}

static bool
ascii(const char *s)
{
	while (*s > 0)
		s++;
	return *s == '\0';
}

/* What the whole is, by the JSON library: NULL if it must be refused; else the rest, and the string
 * in *${content}, or NULL if there is none. */
static json_t *
expect(const char *text, size_t n, char **content)
{
	json_t *o = jsonx_parse(text, n, NULL);
	json_t *h = json_object_get(o, "h"), *b = json_object_get(h, "b");

	*content = NULL;
	if (o != NULL &&
	    (!json_is_object(o) || (json_is_string(b) && !ascii(json_string_value(b))))) {
		json_decref(o);
		return NULL;
	}
	if (json_is_string(b)) {
		*content = strdup(json_string_value(b));
		(void)json_object_set_new(h, "b", json_string(""));
	}
	return o;
}

/* True if the split at ${a} and ${b} gives what ${want} and ${content} say. */
static bool
same(struct jsplit *s, const char *text, size_t n, size_t a, size_t b, json_t *want,
     const char *content)
{
	struct err e = {0};
	bool found, good;

	json_t *got = split(s, text, n, a, b, &found, &e);
	if (want == NULL)
		good = got == NULL && e.code == ERR_BAD_MESSAGE && e.message[0] != '\0';
	else
		good =
		    got != NULL && json_equal(got, want) && found == (content != NULL) &&
		    strcmp(cut.data != NULL ? cut.data : "", content != NULL ? content : "") == 0;
	json_decref(got);
	if (!good)
		(void)printf("# %.*s at %zu and %zu: %s\n", (int)n, text, a, b, e.message);
	return good;
}

static void
test_splits(struct jsplit *s)
{
	for (size_t i = 0; i < TEXTS; i++) {
		size_t n = strlen(texts[i]);
		char *content;
		json_t *want = expect(texts[i], n, &content);
		bool good = same(s, texts[i], n, SIZE_MAX, 0, want, content);
		for (size_t a = 0; good && a <= n; a++)
			for (size_t b = a; good && b <= n; b++)
				good = same(s, texts[i], n, a, b, want, content);
		CHECK(good, "text %zu is read right in every split", i);
		json_decref(want);
		free(content);
	}
}

/* Compare for one text in three ways: whole, by bytes, and split where it was changed. */
static unsigned
differs(struct jsplit *s, const char *text, size_t n, size_t at)
{
	char *content;
	json_t *want = expect(text, n, &content);
	unsigned wrong = 0;

	wrong += !same(s, text, n, n, n, want, content);
	wrong += !same(s, text, n, SIZE_MAX, 0, want, content);
	wrong += !same(s, text, n, at, at < n ? at + 1 : n, want, content);
	json_decref(want);
	free(content);
	return wrong;
}

static void
test_wrong_bytes(struct jsplit *s)
{
	static const char wrong_bytes[] = "\"\\{}[]:,hbu01 \n\001\177\200\303\377";

	for (size_t i = 0; i < TEXTS; i++) {
		size_t n = strlen(texts[i]);
		unsigned wrong = 0;
		char text[256];
		for (size_t at = 0; at < n; at++) {
			for (size_t k = 0; k < sizeof wrong_bytes; k++) { /* with the NUL */
				memcpy(text, texts[i], n);
				text[at] = wrong_bytes[k];
				wrong += differs(s, text, n, at);
				memcpy(text + at + 1, texts[i] + at, n - at);
				wrong += differs(s, text, n + 1, at);
			}
			memcpy(text, texts[i], n);
			memmove(text + at, text + at + 1, n - at - 1);
			wrong += differs(s, text, n - 1, at);
			wrong += differs(s, texts[i], at, at); /* it ends here */
		}
		CHECK(wrong == 0,
		      "text %zu with a byte changed, added, missing, or cut off (%u wrong)", i,
		      wrong);
	}
}

static int
feed(struct jsplit *s, const char *text, struct err *e)
{
	jsplit_reset(s);
	buf_clear(&cut);
	return jsplit_feed(s, text, strlen(text), e);
}

static void
test_messages(struct jsplit *s)
{
	struct err e;
	bool found = true;

	(void)feed(s, "{\"h\":{\"b\":\"QUJ", &e);
	CHECK(jsplit_finish(s, &found, &e) == NULL && e.code == ERR_BAD_MESSAGE && !found,
	      "a text that ends inside the string is refused");
	CHECK_STR(e.message, "the JSON ends early, inside \"b\"", "and the message says so");
	static const char *const bad[] = {
	    "\\u00e4", "\\u0100", "\\ud83d\\ude00", "\\u0000",  "\\x41", "\\u00",
	    "\\'",     "\n",      "\001",           "\303\244", "\377"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[64];
		(void)snprintf(text, sizeof text, "{\"h\":{\"b\":\"%s\"}}", bad[i]);
		e.code = ERR_NONE;
		CHECK(feed(s, text, &e) == -1 && e.code == ERR_BAD_MESSAGE,
		      "bad content %zu of the string is refused at once", i);
	}
	CHECK(feed(s, "{\"h\":{\"b\":\"\",\"b\":\"", &e) == -1,
	      "the string twice is refused at once");
	CHECK_STR(e.message, "\"b\" is there twice", "and the message says which");
	CHECK(feed(s, "<html>", &e) == -1 && e.code == ERR_BAD_MESSAGE, "HTML is refused at once");
}

static void
test_depth(struct jsplit *s)
{
	char text[256];
	struct err e;
	bool found;

	for (size_t deep = 63; deep <= 65; deep++) {
		(void)strcpy(text, "{\"x\":");
		memset(text + 5, '[', deep - 1);
		memset(text + 5 + deep - 1, ']', deep - 1);
		(void)strcpy(text + 5 + 2 * (deep - 1), "}");
		json_t *o = feed(s, text, &e) == 0 ? jsplit_finish(s, &found, &e) : NULL;
		CHECK((o != NULL) == (deep <= 64), "%zu levels are %s", deep,
		      deep <= 64 ? "read" : "too many");
		json_decref(o);
	}
	CHECK(e.code == ERR_BAD_MESSAGE, "too many levels are a bad message");
}

static void
test_bound(void)
{
	const char text[] = "{\"h\":{\"b\":\"0123456789012345678901234567890123456789\"}}";
	struct jsplit *s = jsplit_new(path, 16, NULL, NULL, NULL);
	struct err e;
	bool found;

	CHECK(feed(s, text, &e) == 0, "the string does not count for the bound of the rest");
	json_t *o = jsplit_finish(s, &found, &e);
	CHECK(o != NULL && found, "without a sink the string is dropped");
	json_decref(o);
	CHECK(feed(s, "{\"h\":{\"b\":\"\"}   }", &e) == -1 && e.code == ERR_TOO_LARGE,
	      "a rest over the bound is too large");
	CHECK(feed(s, "{\"0123456789012345", &e) == -1 && e.code == ERR_TOO_LARGE,
	      "a key over the bound is too large");
	jsplit_free(s);
	jsplit_free(NULL);
}

static int
refuse(void *arg, const char *p, size_t n, struct err *e)
{
	(void)arg;
	return err_set(e, ERR_NO_SPACE, "no room for %.*s", (int)n, p);
}

static void
test_sink(void)
{
	struct jsplit *s = jsplit_new(path, 4096, refuse, NULL, NULL);
	struct err e;
	bool found;

	CHECK(feed(s, "{\"h\":{\"b\":\"QUJD", &e) == -1 && e.code == ERR_NO_SPACE,
	      "the sink's error comes out");
	CHECK_STR(e.message, "no room for QUJD", "unchanged");
	CHECK(jsplit_finish(s, &found, &e) == NULL, "and nothing can follow");
	jsplit_free(s);
}

/* Content of every kind that is longer than any inner buffer, in pieces of many sizes. */
static void
test_long(struct jsplit *s)
{
	static char text[200000], want[200000];
	struct err e;
	size_t n = (size_t)sprintf(text, "{\"h\":{\"b\":\""), w = 0;
	bool found;

	for (uint32_t x = 1; n < sizeof text - 6000; x = x * 1664525 + 1013904223) {
		size_t run = x >> 8 & 7 ? (x >> 16) % 90 : (x >> 16) % 5000;
		memset(text + n, 'A' + (int)(x >> 28), run);
		memset(want + w, 'A' + (int)(x >> 28), run);
		n += run;
		w += run;
		n += (size_t)sprintf(text + n, x >> 12 & 1 ? "\\/" : "\\u002f");
		want[w++] = '/';
	}
	n += (size_t)sprintf(text + n, "\"}}");
	for (size_t size = 1; size < n; size = size * 3 / 2 + 1) {
		jsplit_reset(s);
		buf_clear(&cut);
		int r = 0;
		for (size_t at = 0; r == 0 && at < n; at += size)
			r = jsplit_feed(s, text + at, n - at < size ? n - at : size, &e);
		json_t *o = r == 0 ? jsplit_finish(s, &found, &e) : NULL;
		CHECK(o != NULL && cut.len == w && memcmp(cut.data, want, w) == 0,
		      "a long string comes out of pieces of %zu bytes", size);
		json_decref(o);
	}
}

int
main(void)
{
	struct jsplit *s = jsplit_new(path, 4096, collect, &cut, NULL);

	test_splits(s);
	test_wrong_bytes(s);
	test_messages(s);
	test_depth(s);
	test_bound();
	test_sink();
	test_long(s);
	jsplit_free(s);
	buf_free(&cut);
	return check_end();
}
