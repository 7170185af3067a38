#include "run_profiles.h"

#include <stdio.h>

#include "command.h"
#include "base/jsonx.h"
#include "worker/profile.h"

/* Print "gpu,net", or "-". */
static void
print_capabilities(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		if (i > 0)
			(void)putchar(',');
		command_text(json_string_value(one), false);
	}
	if (json_array_size(list) == 0)
		(void)putchar('-');
}

static int
print_profile(void *arg, const json_t *profile)
{
	const bool *json = arg;
	const char *until = jsonx_text(profile, "until", NULL);

	if (*json) {
		command_json(profile);
		return 0;
	}
	(void)printf("%-16s %-8s %-24s %2lld  ", jsonx_text(profile, "name", "?"),
		     jsonx_text(profile, "state", "?"), until == NULL ? "-" : until,
		     (long long)jsonx_number(profile, "deaths", 0));
	print_capabilities(json_object_get(profile, "capabilities"));
	(void)printf("  ");
	command_text(jsonx_text(profile, "why", ""), false);
	(void)putchar('\n');
	return 0;
}

int
run_list(bool json)
{
	struct err e;

	return profile_list(print_profile, &json, &e) < 0 ? command_fail(&e) : 0;
}

int
run_clear(void *arg, const char *name)
{
	struct err e, other;

	(void)arg;
	int profile = breaker_clear(BREAKER_PROFILE, name, &e);
	int queue = breaker_clear(BREAKER_QUEUE, name, &other);
	if ((profile == 0 || e.code == ERR_NOT_FOUND) &&
	    (queue == 0 || other.code == ERR_NOT_FOUND)) {
		if (profile == 0 || queue == 0)
			return 0;
		err_set(&e, ERR_NOT_FOUND, "there is nothing against %.64s", name);
		err_hint(&e, "awcp-run --profiles lists what is known");
		return command_fail(&e);
	}
	return command_fail(profile < 0 && e.code != ERR_NOT_FOUND ? &e : &other);
}
