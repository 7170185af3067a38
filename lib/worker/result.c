/* What the command reports of its work, in the file that AWCP_RESULT names. */
#include "worker/workspace.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "log/redact.h"
#include "wire/members.h"

#define RESULT_MAX 65536 /* bytes of the file AWCP_RESULT */
#define HIGHLIGHTS 100
#define HIGHLIGHT_MAX 4096

/* Read the file that AWCP_RESULT named into ${b}.  The command made it, so it may be
 * anything: a link, a pipe, a terabyte. */
static int
read_report(const struct workspace *w, struct buf *b)
{
	char piece[4096];
	struct stat st;
	ssize_t n = -1;

	int fd = file_open_beneath(w->dirfd, "report/result.json", O_RDONLY | O_NONBLOCK, 0, NULL);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while ((n = file_read(fd, piece, sizeof piece, NULL)) > 0)
			if (buf_add(b, piece, (size_t)n, NULL) < 0) {
				n = -1;
				break;
			}
	file_close(fd);
	return n < 0 || b->data == NULL ? -1 : 0;
}

/* The strings of ${list} that are usable, as a new array; NULL if there are none. */
static json_t *
pick_highlights(const json_t *list)
{
	json_t *picked = json_array(), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_string(item) && json_string_length(item) <= HIGHLIGHT_MAX &&
		    json_array_size(picked) < HIGHLIGHTS)
			(void)json_array_append(picked, item); /* one that is missing is no harm */
	}
	if (json_array_size(picked) > 0)
		return picked;
	json_decref(picked);
	return NULL;
}

json_t *
workspace_result(const struct workspace *w, const char *fallback)
{
	struct buf b = BUF_INIT(RESULT_MAX);
	json_t *written = NULL, *result = json_object();

	if (read_report(w, &b) == 0)
		written = jsonx_parse(b.data, b.len, NULL);
	buf_free(&b);
	const char *summary = jsonx_string(written, event_summary_path(), RESULT_MAX, NULL);
	bool reported = summary != NULL && summary[0] != '\0';
	if (event_set_summary(result, reported ? summary : fallback) < 0) {
		json_decref(result);
		result = NULL;
	} else if (reported) {
		json_t *highlights = pick_highlights(event_highlights(written));
		if (highlights != NULL) /* out of memory: the summary will do */
			event_set_highlights(result, highlights);
		redact_json(result);
	}
	json_decref(written);
	return result;
}
