/* The command line of bubblewrap that makes a sandbox. */
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "config/home.h"
#include "process/exec_once.h"
#include "process/sandbox.h"

static const char *const base[] = {
    "bwrap",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--die-with-parent",
    "--new-session",
    "--cap-drop", /* root would keep what it takes to undo all this */
    "ALL",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
};

/* What a task must not see; below the home directory unless absolute.  Without a network
 * all of /run is hidden instead: a socket in it may lead out. */
static const char *const secrets[] = {
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config/awcp",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".local/share/keyrings",
    ".mozilla",
    ".password-store",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    "/run/dbus",
    "/run/systemd/private",
    "/run/docker.sock",
    "/run/containerd",
    "/run/podman",
};

#define SECRETS (sizeof secrets / sizeof secrets[0])

/* Words of a command line; ${failed} is checked once, at the end. */
struct words {
	char **word;
	size_t count, cap;
	bool failed;
};

/* Directories that are hidden, each by an empty one. */
struct hidden {
	char *path[SECRETS + 4];
	size_t count;
};

static void
add_word(struct words *l, const char *word)
{
	if (l->failed)
		return;
	char **more = array_grow(l->word, l->count + 2, &l->cap, sizeof *more, NULL);
	if (more == NULL) {
		l->failed = true;
		return;
	}
	l->word = more;
	l->word[l->count + 1] = NULL;
	l->word[l->count] = strdup(word);
	if (l->word[l->count] == NULL)
		l->failed = true;
	else
		l->count++;
}

/* Add strings up to a NULL. */
static void
add_words(struct words *l, const char *word, ...)
{
	va_list ap;

	va_start(ap, word);
	for (; word != NULL; word = va_arg(ap, const char *))
		add_word(l, word);
	va_end(ap);
}

/* Hide ${path}, if it exists: a directory by an empty one, anything else by an empty file. */
static void
hide_path(struct words *l, struct hidden *h, const char *path)
{
	struct stat st;

	char *real = realpath(path, NULL); /* bwrap does not follow links out of its new root */
	if (real == NULL)
		return;
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
		add_words(l, "--dev-bind", "/dev/null", real, NULL);
		free(real);
		return;
	}
	add_words(l, "--tmpfs", real, NULL);
	if (h->count < sizeof h->path / sizeof h->path[0])
		h->path[h->count++] = real;
	else
		free(real);
}

static void
hide_secrets(struct words *l, struct hidden *h, bool no_network)
{
	char path[PATH_MAX];
	const char *account = getenv("HOME");

	if (account == NULL || account[0] != '/') {
		const struct passwd *me = getpwuid(geteuid());
		account = me == NULL ? "/nonexistent" : me->pw_dir;
	}
	if (no_network)
		hide_path(l, h, "/run");
	for (size_t i = 0; i < SECRETS; i++) {
		if (secrets[i][0] != '/')
			(void)snprintf(path, sizeof path, "%s/%s", account, secrets[i]);
		else if (no_network)
			continue;
		else
			(void)snprintf(path, sizeof path, "%s", secrets[i]);
		hide_path(l, h, path);
	}
	if (!no_network) {
		(void)snprintf(path, sizeof path, "/run/user/%lu", (unsigned long)geteuid());
		hide_path(l, h, path);
	}
	hide_path(l, h, home_path());
}

static bool
is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* Keep ${word} visible if it is a file below a hidden directory. */
static void
reveal(struct words *l, const struct hidden *h, const char *word)
{
	struct stat st;

	if (word[0] != '/')
		return;
	char *real = realpath(word, NULL);
	if (real == NULL)
		return;
	bool hidden = is_below(real, "/tmp") || is_below(word, "/tmp");
	for (size_t i = 0; i < h->count && !hidden; i++)
		hidden = is_below(real, h->path[i]) || is_below(word, h->path[i]);
	if (hidden && stat(real, &st) == 0 && S_ISREG(st.st_mode))
		add_words(l, "--ro-bind", real, word, NULL);
	free(real);
}

