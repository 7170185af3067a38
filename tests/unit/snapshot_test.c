/* Snapshots: received wholly or not at all, noted, picked, and making way for others. */
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "delegation/delegation.h"
#include "base/jsonx.h"
#include "archive/pack.h"
#include "scratch.h"
#include "snapshot/snapshot.h"

static struct record record;

/* Pack the directory ${path} as ${name}. */
static int
send(const char *path, const char *name, int archive, int manifest)
{
	char source[256];
	struct err e;
	struct pack_totals totals;
	struct pack_options options = {.format = PACK_ZIP, .fidelity = true};
	(void)snprintf(source, sizeof source, "%s/%s", scratch, path);
	struct resource r = {.name = (char *)name, .source = source, .writable = true};
	return pack(&r, 1, &options, &(struct tree){manifest, archive, NULL}, &totals, &e);
}

/* A delegation of src/, as it is before anything comes back. */
static void
lend(void)
{
	struct err e;
	char source[256];
	scratch_file("src/a", "one\n", 4);
	scratch_file("src/b", "two\n", 4);
	scratch_file("came/a", "new\n", 4);
	scratch_file("came/c", "more\n", 5);
	(void)snprintf(source, sizeof source, "%s/src", scratch);
	CHECK_INT(record_create(DELEGATIONS, "dlg_1", &record, &e), 0, "a delegation is made");
	(void)json_object_update_new(
	    record.json,
	    json_pack("{s:s, s:s, s:b, s:{s:[{s:s, s:s, s:s, s:s}]}, s:{s:s, s:i}}", "id", "dlg_1",
		      "state", "completed", "fidelity", 1, "environment", "resources", "name",
		      "src", "type", "fs", "source", source, "mode", "rw", "snapshotPolicy", "mode",
		      "staged", "maxSnapshots", 2));
	int archive = openat(record.dirfd, "base.archive", O_RDWR | O_CREAT, 0600);
	int manifest = openat(record.dirfd, "base.manifest", O_RDWR | O_CREAT, 0600);
	CHECK_INT(send("src", "src", archive, manifest), 0, "it is packed");
	(void)close(archive);
	(void)close(manifest);
	CHECK_INT(delegation_save(&record, false, &e), 0, "and saved");
}

