/*
 * throttle - counts requests without a valid credential by the address they come from.
 *
 * Nobody guesses a token of 256 bits; this keeps those who try from filling the log and the
 * machine.  A request with a valid token is always answered, so that nobody is shut out by others
 * who share an address.  The table is small, of this process only, and forgets the
 * address that was quiet for longest.
 */
#ifndef HTTP_THROTTLE_H
#define HTTP_THROTTLE_H

#include "base/err.h"

/* Read AWCP_AUTH_FAILURES, how many an address may have in a minute (10; 0: any number).  Until
 * then nothing is limited. */
int throttle_policy(struct err *e);

/* Count a failure of ${address}.  Returns 0, or the seconds for which it is refused; *${first} is 1
 * when that begins. */
unsigned throttle_failure(const char *address, int *first);

#endif
