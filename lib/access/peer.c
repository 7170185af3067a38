#include "access/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "access/private.h"
#include "config/home.h"
#include "base/jsonx.h"

#define PEER_MAX 65536 /* bytes of a peer's file */

int
peer_put(const char *name, const char *url, const char *token, struct err *e)
{
	if (name_check("peer", name, e) < 0)
		return -1;
	int fd = home_dir("peers", e);
	if (fd < 0)
		return -1;
	json_t *o = json_pack("{ss ss ss*}", "name", name, "url", url, "token", token);
	if (o == NULL)
		return err_memory(e);
	int status = jsonx_save(fd, name, o, PEER_MAX, true, e);
	json_decref(o);
	return status;
}

json_t *
peer_get(const char *name, struct err *e)
{
	if (name_check("peer", name, e) < 0)
		return NULL;
	int fd = home_dir("peers", e);
	if (fd < 0)
		return NULL;
	json_t *o = home_load(fd, name, PEER_MAX, "peer", e);
	if (o == NULL && errno == ENOENT) {
		err_set(e, ERR_NOT_FOUND, "there is no peer named %s", name);
		err_hint(e, "name its address with -e");
	}
	return o;
}

static int
is_peer(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool
same_url(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	n -= n > 0 && a[n - 1] == '/';
	m -= m > 0 && b[m - 1] == '/';
	return n == m && strncmp(a, b, n) == 0;
}

/* The peers of one url. */
struct search {
	const char *url;
	json_t *found; /* the first */
	int seenfd;    /* peers/, to touch the files of all instead; or -1 */
};

static int
match_url(void *arg, const char *name)
{
	struct search *s = arg;

	json_t *o = peer_get(name, NULL);
	if (o == NULL || !same_url(jsonx_text(o, "url", ""), s->url)) {
		json_decref(o);
		return 0;
	}
	if (s->seenfd < 0) {
		s->found = o;
		return 1;
	}
	/* If that fails, it looks older than it is. */
	(void)utimensat(s->seenfd, name, NULL, AT_SYMLINK_NOFOLLOW);
	json_decref(o);
	return 0;
}

json_t *
peer_by_url(const char *url, struct err *e)
{
	struct search s = {.url = url, .seenfd = -1};

	int fd = home_dir("peers", e);
	if (fd >= 0)
		(void)home_each(fd, is_peer, match_url, &s, e);
	return s.found;
}

void
peer_seen(const char *url)
{
	struct search s = {.url = url, .seenfd = home_dir("peers", NULL)};

	if (s.seenfd >= 0)
		(void)home_each(s.seenfd, is_peer, match_url, &s, NULL);
}
