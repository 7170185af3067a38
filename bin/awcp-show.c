/* awcp-show - one delegation or assignment in full */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "base/jsonx.h"
#include "state/record.h"

static const struct command command = {
    "awcp-show", "j",
    "usage: awcp-show [-j] id...\n"
    "  -j  the record as JSON\n"
    "An id may be cut short as long as it is unique; - reads ids from stdin.\n"};

static void
line(const char *label, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	(void)printf("%-12s ", label);
	command_prose(text, 13);
	(void)putchar('\n');
}

/* The lines that delegations and assignments have; a label may have two places to look at. */
static const struct {
	const char *label, *path, *or_path;
} rows[] = {
    {"id", "id", NULL},
    {"state", "state", NULL},
    {"executor", "peerUrl", NULL},
    {"owner", "owner", NULL},
    {"description", "task.description", "invite.task.description"},
    {"created", "createdAt", NULL},
    {"started", "startedAt", NULL},
    {"lease ends", "activeLease.expiresAt", "lease.expiresAt"},
    {"updated", "updatedAt", NULL},
    {"completed", "completedAt", NULL},
    {"summary", "result.summary", NULL},
    {"error", "error.code", NULL},
    {"", "error.message", NULL},
    {"hint", "error.hint", NULL},
};

static void
show_lists(const json_t *o)
{
	const json_t *one;
	size_t i;
	char text[4400];

	const json_t *resources = jsonx_at(o, "environment.resources");
	if (resources == NULL)
		resources = jsonx_at(o, "invite.environment.resources");
	json_array_foreach (resources, i, one) {
		(void)snprintf(text, sizeof text, "%s %s %s", jsonx_text(one, "mode", ""),
			       jsonx_text(one, "name", ""), jsonx_text(one, "source", ""));
		line(i == 0 ? "resources" : "", text);
	}
	json_array_foreach (json_object_get(o, "questions"), i, one) {
		(void)snprintf(text, sizeof text, "%s %s", jsonx_text(one, "id", ""),
			       jsonx_text(one, "text", ""));
		line(i == 0 ? "questions" : "", text);
	}
	json_array_foreach (json_object_get(o, "snapshots"), i, one) {
		(void)snprintf(text, sizeof text, "%s %s", jsonx_text(one, "id", ""),
			       jsonx_text(one, "status", ""));
		line(i == 0 ? "snapshots" : "", text);
	}
}

static int
show(void *arg, const char *prefix)
{
	const bool *json = arg;
	const char *collection = "delegations";
	char id[129];
	struct record r;
	struct err e;

	if (record_find(collection, prefix, id, &e) < 0) {
		if (e.code != ERR_NOT_FOUND)
			return command_fail(&e);
		collection = "assignments";
		if (record_find(collection, prefix, id, &e) < 0)
			return command_fail(&e);
	}
	if (record_open(collection, id, false, &r, &e) < 0) {
		record_close(&r);
		return command_fail(&e);
	}
	if (*json) {
		command_json(r.json);
	} else {
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			line(rows[i].label, jsonx_text(r.json, rows[i].path,
						       rows[i].or_path != NULL
							   ? jsonx_text(r.json, rows[i].or_path, "")
							   : ""));
		show_lists(r.json);
	}
	record_close(&r);
	return 0;
}

int
main(int argc, char **argv)
{
	bool json = false;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1)
		if (option == 'j')
			json = true;
	if (optind == argc)
		command_usage("which one? awcp-list shows them");
	return command_end(command_each(argc - optind, argv + optind, show, &json));
}
