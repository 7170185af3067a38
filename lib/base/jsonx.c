#include "base/jsonx.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/surrogate.h"
#include "base/utf8.h"

#define SPARE                                                                              \
	((size_t)512 * 1024) /* bytes, which cost nothing as long as nobody writes to them \
			      */

/* jansson says of a text that it had no memory for that its syntax is wrong, and may not survive
 * it.  So it gets the spare memory to come to its end with, and the text is not used. */
static _Thread_local bool short_of_memory;
static void *_Atomic spare;

static void *
allocate(size_t n)
{
	void *p = malloc(n);

	if (p != NULL)
		return p;
	short_of_memory = true;
	free(atomic_exchange(&spare, NULL));
	return malloc(n);
}

static void
have_spare(void)
{
	if (spare == NULL)
		free(atomic_exchange(&spare, malloc(SPARE)));
}

/* Before there are threads. */
__attribute__((constructor)) static void
notice_lack_of_memory(void)
{
	json_set_alloc_funcs(allocate, free);
	have_spare();
}

/* What is seen of a text before it is parsed. */
struct shape {
	unsigned depth; /* containers that are open */
	bool deep;      /* there were too many */
	size_t whole;   /* where the last comma between members of the outermost one is, or 0 */
};

/* Look at the ${n} bytes at ${p}, in which containers may lie inside each other ${max} deep:
 * whatever works on JSON calls itself for each, and a stack has an end.  Up to the first byte that
 * is not JSON this sees the same strings and brackets as a parser. */
static struct shape
look_at(const char *p, size_t n, unsigned max)
{
	struct shape s = {.depth = 0};
	bool string = false;

	for (size_t i = 0; i < n && !s.deep; i++) {
		char c = p[i];
		if (string) {
			i += c == '\\';
			string = c != '"';
		} else if (c == '"') {
			string = true;
		} else if (c == '{' || c == '[') {
			s.deep = s.depth++ == max;
		} else if (c == '}' || c == ']') {
			s.depth -= s.depth > 0;
		} else if (c == ',' && s.depth == 1) {
			s.whole = i;
		}
	}
	return s;
}

static json_t *
load(const char *p, size_t n, size_t flags, json_error_t *why)
{
	return json_loadb(p, n, JSON_REJECT_DUPLICATES | flags, why);
}

/* Every text becomes JSON here. */
static json_t *
parse(const char *p, size_t n, unsigned depth, size_t flags, struct err *e)
{
	json_error_t why;

	if (look_at(p, n, depth).deep) {
		err_set(e, ERR_BAD_MESSAGE, "the JSON is nested too deep");
		err_hint(e, "%u objects and arrays inside each other are the most", depth);
		return NULL;
	}
	short_of_memory = false;
	json_t *o = load(p, n, flags, &why);
	char *mended = NULL;
	if (o == NULL && !short_of_memory)
		short_of_memory = surrogate_mend(p, n, &mended) < 0;
	if (mended != NULL) {
		o = load(mended, n, flags, &why);
		free(mended);
	}
	if (short_of_memory) {
		json_decref(o);
		have_spare();
		err_memory(e);
		return NULL;
	}
	if (o == NULL)
		err_set(e, ERR_BAD_MESSAGE, "not JSON: %s (line %d, column %d)", why.text, why.line,
			why.column);
	return o;
}

static json_t *
parse_object(const char *p, size_t n, unsigned depth, struct err *e)
{
	json_t *o = parse(p, n, depth, 0, e);

	if (o != NULL && !json_is_object(o)) {
		json_decref(o);
		err_set(e, ERR_BAD_MESSAGE, "not a JSON object");
		return NULL;
	}
	return o;
}

json_t *
jsonx_parse(const char *p, size_t n, struct err *e)
{
	return parse_object(p, n, JSONX_DEPTH, e);
}

json_t *
jsonx_parse_any(const char *p, size_t n, struct err *e)
{
	return parse(p, n, JSONX_DEPTH, JSON_DECODE_ANY, e);
}

json_t *
jsonx_parse_begun(const char *p, size_t n, struct err *e)
{
	size_t whole = look_at(p, n, JSONX_DEPTH).whole;
	struct buf b = BUF_INIT(whole + 2);
	json_t *o = NULL;

	/* Without a comma nothing is known to be whole. */
	if (buf_add(&b, whole > 0 ? p : "{", whole > 0 ? whole : 1, e) == 0 &&
	    buf_add(&b, "}", 1, e) == 0)
		o = jsonx_parse(b.data, b.len, e);
	buf_free(&b);
	return o;
}

json_t *
jsonx_parse_own(const char *p, size_t n, struct err *e)
{
	return parse_object(p, n, JSONX_DEPTH + JSONX_AROUND, e);
}

json_t *
jsonx_at(const json_t *o, const char *path)
{
	char name[64];

	for (;;) {
		size_t n = strcspn(path, ".");
		if (n >= sizeof name)
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		json_t *member = json_object_get(o, name);
		if (member == NULL || path[n] == '\0')
			return member;
		o = member;
		path += n + 1;
	}
}

const char *
jsonx_string(const json_t *o, const char *path, size_t max, struct err *e)
{
	json_t *s = jsonx_at(o, path);

	if (s == NULL)
		err_set(e, ERR_BAD_MESSAGE, "%s is missing", path);
	else if (!json_is_string(s))
		err_set(e, ERR_BAD_MESSAGE, "%s must be a string", path);
	else if (json_string_length(s) > max)
		err_set(e, ERR_TOO_LARGE, "%s is longer than %zu bytes", path, max);
	else if (strlen(json_string_value(s)) != json_string_length(s))
		err_set(e, ERR_BAD_MESSAGE, "%s has a NUL in it", path);
	else
		return json_string_value(s);
	return NULL;
}

