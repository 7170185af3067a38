#include "executor/answers.h"

#include "http/caller.h"
#include "base/file.h"
#include "config/home.h"
#include "base/jsonx.h"
#include "wire/message.h"

#define CARD "agent-card.json"
#define CARD_MAX (256 * 1024)

static json_t *
read_card(struct err *e)
{
	struct buf b = BUF_INIT(CARD_MAX);
	json_t *card = NULL;

	int fd = home_open(e);
	if (fd >= 0 && file_slurp(fd, CARD, &b, e) == 0 &&
	    (card = jsonx_parse(b.data, b.len, e)) == NULL) {
		e->code = ERR_CONFIG;
		err_add(e, CARD);
	}
	if (card == NULL && e->code == ERR_NOT_FOUND) {
		err_set(e, ERR_NOT_FOUND, "this executor has no agent card");
		err_hint(e, "whoever runs it can write one: " CARD " in the state directory");
	}
	buf_free(&b);
	return card;
}

/* What may be asked for here. */
static json_t *
describe_executor(const struct assignment_policy *p, struct err *e)
{
	return json_pack(
	    "{ss ss s[s] ss s{sI sI sI sI} so so}", "version", "1", "path", "/awcp", "transports",
	    "archive", "accessMode", p->read_only ? "ro" : "rw", "limits", "maxActive",
	    (json_int_t)p->max_active, "maxTtlSeconds", (json_int_t)p->max_ttl, "maxRetentionMs",
	    (json_int_t)p->max_retention * 1000, "maxArchiveBytes", (json_int_t)p->max_archive,
	    "sandboxProfile", sandbox_announce(&p->sandbox, e), "fidelity", message_fidelity());
}

void
card_answer(struct http *h, const struct assignment_policy *p)
{
	struct err e;

	json_t *card = read_card(&e);
	if (card == NULL) {
		http_fail(h, &e);
		return;
	}
	json_t *awcp = describe_executor(p, &e);
	if (awcp != NULL)
		(void)json_object_set_new(awcp, "authentication", json_string(caller_scheme()));
	if (!json_is_object(json_object_get(card, "capabilities")))
		(void)json_object_set_new(card, "capabilities", json_object());
	if (awcp == NULL || json_object_set_new(card, "awcp", awcp) < 0 ||
	    json_object_set_new(json_object_get(card, "capabilities"), "streaming", json_true()) <
		0) {
		json_decref(card);
		card = NULL;
	}
	http_json(h, 200, card);
}
