#include "process/usage.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "process/measure.h"
#include "process/tree.h"

#define DIRECTORY_MS 1000  /* between two measurements of directories, at least */
#define DIRECTORY_SHARE 20 /* and this many times as long as a measurement takes */

static int
check_memory(const struct usage *m, const struct process_tree *t, struct err *e)
{
	uint64_t limit = m->sandbox->memory;

	if (limit == 0)
		return 0;
	if (m->group->memory >= 0 ? !cgroup_out_of_memory(m->group)
				  : measure_memory(t, limit) <= limit)
		return 0;
	return err_set(e, ERR_TASK_FAILED,
		       "its processes use more memory than the %" PRIu64 " MiB that a task may",
		       limit >> 20);
}

static int
check_cpu(const struct usage *m, const struct process_tree *t, struct err *e)
{
	uint64_t limit = m->sandbox->cpu;

	if (limit == 0)
		return 0;
	int64_t ms = cgroup_cpu(m->group);
	uint64_t used = ms >= 0 ? (uint64_t)ms / 1000 : measure_cpu(t);
	if (used < limit)
		return 0;
	return err_set(e, ERR_TASK_FAILED,
		       "it has used %" PRIu64 " s of CPU time, which is all that a task may",
		       limit);
}

/* The bytes in the directories; UINT64_MAX if they are nested too deep. */
static uint64_t
measure_all(const struct usage *m)
{
	uint64_t sum = 0;

	for (const char *const *one = m->directories; *one != NULL; one++) {
		uint64_t bytes = measure_directory(*one);
		if (bytes == UINT64_MAX)
			return bytes;
		sum += bytes;
	}
	return sum;
}

static int
check_disk(const struct usage *m, const struct process_tree *t, struct err *e)
{
	uint64_t limit = m->sandbox->disk, bytes = measure_all(m);
	struct stat st;

	if (bytes == UINT64_MAX)
		return err_set(e, ERR_TASK_FAILED,
			       "its directory is nested more than %d deep, where it cannot be "
			       "measured",
			       MEASURE_DEPTH);
	if (stat(m->directories[0], &st) == 0)
		bytes += measure_unnamed(t, st.st_dev);
	if (bytes <= m->baseline + limit)
		return 0;
	return err_set(e, ERR_TASK_FAILED,
		       "its directory has grown by %" PRIu64 " MiB, more than the %" PRIu64
		       " MiB that a task may take",
		       (bytes - m->baseline) >> 20, limit >> 20);
}

void
usage_begin(struct usage *m, const struct sandbox *s, const struct cgroup *group,
	    const char *const *directories)
{
	*m = (struct usage){.sandbox = s, .group = group, .directories = directories};
	if (s->disk == 0)
		return;
	m->baseline = measure_all(m);
	if (m->baseline == UINT64_MAX)
		m->baseline = 0; /* usage_check reports it */
}

/* Check what is due. */
static int
check_due(struct usage *m, const struct process_tree *t, bool processes, bool directory,
	  struct err *e)
{
	int64_t began = clock_steady();

	if (processes && (check_memory(m, t, e) < 0 || check_cpu(m, t, e) < 0))
		return -1;
	if (!directory)
		return 0;
	int status = check_disk(m, t, e);
	int64_t now = clock_steady();
	m->next_directory = now + DIRECTORY_MS + (now - began) * DIRECTORY_SHARE;
	return status;
}

int
usage_check(struct usage *m, pid_t root, bool last, struct err *e)
{
	const struct sandbox *s = m->sandbox;
	struct process_tree t = PROCESS_TREE_INIT;
	int64_t now = clock_steady();

	bool processes = (s->memory != 0 || s->cpu != 0) && (last || now >= m->next_processes);
	bool directory = s->disk != 0 && (last || now >= m->next_directory);
	if (!processes && !directory)
		return 0;
	if (processes)
		m->next_processes = now + USAGE_MS;
	process_tree_add(&t, root);
	int status = check_due(m, &t, processes, directory, e);
	process_tree_free(&t);
	return status;
}
