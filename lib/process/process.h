/*
 * process - runs a program, and leaves nothing running of all that it started.
 *
 * The program gets a session and a process group of its own.  The process that starts it becomes a
 * subreaper (PR_SET_CHILD_SUBREAPER): whatever detaches itself becomes its child, and can be found
 * and killed.  If the starting process dies, the kernel kills the program (PR_SET_PDEATHSIG).
 * No descriptor but the three standard ones goes along.
 */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include <sys/types.h>

#include "base/err.h"

struct process_spec {
	char *const *argv; /* argv[0] without a slash is looked for in PATH */
	char *const *envp;
	const char *cwd; /* or NULL: as it is */
	int stdinfd;
	const int *keepfds;  /* more descriptors that go along, ended by -1; or NULL */
	const int *groupfds; /* of control groups that it joins (cgroup.h), ended by -1; or NULL */
	bool own_keyring;    /* not our session's, which may have keys */
};

struct process {
	pid_t pid;    /* 0 when it has ended and was waited for */
	int status;   /* then as from waitpid(2) */
	int outputfd; /* read ends of its stdout and stderr, non-blocking; the caller's to close */
	int errorfd;
};

/* The absolute path of program ${name}, as exec would find it now: so it stays the same program
 * when the working directory is somebody else's.  To be freed; NULL with ERR_CONFIG if there is
 * none. */
char *process_find(const char *name, struct err *e);

/* Start a program.  ERR_SETUP_FAILED if it cannot be executed. */
int process_start(const struct process_spec *s, struct process *p, struct err *e);

/* Send ${signal} to the program's group. */
void process_signal(const struct process *p, int signal);

/* Has it ended?  Also waits for orphans that came to us.  True once ${p}->status is set. */
bool process_ended(struct process *p);

/* Kill every child of this process but the ${n} in ${keep}, and the children that come to it by
 * that, until there are no others. */
void process_sweep(const pid_t *keep, size_t n);

/* Become a subreaper, and be sent ${signal} when ${parent}, which started this process, dies. */
int process_adopt(int signal, pid_t parent, struct err *e);

#endif
