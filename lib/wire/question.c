#include "wire/question.h"
#include "wire/members.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"

/* The types, and the options of those that have some unless others are given. */
static const struct {
	const char *name;
	const char *options[2];
} types[] = {{"user_input", {NULL}},
	     {"command_approval", {"yes", "no"}},
	     {"file_approval", {"yes", "no"}},
	     {"elicitation", {NULL}},
	     {"dynamic_tool", {NULL}}};

#define TYPES (sizeof types / sizeof types[0])

/* Drop U+061C, U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069, in place: with these a text
 * reads other than it is. */
static void
drop_directions(char *s)
{
	char *to = s;
	uint32_t c;

	for (size_t n; *s != '\0'; s += n) {
		n = utf8_decode(s, &c);
		if (c == 0x61c || c == 0x200e || c == 0x200f || utf8_reorders(c))
			continue;
		n += n == 0; /* a byte that is not UTF-8 */
		memmove(to, s, n);
		to += n;
	}
	*to = '\0';
}

/* Write ${text} (${what}) to ${out}, which has room for ${max} bytes and a NUL. */
static int
clean_text(const char *what, const char *text, char *out, size_t max, struct err *e)
{
	size_t n = strlen(text);

	if (n > max)
		return err_set(e, ERR_TOO_LARGE, "%s has more than %zu bytes", what, max);
	text_clean(text, n, out, max + 1);
	drop_directions(out);
	return 0;
}

/* As clean_text, without white space around it; it must not be empty. */
static int
clean_nonempty(const char *what, const json_t *text, char *out, size_t max, struct err *e)
{
	if (!json_is_string(text))
		return err_set(e, ERR_BAD_DATA, "%s must be a text", what);
	if (clean_text(what, json_string_value(text), out, max, e) < 0)
		return -1;
	size_t begin = strspn(out, " \t\n"), n = strlen(out);
	while (n > begin && strchr(" \t\n", out[n - 1]) != NULL)
		n--;
	if (n == begin)
		return err_set(e, ERR_BAD_DATA, "%s is empty", what);
	memmove(out, out + begin, n - begin);
	out[n - begin] = '\0';
	return 0;
}

static int
add_option(json_t *list, const json_t *option, struct err *e)
{
	char text[QUESTION_OPTION + 1];

	if (json_array_size(list) == QUESTION_OPTIONS)
		return err_set(e, ERR_TOO_LARGE, "a question has at most %d options",
			       QUESTION_OPTIONS);
	if (clean_nonempty("an option", option, text, sizeof text - 1, e) < 0)
		return -1;
	if (strchr(text, '\n') != NULL)
		return err_set(e, ERR_BAD_DATA, "an option is one line");
	if (jsonx_lists(list, text))
		return err_set(e, ERR_BAD_DATA, "there are two options %s", text);
	return jsonx_append(list, text) < 0 ? err_memory(e) : 0;
}

/* The options of ${asked}, or those of type ${type}, to ${q}. */
static int
read_question_options(json_t *q, const json_t *asked, size_t type, struct err *e)
{
	const json_t *given = question_options(asked), *one;
	json_t *list = json_array();
	size_t i;

	if (given != NULL && !json_is_array(given)) {
		err_set(e, ERR_BAD_DATA, "options must be an array of texts");
		goto err;
	}
	json_array_foreach (given, i, one)
		if (add_option(list, one, e) < 0)
			goto err;
	for (i = 0; json_array_size(given) == 0 && i < 2; i++)
		if (types[type].options[i] != NULL &&
		    jsonx_append(list, types[type].options[i]) < 0)
			goto memory;
	if (json_array_size(list) > 0 && question_set_options(q, json_incref(list)) < 0)
		goto memory;
	json_decref(list);
	return 0;
memory:
	err_memory(e);
err:
	json_decref(list);
	return -1;
}

