#include "prompt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "file.h"

static int
check_prompt(const struct buf *b, struct err *e)
{
	if (b->len == 0) {
		(void)err_set(e, ERR_USAGE, "the prompt is empty");
		return err_hint(e, "say what is to be done");
	}
	if (memchr(b->data, '\0', b->len) != NULL)
		return err_set(e, ERR_BAD_DATA, "the prompt has a NUL byte in it");
	return 0;
}

int
prompt_read(const char *file, int argc, char **argv, struct buf *b, struct err *e)
{
	char piece[16384];
	ssize_t n;

	if (file == NULL && argc > 0) {
		for (int i = 0; i < argc; i++)
			if (buf_printf(b, e, i == 0 ? "%s" : " %s", argv[i]) < 0)
				return err_add(e, "the prompt");
		return check_prompt(b, e);
	}
	if (file != NULL && argc > 0)
		command_usage("give the prompt with -f or as operands, not both");
	if (file == NULL && isatty(STDIN_FILENO) == 1)
		command_note("reading the prompt; end it with ctrl-d");
	FILE *f = file == NULL || strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	if (f == NULL)
		return err_sys(e, "cannot read %s", file);
	while ((n = file_read(fileno(f), piece, sizeof piece, e)) > 0)
		if (buf_add(b, piece, (size_t)n, e) < 0)
			break;
	if (n != 0)
		return err_add(e, "the prompt");
	return check_prompt(b, e);
}

char *
prompt_first_line(const char *prompt)
{
	size_t n = strcspn(prompt, "\r\n");

	return strndup(prompt, n < 200 ? n : 200);
}
