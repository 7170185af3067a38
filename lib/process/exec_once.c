#include "process/exec_once.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/process.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define FOREIGN 0x40000000U           /* calls from here on are those of x32 */
#define ADDRESSES (UINT64_C(1) << 46) /* addresses that a process surely may use */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define FOREIGN UINT32_MAX
#define ADDRESSES (UINT64_C(1) << 38)
#else
#define ARCH 0U
#define FOREIGN UINT32_MAX
#define ADDRESSES UINT64_C(0x80000000)
#endif

#define TRIES 64
#define MIN_ADDRESS (UINT64_C(1) << 20)

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOW(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]))
#define HIGH(n) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]) + 4)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IF(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), yes, no)

/* Memory for ${size} bytes at an address that nobody guesses, down to its last bits; NULL if there
 * is none. */
static void *
hidden_memory(size_t size)
{
	size_t length =
	    (size + 2 * (size_t)sysconf(_SC_PAGESIZE)) & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
	uint64_t chance;

	for (int i = 0; i < TRIES; i++) {
		if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
			return NULL;
		uint64_t at = MIN_ADDRESS + chance % (ADDRESSES - MIN_ADDRESS - length);
		uint64_t page = at & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
		void *got = mmap((void *)(uintptr_t)page, length, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		if (got == (void *)(uintptr_t)page)
			return (void *)(uintptr_t)(at & ~(uint64_t)7);
		if (got != MAP_FAILED)
			(void)munmap(got, length); /* a kernel that takes the address for a hint */
	}
	return NULL;
}

/* ${list}, NULL-terminated, where nobody guesses. */
static char **
hide_list(char *const *list)
{
	size_t n = 1;

	while (list[n - 1] != NULL)
		n++;
	char **copy = hidden_memory(n * sizeof *copy);
	if (copy != NULL)
		memcpy(copy, list, n * sizeof *copy);
	return copy;
}

/* From here on the kernel takes execve(2) with these addresses only. */
static int
restrict_to(const char *path, char *const *argv, char *const *envp)
{
	const uint64_t at[3] = {(uintptr_t)path, (uintptr_t)argv, (uintptr_t)envp};
	struct sock_filter filter[] = {
	    LOAD(arch),
	    IF(BPF_JEQ, ARCH, 1, 0),
	    RETURN(SECCOMP_RET_ERRNO | EPERM),
	    LOAD(nr),
	    IF(BPF_JGE, FOREIGN, 14, 0),
	    IF(BPF_JEQ, SYS_execveat, 13, 0),
	    IF(BPF_JEQ, SYS_execve, 0, 13),
	    LOW(0),
	    IF(BPF_JEQ, at[0] & UINT32_MAX, 0, 10),
	    HIGH(0),
	    IF(BPF_JEQ, at[0] >> 32, 0, 8),
	    LOW(1),
	    IF(BPF_JEQ, at[1] & UINT32_MAX, 0, 6),
	    HIGH(1),
	    IF(BPF_JEQ, at[1] >> 32, 0, 4),
	    LOW(2),
	    IF(BPF_JEQ, at[2] & UINT32_MAX, 0, 2),
	    HIGH(2),
	    IF(BPF_JEQ, at[2] >> 32, 1, 0),
	    RETURN(SECCOMP_RET_ERRNO | EPERM),
	    RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

int
exec_once(char *const argv[], struct err *e)
{
	char *path, **words, **environment;

	if (ARCH == 0)
		return err_set(e, ERR_CONFIG, "no-exec is not supported on this architecture");
	char *found = process_find(argv[0], e);
	if (found == NULL)
		return -1;
	if ((path = hidden_memory(strlen(found) + 1)) == NULL ||
	    (words = hide_list(argv)) == NULL || (environment = hide_list(environ)) == NULL) {
		free(found);
		return err_memory(e);
	}
	memcpy(path, found, strlen(found) + 1);
	free(found);
	if (restrict_to(path, words, environment) < 0)
		return err_sys(e, "cannot restrict what may be executed");
	(void)syscall(SYS_execve, path, words, environment);
	return err_sys(e, "cannot run %s", argv[0]);
}
