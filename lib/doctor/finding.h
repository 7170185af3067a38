/* finding - how a check reports what it found. */
#ifndef DOCTOR_FINDING_H
#define DOCTOR_FINDING_H

#include "doctor/doctor.h"

/* Report a finding, without advice. */
void doctor_report(struct doctor *d, enum doctor_grade grade, const char *check, const char *fmt,
		   ...) __attribute__((format(printf, 4, 5)));

/* Report a finding and what to do. */
void doctor_advise(struct doctor *d, enum doctor_grade grade, const char *check, const char *advice,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Report ${e}, with its hint as advice. */
void doctor_fail(struct doctor *d, enum doctor_grade grade, const char *check, const struct err *e);

/* The path of program ${name}, also where only root looks for it; to be freed, NULL if there is
 * none. */
char *doctor_find(const char *name);

#endif
