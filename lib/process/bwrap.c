/* The command line of bubblewrap that makes a sandbox. */
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "config/home.h"
#include "process/exec_once.h"
#include "process/launch.h"
#include "process/sandbox.h"
#include "process/view.h"

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

/* For a worker that is root: what root may write in /proc without a capability, and what tells
 * everybody of the kernel, as in containers.  Other workers have nothing to write there, and
 * nothing may lie over a part of /proc where their tasks are to make sandboxes of their own. */
static const char *const of_root[] = {"--ro-bind-try", "/proc/sys", "/proc/sys"};

static const char *const of_kernel[] = {"/proc/keys", "/proc/key-users", "/proc/latency_stats",
					"/proc/sched_debug", "/sys/firmware"};

/* What a task must not see, below the home directory unless absolute. */
static const char *const secrets[] = {
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".1password",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".config/1Password",
    ".config/awcp",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".config/op",
    ".config/rclone",
    ".gem/credentials",
    ".local/share/keyrings",
    ".m2/settings.xml",
    ".mozilla",
    ".my.cnf",
    ".password-store",
    ".pgpass",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".s3cfg",
    ".terraform.d/credentials.tfrc.json",
    ".vault-token",
    ".git-credentials",
    "/run/dbus",
    "/run/systemd/private",
    "/run/docker.sock",
    "/run/containerd",
    "/run/podman",
};

/* Words of a command line; ${failed} is checked once, at the end. */
struct words {
	char **word;
	size_t count, cap;
	bool failed;
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

/* The account's directory. */
static const char *
find_account(void)
{
	const char *account = getenv("HOME");

	if (account != NULL && account[0] == '/')
		return account;
	const struct passwd *me = getpwuid(geteuid());
	return me == NULL ? "/nonexistent" : me->pw_dir;
}

static void
hide_secrets(struct view *v, const char *account)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		(void)snprintf(path, sizeof path, "%s%s%s", secrets[i][0] == '/' ? "" : account,
			       secrets[i][0] == '/' ? "" : "/", secrets[i]);
		view_hide(v, path);
	}
	(void)snprintf(path, sizeof path, "/run/user/%lu", (unsigned long)geteuid());
	view_hide(v, path);
	view_hide(v, home_path());
	for (size_t i = 0; geteuid() == 0 && i < sizeof of_kernel / sizeof of_kernel[0]; i++)
		view_hide(v, of_kernel[i]);
}

/* Show ${path} to ${account}. */
static void
show(struct view *v, const char *path, bool any, uid_t account)
{
	view_show(v, path, any);
	if (path[0] == '/')
		view_open_way(v, path, account);
}

/* What the operator names is visible: the program and its files, and what show= has. */
static void
show_named(struct view *v, const struct sandbox *s, char *const *argv, uid_t account)
{
	char path[PATH_MAX];

	for (size_t i = 0; argv[i] != NULL; i++)
		show(v, argv[i], false, account);
	const char *p = s->words == NULL ? "" : s->words;
	while ((p = strstr(p, "," SANDBOX_SHOW)) != NULL) {
		p += strlen("," SANDBOX_SHOW);
		(void)snprintf(path, sizeof path, "%.*s", (int)strcspn(p, ","), p);
		show(v, path, true, account);
	}
}

/* Our own programs that a task needs: one asks a person, the other is exec_once. */
static void
show_own(struct view *v, const struct sandbox *s, const char *run, uid_t account)
{
	char path[PATH_MAX + 16];

	(void)snprintf(path, sizeof path, "%.*s/awcp-ask", (int)(strrchr(run, '/') - run), run);
	show(v, path, false, account);
	if (s->no_exec)
		show(v, run, false, account);
}

static void
add_number(struct words *l, const char *option, uint64_t n)
{
	char text[64];

	(void)snprintf(text, sizeof text, "%s%llu", option, (unsigned long long)n);
	add_word(l, text);
}

/* Where ${path} is put, in a directory that everybody may enter: bwrap makes one for itself alone.
 */
