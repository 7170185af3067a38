/* Checks of what an executor needs: sandbox, nginx, sockets. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"
#include "config/settings.h"
#include "doctor/private.h"
#include "process/cgroup.h"

#define TEMPLATE_MAX ((size_t)256 * 1024)

/* What a sandbox holds tasks to only roughly here. */
static void
check_limits(struct doctor *d, const struct sandbox *s)
{
	struct cgroup g;

	if (s->memory == 0)
		return;
	cgroup_open(&g, s);
	if (g.memory < 0)
		doctor_advise(d, DOCTOR_WARN, "sandbox",
			      "run the worker in a unit with Delegate=yes",
			      "memory= is only looked at a few times a second, as no control group "
			      "can be made here");
	cgroup_close(&g);
}

void
doctor_sandbox(struct doctor *d)
{
	const char *text = setting_text(SETTING_SANDBOX);
	struct sandbox s;
	struct err e;

	if (sandbox_parse(text, &s, &e) < 0 || sandbox_available(&s, &e) < 0) {
		doctor_fail(d, DOCTOR_BAD, "sandbox", &e);
	} else if (s.kind == SANDBOX_NONE) {
		doctor_advise(
		    d, DOCTOR_WARN, "sandbox", "set AWCP_SANDBOX=bwrap if it is not meant so",
		    geteuid() == 0 ? "tasks run without one, as root: they can do anything here"
				   : "tasks run without one: they can do what this account can");
	} else {
		doctor_report(d, DOCTOR_OK, "sandbox", "%s works", text);
		check_limits(d, &s);
	}
}

/* Append ${template} to ${out}, with everything in it that may be chosen: a mark that is not known
 * begins a line that may be left out. */
static int
fill_template(const char *template, struct buf *out, struct err *e)
{
	static const struct {
		const char *mark, *text;
	} marks[] = {{"@LISTEN@", "unix:listen.sock"},
		     {"@SOCKET@", "executor.sock"},
		     {"@FILES@", "1024"},
		     {"@CONNECTIONS@", "512"}};
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (const char *p = template; *p != '\0';) {
		size_t n = *p == '@' ? strspn(p + 1, letters) : 0;
		const char *text = p;
		if (n == 0 || p[n + 1] != '@') {
			n = 1;
		} else {
			n += 2;
			text = "";
			for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
				if (strncmp(p, marks[i].mark, n) == 0)
					text = marks[i].text;
		}
		if (buf_add(out, text, text == p ? 1 : strlen(text), e) < 0)
			return -1;
		p += n;
	}
	return 0;
}

/* Run ${argv} in ${cwd}, and write what nginx says is wrong, else the first line that it prints, to
 * ${said}.  Its exit status, or -1. */
