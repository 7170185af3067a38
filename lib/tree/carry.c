#include "tree/carry.h"

#include <string.h>

#include "base/utf8.h"

int
carry_name(const struct entry *entry, struct err *e)
{
	bool text = utf8_valid(entry->path);

	/* Its reader takes a backslash for a slash, and for other bytes it puts letters. */
	if (text && strchr(entry->path, '\\') == NULL)
		return 0;
	err_set(e, ERR_WORKSPACE_INVALID, "%s has %s in its name, which the executor does not keep",
		entry->path, text ? "a backslash" : "bytes that are not UTF-8");
	return err_hint(e, "rename it, or leave it out with a pattern");
}

int
carry_link(const struct entry *entry, size_t top, struct err *e)
{
	if (tree_link_inside(entry->path + (top > 0 ? top + 1 : 0), entry->target))
		return 0;
	err_set(e, ERR_WORKSPACE_INVALID, "%s is a link that leads out of what is sent: %s",
		entry->path, entry->target);
	return err_hint(e, "leave it out with a pattern, or make it relative");
}
