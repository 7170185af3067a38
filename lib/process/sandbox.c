#include "process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/settings.h"
#include "process/account.h"
#include "process/launch.h"
#include "process/syscalls.h"

#define WORD 64
#define TMP (1ULL << 30)

enum unit { COUNT, BYTES, SECONDS };

static const struct limit {
	const char *name;
	enum unit unit;
	size_t offset;
} limits[] = {
    {"memory", BYTES, offsetof(struct sandbox, memory)},
    {"processes", COUNT, offsetof(struct sandbox, processes)},
    {"cpu", SECONDS, offsetof(struct sandbox, cpu)},
    {"file", BYTES, offsetof(struct sandbox, file)},
    {"disk", BYTES, offsetof(struct sandbox, disk)},
    {"tmp", BYTES, offsetof(struct sandbox, tmp)},
};

static int
parse_amount(const char *text, enum unit unit, uint64_t *value)
{
	int64_t seconds;
	long long n;

	if (unit == SECONDS) {
		if (clock_parse_span(text, &seconds, NULL) < 0)
			return -1;
		*value = (uint64_t)seconds;
		return 0;
	}
	if (text[0] < '0' || text[0] > '9' || setting_parse_number(text, &n) < 0 || n == 0)
		return -1;
	if (unit == COUNT && text[strspn(text, "0123456789")] != '\0')
		return -1;
	*value = (uint64_t)n;
	return 0;
}

static int
parse_word(const char *word, struct sandbox *s, struct err *e)
{
	size_t n = strcspn(word, "=");

	if (strcmp(word, "no-network") == 0) {
		s->no_network = true;
		return 0;
	}
	if (strcmp(word, "no-exec") == 0) {
		s->no_exec = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		if (strlen(limits[i].name) != n || strncmp(limits[i].name, word, n) != 0)
			continue;
		uint64_t *to = (uint64_t *)(void *)((char *)s + limits[i].offset);
		if (word[n] == '=' && parse_amount(word + n + 1, limits[i].unit, to) == 0)
			return 0;
		err_set(e, ERR_USAGE, "not a limit of a sandbox: %s", word);
		return err_hint(e, "limits read like memory=2G, processes=256 and cpu=1h");
	}
	err_set(e, ERR_USAGE, "not a word of a sandbox: %s", word);
	return err_hint(e,
			"there are no-network, no-exec, memory=, processes=, cpu=, file=, disk=, "
			"tmp=, show=");
}

/* A path to show; ${word} goes to the end of the text, or to the next comma. */
static int
parse_show(const char *word, struct sandbox *s, const char *text, struct err *e)
{
	size_t n = strcspn(word, ",");

	if (word[0] != '/' || n >= PATH_MAX) {
		err_set(e, ERR_USAGE, "not an absolute path to show: %.*s",
			n < WORD ? (int)n : WORD, word);
		return err_hint(e, "it reads like show=/opt/agent, without commas");
	}
	s->words = text;
	return 0;
}

int
sandbox_parse(const char *text, struct sandbox *s, struct err *e)
{
	char word[WORD];

	*s = (struct sandbox){.kind = SANDBOX_BWRAP, .tmp = TMP};
	if (text == NULL || text[0] == '\0')
		return 0;
	if (strcmp(text, "none") == 0) {
		s->kind = SANDBOX_NONE;
		return 0;
	}
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ","), show = strlen(SANDBOX_SHOW);
		if (p != text && strncmp(p, SANDBOX_SHOW, show) == 0) {
			if (parse_show(p + show, s, text, e) < 0)
				return -1;
			p += n;
			if (*p == '\0')
				return 0;
			continue;
		}
		if (snprintf(word, sizeof word, "%.*s", (int)(n < WORD ? n : WORD), p) >= WORD)
			return err_set(e, ERR_USAGE, "a word of the sandbox is too long: %s", word);
		if (p == text && strcmp(word, "none") == 0)
			return err_set(e, ERR_USAGE,
				       "without a sandbox nothing is limited: none "
				       "takes no words");
		if (p == text && strcmp(word, "bwrap") != 0) {
			err_set(e, ERR_USAGE, "there is no sandbox called %s", word);
			return err_hint(e, "there are bwrap, with words after commas, and none");
		}
		if (p != text && parse_word(word, s, e) < 0)
			return -1;
		p += n;
		if (*p == '\0')
			return 0;
	}
}

json_t *
sandbox_announce(const struct sandbox *s, struct err *e)
{
	json_t *o = json_pack("{sb sb sb}", "cwdOnly", s->kind != SANDBOX_NONE, "allowNetwork",
			      !s->no_network, "allowExec", !s->no_exec);

	if (o == NULL)
		err_memory(e);
	return o;
}

int
sandbox_meets(const struct sandbox *s, const json_t *demand, struct err *e)
{
	const struct {
		const char *name, *lacking;
		bool wanted; /* the value that requires confinement */
		bool confined;
	} confinements[] = {
	    {"cwdOnly", "tasks are not confined to their workspace here", true,
	     s->kind != SANDBOX_NONE},
	    {"allowNetwork", "tasks are not kept off the network here", false, s->no_network},
	    {"allowExec", "tasks are not kept from executing programs here", false, s->no_exec},
	};

	if (demand == NULL || json_is_null(demand))
		return 0;
	if (!json_is_object(demand))
		return err_set(e, ERR_BAD_MESSAGE, "requirements.sandbox is not an object");
	for (size_t i = 0; i < sizeof confinements / sizeof confinements[0]; i++) {
		const json_t *value = json_object_get(demand, confinements[i].name);
		if (value == NULL)
			continue;
		if (!json_is_boolean(value))
			return err_set(e, ERR_BAD_MESSAGE,
				       "requirements.sandbox.%s is not true or false",
				       confinements[i].name);
		if (json_is_true(value) != confinements[i].wanted || confinements[i].confined)
			continue;
		err_set(e, ERR_DECLINED, "%s", confinements[i].lacking);
		return err_hint(e, "do not demand %s, or ask another executor",
				confinements[i].name);
	}
	return 0;
}

