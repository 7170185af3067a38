#include "state/breaker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "base/listing.h"
#include "log/logfmt.h"

#define GUARDS "guards"
#define MAX_DEATHS 1000 /* more than any rule asks for */
#define FILE_MAX 65536
#define FILE_NAME (BREAKER_NAME + 16)

static const char *const kinds[BREAKER_KINDS] = {"profile", "queue"};

const char *
breaker_kind_name(enum breaker_kind kind)
{
	return kinds[kind];
}

static int
name_file(enum breaker_kind kind, const char *name, char file[FILE_NAME], struct err *e)
{
	if (!id_valid(name)) {
		err_set(e, ERR_USAGE, "not the name of a %s: %.64s", kinds[kind], name);
		return err_hint(e, "a name has 1 to %d letters, digits, _ and -", ID_MAX);
	}
	(void)snprintf(file, FILE_NAME, "%s.%s", kinds[kind], name);
	return 0;
}

/* What is in ${file}: a new reference; an empty object if there is no such file, or it is damaged.
 */
static json_t *
read_breaker(int dirfd, const char *file, struct err *e)
{
	struct err why;

	json_t *o = home_load(dirfd, file, FILE_MAX, file, &why);
	if (o == NULL && (errno == ENOENT || why.code == ERR_BAD_DATA)) {
		o = json_object();
		if (o == NULL)
			err_memory(&why);
	}
	if (o == NULL && e != NULL)
		*e = why;
	return o;
}

static int64_t
time_at(const json_t *value)
{
	int64_t ms;

	return json_is_string(value) && clock_parse(json_string_value(value), &ms, NULL) == 0 ? ms
											      : 0;
}

/* Forget what is over at ${now}. */
static void
drop_over(json_t *o, int64_t now)
{
	json_t *deaths = json_object_get(o, "deaths");
	int64_t window = jsonx_number(o, "window", 0);

	if (time_at(json_object_get(o, "until")) <= now) {
		(void)json_object_del(o, "until");
		(void)json_object_del(o, "stopped");
		(void)json_object_del(o, "why");
	}
	for (size_t i = json_array_size(deaths); i > 0; i--)
		if (time_at(json_array_get(deaths, i - 1)) <= now - window)
			(void)json_array_remove(deaths, i - 1);
}

static void
fill_breaker(enum breaker_kind kind, const char *name, const json_t *o, struct breaker *b)
{
	*b = (struct breaker){.kind = kind};
	(void)snprintf(b->name, sizeof b->name, "%s", name);
	b->until = time_at(json_object_get(o, "until"));
	b->stopped = json_is_true(json_object_get(o, "stopped"));
	b->deaths = (unsigned)json_array_size(json_object_get(o, "deaths"));
	(void)snprintf(b->why, sizeof b->why, "%s", jsonx_text(o, "why", ""));
}

int
breaker_read(enum breaker_kind kind, const char *name, struct breaker *b, struct err *e)
{
	char file[FILE_NAME];

	int dirfd = home_dir(GUARDS, e);
	if (dirfd < 0 || name_file(kind, name, file, e) < 0)
		return -1;
	json_t *o = read_breaker(dirfd, file, e);
	if (o == NULL)
		return -1;
	drop_over(o, clock_now());
	fill_breaker(kind, name, o, b);
	json_decref(o);
	return 0;
}

static void
log_breaker(const char *event, enum breaker_kind kind, const char *name, unsigned long deaths,
	    int64_t until, const char *why)
{
	char text[CLOCK_TEXT], number[32];

	(void)snprintf(number, sizeof number, "%lu", deaths);
	logfmt_write("lifecycle", event, "kind", kinds[kind], "name", name, "deaths",
		     deaths == 0 ? NULL : number, "until",
		     until == 0 ? NULL : clock_format(until, text), "why", why, LOGFMT_END);
}

/* A breaker that is being changed, under the lock of all. */
struct change {
	int dirfd, lockfd;
	char file[FILE_NAME];
	json_t *json; /* without what is over */
	struct breaker previous;
};