static int
read_default(json_t *q, const json_t *asked, struct err *e)
{
	const json_t *given = jsonx_at(asked, question_default_path());
	const json_t *options = question_options(q);
	char text[QUESTION_ANSWER + 1];

	if (given == NULL)
		return 0;
	if (clean_nonempty("the default", given, text, sizeof text - 1, e) < 0)
		return -1;
	if (options != NULL && !jsonx_lists(options, text))
		return err_set(e, ERR_BAD_DATA, "the default is none of the options");
	return question_set_default(q, text) < 0 ? err_memory(e) : 0;
}

/* What both a question of ours and one of a peer have. */
static json_t *
make_common(const json_t *asked, struct err *e)
{
	const char *name = jsonx_text(asked, question_type_path(), types[0].name);
	const json_t *secret = jsonx_at(asked, question_secret_path());
	char text[QUESTION_TEXT + 1];
	json_t *q = json_object();
	size_t type = 0;

	while (type < TYPES && strcmp(types[type].name, name) != 0)
		type++;
	if (type == TYPES) {
		err_set(e, ERR_BAD_DATA, "there is no type %.64s", name);
		err_hint(e, "user_input, command_approval, file_approval, elicitation or "
			    "dynamic_tool");
		goto err;
	}
	if (secret != NULL && !json_is_boolean(secret)) {
		err_set(e, ERR_BAD_DATA, "secret must be true or false");
		goto err;
	}
	if (clean_nonempty("the question", jsonx_at(asked, question_text_path()), text,
			   sizeof text - 1, e) < 0)
		goto err;
	if (q == NULL || question_set_type(q, name) < 0 || question_set_text(q, text) < 0 ||
	    (json_is_true(secret) && question_set_secret(q, true) < 0)) {
		err_memory(e);
		goto err;
	}
	if (read_question_options(q, asked, type, e) == 0 && read_default(q, asked, e) == 0)
		return q;
err:
	json_decref(q);
	return NULL;
}

json_t *
question_make(const json_t *asked, struct err *e)
{
	char text[CLOCK_TEXT];
	int64_t seconds = 0;

	if (json_object_get(asked, "timeout") != NULL &&
	    jsonx_integer(asked, "timeout", 1, QUESTION_TIMEOUT, &seconds, e) < 0) {
		e->code = ERR_BAD_DATA;
		return NULL;
	}
	json_t *q = make_common(asked, e);
	if (q == NULL)
		return NULL;
	int64_t now = clock_now();
	if (question_set_asked_at(q, clock_format(now, text)) == 0 &&
	    (seconds == 0 || question_set_until(q, clock_format(now + seconds * 1000, text)) == 0))
		return q;
	json_decref(q);
	err_memory(e);
	return NULL;
}

/* Copy the text ${name}, which is short, if ${peer} has it. */
static int
copy_text(json_t *q, const json_t *peer, const char *name, size_t max, struct err *e)
{
	char text[QUESTION_ANSWER + 1];
	const json_t *value = json_object_get(peer, name);

	if (value == NULL)
		return 0;
	if (!json_is_string(value))
		return err_set(e, ERR_BAD_MESSAGE, "%s must be a text", name);
	if (clean_text(name, json_string_value(value), text, max, e) < 0)
		return -1;
	return jsonx_set(q, name, text) < 0 ? err_memory(e) : 0;
}

json_t *
question_from_peer(const json_t *peer, struct err *e)
{
	const struct {
		const char *name;
		size_t max;
	} members[] = {
	    {question_id_path(), QUESTION_ID - 1}, {question_asked_at_path(), 40},
	    {question_until_path(), 40},           {question_outcome_path(), 20},
	    {question_closed_at_path(), 40},       {question_answer_path(), QUESTION_ANSWER},
	};

	if (!question_id_valid(question_id(peer))) {
		err_set(e, ERR_BAD_MESSAGE, "a question without an id");
		return NULL;
	}
	json_t *q = make_common(peer, e);
	for (size_t i = 0; q != NULL && i < sizeof members / sizeof members[0]; i++)
		if (copy_text(q, peer, members[i].name, members[i].max, e) < 0) {
			json_decref(q);
			q = NULL;
		}
	return q;
}

