/* member: a record's members are read and written by their one line; all else stays as it was. */
#include "base/member.h"

#include <string.h>

#include "check.h"

MEMBER_TEXT(box, owner, "owner", "nobody")
MEMBER_INTEGER(box, width, "size.width", 7)
MEMBER_BOOL(box, open, "open")
MEMBER_JSON(box, labels, "meta.labels")

int
main(void)
{
	struct err e;
	const char *text = "{\"size\":{\"width\":3,\"depth\":9},\"theirs\":[1]}";
	json_t *o = jsonx_parse(text, strlen(text), &e);

	CHECK(strcmp(box_owner(o), "nobody") == 0, "a missing string is the fallback");
	CHECK(box_width(o) == 3 && !box_open(o) && box_labels(o) == NULL,
	      "a path is followed; what is missing is false or NULL");
	CHECK(box_set_owner(o, "ann") == 0 && strcmp(box_owner(o), "ann") == 0, "a string is set");
	CHECK(box_set_owner(o, NULL) == 0 && strcmp(box_owner(o), "nobody") == 0,
	      "setting NULL removes a string");
	CHECK(box_set_width(o, -4) == 0 && box_width(o) == -4, "an integer is set on a path");
	CHECK(box_set_open(o, true) == 0 && box_open(o), "a bool is set");
	CHECK(box_set_labels(o, json_pack("[s]", "a")) == 0, "an array is set");
	CHECK(json_array_size(box_labels(o)) == 1, "it is read again");
	CHECK(box_set_labels(o, NULL) < 0 && json_array_size(box_labels(o)) == 1,
	      "a failed value changes nothing");
	box_drop_labels(o);
	box_drop_labels(o);
	CHECK(box_labels(o) == NULL && json_is_object(json_object_get(o, "meta")),
	      "… the old one stays");

	/* What nobody named is as it was. */
	CHECK(json_integer_value(jsonx_at(o, "size.depth")) == 9,
	      "a dropped member is gone, dropping it again is harmless");
	CHECK(json_array_size(json_object_get(o, "theirs")) == 1, "a neighbour on the path stays");

	/* On the way lies something else than an object: it gives way. */
	CHECK(json_object_set_new(o, "size", json_integer(1)) == 0 && box_width(o) == 7,
	      "a member that nobody named stays");
	CHECK(box_set_width(o, 2) == 0 && box_width(o) == 2,
	      "something else on the way reads as missing");
	json_decref(o);
	return check_end();
}
