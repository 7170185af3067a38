#include "queue/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/id.h"
#include "config/home.h"

static const char *const adjectives[] = {
    "able",  "amber", "brave",  "brisk", "calm",  "clever", "cosy",  "crisp", "eager", "early",
    "fair",  "fancy", "fleet",  "fond",  "fresh", "gentle", "glad",  "green", "happy", "hardy",
    "keen",  "kind",  "lively", "lucky", "merry", "mild",   "neat",  "noble", "proud", "quick",
    "quiet", "ready", "red",    "rosy",  "royal", "shy",    "sunny", "swift", "tidy",  "warm",
};
static const char *const animals[] = {
    "ant",   "badger", "bear",   "beaver", "bee",    "crane",  "crow",  "deer",  "dove",  "duck",
    "eagle", "falcon", "finch",  "fox",    "frog",   "goat",   "goose", "hare",  "hawk",  "heron",
    "ibex",  "jay",    "lark",   "lion",   "lynx",   "marten", "mole",  "moose", "newt",  "otter",
    "owl",   "panda",  "pigeon", "puffin", "rabbit", "raven",  "robin", "seal",  "shrew", "stork",
    "swan",  "tiger",  "toad",   "trout",  "whale",  "wolf",   "wren",
};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

uint64_t
queue_hash(const char *text)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a, then mixed so that the low bits are good */

	if (text == NULL)
		return 0;
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	h ^= h >> 29;
	return (h & UINT32_MAX) == 0 ? 1 : h; /* a half of it is not 0 either */
}

uint64_t
queue_bits(const char *text)
{
	uint64_t h = queue_hash(text);

	return UINT64_C(1) << (h & 63) | UINT64_C(1) << (h >> 6 & 63);
}

void
queue_human_name(uint64_t number, char out[64])
{
	(void)snprintf(out, 64, "%s-%s-%llu", adjectives[number * 7 % COUNT(adjectives)],
		       animals[number * 11 % COUNT(animals)], (unsigned long long)number);
}

bool
queue_is_name(const char *name, uint64_t *number)
{
	const char *digits = strrchr(name, '-');
	char expected[64];

	if (digits == NULL || digits[1] < '1' || digits[1] > '9')
		return false;
	*number = strtoull(digits + 1, NULL, 10);
	queue_human_name(*number, expected);
	return strcmp(name, expected) == 0;
}

bool
queue_name_valid(const char *name)
{
	return id_valid(name) && strlen(name) <= QUEUE_NAME && name[0] != '-';
}

/* A number from 1 to ${max}, up to ${end}. */
static int
parse_number(const char **p, char end, uint64_t max, uint64_t *n)
{
	uint64_t value = 0;

	if (**p < '1' || **p > '9')
		return -1;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		value = value * 10 + (uint64_t)(**p - '0');
		if (value > max)
			return -1;
	}
	*n = value;
	return **p == end || **p == '\0' ? 0 : -1;
}

/* Parse what follows the queue's name in an id. */
static int
parse_numbers(const char *p, struct queue_claim_id *claim)
{
	uint64_t attempt = 0;

	if (parse_number(&p, '.', (uint64_t)1 << 48, &claim->number) < 0)
		return -1;
	if (*p == '.') {
		p++;
		if (parse_number(&p, '\0', UINT32_MAX, &attempt) < 0)
			return -1;
	}
	claim->attempt = (uint32_t)attempt;
	return 0;
}

int
queue_parse_id(const char *id, char queue[QUEUE_NAME + 1], struct queue_claim_id *claim,
	       struct err *e)
{
	size_t n = strcspn(id, ".");

	if (n > 0 && n <= QUEUE_NAME && id[n] == '.') {
		memcpy(queue, id, n);
		queue[n] = '\0';
		if (queue_name_valid(queue) && parse_numbers(id + n + 1, claim) == 0)
			return 0;
	}
	err_set(e, ERR_USAGE, "not a task: %.80s", id);
	return err_hint(e, "a task is called like review.17, and a claim on it review.17.1");
}

const char *
queue_format_id(const char *queue, struct queue_claim_id claim, char out[QUEUE_ID])
{
	int n = snprintf(out, QUEUE_ID, "%s.%llu", queue, (unsigned long long)claim.number);

	if (claim.attempt > 0)
		(void)snprintf(out + n, QUEUE_ID - (size_t)n, ".%u", claim.attempt);
	return out;
}

static int
is_queue(const struct dirent *d)
{
	return queue_name_valid(d->d_name);
}

int
queue_each(int (*each)(void *arg, const char *name), void *arg, struct err *e)
{
	int homefd = home_open(e);

	if (homefd < 0)
		return -1;
	int fd = openat(homefd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) /* to look makes nothing */
		return errno == ENOENT ? 0 : err_sys(e, "cannot open queue/");
	int status = home_each(fd, is_queue, each, arg, e);
	file_close(fd);
	return status;
}
