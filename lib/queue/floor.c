#include "queue/private.h"

#include <errno.h>

#include "base/file.h"
#include "base/member.h"

#define FLOOR_MAX 4096 /* bytes of the file */

MEMBER_INTEGER(floor, segment, "segment", 1)
MEMBER_INTEGER(floor, version, "version", 0)
MEMBER_INTEGER(floor, tasks, "tasks", 0)

static int
parse_floor(const struct buf *b, struct queue_floor *f, struct err *e)
{
	json_t *o = jsonx_parse(b->data, b->len, e);

	if (o == NULL)
		return -1;
	*f = (struct queue_floor){(uint64_t)floor_segment(o), (uint64_t)floor_version(o),
				  (uint64_t)floor_tasks(o)};
	json_decref(o);
	return 0;
}

int
queue_floor_read(struct queue *q, struct queue_floor *f, struct err *e)
{
	struct buf b = BUF_INIT(FLOOR_MAX);
	int status;

	*f = (struct queue_floor){.segment = QUEUE_FIRST_ADDRESS / QUEUE_SEGMENT};
	if (file_slurp(q->dirfd, "retired", &b, e) < 0)
		status = errno == ENOENT ? 0 : -1; /* nothing was retired yet */
	else
		status = parse_floor(&b, f, e);
	buf_free(&b);
	return status < 0 ? err_add(e, "queue/%s/retired", q->name) : 0;
}

int
queue_floor_write(struct queue *q, const struct queue_floor *f, struct err *e)
{
	json_t *o = json_object();
	struct buf b = BUF_INIT(FLOOR_MAX);
	int status = -1;

	if (floor_set_segment(o, (int64_t)f->segment) < 0 ||
	    floor_set_version(o, (int64_t)f->version) < 0 ||
	    floor_set_tasks(o, (int64_t)f->count) < 0)
		err_memory(e);
	else if (jsonx_dump(o, &b, e) == 0 && buf_add(&b, "\n", 1, e) == 0)
		status = file_replace(q->dirfd, "retired", b.data, b.len, true, e);
	buf_free(&b);
	json_decref(o);
	return status;
}
