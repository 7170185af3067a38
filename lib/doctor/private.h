/* doctor/private - how a check reports what it found, and the checks. */
#ifndef DOCTOR_PRIVATE_H
#define DOCTOR_PRIVATE_H

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

/* checks - each makes a finding or two. */

/* False if the state cannot be opened, which ends the checks of what is in it. */
bool doctor_state(struct doctor *d);
void doctor_filesystem(struct doctor *d);
void doctor_tokens(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_reap(struct doctor *d);
void doctor_followers(struct doctor *d);
void doctor_damage(struct doctor *d);
void doctor_queues(struct doctor *d);
void doctor_breakers(struct doctor *d);
void doctor_sandbox(struct doctor *d);
void doctor_nginx(struct doctor *d);
void doctor_servers(struct doctor *d);

#endif
