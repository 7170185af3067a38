/* The questions of a delegation's executor that are open. */
#include "delegation/delegation.h"

#include <string.h>

#include "delegation/members.h"
#include "wire/members.h"
#include "wire/question.h"

#define OPEN_MAX 16 /* that we remember for a peer */

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
		delegation_drop_questions(r->json);
	return 1;
}

static int
add_question(struct record *r, const json_t *asked, struct err *e)
{
	struct err unusable;

	if (json_array_size(delegation_questions(r->json)) >= OPEN_MAX)
		return 0;
	/* One that makes no sense is only progress. */
	json_t *question = question_from_peer(asked, &unusable);
	if (question == NULL)
		return 0;
	/* After a lost connection it may come twice. */
	bool known = delegation_answered(r, question_id(question)) == 1;
	if (delegation_questions(r->json) == NULL)
		(void)delegation_set_questions(r->json, json_array()); /* seen in the next line */
	if (json_array_append_new(delegation_questions(r->json), question) < 0)
		return err_memory(e);
	return known ? 1 : 2;
}

int
delegation_question(struct record *r, const json_t *event, struct err *e)
{
	const json_t *question = event_question(event);

	if (strcmp(event_type(event), "status") != 0)
		return 0;
	/* Who begins, or begins anew, has not asked yet. */
	if (strcmp(event_status(event), "running") == 0) {
		bool had_some = delegation_questions(r->json) != NULL;
		delegation_drop_questions(r->json);
		return had_some;
	}
	if (question == NULL)
		return 0;
	return question_open(question) ? add_question(r, question, e)
				       : delegation_answered(r, question_id(question));
}
