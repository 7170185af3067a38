#include "prompt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "base/file.h"
#include "base/text.h"
#include "base/utf8.h"

static int
check_prompt(const char *what, const struct buf *b, struct err *e)
{
	if (b->len == 0) {
		err_set(e, ERR_USAGE, "the %s is empty", what);
		return err_hint(e, "give it as operands, or on standard input");
	}
	if (memchr(b->data, '\0', b->len) != NULL)
		return err_set(e, ERR_BAD_DATA, "the %s has a NUL byte in it", what);
	if (!utf8_valid(b->data)) {
		err_set(e, ERR_BAD_DATA, "the %s is not text in UTF-8", what);
		return err_hint(e, "convert it (iconv), or put it into a file and name that");
	}
	return 0;
}

int
prompt_read(const char *what, const char *file, int argc, char **argv, struct buf *b, struct err *e)
{
	char piece[16384];
	ssize_t n;

	if (file == NULL && argc > 0) {
		for (int i = 0; i < argc; i++)
			if (buf_printf(b, e, i == 0 ? "%s" : " %s", argv[i]) < 0)
				return err_add(e, "the %s", what);
		return check_prompt(what, b, e);
	}
	if (file != NULL && argc > 0)
		command_usage("give the %s with -f or as operands, not both", what);
	if (file == NULL && isatty(STDIN_FILENO) == 1)
		command_note("reading the %s; end it with ctrl-d", what);
	FILE *f = file == NULL || strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	if (f == NULL)
		return err_sys(e, "cannot read %s", file);
	while ((n = file_read(fileno(f), piece, sizeof piece, e)) > 0)
		if (buf_add(b, piece, (size_t)n, e) < 0)
			break;
	if (n != 0)
		return err_add(e, "the %s", what);
	return check_prompt(what, b, e);
}

char *
prompt_first_line(const char *prompt)
{
	size_t n = strcspn(prompt, "\r\n");

	char *line = strndup(prompt, n < 200 ? n : 200);
	if (line != NULL)
		(void)text_trim(line, strlen(line));
	return line;
}
