#include "executor/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "assignment/members.h"
#include "base/base64.h"
#include "http/caller.h"
#include "events/event.h"
#include "base/file.h"
#include "wire/members.h"
#include "http/log.h"

#define RESULT_MAX (1024 * 1024) /* bytes of a result without its archive */

/* The answer about a task that ended well; ${fd} (or -1) is its archive. */
static int
send_completed(struct http *h, json_t *o, const json_t *result, int fd, struct err *e)
{
	static const char before[] = ",\"snapshotBase64\":\"", after[] = "\"}";
	struct buf b = BUF_INIT(RESULT_MAX);
	struct stat st;
	char length[64];
	int status = -1;

	if (json_object_update(o, (json_t *)(uintptr_t)result) < 0) {
		err_memory(e);
		goto out;
	}
	if (jsonx_dump(o, &b, e) < 0)
		goto out;
	if (fd < 0) {
		http_json(h, 200, json_incref(o));
		status = 0;
		goto out;
	}
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot stat a result");
		goto out;
	}
	(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n",
		       b.len - 1 + sizeof before - 1 + BASE64_LENGTH((size_t)st.st_size) +
			   sizeof after - 1);
	http_begin(h, 200, "application/json; charset=utf-8", length);
	(void)http_write(h, b.data, b.len - 1);
	(void)http_write(h, before, sizeof before - 1);
	status = event_archive(h, fd, e);
	if (status == 0)
		(void)http_write(h, after, sizeof after - 1);
out:
	buf_free(&b);
	return status;
}

static int
send_result(struct http *h, struct record *r, struct err *e)
{
	const json_t *result = assignment_result(r->json);
	int status = -1;

	if (!assignment_ended(r->json)) {
		http_json(h, 200, json_pack("{ss}", "status", "running"));
		return 0;
	}
	json_t *o = json_pack("{ss ss}", "status", result != NULL ? "completed" : "error",
			      "completedAt", assignment_completed_at(r->json));
	if (o == NULL)
		return err_memory(e);
	if (result == NULL) {
		if (event_set_failure(o, json_incref(record_error(r->json))) < 0) {
			json_decref(o);
			return err_memory(e);
		}
		http_json(h, 200, o);
		return 0;
	}
	int fd = file_open_beneath(r->dirfd, "result.archive", O_RDONLY, 0, e);
	if (fd >= 0 || errno == ENOENT)
		status = send_completed(h, o, result, fd, e);
	file_close(fd);
	json_decref(o);
	return status;
}

void
result_answer(struct http *h, const char *owner)
{
	struct record r;
	struct err e;

	int status = assignment_open(http_id(h), owner, false, &r, &e);
	if (status < 0) {
		caller_hide(owner, &e);
		if (e.code == ERR_NOT_FOUND)
			http_fail_with(h, &e, json_pack("{ss}", "status", "not_found"));
		else
			http_fail(h, &e);
	} else if (send_result(h, &r, &e) < 0) {
		if (http_begun(h))
			http_log("result: %s", e.message);
		else
			http_fail(h, &e);
	}
	record_close(&r);
}
