/*
 * preview - awcp-invite -n: what would be sent.  See preview.h.
 */
#include "preview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "base/jsonx.h"

#define LARGEST 5

struct large {
	uint64_t size;
	char *path;
};

struct preview {
	bool json;
	struct large large[LARGEST]; /* the largest first */
	size_t count;
};

/* Keep the file if it is among the largest; of two of one size the first. */
static void
keep_large(struct preview *list, const struct entry *entry)
{
	size_t at = list->count;

	while (at > 0 && list->large[at - 1].size < entry->size)
		at--;
	if (at == LARGEST)
		return;
	if (list->count == LARGEST)
		free(list->large[--list->count].path);
	memmove(list->large + at + 1, list->large + at, (list->count - at) * sizeof *list->large);
	list->large[at] = (struct large){entry->size, strdup(entry->path)};
	list->count++;
}

static json_t *
size_and_path(uint64_t size, const char *path)
{
	json_t *o = json_object();

	jsonx_set(o, "path", path);
	json_object_set_new(o, "size", json_integer((json_int_t)size));
	return o;
}

static void
list_entry(void *arg, const struct entry *entry)
{
	struct preview *list = arg;

	if (entry->type == 'f')
		keep_large(list, entry);
	if (list->json) {
		json_t *line = size_and_path(entry->size, entry->path);
		json_object_set_new(line, "type", json_stringn(&entry->type, 1));
		command_json(line);
		json_decref(line);
	} else {
		printf("%c %12llu ", entry->type, (unsigned long long)entry->size);
		command_text(entry->path, false);
		putchar('\n');
	}
}

static void
list_refused(void *arg, const struct err *why)
{
	(void)arg;
	(void)fflush(stdout); /* command_end looks for errors */
	command_note("%s", why->message);
}

static void
sum_up_json(const struct preview *list, const struct tree_totals *t)
{
	json_t *o = json_object(), *largest = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(largest,
				      size_and_path(list->large[i].size, list->large[i].path));
	json_object_set_new(o, "totals",
			    json_pack("{s:I, s:I, s:I, s:I}", "files", (json_int_t)t->files,
				      "directories", (json_int_t)t->directories, "links",
				      (json_int_t)t->links, "bytes", (json_int_t)t->bytes));
	json_object_set_new(o, "largest", largest);
	command_json(o);
	json_decref(o);
}

static void
sum_up(const struct preview *list, const struct tree_totals *t)
{
	char text[16];

	fflush(stdout);
	command_note("would send %llu files, %llu directories, %llu links, %s",
		     (unsigned long long)t->files, (unsigned long long)t->directories,
		     (unsigned long long)t->links, command_bytes(t->bytes, text));
	if (list->count > 0)
		command_note("the largest files:");
	for (size_t i = 0; i < list->count; i++) {
		fprintf(stderr, "%14s ", command_bytes(list->large[i].size, text));
		command_text(list->large[i].path, true);
		fputc('\n', stderr);
	}
}

int
preview(const struct resource *r, size_t n, const struct tree_limits *l, bool json, bool quiet,
	struct err *e)
{
	struct preview list = {.json = json};
	struct tree_totals totals;
	const struct tree_visitor v = {list_entry, list_refused, &list};

	int status = tree_admit(r, n, l, &v, &totals, e);
	if (json)
		sum_up_json(&list, &totals);
	else if (!quiet)
		sum_up(&list, &totals);
	while (list.count > 0)
		free(list.large[--list.count].path);
	return status;
}
