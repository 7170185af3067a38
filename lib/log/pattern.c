#include "log/pattern.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define LIBRARY "libpcre2-8.so.0"
#define TEXT 4096                                        /* bytes of an expression, at most */
#define BOUNDS "(*LIMIT_MATCH=100000)(*LIMIT_HEAP=8192)" /* steps of a search; KiB */

struct pattern {
	pcre2_code *code;
	_Atomic(pcre2_match_data *) spare; /* for the next search */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *missing; /* why the library cannot be used */

/* What is used of the library. */
#define FUNCTIONS(X)           \
	X(compile)             \
	X(jit_compile)         \
	X(code_free)           \
	X(match)               \
	X(match_data_create)   \
	X(match_data_free)     \
	X(get_ovector_pointer) \
	X(get_error_message)

#define DECLARE(name) __typeof__(pcre2_##name) *name;
static struct {
	FUNCTIONS(DECLARE)
} pcre2;

static void *
find_symbol(void *library, const char *name)
{
	void *found = library == NULL ? NULL : dlsym(library, name);

	if (found == NULL && missing == NULL)
		missing = dlerror();
	return found;
}

#define FIND(name) *(void **)&pcre2.name = find_symbol(library, "pcre2_" #name "_8");

static void
load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	FUNCTIONS(FIND)
}

struct pattern *
pattern_new(const char *text, bool anchored, struct err *e)
{
	char bounded[TEXT + sizeof BOUNDS], message[160] = "";
	size_t at;
	int error;

	(void)pthread_once(&once, load);
	if (missing != NULL) {
		err_set(e, ERR_CONFIG, "%s", missing);
		err_hint(e, "install it (on Debian: apt-get install libpcre2-8-0)");
		return NULL;
	}
	int n = snprintf(bounded, sizeof bounded, "%s%s", BOUNDS, text);
	if ((size_t)n >= sizeof bounded) {
		err_set(e, ERR_CONFIG, "longer than %d bytes", TEXT);
		return NULL;
	}
	struct pattern *x = calloc(1, sizeof *x);
	if (x == NULL) {
		err_memory(e);
		return NULL;
	}
	x->code = pcre2.compile((PCRE2_SPTR)bounded, (size_t)n, anchored ? PCRE2_ANCHORED : 0,
				&error, &at, NULL);
	if (x->code == NULL) {
		(void)pcre2.get_error_message(error, (PCRE2_UCHAR *)message, sizeof message);
		at = at < sizeof BOUNDS ? 1 : at - sizeof BOUNDS + 2;
		err_set(e, ERR_CONFIG, "%s at byte %zu", message, at);
		free(x);
		return NULL;
	}
	if (!anchored) /* where that cannot be done it is interpreted */
		(void)pcre2.jit_compile(x->code, PCRE2_JIT_COMPLETE);
	return x;
}

void
pattern_free(struct pattern *x)
{
	if (x == NULL)
		return;
	pcre2.match_data_free(x->spare);
	pcre2.code_free(x->code);
	free(x);
}

int
pattern_find(struct pattern *x, const char *p, size_t n, size_t *from, size_t *to)
{
	pcre2_match_data *data = atomic_exchange(&x->spare, NULL);

	if (data == NULL)
		data = pcre2.match_data_create(1, NULL);
	if (data == NULL)
		return -1;
	int rc = pcre2.match(x->code, (PCRE2_SPTR)p, n, *from, 0, data, NULL);
	if (rc >= 0) {
		*from = pcre2.get_ovector_pointer(data)[0];
		*to = pcre2.get_ovector_pointer(data)[1];
	}
	pcre2.match_data_free(atomic_exchange(&x->spare, data));
	return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
