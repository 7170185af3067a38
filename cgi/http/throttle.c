#include "http/throttle.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/settings.h"

#define SLOTS 256
#define WAYS 8 /* slots that an address may have */
#define WINDOW_MS 60000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long long max_failures;
static struct slot {
	char address[48];
	int64_t began; /* clock_steady of the first failure in the window, 0: free */
	long long count;
} slots[SLOTS];

int
throttle_policy(struct err *e)
{
	return setting_number(SETTING_AUTH_FAILURES, &max_failures, e);
}

/* An IPv6 user has 2^64 addresses: only the network counts. */
static void
network_of(const char *address, char out[sizeof slots[0].address])
{
	int colons = 0;
	size_t n = 0;

	while (n < sizeof slots[0].address - 1 && address[n] != '\0') {
		colons += address[n] == ':';
		if (colons == 4 ||
		    (colons > 0 && n > 0 && address[n] == ':' && address[n - 1] == ':'))
			break;
		n++;
	}
	memcpy(out, address, n);
	out[n] = '\0';
}

/* The slot of ${network}, reset if it has none yet or its minute is over. */
static struct slot *
slot_of(const char *network, int64_t now)
{
	uint32_t hash = 2166136261U; /* FNV-1a */

	for (const char *p = network; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	struct slot *set = &slots[hash % (SLOTS / WAYS) * WAYS], *best = set;
	for (int i = 0; i < WAYS; i++) {
		if (strcmp(set[i].address, network) == 0) {
			best = &set[i];
			break;
		}
		if (set[i].began < best->began)
			best = &set[i];
	}
	if (strcmp(best->address, network) != 0 || now - best->began >= WINDOW_MS) {
		(void)snprintf(best->address, sizeof best->address, "%s", network);
		best->began = now;
		best->count = 0;
	}
	return best;
}

unsigned
throttle_failure(const char *address, int *first)
{
	char network[sizeof slots[0].address];
	int64_t now = clock_steady();
	unsigned wait = 0;

	*first = 0;
	if (max_failures == 0)
		return 0;
	network_of(address, network);
	(void)pthread_mutex_lock(&lock);
	struct slot *s = slot_of(network, now);
	s->count++;
	if (s->count > max_failures) {
		wait = (unsigned)((s->began + WINDOW_MS - now) / 1000) + 1;
		*first = s->count == max_failures + 1;
	}
	(void)pthread_mutex_unlock(&lock);
	return wait;
}