/* A command may ask a person, wherever our programs are installed. */
static void
reveal_ask(struct words *l, const struct hidden *h)
{
	char path[PATH_MAX + 16];

	char *self = realpath("/proc/self/exe", NULL);
	if (self == NULL)
		return;
	int n = (int)(strrchr(self, '/') - self);
	(void)snprintf(path, sizeof path, "%.*s/awcp-ask", n, self);
	reveal(l, h, path);
	free(self);
}

static void
add_number(struct words *l, const char *option, uint64_t n)
{
	char text[64];

	(void)snprintf(text, sizeof text, "%s%llu", option, (unsigned long long)n);
	add_word(l, text);
}

static void
add_tmpfs(struct words *l, const char *path, uint64_t size)
{
	add_word(l, "--size");
	add_number(l, "", size);
	add_words(l, "--tmpfs", path, NULL);
}

static void
add_paths(struct words *l, const struct sandbox *s, const struct sandbox_paths *p,
	  char *const *argv, const char *self)
{
	struct hidden h = {.count = 0};

	add_tmpfs(l, "/tmp", s->tmp);
	add_tmpfs(l, "/dev/shm", s->tmp);
	add_words(l, "--remount-ro", "/dev", NULL);
	hide_secrets(l, &h, s->no_network);
	for (size_t i = 0; argv[i] != NULL; i++)
		reveal(l, &h, argv[i]);
	if (self != NULL)
		reveal(l, &h, self);
	reveal_ask(l, &h);
	for (size_t i = 0; p->writable != NULL && p->writable[i] != NULL; i++)
		add_words(l, "--bind", p->writable[i], p->writable[i], NULL);
	for (size_t i = 0; p->readonly != NULL && p->readonly[i] != NULL; i++)
		add_words(l, "--ro-bind", p->readonly[i], p->readonly[i], NULL);
	/* Last, because the mounts above had to make their mount points in these. */
	for (size_t i = 0; i < h.count; i++) {
		add_words(l, "--remount-ro", h.path[i], NULL);
		free(h.path[i]);
	}
	if (p->infofd >= 0) {
		add_word(l, "--info-fd");
		add_number(l, "", (uint64_t)p->infofd);
	}
	if (p->cwd != NULL) {
		add_words(l, "--chdir", p->cwd, NULL);
	}
	add_word(l, "--");
}

/* The limits are set inside: only there are the user's processes counted from none. */
static void
add_limits(struct words *l, const struct sandbox *s)
{
	char cpu[64];

	if (s->memory == 0 && s->processes == 0 && s->cpu == 0 && s->file == 0)
		return;
	add_word(l, "prlimit");
	if (s->memory != 0)
		add_number(l, "--data=", s->memory);
	if (s->processes != 0)
		add_number(l, "--nproc=", s->processes);
	if (s->cpu != 0) {
		/* Some seconds between XCPU and KILL. */
		(void)snprintf(cpu, sizeof cpu, "--cpu=%llu:%llu", (unsigned long long)s->cpu,
			       (unsigned long long)s->cpu + 5);
		add_word(l, cpu);
	}
	if (s->file != 0)
		add_number(l, "--fsize=", s->file);
	add_word(l, "--");
}

char **
sandbox_command(const struct sandbox *s, const struct sandbox_paths *p, char *const *argv,
		struct err *e)
{
	struct words l = {.word = NULL};
	char *self = NULL;

	if (s->kind == SANDBOX_BWRAP) {
		if (s->no_exec && (self = realpath("/proc/self/exe", NULL)) == NULL) {
			err_sys(e, "cannot find this program");
			return NULL;
		}
		for (size_t i = 0; i < sizeof base / sizeof base[0]; i++)
			add_word(&l, base[i]);
		if (s->no_network)
			add_word(&l, "--unshare-net");
		if (s->processes != 0)
			add_word(&l, "--unshare-user");
		add_paths(&l, s, p, argv, self);
		add_limits(&l, s);
	}
	if (self != NULL) {
		add_words(&l, self, EXEC_ONCE_OPTION, NULL);
		free(self);
	}
	for (size_t i = 0; argv[i] != NULL; i++)
		add_word(&l, argv[i]);
	if (!l.failed)
		return l.word;
	sandbox_free(l.word);
	err_memory(e);
	return NULL;
}

void
sandbox_free(char **argv)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}
