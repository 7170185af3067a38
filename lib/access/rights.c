/* What a token may do: as words, in its record, and by the settings that name tokens. */
#include "access/token.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonx.h"
#include "base/text.h"
#include "config/settings.h"

static const struct {
	const char *name;
	unsigned right;
} words[] = {{"invite", RIGHT_INVITE}, {"lend", RIGHT_LEND}, {"work", RIGHT_WORK},
	     {"put", RIGHT_PUT},       {"read", RIGHT_READ}, {"enrol", RIGHT_ENROL},
	     {"admin", RIGHT_ADMIN}};

#define WORDS (sizeof words / sizeof words[0])

/* The right that the ${n} bytes at ${word} name; 0 if they name none. */
static unsigned
right_named(const char *word, size_t n)
{
	for (size_t i = 0; i < WORDS; i++)
		if (strlen(words[i].name) == n && strncmp(words[i].name, word, n) == 0)
			return words[i].right;
	return 0;
}

int
rights_parse(const char *text, unsigned *rights, struct err *e)
{
	*rights = 0;
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, ",");
		unsigned right = right_named(p, n);
		if (right == 0) {
			err_set(e, ERR_USAGE, "not a right: %.*s", (int)(n > 40 ? 40 : n), p);
			return err_hint(e, "invite, lend, work, put, read, enrol and admin are");
		}
		*rights |= right;
		p += n;
		if (*p == '\0')
			return 0;
	}
}

const char *
rights_format(unsigned rights, const char *between, char out[RIGHTS_TEXT])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < WORDS; i++)
		if ((rights & words[i].right) != 0)
			n += (size_t)snprintf(out + n, RIGHTS_TEXT - n, "%s%s",
					      n > 0 ? between : "", words[i].name);
	return out;
}

json_t *
rights_describe(unsigned rights)
{
	json_t *list = json_array();

	for (size_t i = 0; i < WORDS; i++)
		if ((rights & words[i].right) != 0 &&
		    json_array_append_new(list, json_string(words[i].name)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

unsigned
rights_of(const json_t *token)
{
	const json_t *list = json_object_get(token, "rights"), *one;
	const char *name = jsonx_text(token, "name", "");
	unsigned rights = list == NULL ? RIGHTS_USUAL : 0; /* of an earlier version */
	size_t i;

	json_array_foreach (list, i, one)
		if (json_is_string(one)) /* a later version may know more of them */
			rights |= right_named(json_string_value(one), json_string_length(one));
	if (text_lists(setting_text(SETTING_CALLERS), " ", name))
		rights |= RIGHT_LEND;
	if (text_lists(setting_text(SETTING_OPERATORS), " ", name))
		rights |= RIGHT_ADMIN;
	return rights;
}

int
token_may(const struct token *t, unsigned rights, struct err *e)
{
	char names[RIGHTS_TEXT];

	if ((t->rights & rights) != 0)
		return 0;
	err_set(e, ERR_DECLINED, "this token may not do that: it lacks the right %s",
		rights_format(rights, " or ", names));
	return err_hint(e, "the operator of this server gives it: awcp-token set --rights");
}
