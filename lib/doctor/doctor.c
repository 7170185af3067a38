#include "doctor/doctor.h"

#include <archive.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "doctor/private.h"
#include "process/process.h"

extern char **environ;

const char *
doctor_grade_name(enum doctor_grade grade)
{
	static const char *const names[] = {"ok", "warn", "bad"};

	return names[grade];
}

static void
tell(struct doctor *d, struct doctor_finding *f)
{
	err_clean(f->text);
	if (f->grade > d->worst)
		d->worst = f->grade;
	d->tell(d->arg, f);
}

void
doctor_tell(struct doctor *d, enum doctor_grade grade, const char *check, const char *fmt, ...)
{
	struct doctor_finding f = {.check = check, .grade = grade};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f.text, sizeof f.text, fmt, ap);
	va_end(ap);
	tell(d, &f);
}

void
doctor_advise(struct doctor *d, enum doctor_grade grade, const char *check, const char *advice,
	      const char *fmt, ...)
{
	struct doctor_finding f = {.check = check, .grade = grade};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f.text, sizeof f.text, fmt, ap);
	va_end(ap);
	(void)snprintf(f.advice, sizeof f.advice, "%s", advice);
	tell(d, &f);
}

void
doctor_fail(struct doctor *d, enum doctor_grade grade, const char *check, const struct err *e)
{
	doctor_advise(d, grade, check, e->hint, "%s", e->message);
}

char *
doctor_find(const char *name)
{
	static const char *const more[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};
	char path[256];
	struct err e;
	char *found = process_find(name, &e);

	for (size_t i = 0; found == NULL && i < sizeof more / sizeof more[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", more[i], name);
		if (access(path, X_OK) == 0)
			found = strdup(path);
	}
	return found;
}

/* A variable that nothing reads is probably misspelt. */
static void
check_environment(struct doctor *d)
{
	static const char *const others[] = {
	    "AWCP_CONFIG", "AWCP_ID", "AWCP_WORKSPACE", "AWCP_DESCRIPTION", "AWCP_RESULT",
	    "AWCP_ASK",    NULL};
	char name[SETTING_KEY + 16];

	for (char **p = environ; *p != NULL; p++) {
		size_t n = strcspn(*p, "=");
		if (strncmp(*p, "AWCP_", 5) != 0 || n >= sizeof name)
			continue;
		(void)snprintf(name, sizeof name, "%.*s", (int)n, *p);
		const char *const *other = others;
		while (*other != NULL && strcmp(*other, name) != 0)
			other++;
		if (*other == NULL && setting_find(name) == NULL)
			doctor_advise(d, DOCTOR_WARN, "settings", "awcp-config lists them",
				      "nothing reads %s, which is in the environment", name);
	}
}

/* False if the files are wrong: what else would be said could be wrong, too. */
static bool
check_settings(struct doctor *d)
{
	struct config_value v;
	enum doctor_grade before = d->worst;
	struct err e = {0};

	if (config_load(&e) < 0) {
		doctor_fail(d, DOCTOR_BAD, "settings", &e);
		return false;
	}
	for (enum setting_id id = 0; id < SETTING_COUNT; id++) {
		config_get(id, &v);
		if (setting_check(&settings[id], v.text, &e) < 0)
			doctor_fail(d, DOCTOR_BAD, "settings", &e);
	}
	check_environment(d);
	if (d->worst == before)
		doctor_tell(d, DOCTOR_OK, "settings", "all make sense");
	return true;
}

static void
check_programs(struct doctor *d)
{
	static const struct {
		const char *name, *package, *why;
	} programs[] = {
	    {"nginx", "nginx-light", "without it no executor can be reached"},
	    {"spawn-fcgi", "spawn-fcgi", "awcp-serve needs it"},
	    {"bwrap", "bubblewrap", "without it tasks cannot be confined"},
	    {"git", "git", "without it there are no differences to look at, and no merges"},
	};
	char advice[160];

	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		char *path = doctor_find(programs[i].name);
		(void)snprintf(advice, sizeof advice, "install it (on Debian: apt-get install %s)",
			       programs[i].package);
		if (path != NULL)
			doctor_tell(d, DOCTOR_OK, programs[i].name, "%s", path);
		else
			doctor_advise(d, DOCTOR_WARN, programs[i].name, advice,
				      "it is not installed; %s", programs[i].why);
		free(path);
	}
}

static void
check_zstd(struct doctor *d)
{
	struct archive *a = archive_write_new();
	int status = a == NULL ? ARCHIVE_FATAL : archive_write_add_filter_zstd(a);

	if (a != NULL)
		(void)archive_write_free(a);
	if (status == ARCHIVE_OK)
		doctor_tell(d, DOCTOR_OK, "zstd", "libarchive has it");
	else
		doctor_advise(d, DOCTOR_BAD, "zstd",
			      "install a libarchive that was built with zstd",
			      "libarchive cannot compress with zstd");
}

void
doctor_examine(struct doctor *d)
{
	d->worst = DOCTOR_OK;
	if (!check_settings(d))
		return;
	check_programs(d);
	check_zstd(d);
	doctor_sandbox(d);
	if (!doctor_state(d))
		return;
	doctor_nginx(d);
	doctor_tokens(d);
	doctor_disk(d);
	doctor_clock(d);
	doctor_reap(d);
	doctor_followers(d);
	doctor_servers(d);
	doctor_damage(d);
}
