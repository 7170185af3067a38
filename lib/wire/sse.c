/*
 * Lines end with LF; a CR before it belongs to the end.  A CR elsewhere in a data line is data (and
 * to JSON it is white space), so one at the end of a piece waits for what follows it.
 */
#include "wire/sse.h"

#include <string.h>

enum state { START, DATA, DATA_CR, ID, SKIP };

/* The line has ended: what it was decides what happens. */
static int
end_line(struct sse_reader *r, struct err *e)
{
	enum state line = (enum state)r->state;

	r->state = START;
	if (line == DATA || line == DATA_CR) {
		r->at = 0;
		return r->data(r->arg, "", 0, 1, e);
	}
	size_t n = r->at;
	r->at = 0;
	if (n > 0 && r->field[n - 1] == '\r')
		n--;
	if (line == START && n == 0)
		r->id[0] = '\0'; /* an empty line: the next event begins */
	if (line != ID)
		return 0;
	const char *id = r->field;
	if (n > 0 && *id == ' ') {
		id++;
		n--;
	}
	if (n < SSE_ID && memchr(id, '\0', n) == NULL) {
		memcpy(r->id, id, n);
		r->id[n] = '\0';
	}
	return 0;
}

/* A byte of a line whose field is not known yet. */
static void
read_field(struct sse_reader *r, char c)
{
	static const struct {
		const char *prefix;
		size_t len;
		enum state state;
	} fields[] = {{"data: ", 6, DATA}, {"id:", 3, ID}};

	r->field[r->at++] = c;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (r->at > fields[i].len || memcmp(r->field, fields[i].prefix, r->at) != 0)
			continue;
		if (r->at == fields[i].len) {
			r->state = (int)fields[i].state;
			r->at = 0;
		}
		return;
	}
	/* A lone CR may still be the end of an empty line. */
	if (r->at > 1 || c != '\r')
		r->state = SKIP;
}

/* Pass on the ${n} bytes of a data line that are here; ${ended}: an LF follows them. */
static int
pass_data(struct sse_reader *r, const char *p, size_t n, bool ended, struct err *e)
{
	if (n == 0)
		return 0;
	if (r->state == DATA_CR && r->data(r->arg, "\r", 1, 0, e) < 0)
		return -1;
	r->state = DATA;
	if (p[n - 1] == '\r') {
		n--;
		if (!ended)
			r->state = DATA_CR;
	}
	return n > 0 ? r->data(r->arg, p, n, 0, e) : 0;
}

int
sse_read(struct sse_reader *r, const char *p, size_t n, struct err *e)
{
	const char *end = p + n;

	while (p < end) {
		if (r->state == START || r->state == ID) {
			char c = *p++;
			if (c == '\n') {
				if (end_line(r, e) < 0)
					return -1;
			} else if (r->state == START) {
				read_field(r, c);
			} else if (r->at < sizeof r->field) {
				r->field[r->at++] = c; /* an id that fills it is too long */
			}
			continue;
		}
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		const char *stop = lf != NULL ? lf : end;
		if (r->state != SKIP && pass_data(r, p, (size_t)(stop - p), lf != NULL, e) < 0)
			return -1;
		if (lf != NULL && end_line(r, e) < 0)
			return -1;
		p = lf != NULL ? lf + 1 : end;
	}
	return 0;
}
