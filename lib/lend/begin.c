/* From INVITE to START. */
#include <string.h>
#include <unistd.h>

#include "lend/private.h"
#include "process/in_child.h"
#include "wire/message.h"

#define PACKS 4              /* attempts at a tree in which somebody writes */
#define PACK_PAUSE_US 100000 /* between them */

static void
report_packed(void *arg, uint64_t bytes, uint64_t files)
{
	(void)files;
	lend_progress(arg, "packing", bytes, 0);
}

struct packing {
	struct lend *l;
	const struct tree *base;
};

static int
pack_in_child(void *arg, struct buf *result, struct err *e)
{
	const struct packing *p = arg;
	const json_t *delegation = p->l->record;
	struct resource *resources = NULL;
	struct pack_totals totals;
	size_t count = 0;
	struct tree_limits limits = {0};
	struct pack_options o = {
	    .format = delegation_times(delegation) ? PACK_TAR_ZST : PACK_ZIP,
	    .fidelity = delegation_fidelity(delegation),
	    /* To this very machine, bytes are cheaper than the time to deflate them. */
	    .compress = !url_is_loopback(p->l->url),
	    .progress = report_packed,
	    .progress_arg = p->l,
	};

	/* Links were not counted when the limits were checked, before the peer was known. */
	if (!o.fidelity)
		o.limits = &limits;
	if (tree_limits(&limits, e) < 0 ||
	    snapshot_resources(delegation, &resources, &count, e) < 0)
		return -1;
	int status = pack(resources, count, &o, p->base, &totals, e);
	snapshot_resources_free(resources, count);
	return status < 0 ? -1 : buf_add(result, &totals, sizeof totals, e);
}

static int
record_base(struct record *r, void *arg, struct err *e)
{
	const struct pack_totals *t = arg;

	if (delegation_set_base_files(r->json, (int64_t)t->files) < 0 ||
	    delegation_set_base_bytes(r->json, (int64_t)t->bytes) < 0 ||
	    delegation_set_base_archive_bytes(r->json, (int64_t)t->archive_bytes) < 0)
		return err_memory(e);
	return 1;
}

/* Pack what is sent; again from the start, a few times, if something changed meanwhile. */
static int
pack_whole(struct packing *p, struct buf *result, struct err *e)
{
	const int fds[] = {p->base->manifestfd, p->base->archivefd};

	for (int attempt = 1; in_child(pack_in_child, p, result, e) < 0; attempt++) {
		if (e->code != ERR_BUSY || attempt == PACKS)
			return -1;
		lend_note(p->l, "%s; once more", e->message);
		buf_clear(result);
		for (size_t i = 0; i < 2; i++)
			if (lseek(fds[i], 0, SEEK_SET) < 0 || ftruncate(fds[i], 0) < 0)
				return err_sys(e, "cannot write " BASE_ARCHIVE);
		(void)usleep(PACK_PAUSE_US);
	}
	return 0;
}

/* Pack what is sent, and record the sums. */
static int
pack_base(struct lend *l, struct err *e)
{
	struct pack_totals totals;
	struct buf result = BUF_INIT(sizeof totals);
	struct tree base;
	struct packing p = {l, &base};
	int status = -1;

	if (tree_create(&base, l->dirfd, BASE_MANIFEST, BASE_ARCHIVE, e) < 0)
		goto out;
	if (pack_whole(&p, &result, e) < 0)
		goto out;
	memcpy(&totals, result.data, sizeof totals);
	if (fdatasync(base.manifestfd) < 0) {
		err_sys(e, "cannot write " BASE_MANIFEST);
		goto out;
	}
	status = lend_change(l, record_base, &totals, false, e);
out:
	buf_free(&result);
	tree_close(&base);
	if (status < 0) { /* half of it is of no use, and may be what fills the disk */
		(void)unlinkat(l->dirfd, BASE_ARCHIVE, 0);
		(void)unlinkat(l->dirfd, BASE_MANIFEST, 0);
	}
	return status;
}

