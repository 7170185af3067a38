#!/usr/bin/env bats
# awcp-reap: each kind alone, told before it is done, done once, and nothing that is needed removed.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2016 # what is quoted is for jq

load helper

setup()
{
	own_home
	awcp-reap
	mkdir -p "$AWCP_HOME"/{assignments,delegations}/.open "$AWCP_HOME"/{tmp,log,corrupt,peers,queue}
}

teardown()
{
	stop_all
}

# at offset: that many seconds from now, as records have it.
at()
{
	date -u -d "$1 seconds" +%Y-%m-%dT%H:%M:%S.000Z
}

# assignment id jq-filter [open]: a record as awcp-executor makes it; $t gives times.
assignment()
{
	local dir=$AWCP_HOME/assignments/$1
	mkdir -p "$dir"
	jq -cn --arg id "$1" '{id: $id, state: "pending", run: 1, owner: "", accessMode: "rw", retentionMs: 60000,
		createdAt: $old, invitedAt: $old, updatedAt: $old,
		invite: {delegationId: $id, lease: {ttlSeconds: 60}}} | '"$2"' |
		if .state == "completed" then .result = {summary: "done"} else . end' --arg old "$(at -9000)" --arg now "$(at -3)" \
		--arg past "$(at -60)" --arg soon "$(at 60)" >"$dir/record.json"
	[ -z "${3-}" ] || : >"$AWCP_HOME/assignments/.open/$1"
}

# delegation id jq-filter [open]: the same of awcp-invite.
delegation()
{
	local dir=$AWCP_HOME/delegations/$1
	mkdir -p "$dir"
	jq -cn --arg id "$1" '{id: $id, state: "completed", peerUrl: "http://127.0.0.1:9/awcp",
		environment: {resources: []}, task: {description: "", prompt: ""},
		leaseConfig: {ttlSeconds: 60, accessMode: "rw"}, retentionMs: 60000, result: {summary: "done"},
		snapshotPolicy: {mode: "staged", maxSnapshots: 10}, snapshots: [],
		createdAt: $old, updatedAt: $old} | '"$2" --arg old "$(at -9000)" \
		--arg past "$(at -30)" --arg soon "$(at 60)" >"$dir/record.json"
	[ -z "${3-}" ] || : >"$AWCP_HOME/delegations/.open/$1"
}

# due entry...: since a minute ago.
due()
{
	local minute
	minute=$AWCP_HOME/due/$(date -u -d '-1 minute' +%Y%m%dT%H/%M)
	mkdir -p "$minute"
	(cd "$minute" && touch "$@")
}

# reaped kind id action: the next run would do that, and only that, but does not; then it does, once,
# and the log says so.
reaped()
{
	local before
	before=$(cd "$AWCP_HOME" && find . | sort)
	run awcp-reap -nj
	assert_success
	assert_equal "$(jq -rs 'map(.kind + " " + .id + " " + .action) | join(",")' <<<"$output")" "$1 $2 $3"
	assert_equal "$(cd "$AWCP_HOME" && find . | sort)" "$before"
	run awcp-reap -v
	assert_success
	assert_output --regexp "^awcp-reap: 1 $1, in [0-9]+ ms\$"
	grep -q "kind=$1 id=$2 action=$3 " "$AWCP_HOME/log/lifecycle.log"
	run awcp-reap -v
	assert_output --partial 'nothing'
}

record()
{
	jq -r "$2" "$AWCP_HOME/$1/record.json"
}

# --- leases

@test "with nothing to do it says nothing, or with -v a line" {
	run awcp-reap
	assert_success
	refute_output
	run awcp-reap -nj
	refute_output
	run awcp-reap -v
	assert_output --regexp '^awcp-reap: nothing, in [0-9]+ ms$'
}

