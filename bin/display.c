#include "display.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "wire/question.h"
#include "wire/members.h"

#define DRAW_MS 100

void
display_clear(struct display *d)
{
	if (d->drawn)
		(void)fputs("\r\033[K", stderr);
	d->drawn = false;
}

/* A question waits for whoever reads this, wherever stderr goes. */
static void
show_question(const json_t *event)
{
	struct err e;
	json_t *question = question_from_peer(event_question(event), &e);
	const char *text = question_text(question);
	const json_t *option;
	size_t i;

	if (question == NULL || !question_open(question)) {
		json_decref(question);
		return;
	}
	command_note("the task asks (%s):", question_id(question));
	(void)fputs("  ", stderr);
	for (; *text != '\0'; text += strspn(text, "\n")) {
		char line[QUESTION_TEXT + 1];
		(void)snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
		command_text(line, true);
		(void)fputs("\n  ", stderr);
		text += strcspn(text, "\n");
	}
	(void)fputs("answer: awcp-answer ", stderr);
	command_text(event_delegation_id(event), true);
	(void)fputc(' ', stderr);
	command_text(question_id(question), true);
	json_array_foreach (question_options(question), i, option) {
		(void)fputs(i == 0 ? " " : "|", stderr);
		command_text(json_string_value(option), true);
	}
	(void)fputs(i == 0 ? " ...\n" : "\n", stderr);
	json_decref(question);
}

/* Is the text of an event "status" shown?  Why a task does not begin is, wherever that goes. */
static bool
is_worth_telling(struct display *d, const char *type, const char *status)
{
	bool begins = strcmp(status, "running") == 0, begun = d->begun;

	if (strcmp(type, "status") != 0)
		return false;
	d->begun |= begins;
	return d->terminal || (!begins && !begun);
}

static void
show_event(void *arg, const json_t *event)
{
	struct display *d = arg;
	const char *type = event_type(event);
	const char *when = event_timestamp(event);
	const char *text =
	    event_message(event) != NULL ? event_message(event) : event_summary(event);

	display_clear(d);
	if (!d->quiet && !d->json && event_question(event) != NULL)
		show_question(event);
	if (d->json) {
		command_json(event);
	} else if (d->events) {
		(void)printf("%.8s ", strlen(when) >= 19 ? when + 11 : "--:--:--");
		command_text(strcmp(type, "status") == 0 ? event_status(event) : type, false);
		(void)putchar(' ');
		command_prose(text, 0);
		(void)putchar('\n');
	} else if (!d->quiet && is_worth_telling(d, type, event_status(event))) {
		(void)fputs("  ", stderr);
		command_text(text, true);
		(void)fputc('\n', stderr);
	}
	(void)fflush(stdout); /* whoever reads it wants it now; command_end checks for errors */
}

static void
show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	char a[16], b[16];
	struct display *d = arg;
	int64_t now = clock_steady();

	if (d->quiet || !d->terminal || (now < d->next && done != total))
		return;
	d->next = now + DRAW_MS;
	(void)fprintf(stderr, "\r\033[K%s %s", what, command_bytes(done, a));
	if (total > 0)
		(void)fprintf(stderr, " of %s (%u%%)", command_bytes(total, b),
			      (unsigned)(done * 100 / total));
	(void)fflush(stderr);
	d->drawn = true;
}

static void
show_note(void *arg, const char *text)
{
	struct display *d = arg;

	if (d->quiet)
		return;
	display_clear(d);
	command_note("%s", text);
}

static void
show_path(void *arg, enum apply_action action, const char *path, const char *why)
{
	static const char letters[] = {
	    [APPLY_ADD] = 'A',      [APPLY_CHANGE] = 'M',  [APPLY_DELETE] = 'D',
	    [APPLY_CONFLICT] = 'C', [APPLY_SETTLED] = '=', [APPLY_GUARDED] = 'G',
	    [APPLY_WITHHELD] = '-'};
	struct display *d = arg;

	bool stops = action == APPLY_CONFLICT || action == APPLY_GUARDED;
	if (!stops && (d->quiet || !(d->verbose || d->terminal)))
		return;
	display_clear(d);
	(void)fprintf(stderr, "  %c ", letters[action]);
	command_text(path, true);
	if (why != NULL)
		(void)fprintf(stderr, ": %s", why);
	(void)fputc('\n', stderr);
}

struct lend_observer
display_observer(struct display *d)
{
	d->terminal = isatty(STDERR_FILENO) == 1;
	return (struct lend_observer){show_event, show_progress, show_note, show_path, d};
}