/* To be given back with close_change, also if it fails. */
static int
open_change(enum breaker_kind kind, const char *name, struct change *c, struct err *e)
{
	*c = (struct change){.dirfd = home_dir(GUARDS, e), .lockfd = -1};
	if (c->dirfd < 0 || name_file(kind, name, c->file, e) < 0 ||
	    (c->lockfd = file_lock(c->dirfd, ".lock", true, e)) < 0)
		return -1;
	c->json = read_breaker(c->dirfd, c->file, e);
	if (c->json == NULL)
		return -1;
	fill_breaker(kind, name, c->json, &c->previous);
	drop_over(c->json, clock_now());
	if (jsonx_set(c->json, "kind", kinds[kind]) < 0 || jsonx_set(c->json, "name", name) < 0)
		return err_memory(e);
	return 0;
}

/* Nothing in ${o} is in force, or counts. */
static bool
is_over(const json_t *o)
{
	return json_object_get(o, "until") == NULL &&
	       json_array_size(json_object_get(o, "deaths")) == 0;
}

static int
write_breaker(const struct change *c, struct err *e)
{
	if (is_over(c->json)) {
		if (unlinkat(c->dirfd, c->file, 0) < 0 && errno != ENOENT)
			return err_sys(e, "cannot remove guards/%s", c->file);
		return 0;
	}
	return jsonx_save(c->dirfd, c->file, c->json, FILE_MAX, true, e);
}

/* Save it, and log that a pause is over. */
static int
save_change(const struct change *c, struct err *e)
{
	if (write_breaker(c, e) < 0)
		return -1;
	if (c->previous.until != 0 && c->previous.until <= clock_now())
		log_breaker("guard-cleared", c->previous.kind, c->previous.name, 0,
			    c->previous.until,
			    c->previous.stopped ? "its stop is over" : "its cooldown is over");
	return 0;
}

static void
close_change(struct change *c)
{
	json_decref(c->json);
	file_close(c->lockfd);
}

static int
set_pause(json_t *o, int64_t until, bool stopped, const char *why, struct err *e)
{
	char text[CLOCK_TEXT], kept[BREAKER_REASON];

	(void)snprintf(kept, sizeof kept, "%s", why);
	if (jsonx_set(o, "until", clock_format(until, text)) < 0 || jsonx_set(o, "why", kept) < 0 ||
	    json_object_set_new(o, "stopped", json_boolean(stopped)) < 0)
		return err_memory(e);
	return 0;
}

int
breaker_pause(enum breaker_kind kind, const char *name, int64_t until, const char *why,
	      struct err *e)
{
	struct change c;
	int status = -1;

	if (open_change(kind, name, &c, e) < 0)
		goto out;
	if (time_at(json_object_get(c.json, "until")) < until) {
		if (set_pause(c.json, until, false, why, e) < 0 || save_change(&c, e) < 0)
			goto out;
	}
	status = 0;
out:
	close_change(&c);
	return status;
}

/* Add a death; ${count} is how many there are then. */
static int
add_death(json_t *o, const struct breaker_rule *rule, int64_t now, size_t *count, struct err *e)
{
	char text[CLOCK_TEXT];
	json_t *deaths = json_object_get(o, "deaths");

	if (!json_is_array(deaths)) {
		deaths = json_array();
		if (json_object_set_new(o, "deaths", deaths) < 0)
			return err_memory(e);
	}
	while (json_array_size(deaths) >= MAX_DEATHS)
		(void)json_array_remove(deaths, 0);
	if (json_object_set_new(o, "window", json_integer(rule->window)) < 0 ||
	    jsonx_append(deaths, clock_format(now, text)) < 0)
		return err_memory(e);
	*count = json_array_size(deaths);
	return 0;
}

int
breaker_died(enum breaker_kind kind, const char *name, const struct breaker_rule *rule,
	     const char *why, bool *stopped, struct err *e)
{
	int64_t now = clock_now();
	struct change c;
	size_t count = 0;
	int status = -1;

	*stopped = false;
	if (rule->deaths == 0)
		return 0;
	if (open_change(kind, name, &c, e) < 0 || add_death(c.json, rule, now, &count, e) < 0)
		goto out;
	bool too_many = count >= rule->deaths;
	/* Those that were at work when it was stopped may die, too, which need not be reported. */
	bool news = !json_is_true(json_object_get(c.json, "stopped"));
	if (too_many && set_pause(c.json, now + rule->window, true, why, e) < 0)
		goto out;
	if (save_change(&c, e) < 0)
		goto out;
	*stopped = too_many && news;
	if (*stopped)
		log_breaker("guard-stopped", kind, name, count, now + rule->window, why);
	status = 0;
out:
	close_change(&c);
	return status;
}