@test "an assignment whose lease has ended ends, is told, and keeps no work" {
	assignment dlg_a '.state = "active" | .lease = {expiresAt: $past}' open
	mkdir -p "$AWCP_HOME/assignments/dlg_a/work/ws"
	assignment dlg_b '.state = "active" | .lease = {expiresAt: $soon}' open
	awcp-reap -k queue
	assert_equal "$(record assignments/dlg_a .state)" active
	run awcp-reap -j
	assert_equal "$(jq -rs 'map(.kind + " " + .id) | join(",")' <<<"$output")" 'leases dlg_a'
	assert_equal "$(record assignments/dlg_a '.state + " " + .error.code')" 'error EXPIRED'
	assert_equal "$(jq -r .code "$AWCP_HOME/assignments/dlg_a/events.ndjson")" EXPIRED
	assert_equal "$(ls "$AWCP_HOME/assignments/.open")" dlg_b
	run awcp-reap -j
	assert_equal "$(jq -r .action <<<"$output")" clear
	[ ! -e "$AWCP_HOME/assignments/dlg_a/work" ]
}

@test "a worker that is there is not overtaken" {
	assignment dlg_a '.state = "active" | .lease = {expiresAt: $now}' open
	flock "$AWCP_HOME/assignments/dlg_a/run.lock" awcp-reap
	assert_equal "$(record assignments/dlg_a .state)" active
	reaped leases dlg_a expire
}

@test "an assignment whose START does not come ends" {
	assignment dlg_a . open
	reaped leases dlg_a expire
	assert_equal "$(record assignments/dlg_a .error.code)" START_EXPIRED
}

@test "a delegation that was never handed over ends with its time" {
	delegation dlg_a '.state = "created" | .createdAt = $old' open
	delegation dlg_b '.state = "created" | .createdAt = $past' open
	reaped leases dlg_a expire
	assert_equal "$(record delegations/dlg_a '.state + " " + .error.code')" 'error EXPIRED'
	assert_equal "$(record delegations/dlg_b .state)" created
}

# --- retention

@test "what ended goes when its time is over, and not before" {
	assignment dlg_a '.state = "completed" | .completedAt = $past'
	assignment dlg_b '.state = "completed" | .completedAt = $soon'
	reaped retention dlg_a remove
	[ ! -e "$AWCP_HOME/assignments/dlg_a" ] && [ -e "$AWCP_HOME/assignments/dlg_b" ]
	assert_equal "$(ls "$AWCP_HOME/tmp")" ''
	grep -q 'event=assignment id=dlg_a from=completed to=removed why=retention ' "$AWCP_HOME/log/lifecycle.log"
	delegation dlg_a .
	delegation dlg_b '.updatedAt = $past'
	reaped retention dlg_a remove
	[ ! -e "$AWCP_HOME/delegations/dlg_a" ] && [ -e "$AWCP_HOME/delegations/dlg_b" ]
	find "$AWCP_HOME/due" -name 'delegation:dlg_b' | grep -q .
}

@test "a snapshot that waits keeps its delegation, and a person is told once" {
	delegation dlg_a '.snapshots = [{id: "snap_1", status: "pending"}]'
	due delegation:dlg_a
	run awcp-reap
	assert_success
	assert_output --partial 'snap_1 waits to be applied'
	[ -e "$AWCP_HOME/delegations/dlg_a" ]
	run awcp-reap
	refute_output
}

# --- orphans

@test "what nobody owns goes when nobody has touched it for long" {
	mkdir -p "$AWCP_HOME/tmp/diff-1/a" "$AWCP_HOME/assignments/dlg_new" "$AWCP_HOME/delegations/dlg_c/snapshots/snap_1"
	: >"$AWCP_HOME/tmp/receive-1"
	mkdir -p "$AWCP_HOME/assignments/dlg_old"
	touch -d '-2 hours' "$AWCP_HOME/tmp/diff-1" "$AWCP_HOME/assignments/dlg_old" "$AWCP_HOME/delegations/dlg_c"
	run awcp-reap -j -k orphans
	assert_equal "$(jq -rs 'map(.id) | sort | join(",")' <<<"$output")" 'dlg_old,tmp/diff-1'
	assert_equal "$(ls "$AWCP_HOME/tmp")" receive-1
	[ ! -e "$AWCP_HOME/assignments/dlg_old" ] && [ -e "$AWCP_HOME/assignments/dlg_new" ]
	[ -e "$AWCP_HOME/delegations/dlg_c" ] # something that came back
}

