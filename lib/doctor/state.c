/* Checks of the state directory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonx.h"
#include "config/home.h"
#include "config/layout.h"
#include "config/settings.h"
#include "delegation/delegation.h"
#include "doctor/private.h"
#include "state/space.h"

#define MB 1000000U
#define SOON_MS (INT64_C(7) * 86400 * 1000) /* a token that expires within */
#define SKEW_MS (INT64_C(5) * 60 * 1000)    /* clocks differ by less */
#define IDLE_MS (INT64_C(15) * 60 * 1000)   /* awcp-reap is to be run every minute */

bool
doctor_state(struct doctor *d)
{
	struct err e;
	int layout;

	const char *path = home_find(&e);
	if (path == NULL) {
		doctor_fail(d, DOCTOR_BAD, "state", &e);
		return false;
	}
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		doctor_report(d, DOCTOR_OK, "state",
			      "%s is not there yet: the first command makes it", path);
		return false;
	}
	if (home_open_any(&layout, &e) < 0 || layout_check(layout, path, &e) < 0) {
		doctor_fail(d, DOCTOR_BAD, "state", &e);
		return false;
	}
	if (faccessat(home_open(&e), ".", W_OK, 0) < 0) {
		doctor_advise(d, DOCTOR_BAD, "state", "is the file system mounted read-only?",
			      "%s cannot be written to: %s", path, strerror(errno));
		return false;
	}
	doctor_report(d, DOCTOR_OK, "state", "%s, layout %d", path, layout);
	return true;
}

