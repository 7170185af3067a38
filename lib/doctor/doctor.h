/*
 * doctor - looks whether all is well with a machine, a configuration and a state directory, and
 * what a person can do where it is not.
 *
 * It changes nothing, but for a directory in tmp/ while it asks nginx what it thinks of its
 * configuration.  Each check is a small function that makes a finding or two.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include <stdbool.h>

#include "base/err.h"

enum doctor_grade {
	DOCTOR_OK,
	DOCTOR_WARN, /* something that a person may want so, or that ails only a part */
	DOCTOR_BAD   /* something does not work, or is not safe */
};

struct doctor_finding {
	const char *check; /* "sandbox" */
	enum doctor_grade grade;
	char text[ERR_MESSAGE + 64];
	char advice[320]; /* "": nothing to be done */
};

struct doctor {
	/* Where the FastCGI programs and the template for nginx are, absolute. */
	const char *libexec, *share;
	void (*tell)(void *arg, const struct doctor_finding *f);
	void *arg;
	enum doctor_grade worst; /* of all that was told */
};

/* Make every check.  The configuration has not been loaded yet: that is the first one, and there is
 * nothing more to be said if it fails. */
void doctor_examine(struct doctor *d);

/* "ok", "warn" or "bad". */
const char *doctor_grade_name(enum doctor_grade grade);

#endif