@test "what a killed awcp-serve left is stopped, and its directory goes" {
	start_server -A none -S none -- sh
	dir=$AWCP_HOME/serve-$PORT
	awcp-reap
	[ -S "$dir/executor.sock" ]
	stop_process "$SERVER_PID" KILL
	nginx=$(cat "$dir/nginx.pid")
	kill -0 "$nginx"
	awcp-reap
	wait_until gone "$nginx"
	cleared()
	{
		awcp-reap
		[ ! -e "$dir" ]
	}
	wait_until cleared
	run pgrep -f "$AWCP_HOME"
	refute_output
}

@test "a process that a dead worker left is killed, and one with a worker is not" {
	mkdir -p "$AWCP_HOME/assignments/dlg_a" "$AWCP_HOME/assignments/dlg_b"
	AWCP_WORKSPACE=$AWCP_HOME/assignments/dlg_a/work start_process "$HOME/log" sleep 600
	orphan=$STARTED
	AWCP_WORKSPACE=$AWCP_HOME/assignments/dlg_b/work start_process "$HOME/log" sleep 600
	worker=$STARTED
	AWCP_SERVE=$AWCP_HOME/serve-10200 start_process "$HOME/log" sleep 600
	server=$STARTED
	mkdir "$AWCP_HOME/serve-1020"
	: >"$AWCP_HOME/serve-1020/lock"
	flock "$AWCP_HOME/assignments/dlg_b/run.lock" awcp-reap -k orphans
	wait_until gone "$orphan"
	kill -0 "$worker" "$server"
}

@test "a peer goes when it was silent for long, if that was asked for" {
	awcp-token add -p http://127.0.0.1:9/awcp old >/dev/null
	touch -d '-2 days' "$AWCP_HOME/peers/old"
	awcp-reap -k peers
	[ -e "$AWCP_HOME/peers/old" ]
	AWCP_PEER_RETENTION=86400 awcp-reap -k peers
	[ ! -e "$AWCP_HOME/peers/old" ]
}

@test "what an idle reader has seen is forgotten, and no other" {
	id=$(awcp-queue put -q jobs go)
	awcp-queue read -q jobs --reader ann "$id"
	awcp-queue read -q jobs --reader bob "$id"
	touch -d '-91 days' "$AWCP_HOME"/queue/jobs/readers/{ann,bob}
	awcp-queue list -q jobs --reader bob # reads again
	run awcp-reap -j -k readers
	assert_equal "$(jq -r '.id + " " + .action' <<<"$output")" 'queue/jobs/readers/ann remove'
	[ ! -e "$AWCP_HOME/queue/jobs/readers/ann" ]
	[ -e "$AWCP_HOME/queue/jobs/readers/bob" ]
	touch -d '-91 days' "$AWCP_HOME"/queue/jobs/readers/bob
	AWCP_READER_RETENTION=0 awcp-reap -k readers
	[ -e "$AWCP_HOME/queue/jobs/readers/bob" ]
	awcp-reap -k sessions # as the kind was called before
	[ ! -e "$AWCP_HOME/queue/jobs/readers/bob" ]
}

