#include "access/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "access/name.h"
#include "base/file.h"
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

/* Call ${each} with every peer whose url is ${url}, until it returns false. */
static int
each_by_url(const char *url, bool (*each)(void *arg, int fd, const char *name, json_t *peer),
	    void *arg, struct err *e)
{
	struct dirent **names;
	bool more = true;

	int fd = home_dir("peers", e);
	if (fd < 0)
		return -1;
	int n = scandirat(fd, ".", &names, is_peer, alphasort);
	for (int i = 0; i < n; i++) {
		json_t *o = more ? peer_get(names[i]->d_name, NULL) : NULL;
		if (o != NULL && same_url(jsonx_text(o, "url", ""), url))
			more = each(arg, fd, names[i]->d_name, o);
		json_decref(o);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return 0;
}

static bool
hold_peer(void *arg, int fd, const char *name, json_t *peer)
{
	json_t **found = arg;

	(void)fd;
	(void)name;
	*found = json_incref(peer);
	return false;
}

json_t *
peer_by_url(const char *url, struct err *e)
{
	json_t *found = NULL;

	(void)each_by_url(url, hold_peer, &found, e);
	return found;
}

static bool
touch_peer(void *arg, int fd, const char *name, json_t *peer)
{
	(void)arg;
	(void)peer;
	(void)utimensat(fd, name, NULL, AT_SYMLINK_NOFOLLOW); /* else it looks older than it is */
	return true;
}

void
peer_seen(const char *url)
{
	(void)each_by_url(url, touch_peer, NULL, NULL);
}