static int
run_nginx(char *const *argv, const char *cwd, char said[256])
{
	posix_spawn_file_actions_t actions;
	char text[4096];
	int status = -1;
	pid_t pid;

	int outfd = memfd_create("doctor", MFD_CLOEXEC);
	if (outfd < 0 || posix_spawn_file_actions_init(&actions) != 0)
		goto out;
	(void)posix_spawn_file_actions_adddup2(&actions, outfd, STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, outfd, STDERR_FILENO);
	(void)posix_spawn_file_actions_addchdir_np(&actions, cwd); /* where the sockets go */
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			continue;
		status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	ssize_t n = pread(outfd, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	const char *from = strstr(text, "[emerg]");
	(void)snprintf(said, 256, "%.*s", (int)strcspn(from == NULL ? text : from, "\n"),
		       from == NULL ? text : from);
out:
	file_close(outfd);
	return status;
}

/* Make a directory for nginx in tmp/, ask it, and remove it. */
static int
try_configuration(const struct buf *configuration, char *nginx, char said[256], struct err *e)
{
	char name[ID_MAX + 1], prefix[PATH_MAX + 64];
	int status = -1;

	int tmpfd = home_dir("tmp", e);
	if (tmpfd < 0 || id_make("doctor_", 12, name, e) < 0 || file_make_dirs(tmpfd, name, e) < 0)
		return -1;
	int fd = openat(tmpfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(prefix, sizeof prefix, "%s/tmp/%s/", home_path(), name);
	char *argv[] = {nginx,
			(char[]){"-t"},
			(char[]){"-e"},
			(char[]){"stderr"},
			(char[]){"-p"},
			prefix,
			(char[]){"-c"},
			(char[]){"nginx.conf"},
			NULL};
	if (fd < 0)
		err_sys(e, "cannot open %s", prefix);
	else if (file_replace(fd, "nginx.conf", configuration->data, configuration->len, false,
			      e) == 0)
		status = run_nginx(argv, prefix, said);
	file_close(fd);
	(void)file_remove_tree(tmpfd, name, NULL);
	return status;
}

void
doctor_nginx(struct doctor *d)
{
	struct buf template = BUF_INIT(TEMPLATE_MAX), filled = BUF_INIT(TEMPLATE_MAX);
	char path[PATH_MAX], said[256] = "";
	char *nginx = doctor_find("nginx");
	struct err e = {0};

	if (nginx == NULL)
		return; /* reported already */
	(void)snprintf(path, sizeof path, "%s/nginx.conf.in", d->share);
	int status = -1;
	if (file_slurp(AT_FDCWD, path, &template, &e) == 0 &&
	    fill_template(template.data, &filled, &e) == 0)
		status = try_configuration(&filled, nginx, said, &e);
	if (status == 0)
		doctor_report(d, DOCTOR_OK, "web server",
			      "nginx takes the configuration of awcp-serve");
	else if (status < 0 && e.code != ERR_NONE)
		doctor_fail(d, DOCTOR_BAD, "web server", &e);
	else
		doctor_advise(
		    d, DOCTOR_BAD, "web server",
		    "is this nginx built without FastCGI, or too old? nginx-light will do",
		    "nginx does not take the configuration: %s", said);
	buf_free(&template);
	buf_free(&filled);
	free(nginx);
}

/* Is somebody listening at ${path}? */
static bool
answers(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	bool yes = false;

	if (strlen(path) >= sizeof a.sun_path)
		return true; /* not known */
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		yes = connect(fd, (const struct sockaddr *)&a, sizeof a) == 0 || errno == EACCES;
	file_close(fd);
	return yes;
}

static void
check_fastcgi_programs(struct doctor *d)
{
	static const char *const programs[] = {"awcp-executor", "awcp-delegator", "awcp-queued"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", d->libexec, programs[i]);
		if (access(path, X_OK) < 0)
			doctor_advise(d, DOCTOR_BAD, "sockets", "install awcp again, or run make",
				      "%s: %s", path, strerror(errno));
	}
}

/* A running awcp-serve has serve-<port>/ in the state, with sockets relative to it. */
void
doctor_servers(struct doctor *d)
{
	size_t previous = d->wrong;
	char path[PATH_MAX];
	struct err e;
	size_t count = 0;

	check_fastcgi_programs(d);
	DIR *dir = file_list(home_open(&e), ".");
	for (const char *name; (name = file_next(&dir)) != NULL;) {
		if (strncmp(name, "serve-", 6) != 0)
			continue;
		/* The path of the state may be too long for a socket address. */
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d/%.32s/executor.sock",
			       dirfd(dir), name);
		count++;
		if (!answers(path))
			doctor_advise(
			    d, DOCTOR_WARN, "sockets",
			    "start it again, or leave it to awcp-reap to clear it up",
			    "nobody answers at %s/%s/executor.sock: awcp-serve was killed",
			    home_path(), name);
	}
	if (access("/run/awcp/executor.sock", F_OK) == 0 && ++count > 0 &&
	    !answers("/run/awcp/executor.sock"))
		doctor_advise(d, DOCTOR_BAD, "sockets", "systemctl restart awcp-executor.socket",
			      "nobody answers at /run/awcp/executor.sock");
	if (d->wrong == previous && count == 0)
		doctor_report(d, DOCTOR_OK, "sockets", "no executor runs here");
	else if (d->wrong == previous)
		doctor_report(d, DOCTOR_OK, "sockets", "%zu, and all answer", count);
}