@test "a terminal whose awcp-tmux was killed is closed, and one in use is not" {
	local killed used n
	export TMPDIR=$HOME
	echo go >"$HOME/prompt"
	for n in 1 2; do
		# Not what a worker would clear away.
		start_process "$HOME/log.$n" env -u AWCP_WORKSPACE sh -c 'exec awcp-tmux "$@" <"$HOME/prompt"' sh \
			-q 1h -- sh -c "echo \$\$ >'$HOME/pid.$n'; exec tail -f /dev/null"
		wait_until [ -s "$HOME/pid.$n" ]
		[ "$n" -eq 2 ] || killed=$STARTED
	done
	used=$STARTED
	kill -9 "$killed"
	wait_until gone "$killed"
	closed()
	{
		awcp-reap -k orphans
		[ "$(find "$HOME" -name 'awcp-tmux.*' | wc -l)" -eq 1 ]
	}
	wait_until closed
	wait_until gone "$(cat "$HOME/pid.1")"
	kill -0 "$(cat "$HOME/pid.2")"
	stop_process "$used"
	wait_until eval '[ -z "$(find "$HOME" -name "awcp-tmux.*")" ]'
}

@test "short of space, what is worth least goes, and nothing that waits or is unfinished" {
	delegation dlg_settled '.updatedAt = $past'
	delegation dlg_waits '.updatedAt = $past | .snapshots = [{id: "snap_1", status: "pending"}]'
	delegation dlg_runs '.state = "running" | .updatedAt = $soon' open
	assignment dlg_failed '.state = "error" | .completedAt = $soon | .error = {code: "TASK_FAILED", message: "x"}'
	assignment dlg_done '.state = "completed" | .completedAt = $soon'
	assignment dlg_runs '.state = "active" | .lease = {expiresAt: $soon}' open
	due delegation:dlg_{settled,waits,runs} assignment:dlg_{failed,done,runs}
	AWCP_MIN_FREE=1000000T run awcp-reap -k space
	assert_success
	assert_output --partial '2 records were removed before their time'
	assert_equal "$(grep -c ' to=removed why=space ' "$AWCP_HOME/log/lifecycle.log")" 2
	assert_equal "$(cd "$AWCP_HOME" && echo assignments/* delegations/*)" \
		'assignments/dlg_done assignments/dlg_runs delegations/dlg_runs delegations/dlg_waits'
	AWCP_MIN_FREE=1000000T run awcp-reap -k space
	refute_output
}

@test "what was kept from work is let go on when that is over, and the log says so" {
	mkdir -p "$AWCP_HOME/guards"
	jq -cn --arg until "$(at -5)" '{kind: "queue", name: "jobs", until: $until, stopped: true, why: "signal 9"}' \
		>"$AWCP_HOME/guards/queue.jobs"
	jq -cn --arg until "$(at 60)" '{kind: "profile", name: "slow", until: $until, why: "quota"}' \
		>"$AWCP_HOME/guards/profile.slow"
	reaped breakers queue.jobs clear
	[ -e "$AWCP_HOME/guards/profile.slow" ]
	grep -q 'event=guard-cleared kind=queue name=jobs .* why="its stop is over"' "$AWCP_HOME/log/lifecycle.log"
}

# --- what was cut off

@test "a delegation that nobody follows is followed, and what came back is applied" {
	start_server -A none -S none -- sh
	mkdir "$HOME/ws"
	id=$(awcp-invite -bq -e "$URL" -r "ws=$HOME/ws" 'echo new >new')
	awcp-reap -k followers # it was just now that somebody did
	assert_equal "$(record "delegations/$id" .state)" started
	AWCP_FOLLOW_AFTER=0 awcp-reap -k followers
	wait_until [ -e "$HOME/ws/new" ]
	wait_until eval '[ "$(record "delegations/$id" .appliedSnapshotId)" != null ]'
}

# cut_off file [command]: what came back is staged, and awcp-snapshot killed as soon as it leaves that file.
cut_off()
{
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$HOME/fault.so" "$REPO/tests/fault/fault.c" -ldl
	for ((n = 1; n < 200; n++)); do
		FAULT=kill:$n LD_PRELOAD=$HOME/fault.so awcp-snapshot "${2-apply}" "$id" || true
		[ ! -e "$1" ] || return 0
	done
	return 1
}