/* How many names are in the delegation's snapshots/? */
static int
names(void)
{
	int n = 0;
	int fd = openat(record.dirfd, "snapshots", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	while (d && readdir(d))
		n++;
	(void)closedir(d);
	return n - 2;
}

/* Receive ${path} packed as ${name}, as snapshot ${id}. */
static int
receive(const char *id, const char *path, const char *name, json_t **metadata, struct err *e)
{
	struct snapshot_incoming in;
	if (snapshot_receive(record.dirfd, id, &in, e))
		return -1;
	if (path)
		(void)send(path, name, in.fd, -1);
	else
		(void)file_write(in.fd, "nonsense", 8, NULL);
	return snapshot_store(&in, record.json, metadata, e);
}

static void
test_receive(void)
{
	struct snapshot_incoming in;
	struct err e;
	json_t *metadata;
	CHECK_INT(receive("snap_1", "came", "src", &metadata, &e), 0, "a snapshot is received");
	CHECK_INT(jsonx_number(metadata, "fileCount", 0), 2, "with its number of files");
	CHECK_INT(jsonx_number(metadata, "added", 0), 1, "one added");
	CHECK_INT(jsonx_number(metadata, "changed", 0), 1, "one changed");
	CHECK_INT(jsonx_number(metadata, "deleted", 0), 1, "one deleted");
	json_decref(metadata);
	CHECK(snapshot_held(record.dirfd, "snap_1"), "then it is held");
	CHECK_INT(receive("snap_1", "came", "src", &metadata, &e), 0, "a second time is fine");
	json_decref(metadata);
	CHECK_INT(names(), 1, "and leaves one");

	CHECK_INT(receive("snap_2", NULL, NULL, &metadata, &e), -1, "nonsense is refused");
	CHECK_INT(receive("snap_2", "came", "other", &metadata, &e), -1,
		  "and so is a folder that was not lent");
	CHECK_INT(snapshot_receive(record.dirfd, "../x", &in, &e), -1, "and an id with a slash");
	CHECK_INT(snapshot_receive(record.dirfd, "snap_3", &in, &e), 0, "what is broken off");
	snapshot_abort(&in);
	CHECK_INT(names(), 1, "none of it leaves anything behind");
	CHECK(!snapshot_held(record.dirfd, "snap_2"), "nor is it held");
}

static const char *
status_of(const char *id)
{
	struct err e;
	return jsonx_text(snapshot_pick(record.json, id, &e), "status", "none");
}

static void
test_notes(void)
{
	struct err e;
	json_t *metadata;
	json_t *event = json_pack("{s:s, s:b}", "summary", "done", "recommended", 0);
	json_t *best = json_pack("{s:s, s:b}", "summary", "best", "recommended", 1);
	CHECK(!snapshot_pick(record.json, NULL, &e) && e.code == ERR_NOT_FOUND,
	      "without snapshots there is none to pick");
	CHECK_INT(snapshot_add(&record, "snap_1", event, NULL, &e), 0, "one is noted");
	CHECK_INT(snapshot_add(&record, "snap_1", event, NULL, &e), 0, "and noted again");
	CHECK_INT(json_array_size(json_object_get(record.json, "snapshots")), 1, "that makes one");
	CHECK_INT(snapshot_add(&record, "snap_a1", best, NULL, &e), 0, "another is recommended");
	CHECK_STR(jsonx_text(snapshot_pick(record.json, NULL, &e), "id", ""), "snap_a1",
		  "that one is picked");
	CHECK_STR(jsonx_text(snapshot_pick(record.json, "snap_a", &e), "id", ""), "snap_a1",
		  "the beginning of an id will do");
	CHECK(!snapshot_pick(record.json, "snap_", &e) && e.code == ERR_USAGE,
	      "if it is the beginning of one only");
	CHECK_INT(receive("snap_a3", "came", "src", &metadata, &e), 0, "a third is received");
	CHECK_INT(snapshot_add(&record, "snap_a3", event, metadata, &e), 0, "and noted");
	json_decref(metadata);
	CHECK_STR(status_of("snap_1"), "discarded", "then the oldest makes way");
	CHECK(!snapshot_held(record.dirfd, "snap_1"), "with its files");
	CHECK_STR(status_of("snap_a1"), "pending", "but not the recommended one");
	CHECK_INT(snapshot_recommend(&record, "snap_a3", &e), 0, "the last word is another");
	CHECK_STR(jsonx_text(snapshot_pick(record.json, NULL, &e), "id", ""), "snap_a3",
		  "then that is picked");
	CHECK_INT(delegation_save(&record, false, &e), 0, "all is saved");
	json_decref(event);
	json_decref(best);
}

static void
test_outcome(void)
{
	const struct snapshot_taking how = {0};
	struct apply_totals totals;
	struct err e;
	char id[ID_MAX + 1], undone[ID_MAX + 1];
	record_close(&record);
	CHECK_INT(snapshot_undo("dlg_1", NULL, &how, &totals, undone, &e), -1,
		  "what is not applied cannot be undone");
	CHECK_INT(e.code, ERR_BAD_STATE, "that is a matter of its state, too");
	CHECK_INT(snapshot_apply("dlg_1", NULL, &how, &totals, id, &e), 0,
		  "the picked one is applied");
	CHECK_STR(id, "snap_a3", "and named");
	CHECK(totals.added == 1 && totals.changed == 1 && totals.deleted == 1, "all of it");
	CHECK_INT(snapshot_apply("dlg_1", id, &how, &totals, NULL, &e), -1,
		  "it is not applied twice");
	CHECK_INT(e.code, ERR_BAD_STATE, "that is a matter of its state");
	CHECK_INT(snapshot_discard("dlg_1", id, NULL, &e), -1, "nor discarded after it");
	CHECK_INT(snapshot_undo("dlg_1", NULL, &how, &totals, undone, &e), 0, "it is undone");
	CHECK_STR(undone, id, "and named, too");
	CHECK_INT(snapshot_undo("dlg_1", id, &how, &totals, undone, &e), -1, "but not twice");
	CHECK_INT(snapshot_apply("dlg_1", id, &how, &totals, NULL, &e), 0, "and applied again");
	CHECK_INT(snapshot_discard("dlg_1", "snap_a1", NULL, &e), 0, "the other one is discarded");
	CHECK_INT(snapshot_discard("dlg_1", "snap_a1", NULL, &e), 0, "as often as one likes");
	CHECK_INT(record_open(DELEGATIONS, "dlg_1", false, &record, &e), 0, "the record is there");
	CHECK_STR(jsonx_text(record.json, "appliedSnapshotId", ""), "snap_a3",
		  "and says which was applied");
	CHECK(jsonx_at(snapshot_pick(record.json, id, &e), "appliedAt") != NULL, "and when");
	record_close(&record);
}

int
main(void)
{
	char home[256];
	scratch_open();
	(void)snprintf(home, sizeof home, "%s/state", scratch);
	(void)setenv("AWCP_HOME", home, 1);
	lend();
	test_receive();
	test_notes();
	test_outcome();
	return check_end();
}