json_t *
sandbox_demand(const char *text, struct err *e)
{
	struct sandbox s, fallback;

	if (sandbox_parse(text, &s, e) < 0 || sandbox_parse("bwrap", &fallback, e) < 0)
		return NULL;
	bool limited = s.words != NULL;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		limited |= memcmp((char *)&s + limits[i].offset,
				  (char *)&fallback + limits[i].offset, sizeof(uint64_t)) != 0;
	if (s.kind == SANDBOX_NONE || limited) {
		err_set(e, ERR_USAGE, "no executor can promise that: %.200s", text);
		err_hint(e, "there are bwrap, and no-network and no-exec after commas");
		return NULL;
	}
	json_t *demand = json_pack("{sb}", "cwdOnly", 1);
	if (demand == NULL ||
	    (s.no_network && json_object_set_new(demand, "allowNetwork", json_false()) < 0) ||
	    (s.no_exec && json_object_set_new(demand, "allowExec", json_false()) < 0)) {
		json_decref(demand);
		demand = NULL;
		err_memory(e);
	}
	return demand;
}

int
sandbox_promised(const json_t *demand, const json_t *profile, struct err *e)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)demand, name, value) {
		if (json_equal(json_object_get(profile, name), value) == 1)
			continue;
		err_set(e, ERR_DECLINED, "the executor does not promise the sandbox: %s %s", name,
			json_is_true(value) ? "true" : "false");
		return err_hint(e, "demand less with -S, or ask another executor");
	}
	return 0;
}

/* Run ${argv} with its messages in ${outfd}, and ${filterfd}; 0 if it ended well. */
static int
try_command(char **argv, int outfd, int filterfd)
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, outfd, 1) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, outfd, 2) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, filterfd, filterfd) == 0) {
		errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
		if (errno == 0)
			status = launch_wait(pid);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return status;
}

/* Run ${argv}; its output goes to ${output}.  1 if it ended well, 0 if not, -1 if it could not be
 * tried. */
static int
try_argv(char **argv, int filterfd, char output[256], struct err *e)
{
	int outfd = memfd_create("sandbox", MFD_CLOEXEC);

	if (outfd < 0)
		return err_sys(e, "cannot try the sandbox");
	errno = 0;
	output[0] = '\0';
	int result = try_command(argv, outfd, filterfd) == 0;
	if (result == 0 && errno != 0) {
		(void)snprintf(output, 256, "bwrap: %s", strerror(errno));
	} else {
		ssize_t n = pread(outfd, output, 255, 0);
		output[n < 0 ? 0 : n] = '\0'; /* nothing read: then it only failed */
	}
	output[strcspn(output, "\n")] = '\0';
	file_close(outfd);
	return result;
}

int
sandbox_filter(const struct sandbox *s, bool measured, struct err *e)
{
	const struct syscalls_denied d = {.sockets = s->no_network,
					  .shared_memory = s->memory != 0 && measured};

	return syscalls_filter(&d, e);
}

/* Run ${script} in ${s}; as try_argv. */
static int
try_script(const struct sandbox *s, const char *script, char output[256], struct err *e)
{
	char *shell[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};

	int filterfd = sandbox_filter(s, false, e);
	if (filterfd < 0)
		return -1;
	const struct sandbox_paths p = {.cwd = "/",
					.account = account_for(s),
					.infofd = -1,
					.listfd = -1,
					.filterfd = filterfd};
	char **argv = sandbox_command(s, &p, shell, e);
	int result = argv == NULL ? -1 : try_argv(argv, filterfd, output, e);
	sandbox_free(argv);
	file_close(filterfd);
	return result;
}

/* The kernel exempts some from the limit, so see whether it holds. */
static int
try_processes(const struct sandbox *s, struct err *e)
{
	struct sandbox narrow = *s;
	char output[256];

	if (s->processes == 0)
		return 0;
	narrow.processes = 1; /* which the shell is */
	int status = try_script(&narrow, "true & wait", output, e);
	if (status != 1)
		return status;
	err_set(e, ERR_CONFIG, "the sandbox cannot limit the number of processes here");
	return err_hint(e, "leave processes= out");
}

/* Where the filter is refused, nothing runs; where it lets another program through, it is useless.
 */
static int
try_exec(const struct sandbox *s, struct err *e)
{
	char output[256];

	if (!s->no_exec)
		return 0;
	int status = try_script(s, "! /bin/sh -c : 2>/dev/null", output, e);
	if (status != 0)
		return status < 0 ? -1 : 0;
	err_set(e, ERR_CONFIG, "the sandbox cannot keep a task from executing programs here");
	return err_hint(e, "leave no-exec out");
}

int
sandbox_available(const struct sandbox *s, struct err *e)
{
	char output[256];

	if (s->kind == SANDBOX_NONE)
		return 0;
	int status = try_script(s, ":", output, e);
	if (status == 0) {
		err_set(e, ERR_CONFIG, "the sandbox does not work here: %s", output);
		return err_hint(e, "install bubblewrap or allow user namespaces, ask for less with "
				   "-S, or run with -S none");
	}
	if (status < 0 || try_processes(s, e) < 0)
		return -1;
	return try_exec(s, e);
}
