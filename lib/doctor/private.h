/*
 * What the parts of doctor share: doctor.c (the order, configuration and programs), doctor_state.c
 * (the state directory) and doctor_serve.c (what an executor needs to be reached).
 */
#ifndef DOCTOR_PRIVATE_H
#define DOCTOR_PRIVATE_H

#include "doctor/doctor.h"

/* Tell a finding, without advice. */
void doctor_tell(struct doctor *d, enum doctor_grade grade, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Tell a finding and what to do. */
void doctor_advise(struct doctor *d, enum doctor_grade grade, const char *check, const char *advice,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Tell what ${e} says. */
void doctor_fail(struct doctor *d, enum doctor_grade grade, const char *check, const struct err *e);

/* The path of program ${name}, also where only root looks for it; to be freed, NULL if there is
 * none. */
char *doctor_find(const char *name);

/* The checks.  A state that cannot be opened ends those of the state: false. */
bool doctor_state(struct doctor *d);
void doctor_tokens(struct doctor *d);
void doctor_disk(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_reap(struct doctor *d);
void doctor_followers(struct doctor *d);
void doctor_damage(struct doctor *d);
void doctor_sandbox(struct doctor *d);
void doctor_nginx(struct doctor *d);
void doctor_servers(struct doctor *d);

#endif
