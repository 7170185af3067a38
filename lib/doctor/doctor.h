/*
 * doctor - checks a machine, a configuration and a state directory, and says what a person can do
 * about what is wrong.
 *
 * It changes nothing, except for a directory in tmp/ while nginx tests its configuration.  Each
 * check is a small function that makes a finding or two.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "base/err.h"

enum doctor_grade {
	DOCTOR_OK,
	DOCTOR_WARN, /* may be intended, or affects only a part */
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
	void (*report)(void *arg, const struct doctor_finding *f);
	void *arg;
	enum doctor_grade worst; /* of all findings */
	size_t wrong;            /* of them that are not DOCTOR_OK */
};

/* Make every check.  Loading the configuration is the first one; if it fails, it is the last. */
void doctor_examine(struct doctor *d);

/* "ok", "warn" or "bad". */
const char *doctor_grade_name(enum doctor_grade grade);

#endif
