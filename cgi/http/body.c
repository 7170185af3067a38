#include "http/body.h"

#include <string.h>
#include <strings.h>

#include "base/jsonx.h"
#include "base/text.h"

bool
body_is(const struct http *h, const char *type)
{
	const char *said = http_variable(h, "CONTENT_TYPE");
	size_t n = strlen(type);

	return said != NULL && strncasecmp(said, type, n) == 0 &&
	       (said[n] == '\0' || said[n] == ';' || said[n] == ' ');
}

json_t *
body_json(struct http *h, size_t max, bool optional, struct err *e)
{
	struct buf b = BUF_INIT(max);
	char piece[16384];
	json_t *o = NULL;
	ssize_t n;

	if (!optional && !body_is(h, "application/json"))
		goto other;
	while ((n = http_read(h, piece, sizeof piece, e)) > 0)
		if (buf_add(&b, piece, (size_t)n, e) < 0)
			break;
	if (n == 0 && b.len > 0 && !body_is(h, "application/json")) {
		buf_free(&b);
		goto other;
	}
	if (n == 0 && b.len == 0 && optional)
		o = json_object();
	else if (n == 0)
		o = jsonx_parse(b.data != NULL ? b.data : "", b.len, e);
	if (n == 0 && o == NULL)
		e->code = ERR_BAD_MESSAGE;
	buf_free(&b);
	return o;
other:
	err_set(e, ERR_BAD_MESSAGE, "the request is not JSON");
	err_hint(e, "send it with Content-Type: application/json");
	return NULL;
}

int
body_only(const json_t *o, const char *known, struct err *e)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)o, name, value) {
		if (text_lists(known, " ", name))
			continue;
		err_set(e, ERR_BAD_DATA, "there is no member %.40s here", name);
		return known[0] == '\0' ? -1 : err_hint(e, "there may be: %s", known);
	}
	return 0;
}
