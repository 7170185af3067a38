#include "state/breaker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "base/listing.h"
#include "log/logfmt.h"

#define GUARDS "guards"
#define DEATHS_KEPT 1000 /* more than any rule asks for */
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

/* What ${file} says: a new reference; an empty object if there is no such file, or no sense in it.
 */
static json_t *
read_file(int dirfd, const char *file, struct err *e)
{
	struct buf b = BUF_INIT(FILE_MAX);
	json_t *o = NULL;

	if (faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		o = json_object();
	} else if (file_slurp(dirfd, file, &b, e) == 0) {
		o = jsonx_parse(b.data, b.len, NULL);
		if (o == NULL && home_quarantine(dirfd, file, file, NULL) == 0)
			o = json_object();
		if (o == NULL)
			err_set(e, ERR_BAD_DATA, "guards/%s is damaged", file);
	} else if (errno == ENOENT) {
		o = json_object(); /* cleared meanwhile */
	}
	buf_free(&b);
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
prune(json_t *o, int64_t now)
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
describe(enum breaker_kind kind, const char *name, const json_t *o, struct breaker *g)
{
	*g = (struct breaker){.kind = kind};
	(void)snprintf(g->name, sizeof g->name, "%s", name);
	g->until = time_at(json_object_get(o, "until"));
	g->stopped = json_is_true(json_object_get(o, "stopped"));
	g->deaths = (unsigned)json_array_size(json_object_get(o, "deaths"));
	(void)snprintf(g->why, sizeof g->why, "%s", jsonx_text(o, "why", ""));
}

int
breaker_look(enum breaker_kind kind, const char *name, struct breaker *g, struct err *e)
{
	char file[FILE_NAME];

	int dirfd = home_dir(GUARDS, e);
	if (dirfd < 0 || name_file(kind, name, file, e) < 0)
		return -1;
	json_t *o = read_file(dirfd, file, e);
	if (o == NULL)
		return -1;
	prune(o, clock_now());
	describe(kind, name, o, g);
	json_decref(o);
	return 0;
}

static void
tell(const char *event, enum breaker_kind kind, const char *name, unsigned long deaths,
     int64_t until, const char *why)
{
	char text[CLOCK_TEXT], number[32];

	(void)snprintf(number, sizeof number, "%lu", deaths);
	logfmt_write("lifecycle", event, "kind", kinds[kind], "name", name, "deaths",
		     deaths == 0 ? NULL : number, "until",
		     until == 0 ? NULL : clock_format(until, text), "why", why, LOGFMT_END);
}

/* A guard that is being changed, under the lock of all. */
struct change {
	int dirfd, lockfd;
	char file[FILE_NAME];
	json_t *json; /* what is over is forgotten */
	struct breaker was;
};

static int
begin(enum breaker_kind kind, const char *name, struct change *c, struct err *e)
{
	*c = (struct change){.dirfd = home_dir(GUARDS, e), .lockfd = -1};
	if (c->dirfd < 0 || name_file(kind, name, c->file, e) < 0 ||
	    (c->lockfd = file_lock(c->dirfd, ".lock", true, e)) < 0)
		return -1;
	c->json = read_file(c->dirfd, c->file, e);
	if (c->json == NULL)
		return -1;
	describe(kind, name, c->json, &c->was);
	prune(c->json, clock_now());
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
write_file(const struct change *c, struct err *e)
{
	struct buf b = BUF_INIT(FILE_MAX);

	if (is_over(c->json))
		return unlinkat(c->dirfd, c->file, 0) < 0 && errno != ENOENT
			   ? err_sys(e, "cannot remove guards/%s", c->file)
			   : 0;
	int status = jsonx_dump(c->json, &b, e) < 0 || buf_printf(&b, e, "\n") < 0
			 ? -1
			 : file_replace(c->dirfd, c->file, b.data, b.len, true, e);
	buf_free(&b);
	return status;
}

/* Save it; if what it had to wait for is over, that is told. */
static int
save(const struct change *c, struct err *e)
{
	if (write_file(c, e) < 0)
		return -1;
	if (c->was.until != 0 && c->was.until <= clock_now())
		tell("guard-cleared", c->was.kind, c->was.name, 0, c->was.until,
		     c->was.stopped ? "its stop is over" : "its cooldown is over");
	return 0;
}

static int
end(struct change *c, int status)
{
	json_decref(c->json);
	file_close(c->lockfd);
	return status;
}

static int
wait_until(json_t *o, int64_t until, bool stopped, const char *why, struct err *e)
{
	char text[CLOCK_TEXT], kept[BREAKER_REASON];

	(void)snprintf(kept, sizeof kept, "%s", why);
	return jsonx_set(o, "until", clock_format(until, text)) < 0 ||
		       jsonx_set(o, "why", kept) < 0 ||
		       json_object_set_new(o, "stopped", json_boolean(stopped)) < 0
		   ? err_memory(e)
		   : 0;
}

int
breaker_pause(enum breaker_kind kind, const char *name, int64_t until, const char *why,
	      struct err *e)
{
	struct change c;
	int status = begin(kind, name, &c, e);

	if (status == 0 && time_at(json_object_get(c.json, "until")) < until)
		status = wait_until(c.json, until, false, why, e) < 0 ? -1 : save(&c, e);
	return end(&c, status);
}

/* Add a death; ${count} is how many there are then. */
static int
add_death(json_t *o, const struct guard_rule *rule, int64_t now, size_t *count, struct err *e)
{
	char text[CLOCK_TEXT];
	json_t *deaths = json_object_get(o, "deaths");

	if (!json_is_array(deaths)) {
		deaths = json_array();
		if (json_object_set_new(o, "deaths", deaths) < 0)
			return err_memory(e);
	}
	while (json_array_size(deaths) >= DEATHS_KEPT)
		(void)json_array_remove(deaths, 0);
	if (json_object_set_new(o, "window", json_integer(rule->window)) < 0 ||
	    jsonx_append(deaths, clock_format(now, text)) < 0)
		return err_memory(e);
	*count = json_array_size(deaths);
	return 0;
}

int
breaker_died(enum breaker_kind kind, const char *name, const struct guard_rule *rule,
	     const char *why, bool *stopped, struct err *e)
{
	int64_t now = clock_now();
	struct change c;
	size_t count = 0;

	*stopped = false;
	if (rule->deaths == 0)
		return 0;
	int status = begin(kind, name, &c, e);
	if (status == 0)
		status = add_death(c.json, rule, now, &count, e);
	/* Those that were at work when it was stopped may die, too; that is no news. */
	bool news = !json_is_true(json_object_get(c.json, "stopped"));
	if (status == 0 && count >= rule->deaths)
		status = wait_until(c.json, now + rule->window, true, why, e);
	if (status == 0)
		status = save(&c, e);
	if (status == 0 && count >= rule->deaths && news) {
		*stopped = true;
		tell("guard-stopped", kind, name, count, now + rule->window, why);
	}
	return end(&c, status);
}

int
breaker_success(enum breaker_kind kind, const char *name, struct err *e)
{
	struct breaker g;
	struct change c;

	if (breaker_look(kind, name, &g, e) < 0)
		return -1;
	if (g.deaths == 0)
		return 0;
	int status = begin(kind, name, &c, e);
	if (status == 0) {
		(void)json_object_del(c.json, "deaths");
		status = save(&c, e);
	}
	return end(&c, status);
}

int
breaker_clear(enum breaker_kind kind, const char *name, struct err *e)
{
	char file[FILE_NAME];
	int status = 0;

	int dirfd = home_dir(GUARDS, e);
	int lockfd = dirfd < 0 || name_file(kind, name, file, e) < 0
			 ? -1
			 : file_lock(dirfd, ".lock", true, e);
	if (lockfd < 0)
		return -1;
	if (unlinkat(dirfd, file, 0) == 0)
		tell("guard-cleared", kind, name, 0, 0, NULL);
	else if (errno == ENOENT)
		status =
		    err_set(e, ERR_NOT_FOUND, "there is nothing against %s %s", kinds[kind], name);
	else
		status = err_sys(e, "cannot remove guards/%s", file);
	file_close(lockfd);
	return status;
}

/* Tell kind and name of what ${file} stands for; false if it is none of ours. */
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

int
breaker_over(int (*each)(void *arg, const struct breaker *g), void *arg, struct err *e)
{
	struct listing l = {.names = NULL};
	const char *file, *name;
	enum breaker_kind kind;
	struct breaker g;
	int status = 0, dirfd = home_dir(GUARDS, e);

	if (dirfd < 0)
		return -1;
	while (status == 0 && (status = listing_next(&l, dirfd, &file, e)) == 0 && file != NULL) {
		if (!parse_file(file, &kind, &name))
			continue;
		json_t *o = read_file(dirfd, file, e);
		status = o == NULL ? -1 : 0;
		if (status == 0) {
			int64_t now = clock_now();
			describe(kind, name, o, &g);
			bool waited = g.until != 0 && g.until <= now;
			bool damaged = json_object_size(o) == 0; /* it was moved away */
			prune(o, now);
			if (!damaged && (waited || is_over(o)))
				status = each(arg, &g);
		}
		json_decref(o);
	}
	listing_free(&l);
	return status;
}

int
breaker_end(enum breaker_kind kind, const char *name, struct err *e)
{
	struct change c;
	int status = begin(kind, name, &c, e);

	if (status == 0)
		status = save(&c, e);
	return end(&c, status);
}
