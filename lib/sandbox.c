#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "home.h"

extern char **environ;

static const char *const base[] = {
    "bwrap",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--die-with-parent",
    "--new-session",
    "--ro-bind",
    "/",
    "/",
    "--dev",
    "/dev",
    "--proc",
    "/proc",
    "--tmpfs",
    "/tmp",
};

/* What a task has no business with; below the home directory unless absolute. */
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

/* Words of a command line; ${failed} is looked at once, at the end. */
struct words {
	char **word;
	size_t count, room;
	bool failed;
};

/* Directories that are hidden, each by an empty one. */
struct hidden {
	char *path[SECRETS + 4];
	size_t count;
};

int
sandbox_find(const char *name, enum sandbox_kind *kind, struct err *e)
{
	static const char *const names[] = {[SANDBOX_BWRAP] = "bwrap", [SANDBOX_NONE] = "none"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0) {
			*kind = (enum sandbox_kind)i;
			return 0;
		}
	(void)err_set(e, ERR_USAGE, "there is no sandbox called %.64s", name);
	return err_hint(e, "there are bwrap and none");
}

static void
add(struct words *l, const char *word)
{
	if (l->failed)
		return;
	if (l->count + 2 > l->room) {
		size_t room = l->room == 0 ? 64 : l->room * 2;
		char **more = realloc(l->word, room * sizeof *more);
		if (more == NULL) {
			l->failed = true;
			return;
		}
		l->word = more;
		l->room = room;
	}
	l->word[l->count + 1] = NULL;
	l->word[l->count] = strdup(word);
	if (l->word[l->count] == NULL)
		l->failed = true;
	else
		l->count++;
}

static void
add3(struct words *l, const char *option, const char *from, const char *to)
{
	add(l, option);
	add(l, from);
	add(l, to);
}

/* Hide ${path}, if it exists: a directory by an empty one, anything else by an empty file. */
static void
hide(struct words *l, struct hidden *h, const char *path)
{
	struct stat st;

	char *real = realpath(path, NULL); /* bwrap does not follow links out of its new root */
	if (real == NULL)
		return;
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
		add3(l, "--dev-bind", "/dev/null", real);
		free(real);
		return;
	}
	add(l, "--tmpfs");
	add(l, real);
	if (h->count < sizeof h->path / sizeof h->path[0])
		h->path[h->count++] = real;
	else
		free(real);
}

static void
hide_secrets(struct words *l, struct hidden *h)
{
	char path[PATH_MAX];
	const char *account = getenv("HOME");

	if (account == NULL || account[0] != '/') {
		const struct passwd *me = getpwuid(geteuid());
		account = me == NULL ? "/nonexistent" : me->pw_dir;
	}
	for (size_t i = 0; i < SECRETS; i++) {
		if (secrets[i][0] == '/')
			(void)snprintf(path, sizeof path, "%s", secrets[i]);
		else
			(void)snprintf(path, sizeof path, "%s/%s", account, secrets[i]);
		hide(l, h, path);
	}
	(void)snprintf(path, sizeof path, "/run/user/%lu", (unsigned long)geteuid());
	hide(l, h, path);
	hide(l, h, home_path());
}

static bool
is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && path[n] == '/';
}

/* Keep ${word} visible if it is a file in a place that is hidden. */
static void
reveal(struct words *l, const struct hidden *h, const char *word)
{
	struct stat st;

	if (word[0] != '/')
		return;
	char *real = realpath(word, NULL);
	if (real == NULL)
		return;
	bool lost = is_below(real, "/tmp") || is_below(word, "/tmp");
	for (size_t i = 0; i < h->count && !lost; i++)
		lost = is_below(real, h->path[i]) || is_below(word, h->path[i]);
	if (lost && stat(real, &st) == 0 && S_ISREG(st.st_mode))
		add3(l, "--ro-bind", real, word);
	free(real);
}

static void
add_profile(struct words *l, const struct sandbox_profile *p, char *const *argv)
{
	struct hidden h = {.count = 0};
	char number[16];

	for (size_t i = 0; i < sizeof base / sizeof base[0]; i++)
		add(l, base[i]);
	hide_secrets(l, &h);
	for (size_t i = 0; argv[i] != NULL; i++)
		reveal(l, &h, argv[i]);
	for (size_t i = 0; p->writable != NULL && p->writable[i] != NULL; i++)
		add3(l, "--bind", p->writable[i], p->writable[i]);
	for (size_t i = 0; p->readonly != NULL && p->readonly[i] != NULL; i++)
		add3(l, "--ro-bind", p->readonly[i], p->readonly[i]);
	/* Last, because the mounts above had to make their mount points in these. */
	for (size_t i = 0; i < h.count; i++) {
		add(l, "--remount-ro");
		add(l, h.path[i]);
		free(h.path[i]);
	}
	if (p->infofd >= 0) {
		(void)snprintf(number, sizeof number, "%d", p->infofd);
		add(l, "--info-fd");
		add(l, number);
	}
	if (p->cwd != NULL) {
		add(l, "--chdir");
		add(l, p->cwd);
	}
	add(l, "--");
}

char **
sandbox_command(const struct sandbox_profile *p, char *const *argv, struct err *e)
{
	struct words l = {.word = NULL};

	if (p->kind == SANDBOX_BWRAP)
		add_profile(&l, p, argv);
	for (size_t i = 0; argv[i] != NULL; i++)
		add(&l, argv[i]);
	if (!l.failed)
		return l.word;
	sandbox_free(l.word);
	(void)err_memory(e);
	return NULL;
}

void
sandbox_free(char **argv)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}

/* Run ${argv} with its messages in ${outfd}; 0 if it ended well. */
static int
try(char **argv, int outfd)
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, outfd, 1) == 0 &&
	    posix_spawn_file_actions_adddup2(&actions, outfd, 2) == 0) {
		errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
		if (errno == 0)
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return status;
}

int
sandbox_available(enum sandbox_kind kind, struct err *e)
{
	const struct sandbox_profile p = {.kind = kind, .cwd = "/", .infofd = -1};
	char *nothing[] = {(char[]){"true"}, NULL};
	char said[256] = "";
	int result = -1;

	if (kind == SANDBOX_NONE)
		return 0;
	char **argv = sandbox_command(&p, nothing, e);
	if (argv == NULL)
		return -1;
	int outfd = memfd_create("sandbox", MFD_CLOEXEC);
	if (outfd < 0) {
		(void)err_sys(e, "cannot try the sandbox");
		goto out;
	}
	errno = 0;
	if (try(argv, outfd) == 0) {
		result = 0;
		goto out;
	}
	if (errno != 0)
		(void)snprintf(said, sizeof said, "bwrap: %s", strerror(errno));
	else if (pread(outfd, said, sizeof said - 1, 0) < 0)
		said[0] = '\0'; /* then there is nothing more to say than that it failed */
	said[strcspn(said, "\n")] = '\0';
	(void)err_set(e, ERR_CONFIG, "the sandbox does not work here: %s", said);
	(void)err_hint(e, "install bubblewrap or allow user namespaces, or run with -S none");
out:
	file_close(outfd);
	sandbox_free(argv);
	return result;
}
