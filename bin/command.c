#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "config/config.h"
#include "log/secrets.h"
#include "process/inherited.h"

static const struct command *self;
static bool skip_config;        /* the configuration files are not read here */
static struct err config_error; /* what is wrong in them */
static int stdout_failure;      /* errno of the first write to stdout that failed */
static bool stdout_ended;       /* its last state was reported */

static ssize_t
write_stdout(void *unused, const char *p, size_t n)
{
	size_t done = 0;

	(void)unused;
	while (done < n) {
		ssize_t k = write(STDOUT_FILENO, p + done, n - done);
		if (k >= 0) {
			done += (size_t)k;
		} else if (errno != EINTR) {
			if (stdout_failure == 0)
				stdout_failure = errno;
			return 0;
		}
	}
	return (ssize_t)n;
}

static void
end_stdout(void)
{
	if (!stdout_ended && command_end(0) != 0)
		_exit(EX_IOERR);
}

/* A stream that remembers why it failed: stdio only knows that it did, and not of what. */
static void
open_stdout(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_stdout});

	if (f == NULL || setvbuf(f, NULL, isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF, 0) != 0)
		return;
	stdout = f;
	(void)atexit(end_stdout);
}

static void
init_command(const struct command *c)
{
	self = c;
	inherited_settle();
	open_stdout();
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* without it names are shown byte by byte */
	if (!skip_config && config_load(&config_error) == 0)
		secrets_load(&config_error);
}

void
command_skip_config(void)
{
	skip_config = true;
}

/* True if the long option that was just read is ${name} and not a shorter form of it.  Its argument
 * may be in the same word, or be the next one. */
static bool
is_whole(char **argv, const char *name)
{
	const char *given = argv[optind - 1];
	size_t n = strlen(name);

	if (optarg == given)
		given = argv[optind - 2];
	return strncmp(given + 2, name, n) == 0 && (given[2 + n] == '\0' || given[2 + n] == '=');
}

int
command_option(const struct command *c, int argc, char **argv)
{
	static const struct option none[] = {{0}};

	return command_option_word(c, none, argc, argv);
}

int
command_option_word(const struct command *c, const struct option *words, int argc, char **argv)
{
	char options[128];
	int word = -1;

	if (self == NULL)
		init_command(c);
	/* POSIX order: the first operand ends the options, so that a prompt may begin with -. */
	(void)snprintf(options, sizeof options, "+:%shV", c->options);
	opterr = 0;
	int option = getopt_long(argc, argv, options, words, &word);
	/* Scripts that shorten a word would break with the next one that begins like it. */
	if (word >= 0 && !is_whole(argv, words[word].name))
		command_usage("there is no option %s", argv[optind - 1]);
	switch (option) {
	case -1:
		/* Only here: -h and -V answer whatever the files say. */
		if (config_error.code != ERR_NONE)
			exit(command_fail(&config_error));
		return -1;
	case 'h':
		(void)fputs(c->usage, stdout);
		exit(command_end(0));
	case 'V':
		(void)printf("%s %s\n", c->name, AWCP_VERSION);
		exit(command_end(0));
	case ':':
		command_usage("-%c needs a value", optopt);
	case '?':
		if (optopt == 0)
			command_usage("there is no option %s", argv[optind - 1]);
		command_usage("there is no option -%c", optopt);
	default:
		return option;
	}
}

int
command_fail(const struct err *e)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: %s%s%s\n", self->name, e->message,
		      e->hint[0] != '\0' ? "; " : "", e->hint);
	return err_status(e);
}

_Noreturn void
command_usage(const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", self->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "; %s -h tells how\n", self->name);
	exit(EX_USAGE);
}

void
command_note(const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s: ", self->name);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

static int
each_line(int (*each)(void *arg, const char *operand), void *arg)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int worst = 0;

	while ((n = getline(&line, &size, stdin)) >= 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (n == 0)
			continue;
		int status = each(arg, line);
		if (status > worst)
			worst = status;
	}
	free(line);
	if (ferror(stdin)) {
		command_note("cannot read the ids on stdin: %s", strerror(errno));
		return EX_IOERR;
	}
	return worst;
}

int
command_each(int argc, char **argv, int (*each)(void *arg, const char *operand), void *arg)
{
	int worst = 0;

	for (int i = 0; i < argc; i++) {
		int status = strcmp(argv[i], "-") == 0 ? each_line(each, arg) : each(arg, argv[i]);
		if (status > worst)
			worst = status;
	}
	return worst;
}

void
command_json(const json_t *o)
{
	(void)json_dumpf(o, stdout,
			 JSON_COMPACT | JSON_ENCODE_ANY); /* command_end looks for errors */
	(void)putchar('\n');
}

void
command_text(const char *s, bool error_stream)
{
	FILE *f = error_stream ? stderr : stdout;

	while (*s != '\0') {
		size_t n = text_unshown(s);
		(void)putc(n > 0 ? '?' : *s, f);
		s += n > 0 ? n : 1;
	}
}

void
command_prose(const char *s, int column)
{
	while (s != NULL) {
		char line[4096];
		const char *end = strchr(s, '\n');
		size_t n = end != NULL ? (size_t)(end - s) : strlen(s);
		(void)snprintf(line, sizeof line, "%.*s", (int)n, s);
		command_text(line, false);
		s = end != NULL ? end + 1 : NULL;
		if (s != NULL && column > 0)
			(void)printf("\n%*s", column, "");
		else if (s != NULL)
			(void)putchar(' ');
	}
}

const char *
command_bytes(uint64_t bytes, char out[16])
{
	static const char units[] = " kMGTPE";
	double n = (double)bytes;
	int i = 0;

	if (bytes < 1000) {
		(void)snprintf(out, 16, "%u B", (unsigned)bytes);
		return out;
	}
	while (n >= 999.5 && i < 6) {
		n /= 1000;
		i++;
	}
	(void)snprintf(out, 16, "%.*f %cB", n < 9.95 ? 1 : 0, n, units[i]);
	return out;
}

bool
command_cut_off(void)
{
	return fflush(stdout) != 0 || ferror(stdout);
}

bool
command_reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int
command_end(int status)
{
	bool failed = command_cut_off();

	stdout_ended = true;
	if (!failed || stdout_failure == EPIPE) /* then the reader has seen enough */
		return status;
	command_note("cannot write to stdout: %s", strerror(stdout_failure));
	return EX_IOERR;
}
