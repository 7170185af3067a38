#include "worker/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/home.h"
#include "base/id.h"
#include "base/jsonx.h"
#include "base/listing.h"
#include "process/process.h"
#include "queue/rules.h"

#define KNOWN "profiles"
#define FILE_MAX 65536
#define BLANKS " \t\n"
#define SHELL_CHARACTERS "'\"\\$`;&|<>()*?[~" /* which mean something to a shell */

/* Cut ${list} into the capabilities of ${p}. */
static int
parse_capabilities(struct profile *p, char *list, struct err *e)
{
	size_t n = 0;
	char *rest = NULL;

	for (char *one = strtok_r(list, ",", &rest); one != NULL;
	     one = strtok_r(NULL, ",", &rest)) {
		if (n == PROFILE_CAPABILITIES)
			return err_set(e, ERR_USAGE, "profile %s has more than %d capabilities",
				       p->name, PROFILE_CAPABILITIES);
		p->capabilities[n++] = one;
	}
	return n > 0 ? 0 : err_set(e, ERR_USAGE, "profile %s: no capability after the :", p->name);
}

/* Cut ${command} into the words of ${p}->argv. */
static int
parse_words(struct profile *p, char *command, struct err *e)
{
	size_t n = 0;
	char *rest = NULL;

	size_t odd = strcspn(command, SHELL_CHARACTERS);
	if (command[odd] != '\0') {
		err_set(e, ERR_USAGE, "profile %s: no shell reads the command, which has a %c",
			p->name, command[odd]);
		return err_hint(e, "put it into a script, or after --");
	}
	p->argv = calloc(strlen(command) / 2 + 2, sizeof *p->argv);
	if (p->argv == NULL)
		return err_memory(e);
	for (char *word = strtok_r(command, BLANKS, &rest); word != NULL;
	     word = strtok_r(NULL, BLANKS, &rest))
		p->argv[n++] = word;
	return n > 0 ? 0 : err_set(e, ERR_USAGE, "profile %s: no command after the =", p->name);
}

static int
parse_profile(struct profile *p, const char *text, struct err *e)
{
	p->text = strdup(text);
	if (p->text == NULL)
		return err_memory(e);
	p->name = p->text;
	char *command = strchr(p->text, '=');
	if (command != NULL)
		*command++ = '\0';
	char *capabilities = strchr(p->text, ':');
	if (capabilities != NULL)
		*capabilities++ = '\0';
	if (!id_valid(p->name) || strlen(p->name) > PROFILE_NAME) {
		err_set(e, ERR_USAGE, "not a profile's name: %.64s", p->name);
		return err_hint(e, "a name has 1 to %d letters, digits, _ and -", PROFILE_NAME);
	}
	if (capabilities != NULL && parse_capabilities(p, capabilities, e) < 0)
		return -1;
	return command == NULL ? 0 : parse_words(p, command, e);
}

static void
free_profile(struct profile *p)
{
	free(p->text);
	free((void *)p->argv);
	free(p->program);
}

int
profiles_add(struct profiles *all, const char *text, struct err *e)
{
	struct profile p = {.name = ""};

	if (all->count == PROFILES)
		return err_set(e, ERR_USAGE, "at most %d profiles", PROFILES);
	if (parse_profile(&p, text, e) < 0)
		goto out;
	for (size_t i = 0; i < all->count; i++) {
		const struct profile *other = &all->profile[i];
		if (strcmp(other->name, p.name) == 0) {
			err_set(e, ERR_USAGE, "there are two profiles %s", p.name);
			goto out;
		}
		if (other->argv == NULL && p.argv == NULL) {
			err_set(e, ERR_USAGE, "profile %s has no command", p.name);
			err_hint(e, "the one after -- is for %s", other->name);
			goto out;
		}
	}
	all->profile[all->count++] = p;
	return 0;
out:
	free_profile(&p);
	return -1;
}

/* Give the command after -- to the profile that has none. */
static int
give_command(struct profiles *all, char *const *argv, const char *name, struct err *e)
{
	size_t i = 0, n = 0;

	while (i < all->count && all->profile[i].argv != NULL)
		i++;
	if (argv[0] == NULL && i < all->count) {
		err_set(e, ERR_USAGE, "profile %s has no command", all->profile[i].name);
		return err_hint(e, "give it after -- or as -P %s=command", all->profile[i].name);
	}
	if (argv[0] == NULL)
		return all->count > 0
			   ? 0
			   : err_set(e, ERR_USAGE, "no command to run; give it after --");
	if (i == all->count && profiles_add(all, name, e) < 0)
		return -1;
	while (argv[n] != NULL)
		n++;
	struct profile *p = &all->profile[i];
	p->argv = calloc(n + 1, sizeof *p->argv);
	if (p->argv == NULL)
		return err_memory(e);
	memcpy(p->argv, argv, n * sizeof *argv);
	return 0;
}