int
breaker_success(enum breaker_kind kind, const char *name, struct err *e)
{
	struct breaker b;
	struct change c;

	if (breaker_read(kind, name, &b, e) < 0)
		return -1;
	if (b.deaths == 0)
		return 0;
	int status = open_change(kind, name, &c, e);
	if (status < 0)
		goto out;
	(void)json_object_del(c.json, "deaths");
	status = save_change(&c, e);
out:
	close_change(&c);
	return status;
}

int
breaker_clear(enum breaker_kind kind, const char *name, struct err *e)
{
	char file[FILE_NAME];
	int status = 0;

	int dirfd = home_dir(GUARDS, e);
	if (dirfd < 0 || name_file(kind, name, file, e) < 0)
		return -1;
	int lockfd = file_lock(dirfd, ".lock", true, e);
	if (lockfd < 0)
		return -1;
	if (unlinkat(dirfd, file, 0) == 0)
		log_breaker("guard-cleared", kind, name, 0, 0, NULL);
	else if (errno == ENOENT)
		status =
		    err_set(e, ERR_NOT_FOUND, "there is nothing against %s %s", kinds[kind], name);
	else
		status = err_sys(e, "cannot remove guards/%s", file);
	file_close(lockfd);
	return status;
}

/* Kind and name of the breaker in ${file}; false if it is not one of ours. */
static bool
parse_file(const char *file, enum breaker_kind *kind, const char **name)
{
	for (int i = 0; i < BREAKER_KINDS; i++) {
		size_t n = strlen(kinds[i]);
		if (strncmp(file, kinds[i], n) != 0 || file[n] != '.' || !id_valid(file + n + 1))
			continue;
		*kind = (enum breaker_kind)i;
		*name = file + n + 1;
		return true;
	}
	return false;
}

/* Call ${each} for the breaker in ${file}: with ${over} if something of it is over, else if it
 * gives no work now. */
static int
visit_one(int dirfd, const char *file, bool over, int (*each)(void *arg, const struct breaker *b),
	  void *arg, struct err *e)
{
	enum breaker_kind kind;
	struct breaker before, b;
	const char *name;

	if (!parse_file(file, &kind, &name))
		return 0;
	json_t *o = read_breaker(dirfd, file, e);
	if (o == NULL)
		return -1;
	int64_t now = clock_now();
	fill_breaker(kind, name, o, &before);
	bool paused = before.until != 0 && before.until <= now;
	bool damaged = json_object_size(o) == 0; /* it was moved to corrupt/ */
	drop_over(o, now);
	fill_breaker(kind, name, o, &b);
	bool has_over = !damaged && (paused || is_over(o));
	json_decref(o);
	if (over)
		return has_over ? each(arg, &before) : 0;
	return b.until != 0 ? each(arg, &b) : 0;
}

static int
visit_all(bool over, int (*each)(void *arg, const struct breaker *b), void *arg, struct err *e)
{
	struct listing l = {.names = NULL};
	const char *file;
	int status, homefd = home_open(e);

	if (homefd < 0)
		return -1;
	int dirfd = openat(homefd, GUARDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dirfd < 0) /* to look makes nothing */
		return errno == ENOENT ? 0 : err_sys(e, "cannot open " GUARDS);
	do {
		status = listing_next(&l, dirfd, &file, e);
		if (status < 0 || file == NULL)
			break;
		status = visit_one(dirfd, file, over, each, arg, e);
	} while (status == 0);
	listing_free(&l);
	file_close(dirfd);
	return status;
}

int
breaker_each_over(int (*each)(void *arg, const struct breaker *b), void *arg, struct err *e)
{
	return visit_all(true, each, arg, e);
}

int
breaker_each_closed(int (*each)(void *arg, const struct breaker *b), void *arg, struct err *e)
{
	return visit_all(false, each, arg, e);
}

int
breaker_end(enum breaker_kind kind, const char *name, struct err *e)
{
	struct change c;

	int status = open_change(kind, name, &c, e);
	if (status == 0)
		status = save_change(&c, e);
	close_change(&c);
	return status;
}
