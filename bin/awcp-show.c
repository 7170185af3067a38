/* awcp-show - one delegation or assignment in full */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "assignment/assignment.h"
#include "assignment/members.h"
#include "delegation/delegation.h"
#include "delegation/members.h"
#include "wire/members.h"

static const struct command command = {
    "awcp-show", "j",
    "usage: awcp-show [-j] id...\n"
    "  -j  the record as JSON\n"
    "An id may be cut short as long as it is unique; - reads ids from stdin.\n"};

static void
print_row(const char *label, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return;
	(void)printf("%-12s ", label);
	command_prose(text, 13);
	(void)putchar('\n');
}

typedef const char *text_of(const json_t *record);

static const char *
invite_text(const json_t *assignment)
{
	return invite_description(assignment_invite(assignment));
}

static const struct row {
	const char *label;
	text_of *delegation, *assignment; /* NULL: it has none */
} rows[] = {
    {"id", record_id, record_id},
    {"state", record_state, record_state},
    {"executor", delegation_peer_url, NULL},
    {"owner", record_owner, assignment_owner},
    {"description", delegation_description, invite_text},
    {"created", record_created_at, record_created_at},
    {"started", NULL, assignment_started_at},
    {"lease ends", delegation_lease_expires_at, assignment_lease_expires_at},
    {"updated", record_updated_at, record_updated_at},
    {"completed", NULL, assignment_completed_at},
    {"summary", delegation_summary, assignment_summary},
    {"error", record_error_code, record_error_code},
    {"", record_error_message, record_error_message},
    {"hint", record_error_hint, record_error_hint},
};

static void
print_lists(const json_t *resources, const json_t *delegation)
{
	const json_t *one;
	size_t i;
	char text[4400];

	json_array_foreach (resources, i, one) {
		(void)snprintf(text, sizeof text, "%s %s %s", resource_mode(one),
			       resource_name(one), resource_source(one));
		print_row(i == 0 ? "resources" : "", text);
	}
	json_array_foreach (delegation_questions(delegation), i, one) {
		(void)snprintf(text, sizeof text, "%s %s", question_id(one), question_text(one));
		print_row(i == 0 ? "questions" : "", text);
	}
	json_array_foreach (delegation_snapshots(delegation), i, one) {
		(void)snprintf(text, sizeof text, "%s %s", snapshot_id(one), snapshot_status(one));
		print_row(i == 0 ? "snapshots" : "", text);
	}
}

static void
print_delegation(const json_t *o)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].delegation != NULL)
			print_row(rows[i].label, rows[i].delegation(o));
	print_lists(delegation_resources(o), o);
}

static void
print_assignment(const json_t *o)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].assignment != NULL)
			print_row(rows[i].label, rows[i].assignment(o));
	print_lists(invite_resources(assignment_invite(o)), NULL);
}

static int
show_record(void *arg, const char *prefix)
{
	const bool *json = arg;
	const char *collection = DELEGATIONS;
	char id[129];
	struct record r;
	struct err e;

	if (record_find(collection, prefix, id, &e) < 0) {
		if (e.code != ERR_NOT_FOUND)
			return command_fail(&e);
		collection = ASSIGNMENTS;
		if (record_find(collection, prefix, id, &e) < 0)
			return command_fail(&e);
	}
	if (record_open(collection, id, false, &r, &e) < 0) {
		record_close(&r);
		return command_fail(&e);
	}
	if (*json)
		command_json(r.json);
	else if (strcmp(collection, DELEGATIONS) == 0)
		print_delegation(r.json);
	else
		print_assignment(r.json);
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
	return command_end(command_each(argc - optind, argv + optind, show_record, &json));
}
