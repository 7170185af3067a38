/* Before the command and after it: what was received is unpacked, what there is then is packed. */
#include "execution.h"

#include <string.h>

#include "aside.h"
#include "jsonx.h"
#include "message.h"

/* Bytes of a snapshot's metadata as JSON, mostly paths. */
#define METADATA_MAX (MESSAGE_CHANGED * 6 * (PATH_MAX + 1) + 256)

static bool
wait_for(void *arg, int fd)
{
	return execution_wait(arg, fd);
}

static int
unpack_aside(void *arg, struct buf *result, struct err *e)
{
	struct workspace *w = arg;

	if (workspace_unpack(w, e) < 0)
		return -1;
	return buf_add(result, &w->compressed, sizeof w->compressed, e);
}

int
execution_unpack(struct execution *x, struct workspace *w, struct err *e)
{
	struct buf result = BUF_INIT(sizeof w->compressed);

	int status = aside_while(wait_for, x, unpack_aside, w, &result, e);
	if (status == 0)
		memcpy(&w->compressed, result.data, sizeof w->compressed);
	buf_free(&result);
	return status;
}

static int
collect_aside(void *arg, struct buf *result, struct err *e)
{
	struct pack_totals totals;
	json_t *changed = json_array();

	int status = workspace_collect(arg, &totals, changed, e);
	json_t *metadata =
	    json_pack("{sI sI so}", "fileCount", (json_int_t)totals.files, "totalBytes",
		      (json_int_t)totals.bytes, "changedFiles", changed);
	if (status == 0 && (status = buf_add(result, &totals, sizeof totals, e)) == 0)
		status = metadata == NULL ? err_memory(e) : jsonx_dump(metadata, result, e);
	json_decref(metadata);
	return status;
}

int
execution_collect(struct execution *x, const struct workspace *w, struct pack_totals *totals,
		  json_t **metadata, struct err *e)
{
	struct buf result = BUF_INIT(sizeof *totals + METADATA_MAX);

	*metadata = NULL;
	int status = aside_while(wait_for, x, collect_aside, (void *)(uintptr_t)w, &result, e);
	if (status == 0) {
		memcpy(totals, result.data, sizeof *totals);
		*metadata =
		    jsonx_parse(result.data + sizeof *totals, result.len - sizeof *totals, e);
	}
	buf_free(&result);
	return *metadata == NULL ? -1 : 0;
}