# staged: what a worker made of ws/ waits to be applied.
staged()
{
	start_server -A none -S none -- sh
	mkdir "$HOME/ws"
	echo old >"$HOME/ws/a"
	id=$(awcp-invite -q -m staged -e "$URL" -r "ws=$HOME/ws" 'echo new >new; echo new >a')
	snapshot=$(echo "$AWCP_HOME/delegations/$id/snapshots"/snap_*)
}

@test "an apply that was cut off before it changed anything is taken back" {
	staged
	cut_off "$HOME/ws/.awcp/apply/owner"
	assert_equal "$(cat "$HOME/ws"/*)" old
	run awcp-reap -j -k applies
	assert_equal "$(jq -r '.kind + " " + .action' <<<"$output")" 'applies clear'
	wait_until [ ! -e "$HOME/ws/.awcp" ]
	wait_until [ ! -e "$snapshot/plan.new" ]
	assert_equal "$(cat "$HOME/ws"/*)" old
	assert_equal "$(record "delegations/$id" '.snapshots[0].status')" pending
	# And the same of an undo.
	awcp-snapshot apply "$id"
	cut_off "$HOME/ws/.awcp/apply/owner" undo
	awcp-reap -k applies
	wait_until [ ! -e "$snapshot/undone" ]
	[ ! -e "$HOME/ws/.awcp" ]
	assert_equal "$(cat "$HOME/ws"/*)" "$(printf 'new\nnew')"
	awcp-snapshot undo "$id"
	assert_equal "$(cat "$HOME/ws"/*)" old
}

@test "an apply that was cut off is finished" {
	staged
	cut_off "$snapshot/plan"
	run awcp-reap -j -k applies
	assert_equal "$(jq -r '.kind + " " + .action' <<<"$output")" 'applies apply'
	wait_until eval '[ "$(record "delegations/$id" ".snapshots[0].status")" = applied ]'
	assert_equal "$(cat "$HOME/ws/new" "$HOME/ws/a")" "$(printf 'new\nnew')"
	[ ! -e "$HOME/ws/.awcp" ]
	# And the files for an undo go when their time is over.
	AWCP_UNDO_RETENTION=0 awcp-reap -k retention
	[ ! -e "$snapshot/undo" ]
	run awcp-snapshot undo "$id"
	assert_failure
}

# --- the clock

@test "when the clock jumps nothing is removed for its age, and a person is told" {
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$HOME/clock.so" "$REPO/tests/fault/clock.c" -ldl
	export FAULT_CLOCK=$HOME/clock
	assignment dlg_a '.state = "completed" | .completedAt = $soon | .retentionMs = 600000'
	awcp-reap
	echo 864000 >"$FAULT_CLOCK"
	LD_PRELOAD=$HOME/clock.so run awcp-reap
	assert_output --partial 'the clock was put ahead by '
	LD_PRELOAD=$HOME/clock.so run awcp-reap
	refute_output
	[ -e "$AWCP_HOME/assignments/dlg_a" ]
	# It was right: when that is believed, things go on.
	echo 865000 >"$FAULT_CLOCK"
	AWCP_CLOCK_DOUBT=0 LD_PRELOAD=$HOME/clock.so run awcp-reap
	[ ! -e "$AWCP_HOME/assignments/dlg_a" ]
}

# --- safe at any time

