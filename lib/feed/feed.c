#include "feed/feed.h"

#include <string.h>

#include "base/file.h"
#include "wire/members.h"

bool
feed_is_last(const json_t *entry)
{
	const char *type = event_type(entry);

	return strcmp(type, "done") == 0 || strcmp(type, "error") == 0;
}

int
feed_extent(const struct feed *f, struct feed_extent *now, struct err *e)
{
	return f->kind->extent(f, now, e);
}

bool
feed_follow(struct feed_cursor *c, const struct feed_extent *now)
{
	const struct feed_extent *then = &c->extent;
	bool other = then->inode != 0 && (now->inode != then->inode || now->born != then->born ||
					  now->size < c->offset);

	*c = (struct feed_cursor){*now, other ? 0 : c->offset, other ? 0 : c->seq};
	return other;
}

/* Follow the feed where it begins anew.  If there is none, there is nothing to read. */
static void
follow_reader(struct feed_reader *r)
{
	struct feed_extent now;

	if (feed_extent(&r->feed, &now, NULL) == 0 && feed_follow(&r->at, &now)) {
		file_close(r->fd);
		r->fd = -1;
	}
}

void
feed_open(struct feed_reader *r, const struct feed *f, const struct feed_cursor *at)
{
	*r = (struct feed_reader){.feed = *f, .fd = -1, .line = BUF_INIT(FEED_ENTRY)};
	if (at != NULL)
		r->at = *at;
	else
		follow_reader(r);
}

int
feed_next(struct feed_reader *r, json_t **entry, struct err *e)
{
	if (entry != NULL)
		*entry = NULL;
	return r->feed.kind->next(r, entry, e);
}

int
feed_wait(struct feed_reader *r, int fd, int ms, struct err *e)
{
	char path[8192];
	int status = 1;

	if (r->watch != NULL) {
		status = watch_wait(r->watch, fd, ms);
	} else {
		r->feed.kind->directory(&r->feed, path, sizeof path);
		r->watch = watch_open(path, e);
		if (r->watch == NULL)
			return -1;
	}
	follow_reader(r);
	return status;
}

void
feed_close(struct feed_reader *r)
{
	watch_close(r->watch);
	file_close(r->fd);
	buf_free(&r->line);
}

int
feed_watch(const struct feed *f, struct watch_set *set, void *mark)
{
	char path[8192];

	f->kind->directory(f, path, sizeof path);
	return watch_set_add(set, path, mark);
}
