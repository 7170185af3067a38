/*
 * worker/execution - the operator's command at work on a workspace.
 *
 * The command starts in the first writable resource with the prompt on stdin and, of ours, five
 * variables in the environment: AWCP_ID, AWCP_WORKSPACE, AWCP_DESCRIPTION, AWCP_RESULT and AWCP_ASK
 * (see ask_socket.h); and AWCP_SESSION, if the task names one.  All its processes are stopped, by
 * TERM and then KILL, when the lease ends, when the assignment is no longer active, when they use
 * more than the sandbox allows, or when the worker stops.
 */
#ifndef WORKER_EXECUTION_H
#define WORKER_EXECUTION_H

#include <signal.h>
#include <time.h>

#include "worker/ask_socket.h"
#include "process/output.h"
#include "process/sandbox.h"
#include "worker/workspace.h"

/* Between TERM and KILL: when the lease ended or the worker stops, and when nobody wants the result
 * any more: whoever cancels a task expects it to be gone within a second. */
#define EXECUTION_GRACE_MS 10000
#define EXECUTION_CANCEL_MS 500

enum execution_stop {
	EXECUTION_GOES_ON,
	EXECUTION_OVERTAKEN, /* cancelled, or begun anew */
	EXECUTION_EXPIRED,   /* the lease ended */
	EXECUTION_EXCEEDED,  /* it used more than it may */
	EXECUTION_STOPPED    /* the worker got TERM, INT or HUP, or died */
};

/* What the kernel sends when the worker died: a signal of its own, because the death of a process
 * with threads is signalled while getppid(2) still names it. */
#define EXECUTION_ORPHAN SIGUSR1

/* What the command is run for; all of it stays the caller's. */
struct execution_purpose {
	const char *id, *prompt, *description;
	const char *session; /* that the command continues; NULL: none */
	int64_t expires;     /* end of the lease, ms since 1970; 0: none */
	bool patient;        /* time spent waiting for a person does not count */
	struct ask_asker asker;
	/* Is it still wanted?  Called every tenth of a second. */
	bool (*wanted)(void *arg);
	/* A line of progress; they are rate-limited. */
	void (*progress)(void *arg, const char *text);
	void *arg;
};

struct execution {
	struct execution_purpose purpose;
	int64_t until;  /* end of the lease by clock_steady, should the wall clock be set back */
	int64_t waited; /* ms that closed questions waited for a person */
	struct ask_socket *questions; /* while the command runs */
	int signalfd;
	enum execution_stop stop; /* why it does not go on */
	bool signalled;           /* the worker stops, or died: */
	bool orphaned;            /* it died */
	struct err exceeded;      /* with EXECUTION_EXCEEDED: what */
	int64_t check_at;         /* clock_steady of the next check whether it is wanted */
	int64_t busy_check_at;    /* and, while nothing waits, for any reason to stop */
	int64_t took;             /* ms that the command ran */
	bool prompted;            /* it read something of its prompt, if there was one */
};

/* Begin what is done for ${p}: from here on the signals are blocked in this process. */
int execution_begin(struct execution *x, const struct execution_purpose *p, struct err *e);
void execution_end(struct execution *x);

/* The operator's command, where it runs, and how it is confined. */
struct execution_command {
	const struct workspace *workspace;
	const struct sandbox *sandbox;
	char *const *argv;
};

/* Run ${c} and collect what it writes in ${out}, and send its progress.  Returns 0 with
 * the wait status in *${status} when it and all that it started is gone. */
int execution_run(struct execution *x, const struct execution_command *c, struct output *out,
		  int *status, struct err *e);

/* Kill what a worker that was killed may have left of an earlier run in ${directory} of the state.
 * In bwrap nothing is left; without a sandbox it is found by the AWCP_WORKSPACE in its environment.
 */
int execution_clear(const char *directory, struct err *e);

/* Interrupts what takes long before and after the command, once there is a reason to stop, which
 * ${x}->stop then says. */
struct interrupt execution_interrupt(struct execution *x);

/* Wait ${ms}, or until there is a reason to stop. */
enum execution_stop execution_pause(struct execution *x, int64_t ms);

/* Wait ${ms}, or until the worker stops: what fails here is not to be tried again at once, also
 * when the task is over. */
void execution_rest(struct execution *x, int64_t ms);

#endif