/* "yes, no" */
static void
list_options(const json_t *options, char *out, size_t size)
{
	const json_t *one;
	size_t i, n = 0;

	out[0] = '\0';
	json_array_foreach (options, i, one)
		if (n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "",
					      json_string_value(one));
}

int
question_take_answer(const json_t *question, const char *answer, char out[QUESTION_ANSWER + 1],
		     struct err *e)
{
	const json_t *options = question_options(question);
	const char *fallback = question_default(question);
	char all[200];

	if (clean_text("the answer", answer, out, QUESTION_ANSWER, e) < 0)
		return -1;
	size_t n = strlen(out);
	while (n > 0 && out[n - 1] == '\n')
		out[--n] = '\0';
	if (n == 0)
		(void)snprintf(out, QUESTION_ANSWER + 1, "%s", fallback != NULL ? fallback : "");
	if (out[0] == '\0') {
		err_set(e, ERR_BAD_DATA, "the answer is empty, and there is no default");
		return -1;
	}
	if (options == NULL || jsonx_lists(options, out))
		return 0;
	err_set(e, ERR_BAD_DATA, "the answer is none of the options");
	list_options(options, all, sizeof all);
	return err_hint(e, "one of: %s", all);
}

int
question_answer_of(const json_t *o, const char **id, const char **answer, struct err *e)
{
	*id = NULL;
	*answer = jsonx_string(o, answer_text_path(), QUESTION_LINE, e);
	if (*answer == NULL)
		return -1;
	if (jsonx_at(o, answer_question_path()) == NULL)
		return 0;
	*id = jsonx_string(o, answer_question_path(), QUESTION_LINE, e);
	if (*id == NULL)
		return -1;
	return question_id_valid(*id) ? 0
				      : err_set(e, ERR_BAD_DATA, "question is not an id, like q1");
}

int
question_close(json_t *question, const char *outcome, const char *answer, const char *by,
	       struct err *e)
{
	char now[CLOCK_TEXT];

	if (question_set_outcome(question, outcome) < 0 ||
	    question_set_answer(question, answer) < 0 || question_set_by(question, by) < 0 ||
	    question_set_closed_at(question, clock_format(clock_now(), now)) < 0)
		return err_memory(e);
	return 0;
}

bool
question_open(const json_t *question)
{
	return question_outcome(question) == NULL;
}

bool
question_late(const json_t *question, int64_t now)
{
	const char *until = question_until(question);
	int64_t ms;

	return until != NULL && clock_parse(until, &ms, NULL) == 0 && now >= ms;
}

bool
question_id_valid(const char *id)
{
	size_t n = strlen(id);

	return id[0] == 'q' && n > 1 && n < QUESTION_ID && strspn(id + 1, "0123456789") == n - 1;
}

json_t *
question_find(const json_t *list, const char *id, struct err *e)
{
	json_t *one, *found = NULL;
	char all[200] = "";
	size_t i, open = 0, n = 0;

	json_array_foreach (list, i, one) {
		const char *its = question_id(one);
		if (id != NULL ? strcmp(id, its) != 0 : !question_open(one))
			continue;
		found = one;
		open++;
		if (n < sizeof all)
			n += (size_t)snprintf(all + n, sizeof all - n, " %s", its);
	}
	if (open == 1)
		return found;
	if (open > 1) {
		err_set(e, ERR_USAGE, "%zu questions are open", open);
		err_hint(e, "say which is answered:%s", all);
	} else if (id != NULL) {
		err_set(e, ERR_NOT_FOUND, "there is no question %.64s", id);
	} else {
		err_set(e, ERR_NOT_FOUND, "no question is open");
	}
	return NULL;
}
