#include "queue/private.h"

#include <errno.h>

#define FLOOR_MAX 4096 /* bytes of the file */

MEMBER_INTEGER(floor, segment, "segment", 1)
MEMBER_INTEGER(floor, version, "version", 0)
MEMBER_INTEGER(floor, tasks, "tasks", 0)

int
queue_floor_read(struct queue *q, struct queue_floor *f, struct err *e)
{
	json_t *o = jsonx_load(q->dirfd, "retired", FLOOR_MAX, e);

	if (o == NULL && errno != ENOENT)
		return err_add(e, "queue/%s/retired", q->name);
	*f = (struct queue_floor){.segment = QUEUE_FIRST_ADDRESS / QUEUE_SEGMENT};
	if (o != NULL) /* else nothing was retired yet */
		*f = (struct queue_floor){(uint64_t)floor_segment(o), (uint64_t)floor_version(o),
					  (uint64_t)floor_tasks(o)};
	json_decref(o);
	return 0;
}

int
queue_floor_write(struct queue *q, const struct queue_floor *f, struct err *e)
{
	json_t *o = json_object();
	int status = -1;

	if (floor_set_segment(o, (int64_t)f->segment) < 0 ||
	    floor_set_version(o, (int64_t)f->version) < 0 ||
	    floor_set_tasks(o, (int64_t)f->count) < 0)
		err_memory(e);
	else
		status = jsonx_save(q->dirfd, "retired", o, FLOOR_MAX, true, e);
	json_decref(o);
	return status;
}
