/*
 * holder - who holds a token that is in use: what they have open in this program, and whether the
 * token still opens it.
 *
 * What is checked when a request comes must also end when it is no longer so: a token is removed,
 * it expires, it loses a right.  Whatever goes on for long has a pass, and asks now and then
 * whether that is still good.  The files of the tokens are read again only when one of them has
 * changed.
 */
#ifndef HTTP_HOLDER_H
#define HTTP_HOLDER_H

#include "access/token.h"

#define HOLDER_LOOK_MS 400 /* how often who waits is to look */

struct holder;

/* What lets a request in: one of ${rights}, by the token of ${holder}; NULL: nobody asks for one.
 */
struct pass {
	struct holder *holder;
	unsigned rights;
};

/* What a token may have open; each HOLDER_OUTPUT takes a thread for as long as it is followed. */
enum holder_thing { HOLDER_CONNECTION, HOLDER_STREAM, HOLDER_OUTPUT, HOLDER_THINGS };

/* A pass for one of ${rights} by ${t}, which has it; to be given back.  ERR_INTERNAL. */
int pass_get(struct pass *p, const struct token *t, unsigned rights, struct err *e);
void pass_put(struct pass *p);

/* Take one more ${thing} of those that may be open at a time, which are the token's limit, or else
 * three quarters of ${all}, so that no token alone takes all; ERR_RATE_LIMITED.  The pass is held
 * until pass_release. */
int pass_take(const struct pass *p, enum holder_thing thing, long long all, struct err *e);
void pass_release(const struct pass *p, enum holder_thing thing);

/* Is it still good?  ERR_AUTH_FAILED, or ERR_DECLINED, if not.  Looks at the tokens from time to
 * time. */
int pass_check(const struct pass *p, struct err *e);

/* Look at the tokens if that is due.  The number that is returned changes when a pass that was good
 * may no longer be. */
unsigned holder_look(void);

#endif
