/*
 * breaker - a circuit breaker in a file: who gets no work for a while.
 *
 *	guards/<kind>.<name>   {"kind", "name", "until", "stopped", "why", "deaths", "window"}
 *
 * There are two reasons for a pause.  Somebody asked for it; or something died so often within a
 * span, without a success in between, that it is stopped for as long, so that a crash loop neither
 * burns through a queue nor goes unseen.  Both end by themselves, or when a person clears the
 * breaker; log/lifecycle.log has a stop and either end.
 *
 * The file is shared by all processes of the account and survives them; there is no file where
 * there is nothing to remember.  Readers take no lock.  A damaged file is moved to corrupt/.
 */
#ifndef STATE_BREAKER_H
#define STATE_BREAKER_H

#include "base/err.h"

enum breaker_kind { BREAKER_PROFILE, BREAKER_QUEUE, BREAKER_KINDS };

#define BREAKER_NAME 128   /* longest name, bytes; as id_valid has it */
#define BREAKER_REASON 256 /* bytes of a reason with its NUL; a longer one is cut */

/* So many deaths within so many ms stop it, for as many ms. */
struct breaker_rule {
	unsigned deaths; /* 0: it is never stopped */
	int64_t window;
};

struct breaker {
	enum breaker_kind kind;
	char name[BREAKER_NAME + 1];
	int64_t until;   /* it gets no work before, ms since 1970; 0: no pause */
	bool stopped;    /* it died too often; else the pause was asked for */
	unsigned deaths; /* since its last success, within the window */
	char why[BREAKER_REASON];
};

/* "profile" or "queue". */
const char *breaker_kind_name(enum breaker_kind kind);

/* The breaker of ${name} into ${b}; where there is none: no pause, no deaths. */
int breaker_read(enum breaker_kind kind, const char *name, struct breaker *b, struct err *e);

/* Give it no work before ${until}, because of ${why}; a pause that ends later stays. */
int breaker_pause(enum breaker_kind kind, const char *name, int64_t until, const char *why,
		  struct err *e);

/* It died of ${why}.  *${stopped}: that was too often by ${rule}, and it is stopped now. */
int breaker_died(enum breaker_kind kind, const char *name, const struct breaker_rule *rule,
		 const char *why, bool *stopped, struct err *e);

/* It did its work: earlier deaths are forgotten; a pause goes on. */
int breaker_success(enum breaker_kind kind, const char *name, struct err *e);

/* Forget all of it: it gets work at once.  ERR_NOT_FOUND if there is nothing to forget. */
int breaker_clear(enum breaker_kind kind, const char *name, struct err *e);

/* Call ${each} for every breaker of which something is over, a pause or all of its deaths, as it
 * was before; until it returns non-zero, which is returned. */
int breaker_each_over(int (*each)(void *arg, const struct breaker *b), void *arg, struct err *e);

/* Call ${each} for every breaker that gives no work now, as breaker_each_over does. */
int breaker_each_closed(int (*each)(void *arg, const struct breaker *b), void *arg, struct err *e);

/* Forget what is over of it; the log gets the end of a pause. */
int breaker_end(enum breaker_kind kind, const char *name, struct err *e);

#endif
