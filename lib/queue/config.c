#include "queue/rules.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/settings.h"

#define CONFIG_MAX 65536

int
queue_recovery_named(const char *text, enum queue_event *event, struct err *e)
{
	static const struct {
		const char *name;
		enum queue_event event;
	} known[] = {{"retry", QUEUE_RETURN}, {"fail", QUEUE_FAIL}, {"unknown", QUEUE_LOSE}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(text, known[i].name) == 0) {
			*event = known[i].event;
			return 0;
		}
	return err_set(e, ERR_CONFIG, "recovery is retry, fail or unknown, not %.40s", text);
}

/* The number ${name}, if it is there; 0 is any number. */
static int
read_number(const json_t *o, const char *name, int64_t *value, struct err *e)
{
	if (json_object_get(o, name) == NULL || jsonx_integer(o, name, 0, INT32_MAX, value, e) == 0)
		return 0;
	e->code = ERR_CONFIG;
	return -1;
}

static int
check_lanes(json_t *lanes, struct err *e)
{
	const char *name;
	json_t *value;

	if (lanes != NULL && !json_is_object(lanes))
		return err_set(e, ERR_CONFIG, "lanes must be an object of widths");
	json_object_foreach (lanes, name, value)
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return err_set(e, ERR_CONFIG, "lane %.40s must have a width from 0", name);
	return 0;
}

/* How long ended tasks are kept where the queue's own file does not say. */
static int
read_retention(const json_t *o, struct queue_config *c, struct err *e)
{
	long long given;

	if (setting_number(SETTING_TASK_RETENTION, &given, e) < 0)
		return -1;
	if (given < 1)
		return err_set(e, ERR_CONFIG, "AWCP_TASK_RETENTION must be at least a second");
	int64_t seconds = given < CLOCK_SPAN_MAX ? given : CLOCK_SPAN_MAX;
	if (read_number(o, queue_config_retention_path(), &seconds, e) < 0)
		return -1;
	c->retention = seconds * 1000;
	return 0;
}

static int
parse_config(const json_t *o, struct queue_config *c, struct err *e)
{
	c->lanes = json_incref(queue_config_lanes(o));
	if (read_number(o, queue_config_width_path(), &c->width, e) < 0 ||
	    read_number(o, queue_config_lane_path(), &c->lane, e) < 0 ||
	    read_number(o, queue_config_max_deaths_path(), &c->max_deaths, e) < 0 ||
	    read_retention(o, c, e) < 0 || check_lanes(c->lanes, e) < 0)
		return -1;
	return queue_recovery_named(queue_config_recovery(o), &c->recovery, e);
}

int
queue_config_read(int dirfd, const char *queue, struct queue_config *c, struct err *e)
{
	*c = (struct queue_config){.width = queue_config_width(NULL),
				   .lane = queue_config_lane(NULL),
				   .max_deaths = queue_config_max_deaths(NULL),
				   .recovery = QUEUE_RETURN};
	if (faccessat(dirfd, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return read_retention(NULL, c, e);
	json_t *o = jsonx_load(dirfd, "config.json", CONFIG_MAX, e);
	int status = o == NULL ? -1 : parse_config(o, c, e);
	json_decref(o);
	return status < 0 ? err_add(e, "queue/%s/config.json", queue) : 0;
}
