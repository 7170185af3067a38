#include <archive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "config/config.h"
#include "doctor/private.h"
#include "log/pattern.h"
#include "log/secrets.h"

/* A variable that nothing reads is probably misspelt. */
static void
check_environment(struct doctor *d)
{
	static const char others[] =
	    "AWCP_CONFIG AWCP_ID AWCP_WORKSPACE AWCP_DESCRIPTION AWCP_RESULT AWCP_ASK";
	char name[SETTING_KEY + 16];

	for (char **p = environ; *p != NULL; p++) {
		size_t n = strcspn(*p, "=");
		if (strncmp(*p, "AWCP_", 5) != 0 || n >= sizeof name)
			continue;
		(void)snprintf(name, sizeof name, "%.*s", (int)n, *p);
		if (text_lists(others, " ", name))
			continue;
		const struct setting *s = setting_find(name);
		if (s == NULL)
			doctor_advise(d, DOCTOR_WARN, "settings", "awcp-config lists them",
				      "nothing reads %s, which is in the environment", name);
		else if (strcmp(s->variable, name) != 0)
			doctor_advise(d, DOCTOR_WARN, "settings", "the previous name still works",
				      "%s is called %s now", name, s->variable);
	}
}

/* False if the files are wrong: what else would be said could be wrong, too. */
static bool
check_settings(struct doctor *d)
{
	struct config_value v;
	size_t previous = d->wrong;
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
	if (secrets_load(&e) < 0)
		doctor_fail(d, DOCTOR_BAD, "settings", &e);
	check_environment(d);
	if (d->wrong == previous)
		doctor_report(d, DOCTOR_OK, "settings", "all make sense");
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
			doctor_report(d, DOCTOR_OK, programs[i].name, "%s", path);
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
		doctor_report(d, DOCTOR_OK, "zstd", "libarchive has it");
	else
		doctor_advise(d, DOCTOR_BAD, "zstd",
			      "install a libarchive that was built with zstd",
			      "libarchive cannot compress with zstd");
}

/* Without it a line in which there may be a secret is not written at all. */
static void
check_pcre2(struct doctor *d)
{
	struct err e;
	struct pattern *x = pattern_new("a", true, &e);

	if (x != NULL)
		doctor_report(d, DOCTOR_OK, "pcre2", "secrets are kept out of logs");
	else
		doctor_fail(d, DOCTOR_BAD, "pcre2", &e);
	pattern_free(x);
}

void
doctor_examine(struct doctor *d)
{
	d->worst = DOCTOR_OK;
	if (!check_settings(d))
		return;
	check_programs(d);
	check_zstd(d);
	check_pcre2(d);
	doctor_sandbox(d);
	if (!doctor_state(d))
		return;
	doctor_filesystem(d);
	doctor_nginx(d);
	doctor_tokens(d);
	doctor_disk(d);
	doctor_clock(d);
	doctor_reap(d);
	doctor_followers(d);
	doctor_servers(d);
	doctor_damage(d);
	doctor_queues(d);
	doctor_breakers(d);
}
