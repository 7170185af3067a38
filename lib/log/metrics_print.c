/* metrics_print - the files of all processes added up, and what there is to do now, as text. */
#include "log/metrics_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config/home.h"

#define TRIES 100 /* to read a slot that is being written */

/* The sums, in the order of metrics_known, then of labels. */
struct sum {
	int metric;
	char label[2][METRICS_LABEL];
	uint64_t value;
};

struct sums {
	struct sum *sum;
	size_t count, room;
};

static int
metric_named(const char name[METRICS_NAME])
{
	for (int m = 0; m < METRICS; m++)
		if (strncmp(name, metrics_known[m].name, METRICS_NAME) == 0)
			return m;
	return -1;
}

static int
add(struct sums *all, int metric, const struct metrics_slot *slot, struct err *e)
{
	struct sum wanted = {.metric = metric, .value = slot->value};

	memcpy(wanted.label, slot->label, sizeof wanted.label);
	wanted.label[0][METRICS_LABEL - 1] = wanted.label[1][METRICS_LABEL - 1] = '\0';
	for (size_t i = 0; i < all->count; i++)
		if (all->sum[i].metric == metric &&
		    memcmp(all->sum[i].label, wanted.label, sizeof wanted.label) == 0) {
			all->sum[i].value += slot->value;
			return 0;
		}
	if (all->count == all->room) {
		size_t room = all->room * 2 + 64;
		struct sum *more = realloc(all->sum, room * sizeof *more);
		if (more == NULL)
			return err_memory(e);
		all->sum = more;
		all->room = room;
	}
	all->sum[all->count++] = wanted;
	return 0;
}

/* Read slot ${i}: 1, 0 behind the last.  One that is whole at no time is not counted. */
static int
read_slot(int fd, size_t i, struct metrics_slot *slot)
{
	for (int try = 0; try < TRIES; try++) {
		if (pread(fd, slot, sizeof *slot, (off_t)(i * sizeof *slot)) != sizeof *slot)
			return 0;
		if (slot->value == ~slot->check)
			return 1;
	}
	slot->name[0] = '\0';
	return 1;
}

/* Does the process live whose file it is?  If not, what it had open is not open any more. */
static bool
has_owner(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return true;
	(void)flock(fd, LOCK_UN);
	return false;
}

static int
add_file(struct sums *all, int dirfd, const char *name, struct err *e)
{
	struct metrics_slot slot;
	struct stat st;
	int status = 0;

	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return 0; /* not ours */
	bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	for (size_t i = 0; ours && status == 0 && i < METRICS_SLOTS && read_slot(fd, i, &slot);
	     i++) {
		int m = metric_named(slot.name);
		if (m >= 0 &&
		    (metrics_known[m].kind != METRIC_LEVEL || (slot.value != 0 && has_owner(fd))))
			status = add(all, m, &slot, e);
	}
	file_close(fd);
	return status;
}

static int
add_files(struct sums *all, struct err *e)
{
	const struct dirent *entry;
	int status = 0;

	int dirfd = home_dir(METRICS_DIR, e);
	int copy = dirfd < 0 ? -1 : openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (dir == NULL) {
		file_close(copy);
		return dirfd < 0 ? -1 : err_sys(e, "cannot read " METRICS_DIR);
	}
	while (status == 0 && (entry = readdir(dir)) != NULL)
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			status = add_file(all, dirfd, entry->d_name, e);
	(void)closedir(dir);
	return status;
}

static int
by_labels(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	int order = strcmp(x->label[0], y->label[0]);
	return order != 0 ? order : strcmp(x->label[1], y->label[1]);
}

static int
print_head(struct buf *out, const struct metric_description *d, struct err *e)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
					    [METRIC_LEVEL] = "gauge",
					    [METRIC_DURATION] = "histogram"};

	return buf_printf(out, e, "# HELP %s %s\n# TYPE %s %s\n", d->name, d->help, d->name,
			  types[d->kind]);
}

/* What is in the ${n} sums of ${d} as a histogram, which is cumulative. */
static int
print_duration(struct buf *out, const struct metric_description *d, const struct sum *sum, size_t n,
	       struct err *e)
{
	uint64_t so_far = 0, ms = 0;
	char end[METRICS_LABEL];

	for (size_t i = 0; i < n; i++)
		if (strcmp(sum[i].label[0], "sum") == 0)
			ms = sum[i].value;
	for (const int64_t *b = metrics_bucket;; b++) {
		(void)snprintf(end, sizeof end, "%" PRId64, *b);
		for (size_t i = 0; i < n; i++)
			if (strcmp(sum[i].label[0], end) == 0)
				so_far += sum[i].value;
		if (*b == INT64_MAX)
			break;
		if (buf_printf(out, e, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", d->name,
			       (double)*b / 1000, so_far) < 0)
			return -1;
	}
	return buf_printf(out, e,
			  "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %" PRIu64 ".%03" PRIu64
			  "\n%s_count %" PRIu64 "\n",
			  d->name, so_far, d->name, ms / 1000, ms % 1000, d->name, so_far);
}

static int
print_sum(struct buf *out, const struct metric_description *d, const struct sum *s, struct err *e)
{
	if (buf_printf(out, e, "%s", d->name) < 0)
		return -1;
	for (int i = 0; i < 2 && d->label[i] != NULL; i++)
		if (buf_printf(out, e, "%s%s=\"%s\"", i == 0 ? "{" : ",", d->label[i],
			       s->label[i]) < 0)
			return -1;
	return buf_printf(out, e, "%s %" PRIu64 "\n", d->label[0] != NULL ? "}" : "", s->value);
}

int
metrics_print(struct buf *out, struct err *e)
{
	struct sums all = {0};
	size_t i = 0;

	int status = add_files(&all, e);
	if (all.count > 0)
		qsort(all.sum, all.count, sizeof *all.sum, by_labels);
	for (int m = 0; status == 0 && m < METRICS; m++) {
		const struct metric_description *d = &metrics_known[m];
		size_t n = 0;
		while (i + n < all.count && all.sum[i + n].metric == m)
			n++;
		const struct sum *first = n > 0 ? &all.sum[i] : NULL;
		status = print_head(out, d, e);
		if (status == 0 && d->kind == METRIC_DURATION)
			status = print_duration(out, d, first, n, e);
		else if (status == 0 && n == 0 && d->label[0] == NULL)
			status = print_sum(out, d, &(struct sum){0}, e);
		else
			for (size_t k = 0; status == 0 && k < n; k++)
				status = print_sum(out, d, &first[k], e);
		i += n;
	}
	free(all.sum);
	return status;
}
