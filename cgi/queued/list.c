#include "queued/answers.h"

#include <stdio.h>
#include <string.h>

#include "http/query.h"
#include "queue/reader.h"

#define LABELS 16
#define LIST_BYTES ((size_t)1 << 20) /* after which a list is cut */
#define LIST_MAX 1000                /* tasks of a list */

/* What is to be listed, and the list. */
struct list {
	const struct tenant *tenant;
	struct queue_filter filter;
	char lane[QUERY_VALUE], key[QUERY_VALUE], session[QUERY_VALUE], of[QUERY_VALUE];
	char reader[QUERY_VALUE];
	char label[LABELS][QUERY_VALUE];
	const char *labels[LABELS + 1];
	size_t label_count;
	const char *reads; /* p->reader, or NULL */
	int64_t limit, after;
	struct buf text;
	int64_t count, last; /* tasks in it, and the last one's number */
	bool more;
	struct err *e;
};

static int
add_state(struct list *p, const char *name, struct err *e)
{
	if (queue_filter_state(&p->filter, name) == 0)
		return 0;
	return err_set(e, ERR_BAD_MESSAGE, "there is no state %.40s", name);
}

static int
add_mark(struct list *p, const char *name, struct err *e)
{
	enum queue_mark mark = queue_mark_named(name);

	if (mark == QUEUE_MARKS)
		return err_set(e, ERR_BAD_MESSAGE, "a mark is unread, read or active");
	p->filter.marks |= (uint32_t)1 << mark;
	return 0;
}

static int
add_label(struct list *p, const char *label, struct err *e)
{
	if (p->label_count == LABELS)
		return err_set(e, ERR_BAD_MESSAGE, "at most %d labels", LABELS);
	(void)snprintf(p->label[p->label_count], QUERY_VALUE, "%s", label);
	p->labels[p->label_count] = p->label[p->label_count];
	p->label_count++;
	return 0;
}

static int
read_filter(void *arg, const char *name, const char *value, struct err *e)
{
	static const char known[] = "state lane label key session tenant reader mark limit after";
	struct list *p = arg;
	const struct {
		const char *name, **filter;
		char *copy;
	} texts[] = {{task_lane_path(), &p->filter.lane, p->lane},
		     {task_key_path(), &p->filter.key, p->key},
		     {task_session_path(), &p->filter.session, p->session},
		     {task_tenant_path(), &p->filter.tenant, p->of},
		     {"reader", &p->reads, p->reader}};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (strcmp(name, texts[i].name) == 0) {
			(void)snprintf(texts[i].copy, QUERY_VALUE, "%s", value);
			*texts[i].filter = texts[i].copy;
			return 0;
		}
	if (strcmp(name, "state") == 0)
		return add_state(p, value, e);
	if (strcmp(name, "mark") == 0)
		return add_mark(p, value, e);
	if (strcmp(name, "label") == 0)
		return add_label(p, value, e);
	if (strcmp(name, "limit") == 0)
		return query_number(name, value, 1, LIST_MAX, &p->limit, e);
	if (strcmp(name, "after") == 0)
		return query_number(name, value, 0, (int64_t)1 << 48, &p->after, e);
	return query_unknown(name, known, e);
}

static int
append_task(void *arg, const json_t *task)
{
	struct list *p = arg;

	p->more = p->count == p->limit || p->text.len > LIST_BYTES;
	if (p->more)
		return 1;
	if (p->count > 0 && buf_add(&p->text, ",", 1, p->e) < 0)
		return -1;
	json_t *o = json_copy((json_t *)(uintptr_t)task);
	task_drop_payload(o); /* a new task has it all the same */
	int status = jsonx_dump(o, &p->text, p->e);
	json_decref(o);
	if (status < 0)
		return -1;
	p->count++;
	p->last = task_number(task);
	return 0;
}

static int
make_list(struct http *h, struct list *p, struct err *e)
{
	uint64_t version;

	p->filter.labels = p->labels;
	if (query_each(h, read_filter, p, e) < 0)
		return -1;
	if (p->reads == NULL && p->filter.marks != 0)
		return err_set(e, ERR_BAD_MESSAGE, "mark needs a reader");
	if (p->tenant->name != NULL)
		p->filter.tenant = p->tenant->name;
	p->filter.after = (uint64_t)p->after;
	const struct queue_reader_name who = {p->tenant->name, p->reads};
	struct queue *q = queues_borrow(p->tenant->queue, false, e);
	/* The version first: changes after it may be in the list, but none is in neither. */
	int status = q == NULL || queue_version(q, &version, e) < 0 ||
			     buf_printf(&p->text, e, "{\"version\":%llu,\"tasks\":[",
					(unsigned long long)version) < 0
			 ? -1
			 : queue_reader_list(q, &who, &p->filter, append_task, p, e);
	queues_return(q);
	if (status < 0)
		return -1;
	return p->more ? buf_printf(&p->text, e, "],\"next\":%lld}", (long long)p->last)
		       : buf_add(&p->text, "],\"next\":null}", 14, e);
}

int
list_answer(struct http *h, const struct tenant *t, struct err *e)
{
	struct list p = {.tenant = t, .limit = 50, .text = BUF_INIT(3 * LIST_BYTES), .e = e};
	char headers[80];

	int status = make_list(h, &p, e);
	if (status == 0) {
		(void)snprintf(headers, sizeof headers,
			       "Content-Length: %zu\r\nCache-Control: no-store\r\n", p.text.len);
		http_begin(h, 200, "application/json; charset=utf-8", headers);
		(void)http_write(h, p.text.data, p.text.len);
	}
	buf_free(&p.text);
	return status;
}