int
profiles_complete(struct profiles *all, char *const *argv, const char *name, struct err *e)
{
	if (give_command(all, argv, name, e) < 0)
		return -1;
	for (size_t i = 0; i < all->count; i++) {
		struct profile *p = &all->profile[i];
		p->program = process_find(p->argv[0], e);
		if (p->program == NULL)
			return -1;
		p->argv[0] = p->program;
	}
	return 0;
}

int
profiles_match(struct profiles *all, const char *pattern, struct err *e)
{
	char why[128];

	if (all->matches)
		regfree(&all->limited);
	int status = regcomp(&all->limited, pattern, REG_EXTENDED | REG_NEWLINE);
	all->matches = status == 0;
	if (status == 0)
		return 0;
	(void)regerror(status, &all->limited, why, sizeof why);
	return err_set(e, ERR_USAGE, "not an extended regular expression: %.80s: %s", pattern, why);
}

void
profiles_free(struct profiles *all)
{
	for (size_t i = 0; i < all->count; i++)
		free_profile(&all->profile[i]);
	if (all->matches)
		regfree(&all->limited);
	*all = (struct profiles){.count = 0};
}

static int
note_profile(int dirfd, const struct profile *p, struct err *e)
{
	char now[CLOCK_TEXT];
	int status = -1;

	json_t *o = json_object(), *list = json_array();
	if (o == NULL || json_object_set_new(o, "capabilities", list) < 0 ||
	    jsonx_set(o, "name", p->name) < 0 || jsonx_set(o, "program", p->program) < 0 ||
	    jsonx_set(o, "usedAt", clock_format(clock_now(), now)) < 0) {
		err_memory(e);
		goto out;
	}
	for (const char *const *c = p->capabilities; *c != NULL; c++)
		if (jsonx_append(list, *c) < 0) {
			err_memory(e);
			goto out;
		}
	status = jsonx_save(dirfd, p->name, o, FILE_MAX, false, e);
out:
	json_decref(o);
	return status;
}

int
profiles_note(const struct profiles *all, struct err *e)
{
	int dirfd = home_dir(KNOWN, e);

	if (dirfd < 0)
		return -1;
	for (size_t i = 0; i < all->count; i++)
		if (note_profile(dirfd, &all->profile[i], e) < 0)
			return -1;
	return 0;
}

int64_t
profiles_ready(const struct profiles *all, const json_t *task, const struct profile *except,
	       int64_t then)
{
	int64_t soonest = then;
	struct breaker b;

	for (size_t i = 0; i < all->count; i++) {
		const struct profile *p = &all->profile[i];
		const struct queue_worker self = {.capabilities = p->capabilities};
		/* One that cannot be read is left to whoever takes the task next. */
		if (p == except || !queue_rule_fits(task, &self) ||
		    breaker_read(BREAKER_PROFILE, p->name, &b, NULL) < 0)
			continue;
		if (b.until < soonest)
			soonest = b.until;
	}
	return soonest;
}

/* What is known of profile ${name}; a new reference, or NULL if that makes no sense. */
static json_t *
describe_profile(int dirfd, const char *name, struct err *e)
{
	char until[CLOCK_TEXT];
	struct breaker b;

	json_t *o = jsonx_load(dirfd, name, FILE_MAX, e);
	if (o == NULL)
		return NULL;
	if (breaker_read(BREAKER_PROFILE, name, &b, e) < 0)
		goto out;
	const char *state = b.until == 0 ? "ready" : b.stopped ? "stopped" : "cooling";
	if (jsonx_set(o, "state", state) < 0 ||
	    json_object_set_new(o, "deaths", json_integer(b.deaths)) < 0 ||
	    (b.until != 0 && (jsonx_set(o, "until", clock_format(b.until, until)) < 0 ||
			      jsonx_set(o, "why", b.why) < 0))) {
		err_memory(e);
		goto out;
	}
	return o;
out:
	json_decref(o);
	return NULL;
}

int
profile_list(int (*each)(void *arg, const json_t *profile), void *arg, struct err *e)
{
	struct listing l = {.names = NULL};
	int status = 0, dirfd = home_dir(KNOWN, e);
	const char *name;

	if (dirfd < 0)
		return -1;
	while (status == 0) {
		status = listing_next(&l, dirfd, &name, e);
		if (status < 0 || name == NULL)
			break;
		if (!id_valid(name))
			continue;
		json_t *o = describe_profile(dirfd, name, e);
		status = o == NULL ? err_add(e, "profiles/%s", name) : each(arg, o);
		json_decref(o);
	}
	listing_free(&l);
	return status;
}
