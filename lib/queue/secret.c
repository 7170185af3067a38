#include "queue/private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "wire/members.h"
#include "wire/question.h"

static const char *
answer_file(uint64_t number, const char *id, char name[64])
{
	(void)snprintf(name, 64, "answers/%llu.%.*s", (unsigned long long)number, QUESTION_ID, id);
	return name;
}

int
queue_keep_secret(const struct queue *q, uint64_t number, const char *id, const char *answer,
		  struct err *e)
{
	char name[64];

	if (file_make_dirs(q->dirfd, "answers", e) < 0)
		return -1;
	int dirfd = file_open_dir(q->dirfd, "answers", e);
	if (dirfd < 0)
		return -1;
	int status = file_replace(dirfd, strchr(answer_file(number, id, name), '/') + 1, answer,
				  strlen(answer), true, e);
	file_close(dirfd);
	return status;
}

int
queue_take_secret(const struct queue *q, uint64_t number, json_t *question, struct err *e)
{
	struct buf text = BUF_INIT(QUESTION_ANSWER);
	char name[64];

	answer_file(number, question_id(question), name);
	int status = file_slurp(q->dirfd, name, &text, e);
	if (status < 0)
		status = err_add(e, "the answer is not there any more");
	else if (question_set_answer(question, text.data != NULL ? text.data : "") < 0)
		status = err_memory(e);
	else
		(void)unlinkat(q->dirfd, name, 0); /* else the end of the attempt does it */
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	buf_free(&text);
	return status;
}

void
queue_drop_secrets(const struct queue *q, const json_t *task)
{
	char begin[32];

	if (task_asked(task) == 0)
		return;
	/* By the task's number, whatever its record still says of its questions. */
	int n = snprintf(begin, sizeof begin, "%lld.", (long long)task_number(task));
	DIR *dir = file_list(q->dirfd, "answers");
	for (const char *name; (name = file_next(&dir)) != NULL;)
		if (strncmp(name, begin, (size_t)n) == 0)
			(void)unlinkat(dirfd(dir), name, 0);
}
