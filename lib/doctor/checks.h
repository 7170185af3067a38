/* checks - each makes a finding or two. */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

#include "doctor/doctor.h"

/* False if the state cannot be opened, which ends the checks of what is in it. */
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