# A state with something to do for every rule that needs no server.
make_all()
{
	rm -rf "$AWCP_HOME"
	awcp-reap
	mkdir -p "$AWCP_HOME"/{tmp,assignments/.open,delegations/.open}
	assignment dlg_lease '.state = "active" | .lease = {expiresAt: $past} | .retentionMs = 600000' open
	assignment dlg_over '.state = "completed" | .completedAt = $past'
	mkdir -p "$AWCP_HOME/assignments/dlg_over/work/ws/deep"
	assignment dlg_kept '.state = "completed" | .completedAt = $soon'
	mkdir -p "$AWCP_HOME/assignments/dlg_kept/work/ws/deep"
	delegation dlg_never '.state = "created" | .retentionMs = 600000' open
	delegation dlg_over .
	delegation dlg_waits '.snapshots = [{id: "snap_1", status: "pending"}]'
	mkdir -p "$AWCP_HOME/delegations/dlg_waits/snapshots/snap_1"
	mkdir -p "$AWCP_HOME/tmp/removed-1/a/b"
	touch -d '-2 hours' "$AWCP_HOME/tmp/removed-1"
}

# What is there when all was done.
assert_all_done()
{
	assert_equal "$(cd "$AWCP_HOME" && echo assignments/* delegations/* tmp/*)" \
		'assignments/dlg_kept assignments/dlg_lease delegations/dlg_never delegations/dlg_waits tmp/*'
	assert_equal "$(record assignments/dlg_lease '.state + " " + .error.code')" 'error EXPIRED'
	assert_equal "$(record delegations/dlg_never '.state + " " + .error.code')" 'error EXPIRED'
	assert_equal "$(jq -r .code "$AWCP_HOME"/assignments/dlg_lease/events.ndjson)" EXPIRED
	assert_equal "$(jq -r .code "$AWCP_HOME"/delegations/dlg_never/events.ndjson)" EXPIRED
	assert_equal "$(find "$AWCP_HOME"/{assignments,delegations}/.open -type f)" ''
	[ ! -e "$AWCP_HOME/assignments/dlg_kept/work" ] && [ -d "$AWCP_HOME/delegations/dlg_waits/snapshots/snap_1" ]
}

# with_faults kill|disk: the n-th change fails, for every FAULT_STRIDE-th n; the runs after that do the rest.
with_faults()
{
	local n=1 changes
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$HOME/fault.so" "$REPO/tests/fault/fault.c" -ldl
	make_all
	FAULT_CALLS=$HOME/calls LD_PRELOAD=$HOME/fault.so awcp-reap -k leases -k retention -k orphans
	changes=$(cat "$HOME/calls")
	[ "$changes" -gt 50 ]
	for ((n = 1 + RANDOM % FAULT_STRIDE; n <= changes; n += FAULT_STRIDE)); do
		make_all
		FAULT=$1:$n LD_PRELOAD=$HOME/fault.so awcp-reap 2>/dev/null || true
		for _ in 1 2 3; do
			# What could not be done is put off for a while, and what is in tmp/ is young.
			find "$AWCP_HOME/tmp" -mindepth 1 -maxdepth 1 -exec touch -d '-2 hours' {} +
			rm -rf "$AWCP_HOME"/due/2*
			run awcp-reap -k leases -k retention -k orphans
			assert_success
		done
		assert_all_done
	done
}

@test "killed at any change, the next run does the rest" {
	with_faults kill
}

@test "when the disk is full at any change, a later run does it" {
	with_faults disk
}

@test "many at once do everything once and do not complain" {
	for i in $(seq 60); do
		assignment "dlg_$i" '.state = "completed" | .completedAt = $past' &
		delegation "dlg_$i" '.state = "created"' open &
	done
	wait
	due {assignment,delegation}:dlg_{1..60}
	for i in 1 2 3 4; do
		start_process "$HOME/reap.$i" awcp-reap -j -k retention -k leases
	done
	wait
	cat "$HOME"/reap.* | jq -r '.kind + " " + .id' | sort >"$HOME/told"
	assert_equal "$(uniq -c <"$HOME/told" | awk '{ print $1 }' | sort -u)" 1
	assert_equal "$(wc -l <"$HOME/told")" 120
	assert_equal "$(ls "$AWCP_HOME/assignments")" ''
}
