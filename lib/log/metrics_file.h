/* metrics_file - the content of a file of counters, for its writer and its readers. */
#ifndef LOG_METRICS_FILE_H
#define LOG_METRICS_FILE_H

#include "log/metrics.h"

#define METRICS_DIR "metrics"
#define METRICS_NAME 48
#define METRICS_SLOTS 4096 /* of a file, at most */
#define METRICS_FILES 4096

enum metric_kind { METRIC_COUNTER, METRIC_LEVEL, METRIC_DURATION };

struct metric_description {
	const char *name;
	enum metric_kind kind;
	const char *label[2]; /* names, NULL: it has none */
	const char *help;
};

extern const struct metric_description metrics_known[METRICS];

/* Which of them has that name; -1 if none has. */
int metric_named(const char name[METRICS_NAME]);

/* The upper ends of the buckets of a duration, ms; INT64_MAX the last. */
extern const int64_t metrics_bucket[];

/* A counter.  Of a duration, label 0 is the end of a bucket, ms, for how many were in it, or "sum"
 * for how many ms they had together. */
struct metrics_slot {
	char name[METRICS_NAME];
	char label[2][METRICS_LABEL];
	uint64_t value;
	uint64_t check; /* ~value */
};

#endif