static void
note_refused(void *arg, const struct err *why)
{
	lend_note(arg, "%s", why->message);
}

/* Can ${peer} be sent what not every executor can?  What cannot is named, all of it. */
static int
check_special(struct lend *l, enum tree_peer peer, struct err *e)
{
	const struct tree_visitor v = {.refused = note_refused, .arg = l};
	struct tree_limits limits;
	struct tree_totals totals;
	struct resource *resources = NULL;
	size_t count = 0;

	if (peer == TREE_PEER_UNKNOWN)
		return 0;
	if (tree_limits(&limits, e) < 0 || snapshot_resources(l->record, &resources, &count, e) < 0)
		return -1;
	limits.peer = peer;
	int status = tree_admit(resources, count, &limits, &v, &totals, e);
	snapshot_resources_free(resources, count);
	return status;
}

/* INVITE, if the executor can be sent what is to be sent, and pack that. */
static int
invite_and_pack(struct lend *l, struct err *e)
{
	bool special = delegation_special(l->record);

	if ((special && check_special(l, lend_peer(l), e) < 0) || lend_invite(l, e) < 0)
		return -1;
	bool keeps = delegation_fidelity(l->record);
	if (special && check_special(l, keeps ? TREE_PEER_KEEPS : TREE_PEER_PLAIN, e) < 0)
		return -1;
	return pack_base(l, e);
}

static int
record_invite(struct record *r, void *arg, struct err *e)
{
	(void)arg;
	if (!delegation_is(r->json, "created"))
		return 0;
	return fsm_step(&fsm_delegation, r, FSM_SEND_INVITE, e) < 0 ? -1 : 1;
}

enum fsm_event
lend_end_event(const struct err *why)
{
	return why->code == ERR_CANCELLED ? FSM_CANCEL
	       : why->code == ERR_EXPIRED ? FSM_EXPIRE
					  : FSM_RECEIVE_ERROR;
}

/* It cannot begin because of ${why}: say so here, and to the executor if it accepted.  A
 * cancellation may have reached it before the INVITE did. */
static void
give_up(struct lend *l, const struct err *why)
{
	struct buf answer = BUF_INIT(MESSAGE_MAX);
	char url[4096];
	struct lend_request q = {.step = "cancel", .http.url = lend_cancel_url(l, url)};
	struct err ignored;

	/* All of it is best effort: ${why} is what the caller reports. */
	(void)lend_read(l, &ignored);
	if (delegation_is(l->record, "accepted") || delegation_is(l->record, "cancelled"))
		(void)lend_call(l, &q, &answer, &ignored);
	(void)delegation_end(l->id, lend_end_event(why), why, &ignored);
	buf_free(&answer);
}

/* Did a START arrive whose answer was lost with its sender?  Then another INVITE would have the
 * work done twice; another START is refused. */
static bool
has_arrived(struct lend *l)
{
	struct err e;

	if (delegation_active_lease(l->record) == NULL || lend_stream_open(l, "0", &e) < 0)
		return false;
	if (lend_start(l, &e) == 0 || l->last != NULL || e.code == ERR_BAD_STATE)
		return true;
	lend_stream_close(l);
	return false;
}

static int
hand_over(struct lend *l, struct err *e)
{
	if (lend_change(l, record_invite, NULL, false, e) < 0)
		return -1;
	if (has_arrived(l))
		return lend_started(l, false, e);
	if (invite_and_pack(l, e) < 0 || lend_stream_open(l, NULL, e) < 0)
		return -1;
	/* An executor that sent an event has the START, whatever became of its answer. */
	if (lend_start(l, e) < 0 && l->last == NULL)
		return -1;
	return lend_started(l, false, e);
}

int
lend_begin(struct lend *l, struct err *e)
{
	if (hand_over(l, e) == 0)
		return 0;
	give_up(l, e);
	return -1;
}
