/*
 * What a peer says, and a task that asks: whatever the JSON, it is taken or refused with a reason,
 * and what is taken has what the code reads of it.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/members.h"
#include "wire/message.h"
#include "wire/question.h"

static void
refused(int status, const struct err *e)
{
	PROMISE(status == 0 || (e->code != ERR_NONE && e->message[0] != '\0'));
	PROMISE(status == 0 || strchr(e->message, '\n') == NULL);
}

static void
ask(const json_t *o)
{
	char text[QUESTION_ANSWER + 1];
	struct err e = {0};

	json_t *q = question_make(o, &e);
	refused(q == NULL ? -1 : 0, &e);
	if (q == NULL)
		return;
	PROMISE(question_open(q) && question_text(q)[0] != '\0');
	PROMISE(strlen(question_text(q)) <= QUESTION_TEXT);
	refused(question_take_answer(q, "yes", text, &e), &e);
	json_decref(q);
	q = question_from_peer(o, &e);
	PROMISE(q == NULL || question_id_valid(question_id(q)));
	json_decref(q);
}

static void *
work(void *arg)
{
	const struct fuzz_input *in = arg;
	struct err e = {0};

	json_t *o = jsonx_parse((const char *)in->p, in->n, &e);
	refused(o == NULL ? -1 : 0, &e);
	if (o == NULL)
		return NULL;
	(void)message_type(o, &e);
	int invited = message_check_invite(o, &e);
	refused(invited, &e);
	if (invited == 0)
		PROMISE(invite_prompt(o) != NULL);
	refused(message_check_accept(o, "dlg_1", &e), &e);
	refused(message_check_start(o, &e), &e);
	(void)message_agreed(json_object_get(o, "fidelity"));
	PROMISE(message_error(o, &e) == -1 && e.code != ERR_NONE);
	ask(o);
	json_decref(o);
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	return fuzz_in_thread(work, p, n);
}
