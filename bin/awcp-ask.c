/* awcp-ask - a running task asks a person, and waits for the answer */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/ask_socket.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "command.h"
#include "prompt.h"

static const struct command command = {
    "awcp-ask", "d:jo:st:w:",
    "usage: awcp-ask [-js] [-d default] [-o option]... [-t type] [-w span] [text ...]\n"
    "  -d default  what an empty answer means, and what is taken when nobody answers in time\n"
    "  -j          print the question with its answer, as JSON\n"
    "  -o option   the answer is one of these\n"
    "  -s          the answer is a secret: it is stored nowhere\n"
    "  -t type     user_input (the default), command_approval, file_approval, elicitation\n"
    "              or dynamic_tool; the approvals have the options yes and no\n"
    "  -w span     max time to wait (90, 15m, 2h), then exit 75\n"
    "For programs that awcp-run runs.  Without a text it is read from stdin.\n"};

static void
set_text(json_t *o, const char *member, const char *text)
{
	if (!utf8_valid(text))
		command_usage("not UTF-8: %s", text);
	if (jsonx_set(o, member, text) < 0)
		command_usage("out of memory");
}

static void
parse_question(json_t *asked, bool *json, int argc, char **argv)
{
	json_t *options = json_array();
	int64_t seconds;
	struct err e;
	int option;

	while ((option = command_option(&command, argc, argv)) != -1) {
		switch (option) {
		case 'd':
			set_text(asked, "default", optarg);
			break;
		case 'j':
			*json = true;
			break;
		case 'o':
			if (!utf8_valid(optarg))
				command_usage("not UTF-8: %s", optarg);
			(void)jsonx_append(options,
					   optarg); /* out of memory: the question is refused */
			break;
		case 's':
			(void)json_object_set_new(asked, "secret", json_true());
			break;
		case 't':
			set_text(asked, "type", optarg);
			break;
		case 'w':
			if (clock_parse_span(optarg, &seconds, &e) < 0)
				exit(command_fail(&e));
			(void)json_object_set_new(asked, "timeout", json_integer(seconds));
			break;
		}
	}
	if (json_array_size(options) > 0)
		(void)json_object_set(asked, "options", options);
	json_decref(options);
}

/* Ask, and wait; NULL if there is no answer to be had. */
static json_t *
ask(json_t *asked, int argc, char **argv, struct err *e)
{
	struct buf text = BUF_INIT(QUESTION_LINE), line = BUF_INIT(QUESTION_LINE);
	const char *socket = getenv("AWCP_ASK");
	json_t *question = NULL;

	if (socket == NULL || socket[0] == '\0') {
		err_set(e, ERR_TRANSPORT_ERROR, "there is nobody to ask: AWCP_ASK is not set");
		err_hint(e, "only what awcp-run runs can ask");
		return NULL;
	}
	if (prompt_read("question", NULL, argc, argv, &text, e) == 0) {
		/* Check it here, before anybody is asked. */
		set_text(asked, "text", text.data);
		json_t *checked = question_make(asked, e);
		if (checked != NULL && jsonx_dump(asked, &line, e) == 0 &&
		    buf_add(&line, "\n", 1, e) == 0)
			question = ask_socket_ask(socket, line.data, e);
		json_decref(checked);
	}
	buf_free(&text);
	buf_free(&line);
	return question;
}

int
main(int argc, char **argv)
{
	json_t *asked = json_object();
	bool json = false;
	struct err e;

	parse_question(asked, &json, argc, argv);
	json_t *question = ask(asked, argc - optind, argv + optind, &e);
	json_decref(asked);
	if (question == NULL)
		return command_end(command_fail(&e));
	const char *answer = jsonx_text(question, "answer", NULL);
	if (json)
		command_json(question);
	else if (answer != NULL)
		(void)puts(answer);
	int status = 0;
	if (answer == NULL) {
		err_set(&e, ERR_BUSY, "nobody answered in time");
		status = command_fail(&e);
	}
	json_decref(question);
	return command_end(status);
}