/* Is there ${name} in the state?  Asking for its content would make it. */
static bool
is_there(const char *name)
{
	struct err e;

	return faccessat(home_open(&e), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Secrets, and who may read them. */
static void
check_modes(struct doctor *d, const char *name)
{
	char advice[64 + NAME_MAX];
	struct stat st;

	DIR *dir = home_list(name);
	for (const char *file; (file = file_next(&dir)) != NULL;) {
		if (file[0] == '.' || fstatat(dirfd(dir), file, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (S_ISREG(st.st_mode) && (st.st_mode & 0077) == 0))
			continue;
		(void)snprintf(advice, sizeof advice,
			       "chmod 600 it; if others read it, awcp-token "
			       "rotate");
		doctor_advise(d, DOCTOR_BAD, "tokens", advice, "%s/%s/%s may be read by others",
			      home_path(), name, file);
	}
}

struct census {
	struct doctor *doctor;
	int64_t now;
	size_t count;
	unsigned rights; /* that one of them has */
};

/* Who may do more than what harms nobody is to be known. */
static void
report_rights(struct census *c, const json_t *token)
{
	unsigned rights = rights_of(token), more = rights & ~RIGHTS_USUAL;
	char names[RIGHTS_TEXT];

	c->rights |= rights;
	if (more != 0)
		doctor_report(c->doctor, DOCTOR_OK, "tokens", "that of %s may also %s",
			      jsonx_text(token, "name", "?"), rights_format(more, ", ", names));
}

static int
check_token(void *arg, const json_t *token)
{
	struct census *c = arg;
	const char *name = jsonx_text(token, "name", "?");
	const char *text = jsonx_text(token, "expiresAt", NULL);
	char advice[TOKEN_NAME + 64];
	struct err e;
	int64_t expires;

	c->count++;
	report_rights(c, token);
	(void)snprintf(advice, sizeof advice, "awcp-token rm %s, and add it again if it is wanted",
		       name);
	if (text == NULL)
		return 0;
	if (clock_parse(text, &expires, &e) < 0)
		doctor_advise(c->doctor, DOCTOR_BAD, "tokens", advice,
			      "that of %s expires at no time: %s", name, text);
	else if (expires <= c->now)
		doctor_advise(c->doctor, DOCTOR_WARN, "tokens", advice, "that of %s expired at %s",
			      name, text);
	else if (expires - c->now < SOON_MS)
		doctor_advise(c->doctor, DOCTOR_WARN, "tokens", advice, "that of %s expires at %s",
			      name, text);
	return 0;
}

void
doctor_tokens(struct doctor *d)
{
	size_t previous = d->wrong;
	struct census c = {.doctor = d, .now = clock_now()};
	struct err e;

	check_modes(d, "tokens");
	check_modes(d, "peers");
	if (is_there("tokens") && token_list(check_token, &c, &e) < 0)
		doctor_fail(d, DOCTOR_BAD, "tokens", &e);
	else if (setting_given(SETTING_ROOTS) != NULL && (c.rights & RIGHT_LEND) == 0 &&
		 strcmp(setting_text(SETTING_AUTH), "token") == 0)
		doctor_advise(d, DOCTOR_WARN, "tokens", "awcp-token set --rights lend,read name",
			      "no token may lend what AWCP_ROOTS names");
	else if (d->wrong == previous)
		doctor_report(d, DOCTOR_OK, "tokens", "%zu", c.count);
}

/* Of what is counted in ${unit}, ${free} is free, and ${min} of it is to stay so.  True if it is
 * enough. */
static bool
check_room(struct doctor *d, const char *unit, uint64_t free, uint64_t min)
{
	static const char advice[] = "free some, or set AWCP_MIN_FREE lower";

	if (free == 0)
		doctor_advise(d, DOCTOR_BAD, "disk", advice, "no %s are free", unit);
	else if (free < min)
		doctor_advise(d, DOCTOR_BAD, "disk", advice,
			      "%" PRIu64 " %s are free, less than the %" PRIu64
			      " without which nothing is accepted",
			      free, unit, min);
	else if (free / 2 < min)
		doctor_advise(d, DOCTOR_WARN, "disk", advice, "only %" PRIu64 " %s are free", free,
			      unit);
	return free > 0 && free / 2 >= min;
}

void
doctor_disk(struct doctor *d)
{
	char inodes[64] = "";
	struct space r;
	struct err e;

	if (space_look(home_open(&e), &r, &e) < 0) {
		doctor_fail(d, DOCTOR_BAD, "disk", &e);
		return;
	}
	bool bytes = check_room(d, "MB", r.bytes / MB, r.min_bytes / MB);
	bool files = check_room(d, "inodes", r.files, r.min_files);
	if (r.files != UINT64_MAX)
		(void)snprintf(inodes, sizeof inodes, " and %" PRIu64 " inodes", r.files);
	if (bytes && files)
		doctor_report(d, DOCTOR_OK, "disk", "%" PRIu64 " MB%s are free", r.bytes / MB,
			      inodes);
}

/* What was written in the future was written while the clock was another. */
void
doctor_clock(struct doctor *d)
{
	int64_t now = clock_now(), newest = 0, steady = clock_steady();
	char advice[] =
	    "see whether the clock is right (timedatectl); leases and retention go by it";
	struct stat st;

	DIR *dir = home_list(".");
	for (const char *file; (file = file_next(&dir)) != NULL;) {
		if (fstatat(dirfd(dir), file, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		int64_t at = (int64_t)st.st_mtim.tv_sec * 1000;
		if (at > newest)
			newest = at;
	}
	if (newest > now + SKEW_MS)
		doctor_advise(d, DOCTOR_BAD, "clock", advice,
			      "files of the state are %" PRId64 " min newer than now",
			      (newest - now) / 60000);
	else if (now < (int64_t)1700000000 * 1000 || clock_steady() < steady)
		doctor_advise(d, DOCTOR_BAD, "clock", advice, "it cannot be right");
	else
		doctor_report(d, DOCTOR_OK, "clock", "no file of the state is newer than now");
}

void
doctor_reap(struct doctor *d)
{
	static const char advice[] = "have it run every minute: by crontab, or systemctl enable "
				     "--now awcp-reap.timer (--user for an account)";
	struct stat st;
	struct err e;

	if (fstatat(home_open(&e), "due/.state", &st, AT_SYMLINK_NOFOLLOW) < 0) {
		doctor_advise(d, DOCTOR_WARN, "reap", advice, "awcp-reap has never run here");
		return;
	}
	int64_t ago = clock_now() - (int64_t)st.st_mtim.tv_sec * 1000;
	if (ago > IDLE_MS)
		doctor_advise(d, DOCTOR_WARN, "reap", advice,
			      "awcp-reap last ran %" PRId64 " min ago", ago / 60000);
	else
		doctor_report(d, DOCTOR_OK, "reap", "awcp-reap ran %" PRId64 " s ago", ago / 1000);
}

/* Is nobody at ${id}, which has not ended? */
static int
check_follower(void *arg, const char *id)
{
	struct census *c = arg;
	char path[ID_MAX + 16];
	struct err e;

	int fd = home_dir(DELEGATIONS, &e);
	(void)snprintf(path, sizeof path, "%s/follow.lock", id);
	if (fd < 0)
		return 0;
	if (faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && !file_is_held(fd, path))
		c->count++;
	return 0;
}

void
doctor_followers(struct doctor *d)
{
	struct census c = {.doctor = d};
	struct err e;

	if (is_there(DELEGATIONS) && record_list(DELEGATIONS, false, check_follower, &c, &e) < 0)
		doctor_fail(d, DOCTOR_BAD, "followers", &e);
	else if (c.count > 0)
		doctor_advise(
		    d, DOCTOR_WARN, "followers",
		    "awcp-list shows them; awcp-watch goes on with one, awcp-reap with all",
		    "nobody follows %zu delegation%s", c.count, c.count == 1 ? "" : "s");
	else
		doctor_report(d, DOCTOR_OK, "followers", "every delegation under way has one");
}

void
doctor_damage(struct doctor *d)
{
	size_t count = 0;

	DIR *dir = home_list("corrupt");
	for (const char *file; (file = file_next(&dir)) != NULL;)
		count += file[0] != '.';
	if (count > 0)
		doctor_advise(d, DOCTOR_WARN, "damage",
			      "look at them, then remove them; is the disk sound?",
			      "%zu file%s in %s/corrupt could not be read", count,
			      count == 1 ? "" : "s", home_path());
	else
		doctor_report(d, DOCTOR_OK, "damage", "nothing was found that could not be read");
}
