/* What the executor asks for its task: the questions of a delegation that are open. */
#include "delegation/delegation.h"
#include "delegation/members.h"

#include <string.h>

#include "base/jsonx.h"
#include "wire/question.h"
#include "wire/members.h"

#define OPEN_MAX 16 /* that a peer may have us remember */

int
delegation_answered(struct record *r, const char *id)
{
	json_t *list = delegation_questions(r->json);
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (strcmp(question_id(one), id) == 0)
			break;
	if (i >= json_array_size(list) || json_array_remove(list, i) < 0)
		return 0;
	if (json_array_size(list) == 0)
		(void)json_object_del(r->json, "questions");
	return 1;
}

static int
remember(struct record *r, const json_t *told, struct err *e)
{
	json_t *list = delegation_questions(r->json);
	struct err useless;

	if (json_array_size(list) >= OPEN_MAX)
		return 0;
	/* One that makes no sense is only progress. */
	json_t *question = question_from_peer(told, &useless);
	if (question == NULL)
		return 0;
	/* After a lost connection it may be told twice. */
	int status = delegation_answered(r, question_id(question)) == 1 ? 1 : 2;
	list = delegation_questions(r->json);
	if (list == NULL) {
		list = json_array();
		if (json_object_set_new(r->json, "questions", list) < 0)
			list = NULL;
	}
	if (list == NULL || json_array_append(list, question) < 0)
		status = err_memory(e);
	json_decref(question);
	return status;
}

int
delegation_question(struct record *r, const json_t *event, struct err *e)
{
	const json_t *question = event_question(event);

	if (strcmp(event_type(event), "status") != 0)
		return 0;
	/* Who begins, or begins anew, has not asked yet. */
	if (strcmp(event_status(event), "running") == 0)
		return json_object_del(r->json, "questions") == 0;
	if (question == NULL)
		return 0;
	return question_open(question) ? remember(r, question, e)
				       : delegation_answered(r, question_id(question));
}
