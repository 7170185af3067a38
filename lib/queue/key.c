#include "queue/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
queue_link_name(const char *tenant, const char *key, char name[QUEUE_LINK], struct err *e)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *parts[] = {tenant == NULL ? "" : tenant, key};
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		for (const char *p = parts[i]; *p != '\0'; p++) {
			if (n + 5 > QUEUE_LINK) {
				err_set(e, ERR_TOO_LARGE, "the name is too long: %.40s...", key);
				return err_hint(e, "hash it, for example with sha256sum");
			}
			if (strchr(plain, *p) != NULL)
				name[n++] = *p;
			else
				n += (size_t)sprintf(name + n, "%%%02X", (unsigned char)*p);
		}
		if (i == 0 && tenant != NULL)
			name[n++] = '.';
	}
	name[n] = '\0';
	return 0;
}

int
queue_key_find(struct queue *q, const char *tenant, const char *key, uint64_t *number,
	       struct err *e)
{
	char name[QUEUE_LINK], target[32];

	*number = 0;
	if (queue_link_name(tenant, key, name, e) < 0)
		return -1;
	ssize_t n = readlinkat(q->keysfd, name, target, sizeof target - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read the key %.40s", key);
	target[n] = '\0';
	*number = strtoull(target, NULL, 10);
	return 0;
}

int
queue_key_forget(struct queue *q, const char *tenant, const char *key, uint64_t number,
		 struct err *e)
{
	char name[QUEUE_LINK];
	uint64_t noted;

	if (queue_key_find(q, tenant, key, &noted, e) < 0 ||
	    queue_link_name(tenant, key, name, e) < 0)
		return -1;
	return noted == number && unlinkat(q->keysfd, name, 0) < 0 && errno != ENOENT
		   ? err_sys(e, "cannot forget the key %.40s", key)
		   : 0;
}

int
queue_key_set(struct queue *q, const char *tenant, const char *key, uint64_t number, struct err *e)
{
	char name[QUEUE_LINK], target[32];

	if (queue_link_name(tenant, key, name, e) < 0)
		return -1;
	(void)snprintf(target, sizeof target, "%llu", (unsigned long long)number);
	if (symlinkat(target, q->keysfd, name) == 0)
		return 0;
	int why = errno;
	uint64_t noted;
	if (why == EEXIST && queue_key_find(q, tenant, key, &noted, NULL) == 0 && noted == number)
		return 0;
	/* A later task with the same key: only who holds the lock reads this. */
	errno = why;
	if (why == EEXIST && unlinkat(q->keysfd, name, 0) == 0 &&
	    symlinkat(target, q->keysfd, name) == 0)
		return 0;
	why = errno;
	err_sys(e, "cannot note the key %.40s", key);
	if (why == ENOSYS || why == EOPNOTSUPP || why == EPERM)
		err_hint(e, "the file system of the state must have symbolic links; awcp-doctor "
			    "says what else");
	return -1;
}
