/*
 * process/sandbox - how far the command of a task can reach, and how much it may use.
 *
 * A sandbox is written as text, the same for the worker that enforces it and for the executor that
 * announces it: "none", or "bwrap" and words after commas.
 *
 * "bwrap" is bubblewrap: the whole file system is there, read-only; only the workspace and the
 * directory of AWCP_RESULT are writable, besides a /tmp of its own; the state directory, the
 * account's keys and the sockets of the session, of system services and of container engines are
 * hidden (view.h), the kernel's keyrings closed (syscalls.h); processes are alone in their pid
 * namespace, without capabilities, as a user of their own where the worker is root (account.h), and
 * all of them end with the command.  "none" is no sandbox at all.
 *
 *	no-network	only a loopback of its own; of the file system only the directories of the
 *			system, as services have sockets in the others
 *	no-exec		the command can execute no other program, by exec_once
 *	memory=2G	of each process, by RLIMIT_DATA, and of all together, by cgroup.h or usage.h
 *	processes=256	and threads, by RLIMIT_NPROC of a user of its own, or a user namespace
 *	cpu=1h		CPU time of each process, by RLIMIT_CPU, and of all together, by usage.h
 *	file=10G	size of a file, by RLIMIT_FSIZE
 *	disk=20G	growth of what may be written to on the disk, by usage.h
 *	tmp=1G		size of /tmp, and of /dev/shm
 *	show=/path	is visible, read-only, also where everything else is hidden
 *
 * Memory is limited by RLIMIT_DATA and not RLIMIT_AS, because runtimes reserve far more addresses
 * than they use: Java does not start in 2G of addresses, Node cannot load WebAssembly in 4G, and
 * both are content with 512M of data.
 *
 * A word of the operator's command that is the absolute path of a file stays visible, read-only,
 * also where everything else is hidden: whoever names a program in /tmp wants it run.
 */
#ifndef PROCESS_SANDBOX_H
#define PROCESS_SANDBOX_H

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"

enum sandbox_kind { SANDBOX_BWRAP, SANDBOX_NONE };

/* A limit of 0 is none; tmp always has one. */
struct sandbox {
	enum sandbox_kind kind;
	bool no_network, no_exec;
	uint64_t memory; /* bytes */
	uint64_t processes;
	uint64_t cpu;             /* seconds */
	uint64_t file, disk, tmp; /* bytes */
	const char *words;        /* the text, for each show= in it; NULL: there is none */
};

/* How a word begins that is a path to show. */
#define SANDBOX_SHOW "show="

/* Read ${text} (NULL or "": "bwrap"), which must stay; ERR_USAGE says which word is wrong. */
int sandbox_parse(const char *text, struct sandbox *s, struct err *e);

/* {cwdOnly, allowNetwork, allowExec}, as ACCEPT has it: what is enforced, and no more. */
json_t *sandbox_announce(const struct sandbox *s, struct err *e);

/* Is ${s} as narrow as ${demand}, an INVITE's requirements.sandbox (NULL: it demands nothing)?  Our
 * extension: the same three members, where confinement is required.  ERR_DECLINED says what is
 * missing, ERR_BAD_MESSAGE that it makes no sense. */
int sandbox_meets(const struct sandbox *s, const json_t *demand, struct err *e);

/* The demand for the sandbox that ${text} describes, for example "bwrap,no-network": an INVITE's
 * requirements.sandbox, a new reference.  ERR_USAGE for what no ACCEPT announces, such as limits.
 */
json_t *sandbox_demand(const char *text, struct err *e);

/* Does ${profile}, what ACCEPT announces (NULL: nothing), have all of ${demand} (NULL: nothing)?
 * ERR_DECLINED says what is missing. */
int sandbox_promised(const json_t *demand, const json_t *profile, struct err *e);

/* Try whether all of ${s} can be enforced here; ERR_CONFIG says what cannot. */
int sandbox_available(const struct sandbox *s, struct err *e);

/* What a task sees of the file system. */
struct sandbox_paths {
	const char *cwd;             /* where the command starts, absolute */
	const char *const *writable; /* directories, absolute, NULL-terminated */
	const char *const *readonly; /* directories inside the writable ones, NULL-terminated */
	uid_t account;               /* that it runs as, to which those belong; 0: ours */
	int infofd;   /* bwrap writes there, as JSON, the pid of the sandbox's first process */
	int listfd;   /* of account_list, or -1 */
	int filterfd; /* of sandbox_filter, or -1 */
};

/* The filter of system calls (syscalls.h) for ${s}; a descriptor, or -1.  ${measured}: no control
 * group holds the memory. */
int sandbox_filter(const struct sandbox *s, bool measured, struct err *e);

/* Build the command line that runs ${argv} at ${p} in ${s}: NULL-terminated, to be given to
 * sandbox_free.  Needs home_open, and awcp-run beside this program for no-exec.  NULL on failure.
 */
char **sandbox_command(const struct sandbox *s, const struct sandbox_paths *p, char *const *argv,
		       struct err *e);
void sandbox_free(char **argv);

#endif
