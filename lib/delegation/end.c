/* A delegation ends without a result. */
#include "delegation/delegation.h"

#include "delegation/members.h"
#include "wire/message.h"

/* The error ${why} to ${r}, and the state to which ${event} leads. */
static int
put_end(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	/* A lease that ends before the first event implies SETUP_COMPLETE, as "done" does. */
	if (event == FSM_EXPIRE && delegation_is(r->json, "started") &&
	    fsm_step(&fsm_delegation, r, FSM_SETUP_COMPLETE, e) < 0)
		return -1;
	/* Not every state can expire; every unfinished one can end in error. */
	if (fsm_next(&fsm_delegation, record_state(r->json), event, e) == NULL)
		event = FSM_RECEIVE_ERROR;
	if (record_set_error(r->json, message_describe_error(why)) < 0)
		return err_memory(e);
	return fsm_step(&fsm_delegation, r, event, e);
}

int
delegation_end_record(struct record *r, enum fsm_event event, const struct err *why, struct err *e)
{
	if (put_end(r, event, why, e) < 0 || delegation_save(r, true, e) < 0 ||
	    delegation_finish_journal(r, e) < 0)
		return -1;
	r->hook = "error";
	return 0;
}

struct ending {
	enum fsm_event event;
	const struct err *why;
};

static int
end_unless_ended(struct record *r, void *arg, struct err *e)
{
	const struct ending *end = arg;

	if (delegation_ended(r->json))
		return 0;
	r->hook = "error";
	return put_end(r, end->event, end->why, e) < 0 ? -1 : 1;
}

int
delegation_end(const char *id, enum fsm_event event, const struct err *why, struct err *e)
{
	struct ending end = {event, why};

	return delegation_change(id, end_unless_ended, &end, true, e);
}