static void
add_place(struct words *l, const char *path)
{
	char above[PATH_MAX];

	(void)snprintf(above, sizeof above, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (above[0] != '\0')
		add_words(l, "--dir", above, (char *)NULL);
}

static void
add_bind(struct words *l, const char *option, const char *source, const char *path)
{
	add_place(l, path);
	add_words(l, option, source, path, (char *)NULL);
}

static void
add_mark(struct words *l, const struct view_mark *m, uint64_t scratch)
{
	if (m->kind == VIEW_SHOWN) {
		add_bind(l, "--ro-bind", m->source, m->path);
	} else if (m->kind == VIEW_SCRATCH) {
		add_words(l, "--perms", "1777", "--size", (char *)NULL);
		add_number(l, "", scratch);
		add_words(l, "--tmpfs", m->path, (char *)NULL);
	} else if (m->directory) {
		add_place(l, m->path);
		add_words(l, "--tmpfs", m->path, (char *)NULL);
	} else {
		add_bind(l, "--dev-bind", "/dev/null", m->path);
	}
}

/* What is seen of the file system, but for the workspace. */
static void
make_view(struct view *v, const struct sandbox *s, const struct sandbox_paths *p, char *const *argv,
	  const char *run)
{
	const char *account = find_account();

	view_scratch(v, "/tmp");
	view_scratch(v, "/dev/shm");
	if (s->no_network)
		view_hide_sockets(v);
	hide_secrets(v, account);
	show_named(v, s, argv, p->account);
	show_own(v, s, run, p->account);
	view_open_way(v, account, p->account);
	view_open_way(v, home_path(), p->account);
	view_settle(v);
}

static void
add_paths(struct words *l, const struct sandbox *s, const struct sandbox_paths *p,
	  const struct view *v)
{
	for (size_t i = 0; i < v->count; i++)
		add_mark(l, &v->mark[i], s->tmp);
	l->failed |= v->failed;
	for (size_t i = 0; p->writable != NULL && p->writable[i] != NULL; i++)
		add_bind(l, "--bind", p->writable[i], p->writable[i]);
	for (size_t i = 0; p->readonly != NULL && p->readonly[i] != NULL; i++)
		add_words(l, "--ro-bind", p->readonly[i], p->readonly[i], (char *)NULL);
	/* Last, because the mounts above had to make their mount points in these. */
	add_words(l, "--remount-ro", "/dev", (char *)NULL);
	for (size_t i = 0; i < v->count; i++)
		if (v->mark[i].kind == VIEW_HIDDEN && v->mark[i].directory)
			add_words(l, "--remount-ro", v->mark[i].path, (char *)NULL);
}

/* The descriptors that bwrap uses, and where the command begins. */
static void
add_start(struct words *l, const struct sandbox_paths *p)
{
	if (p->infofd >= 0) {
		add_word(l, "--info-fd");
		add_number(l, "", (uint64_t)p->infofd);
	}
	if (p->filterfd >= 0) {
		add_word(l, "--seccomp");
		add_number(l, "", (uint64_t)p->filterfd);
	}
	if (p->listfd >= 0) {
		add_words(l, "--perms", "0644", "--ro-bind-data", (char *)NULL);
		add_number(l, "", (uint64_t)p->listfd);
		add_word(l, "/etc/passwd");
	}
	if (p->cwd != NULL)
		add_words(l, "--chdir", p->cwd, (char *)NULL);
	add_word(l, "--");
}

/* Leave the worker's account, with all its privileges. */
static void
add_account(struct words *l, uid_t account)
{
	if (account == 0)
		return;
	add_word(l, "setpriv");
	add_number(l, "--reuid=", account);
	add_number(l, "--regid=", account);
	add_words(l, "--clear-groups", "--inh-caps=-all", "--", (char *)NULL);
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

/* The words of bwrap, and of what it starts before the command. */
static void
add_sandbox(struct words *l, const struct sandbox *s, const struct sandbox_paths *p,
	    char *const *argv, const char *run)
{
	struct view v = VIEW_INIT;

	for (size_t i = 0; i < sizeof base / sizeof base[0]; i++)
		add_word(l, base[i]);
	for (size_t i = 0; geteuid() == 0 && i < sizeof of_root / sizeof of_root[0]; i++)
		add_word(l, of_root[i]);
	if (s->no_network)
		add_word(l, "--unshare-net");
	if (p->account != 0) /* to give up root in there, in a directory that is not root's */
		add_words(l, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add",
			  "CAP_DAC_READ_SEARCH", (char *)NULL);
	else if (s->processes != 0)
		add_word(l, "--unshare-user");
	make_view(&v, s, p, argv, run);
	add_paths(l, s, p, &v);
	view_free(&v);
	add_start(l, p);
	add_limits(l, s);
	add_account(l, p->account);
	if (s->no_exec)
		add_words(l, run, EXEC_ONCE_OPTION, (char *)NULL);
}

char **
sandbox_command(const struct sandbox *s, const struct sandbox_paths *p, char *const *argv,
		struct err *e)
{
	struct words l = {.word = NULL};
	char run[PATH_MAX];

	if (s->kind == SANDBOX_BWRAP) {
		if (launch_find("awcp-run", run, e) < 0)
			return NULL;
		add_sandbox(&l, s, p, argv, run);
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
