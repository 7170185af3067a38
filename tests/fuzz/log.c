/* A line of a log, as it is read and as it is redacted: neither grows, and what is told is text. */
#include <string.h>

#include "fuzz.h"
#include "log/read.h"
#include "log/redact.h"

static void *
work(void *arg)
{
	const struct fuzz_input *in = arg;
	struct redact state = {0};
	char *line = malloc(in->n + 1);

	PROMISE(line != NULL);
	memcpy(line, in->p, in->n);
	line[in->n] = '\0';
	json_t *o = log_read_parse(line, "lifecycle");
	if (o != NULL)
		(void)log_read_about(o, "q.17", true);
	json_decref(o);
	size_t n = redact_line(&state, line, in->n, true);
	PROMISE(n <= in->n && redact_wait(&state, line, n) <= n);
	line[n] = '\0';
	redact_text(line);
	PROMISE(strlen(line) <= n);
	free(line);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	return fuzz_in_thread(work, p, n);
}
