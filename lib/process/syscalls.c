#include "process/syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/file.h"

#define X32 0x40000000U /* marks the calls of x32, which are numbered as those of x86-64 */
#define FILTER 256      /* instructions */

/* When a call is denied. */
enum which {
	NO_KEYS,
	NO_FAMILIES, /* its first argument is not a family that a namespace confines */
	NO_URING,
	NO_SOCKETCALL, /* its first argument says that it makes a socket */
	NO_SEGMENTS,
	NO_IPC /* its first argument says that it makes a segment */
};

#define SOCKETCALL_SOCKET 1
#define IPC_SHMGET 23

struct call {
	unsigned number;
	enum which which;
};

/* The calls of an architecture, ended by one without a number. */
struct machine {
	uint32_t arch;
	struct call call[12];
};

static const struct machine machines[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64,
     {{248, NO_KEYS},
      {249, NO_KEYS},
      {250, NO_KEYS},
      {41, NO_FAMILIES},
      {425, NO_URING},
      {29, NO_SEGMENTS}}},
    {AUDIT_ARCH_I386,
     {{286, NO_KEYS},
      {287, NO_KEYS},
      {288, NO_KEYS},
      {359, NO_FAMILIES},
      {102, NO_SOCKETCALL},
      {425, NO_URING},
      {395, NO_SEGMENTS},
      {117, NO_IPC}}},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64,
     {{217, NO_KEYS},
      {218, NO_KEYS},
      {219, NO_KEYS},
      {198, NO_FAMILIES},
      {425, NO_URING},
      {194, NO_SEGMENTS}}},
    {AUDIT_ARCH_ARM,
     {{309, NO_KEYS},
      {310, NO_KEYS},
      {311, NO_KEYS},
      {281, NO_FAMILIES},
      {425, NO_URING},
      {307, NO_SEGMENTS}}},
#else
    {0, {{SYS_add_key, NO_KEYS}, {SYS_request_key, NO_KEYS}, {SYS_keyctl, NO_KEYS}}},
#endif
};

struct program {
	struct sock_filter step[FILTER];
	size_t count;
};

static void
add(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (p->count < FILTER)
		p->step[p->count++] = (struct sock_filter){code, yes, no, k};
}

static void
load(struct program *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
deny(struct program *p)
{
	add(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
}

static void
allow(struct program *p)
{
	add(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* If the number that was loaded is that of ${c}, decide here. */
static void
judge(struct program *p, const struct call *c)
{
	static const uint32_t confined[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	size_t n = sizeof confined / sizeof confined[0], first = p->count;

	add(p, BPF_JMP | BPF_JEQ | BPF_K, c->number, 0, 0);
	if (c->which != NO_KEYS && c->which != NO_URING && c->which != NO_SEGMENTS)
		load(p, offsetof(struct seccomp_data, args[0]));
	if (c->which == NO_FAMILIES) {
		for (size_t i = 0; i < n; i++) /* over the denial */
			add(p, BPF_JMP | BPF_JEQ | BPF_K, confined[i], (uint8_t)(n - i), 0);
		deny(p);
		allow(p);
	} else if (c->which == NO_SOCKETCALL || c->which == NO_IPC) {
		if (c->which == NO_IPC) /* above are versions of the call */
			add(p, BPF_ALU | BPF_AND | BPF_K, 0xffff, 0, 0);
		add(p, BPF_JMP | BPF_JEQ | BPF_K,
		    c->which == NO_IPC ? IPC_SHMGET : SOCKETCALL_SOCKET, 0, 1);
		deny(p);
		allow(p);
	} else {
		deny(p);
	}
	if (p->count < FILTER)
		p->step[first].jf = (uint8_t)(p->count - first - 1);
}

static bool
is_denied(const struct syscalls_denied *d, enum which which)
{
	switch (which) {
	case NO_KEYS:
		return true;
	case NO_SEGMENTS:
	case NO_IPC:
		return d->shared_memory;
	default:
		return d->sockets;
	}
}

/* Add the calls of ${m}, and what leads over them on another. */
static void
add_machine(struct program *p, const struct machine *m, const struct syscalls_denied *d)
{
	size_t jump = 0;

	if (m->arch != 0) {
		load(p, offsetof(struct seccomp_data, arch));
		jump = p->count;
		add(p, BPF_JMP | BPF_JEQ | BPF_K, m->arch, 0, 0);
	}
	load(p, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
	add(p, BPF_ALU | BPF_AND | BPF_K, ~X32, 0, 0);
#endif
	for (const struct call *c = m->call; c->number != 0; c++)
		if (is_denied(d, c->which))
			judge(p, c);
	if (m->arch != 0 && p->count < FILTER)
		p->step[jump].jf = (uint8_t)(p->count - jump - 1);
}

int
syscalls_filter(const struct syscalls_denied *d, struct err *e)
{
	struct program p = {.count = 0};

	for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
		add_machine(&p, &machines[i], d);
	allow(&p);
	return file_in_memory(p.step, p.count * sizeof p.step[0], e);
}
