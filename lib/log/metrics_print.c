/* metrics_print - the files of all processes added up, and what there is to do now, as text. */
#include "log/metrics_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
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
	size_t count, cap;
};

static int
add_sum(struct sums *all, int metric, const struct metrics_slot *slot, struct err *e)
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
	struct sum *more = array_grow(all->sum, all->count + 1, &all->cap, sizeof *more, e);
	if (more == NULL)
		return -1;
	all->sum = more;
	all->sum[all->count++] = wanted;
	return 0;
}

/* Read slot ${i}: 1, or 0 after the last.  One that never reads whole is not counted. */
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

/* Is the process alive whose file it is?  If not, nothing that it had open still is. */
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
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		goto out; /* not ours */
	for (size_t i = 0; i < METRICS_SLOTS && read_slot(fd, i, &slot); i++) {
		int m = metric_named(slot.name);
		if (m < 0 ||
		    (metrics_known[m].kind == METRIC_LEVEL && (slot.value == 0 || !has_owner(fd))))
			continue;
		status = add_sum(all, m, &slot, e);
		if (status < 0)
			break;
	}
out:
	file_close(fd);
	return status;
}

static int
add_files(struct sums *all, struct err *e)
{
	int status = 0;

	int dirfd = home_dir(METRICS_DIR, e);
	if (dirfd < 0)
		return -1;
	DIR *dir = home_list(METRICS_DIR);
	if (dir == NULL)
		return err_sys(e, "cannot read " METRICS_DIR);
	for (const char *name; (name = file_next(&dir)) != NULL;)
		if (strspn(name, "0123456789") == strlen(name) && status == 0)
			status = add_file(all, dirfd, name, e);
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

/* ${d} with its ${n} sums from ${first}. */
static int
print_metric(struct buf *out, const struct metric_description *d, const struct sum *first, size_t n,
	     struct err *e)
{
	if (print_head(out, d, e) < 0)
		return -1;
	if (d->kind == METRIC_DURATION)
		return print_duration(out, d, first, n, e);
	if (n == 0 && d->label[0] == NULL)
		return print_sum(out, d, &(struct sum){0}, e);
	for (size_t i = 0; i < n; i++)
		if (print_sum(out, d, &first[i], e) < 0)
			return -1;
	return 0;
}

int
metrics_print(struct buf *out, struct err *e)
{
	struct sums all = {0};
	size_t i = 0;
	int status = -1;

	if (add_files(&all, e) < 0)
		goto out;
	if (all.count > 0)
		qsort(all.sum, all.count, sizeof *all.sum, by_labels);
	for (int m = 0; m < METRICS; m++) {
		size_t n = 0;
		while (i + n < all.count && all.sum[i + n].metric == m)
			n++;
		if (print_metric(out, &metrics_known[m], n > 0 ? &all.sum[i] : NULL, n, e) < 0)
			goto out;
		i += n;
	}
	status = 0;
out:
	free(all.sum);
	return status;
}
