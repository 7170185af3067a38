#include "http/holder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "config/home.h"

#define FRESH_MS 2000 /* a directory that changed so lately may have changed again unseen */

struct holder {
	LIST_ENTRY(holder) next;
	char file[SHA256_HEX];
	atomic_uint rights;             /* 0: the token is not valid any more */
	int64_t expires;                /* as .expires of a token; the rest under the lock */
	long long limit[HOLDER_THINGS]; /* 0: none of its own */
	long long open[HOLDER_THINGS];
	size_t passes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(holder_list, holder) holders = LIST_HEAD_INITIALIZER(holders);
static struct timespec changed; /* tokens/ had changed then, when it was looked at */
static atomic_llong due;        /* clock_steady */
static atomic_uint losses;

static void
set_rights(struct holder *x, unsigned rights)
{
	if ((x->rights & ~rights) != 0)
		losses++;
	x->rights = rights;
}

static void
learn(struct holder *x, const struct token *t)
{
	set_rights(x, t->rights);
	x->expires = t->expires;
	x->limit[HOLDER_CONNECTION] = t->limits.connections;
	x->limit[HOLDER_STREAM] = x->limit[HOLDER_OUTPUT] = t->limits.streams;
}

/* The one of ${t}, or NULL; the lock is held. */
static struct holder *
find(const struct token *t)
{
	struct holder *x;

	LIST_FOREACH(x, &holders, next)
	if (strcmp(x->file, t->file) == 0)
		return x;
	return NULL;
}

int
pass_get(struct pass *p, const struct token *t, unsigned rights, struct err *e)
{
	(void)pthread_mutex_lock(&lock);
	struct holder *x = find(t);
	if (x == NULL && (x = calloc(1, sizeof *x)) != NULL) {
		strcpy(x->file, t->file);
		LIST_INSERT_HEAD(&holders, x, next);
	}
	if (x != NULL) {
		learn(x, t);
		x->passes++;
	}
	(void)pthread_mutex_unlock(&lock);
	*p = (struct pass){x, rights};
	return x != NULL ? 0 : err_memory(e);
}

/* Give a pass of ${x} back; the lock is held. */
static void
drop_pass(struct holder *x)
{
	if (--x->passes > 0)
		return;
	LIST_REMOVE(x, next);
	free(x);
}

void
pass_put(struct pass *p)
{
	if (p->holder == NULL)
		return;
	(void)pthread_mutex_lock(&lock);
	drop_pass(p->holder);
	(void)pthread_mutex_unlock(&lock);
	p->holder = NULL;
}

int
pass_take(const struct pass *p, enum holder_thing thing, long long all, struct err *e)
{
	static const char *const names[] = {"requests", "streams", "outputs"};
	struct holder *x = p->holder;

	if (x == NULL)
		return 0;
	(void)pthread_mutex_lock(&lock);
	long long max = x->limit[thing] > 0 ? x->limit[thing] : all - all / 4;
	bool free = x->open[thing] < max;
	x->open[thing] += free;
	x->passes += free;
	(void)pthread_mutex_unlock(&lock);
	if (free)
		return 0;
	err_set(e, ERR_RATE_LIMITED, "this token has %lld %s open, which is its limit", max,
		names[thing]);
	err_hint(e, "try again when one of them has ended");
	return err_retry(e, 1);
}

void
pass_release(const struct pass *p, enum holder_thing thing)
{
	if (p->holder == NULL)
		return;
	(void)pthread_mutex_lock(&lock);
	p->holder->open[thing]--;
	drop_pass(p->holder);
	(void)pthread_mutex_unlock(&lock);
}

/* Has any of the files of the tokens changed since it was looked at?  The lock is held. */
static bool
have_changed(void)
{
	struct stat st;
	struct err e;

	int fd = home_dir("tokens", &e);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false; /* the next time shows it */
	const struct timespec was = changed;
	changed = st.st_mtim;
	return was.tv_sec != changed.tv_sec || was.tv_nsec != changed.tv_nsec ||
	       clock_now() - (int64_t)changed.tv_sec * 1000 < FRESH_MS;
}

/* Read the token of ${x} again. */
static void
read_again(struct holder *x)
{
	struct token t;
	struct err e;

	if (token_reload(x->file, &t, &e) == 0)
		learn(x, &t);
	else if (e.code == ERR_AUTH_FAILED)
		set_rights(x, 0);
}

unsigned
holder_look(void)
{
	int64_t now = clock_steady();
	struct holder *x;

	if (now < due)
		return losses;
	(void)pthread_mutex_lock(&lock);
	due = now + HOLDER_LOOK_MS;
	bool all = !LIST_EMPTY(&holders) && have_changed();
	LIST_FOREACH(x, &holders, next)
	if (all || (x->rights != 0 && x->expires != 0 && x->expires <= clock_now()))
		read_again(x);
	(void)pthread_mutex_unlock(&lock);
	return losses;
}

int
pass_check(const struct pass *p, struct err *e)
{
	if (p->holder == NULL)
		return 0;
	(void)holder_look();
	unsigned rights = p->holder->rights;
	if ((rights & p->rights) != 0)
		return 0;
	return err_set(e, rights == 0 ? ERR_AUTH_FAILED : ERR_DECLINED,
		       rights == 0 ? "the token is not valid any more"
				   : "the token has not the right to go on with this any more");
}
