/*
 * guard - who is not to be given work for a while: a circuit breaker in a file.
 *
 *	guards/<kind>.<name>   {"kind", "name", "until", "stopped", "why", "deaths", "window"}
 *
 * There are two reasons to wait.  Something that asked for it cools down.  Something that dies
 * again and again is stopped: after so many deaths within a span, with no success in between, for
 * another such span, so that a crash loop neither burns through a queue nor goes unseen.  Both end
 * by themselves, or when a person clears the guard; a stop, and either end, is told in
 * log/lifecycle.log.
 *
 * The file is shared by all processes of the account and survives them; there is none where there
 * is nothing to say.  Readers take no lock.  A file that makes no sense is moved to corrupt/.
 */
#ifndef STATE_BREAKER_H
#define STATE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum breaker_kind { BREAKER_PROFILE, BREAKER_QUEUE, BREAKER_KINDS };

#define BREAKER_NAME 128   /* longest name, bytes; as id_valid has it */
#define BREAKER_REASON 256 /* bytes of a reason with its NUL; the beginning of a longer one */

/* So many deaths within so many ms stop it, for as many ms. */
struct guard_rule {
	unsigned deaths; /* 0: any number, it is never stopped */
	int64_t window;
};

struct breaker {
	enum breaker_kind kind;
	char name[BREAKER_NAME + 1];
	int64_t until;   /* nothing is begun before, ms since 1970; 0: it is free */
	bool stopped;    /* it died too often; else it cools down */
	unsigned deaths; /* since its last success, within the window */
	char why[BREAKER_REASON];
};

/* "profile" or "queue". */
const char *breaker_kind_name(enum breaker_kind kind);

/* Look at the guard of ${name}; where there is none it is free, without deaths. */
int breaker_look(enum breaker_kind kind, const char *name, struct breaker *g, struct err *e);

/* Give it no work before ${until}, because of ${why}; a later end that it has already stays. */
int breaker_pause(enum breaker_kind kind, const char *name, int64_t until, const char *why,
		  struct err *e);

/* It died of ${why}.  *${stopped}: that was one too many by ${rule}, and it is stopped now. */
int breaker_died(enum breaker_kind kind, const char *name, const struct guard_rule *rule,
		 const char *why, bool *stopped, struct err *e);

/* It did its work: the deaths before are forgotten, but a time to wait goes on. */
int breaker_success(enum breaker_kind kind, const char *name, struct err *e);

/* Forget all of it: it may go on at once.  ERR_NOT_FOUND if there is nothing to forget. */
int breaker_clear(enum breaker_kind kind, const char *name, struct err *e);

/* Call ${each} for every guard of which something is over, as it was: a time to wait, or all of its
 * deaths; until it returns non-zero, which is returned. */
int breaker_over(int (*each)(void *arg, const struct breaker *g), void *arg, struct err *e);

/* Forget what is over of it; that its time to wait is, is told in the log. */
int breaker_end(enum breaker_kind kind, const char *name, struct err *e);

#endif