const char *
jsonx_text(const json_t *o, const char *path, const char *fallback)
{
	const char *s = json_string_value(jsonx_at(o, path));

	return s != NULL ? s : fallback;
}

/* A real that a double holds to the unit. */
static bool
real_fits(const json_t *n)
{
	return json_is_real(n) && json_real_value(n) < 9e15 && json_real_value(n) > -9e15;
}

int
jsonx_whole(const json_t *o, const char *path, int64_t low, int64_t high, int64_t *value,
	    struct err *e)
{
	const json_t *n = jsonx_at(o, path);

	if (n == NULL)
		return err_set(e, ERR_BAD_MESSAGE, "%s is missing", path);
	if (!json_is_integer(n) && !real_fits(n))
		return err_set(e, ERR_BAD_MESSAGE, "%s must be a number", path);
	*value = json_is_integer(n) ? json_integer_value(n) : (int64_t)json_real_value(n);
	if (*value < low || *value > high)
		return err_set(e, ERR_BAD_MESSAGE, "%s must be between %lld and %lld", path,
			       (long long)low, (long long)high);
	return 0;
}

int
jsonx_integer(const json_t *o, const char *path, int64_t low, int64_t high, int64_t *value,
	      struct err *e)
{
	const json_t *n = jsonx_at(o, path);
	bool whole = json_is_integer(n) ||
		     (real_fits(n) && (double)(int64_t)json_real_value(n) == json_real_value(n));

	if (n != NULL && !whole)
		return err_set(e, ERR_BAD_MESSAGE, "%s must be a whole number", path);
	return jsonx_whole(o, path, low, high, value, e);
}

int64_t
jsonx_number(const json_t *o, const char *path, int64_t fallback)
{
	json_t *n = jsonx_at(o, path);

	if (json_is_integer(n))
		return json_integer_value(n);
	if (real_fits(n))
		return (int64_t)json_real_value(n);
	return fallback;
}

json_t *
jsonx_new_text(const char *s)
{
	json_t *o = json_string(s);
	struct err e;
	uint32_t c;

	if (o != NULL)
		return o;
	struct buf b = BUF_INIT(3 * strlen(s) + 1);
	while (*s != '\0') {
		size_t n = utf8_decode(s, &c);
		if (buf_add(&b, n > 0 ? s : "\xef\xbf\xbd", n > 0 ? n : 3, &e) < 0)
			break;
		s += n > 0 ? n : 1;
	}
	if (b.data != NULL)
		o = json_stringn(b.data, b.len);
	buf_free(&b);
	return o;
}

int
jsonx_set(json_t *o, const char *key, const char *s)
{
	if (s == NULL) {
		(void)json_object_del(o, key); /* it may not be there */
		return 0;
	}
	return json_object_set_new(o, key, jsonx_new_text(s));
}

/* The object that the last name of ${path} is in, and that name; objects on the way are made. */
static json_t *
parent_of(json_t *o, const char **path)
{
	char name[64];
	size_t n;

	while ((*path)[n = strcspn(*path, ".")] != '\0') {
		if (n >= sizeof name)
			return NULL;
		memcpy(name, *path, n);
		name[n] = '\0';
		json_t *inner = json_object_get(o, name);
		if (!json_is_object(inner)) {
			inner = json_object();
			if (json_object_set_new(o, name, inner) < 0)
				return NULL;
		}
		o = inner;
		*path += n + 1;
	}
	return o;
}

int
jsonx_put(json_t *o, const char *path, json_t *value)
{
	json_t *parent = value == NULL ? NULL : parent_of(o, &path);

	if (parent == NULL) {
		json_decref(value);
		return -1;
	}
	return json_object_set_new(parent, path, value);
}

void
jsonx_drop(json_t *o, const char *path)
{
	const char *name = strrchr(path, '.');

	if (jsonx_at(o, path) != NULL) /* so what is on the way is there */
		(void)json_object_del(parent_of(o, &path), name == NULL ? path : name + 1);
}

int
jsonx_append(json_t *o, const char *s)
{
	return json_array_append_new(o, jsonx_new_text(s));
}

bool
jsonx_lists(const json_t *list, const char *s)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), s) == 0)
			return true;
	return false;
}

struct dump {
	struct buf *to;
	struct err why;
};

static int
dump_piece(const char *p, size_t n, void *arg)
{
	struct dump *d = arg;

	return buf_add(d->to, p, n, &d->why);
}

int
jsonx_dump(const json_t *o, struct buf *b, struct err *e)
{
	struct dump d = {.to = b, .why = {.code = ERR_INTERNAL}};

	if (json_dump_callback(o, dump_piece, &d, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return 0;
	if (d.why.code != ERR_TOO_LARGE)
		return err_memory(e);
	return err_set(e, ERR_TOO_LARGE, "cannot write JSON: more than %zu bytes", b->max);
}

json_t *
jsonx_load(int dirfd, const char *name, size_t max, struct err *e)
{
	struct buf b = BUF_INIT(max);
	json_t *o = NULL;

	errno = 0;
	if (file_slurp(dirfd, name, &b, e) == 0) {
		o = jsonx_parse_own(b.data, b.len, e);
		errno = o == NULL ? EBADMSG : 0; /* or ENOMEM, which nobody asks for */
	}
	buf_free(&b);
	return o;
}

int
jsonx_save(int dirfd, const char *name, const json_t *o, size_t max, bool durable, struct err *e)
{
	struct buf b = BUF_INIT(max);
	int status = -1;

	if (jsonx_dump(o, &b, e) == 0 && buf_add(&b, "\n", 1, e) == 0)
		status = file_replace(dirfd, name, b.data, b.len, durable, e);
	buf_free(&b);
	return status;
}
