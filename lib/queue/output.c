/* queue/output - what the command of a task printed. */
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "queue/private.h"

int
queue_output(struct queue *q, uint64_t number, bool *over, struct err *e)
{
	char path[256], job[QUEUE_JOB_PATH];
	struct err why;

	*over = true;
	int homefd = home_open(e);
	json_t *task = homefd < 0 ? NULL : queue_show(q, number, e);
	if (task == NULL)
		return -1;
	*over = queue_state_ended(queue_task_state(task));
	const char *id = task_assignment(task);
	if (id != NULL && id_valid(id))
		(void)snprintf(path, sizeof path, "assignments/%s/output.log", id);
	else
		(void)snprintf(path, sizeof path, "%s/output.log", queue_job_path(q, number, job));
	json_decref(task);
	int fd = file_open_beneath(homefd, path, O_RDONLY, 0, &why);
	if (fd >= 0 || why.code != ERR_NOT_FOUND) {
		if (fd < 0 && e != NULL)
			*e = why;
		return fd;
	}
	err_set(e, ERR_NOT_FOUND, "task %s.%llu has printed nothing", q->name,
		(unsigned long long)number);
	return err_hint(e, "the output of what awcp-run(1) starts is kept");
}
