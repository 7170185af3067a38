#!/usr/bin/env bats
# Many event streams, and slow and fickle readers of them, through nginx and FastCGI.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	start_server -A none -S none -- sh
}

teardown_file()
{
	stop_all
}

# new_assignment: one that waits for its START; sets ID and JOURNAL.
new_assignment()
{
	ID=dlg_$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
	JOURNAL=$AWCP_HOME/assignments/$ID/events.ndjson
	post "$(jq -cn --arg id "$ID" '{version: "1", type: "INVITE", delegationId: $id,
		task: {description: "test", prompt: "true"},
		lease: {ttlSeconds: 600, accessMode: "rw"}, retentionMs: 600000,
		environment: {resources: [{name: "ws", type: "fs", mode: "rw"}]},
		requirements: {transport: "archive"}}')"
	assert_json '.type == "ACCEPT"'
}

# tell text [journal]: an event.
tell()
{
	printf '{"type":"status","status":"running","message":"%s"}\n' "$1" >>"${2:-$JOURNAL}"
}

cancel()
{
	request POST "/awcp/cancel/$1"
	assert_status 200
}

# listen count id...: that many streams of each, in one process; sets STARTED, the bytes go to
# $BATS_TEST_TMPDIR/stream-*.
listen()
{
	local count=$1 id n
	shift
	for id in "$@"; do
		for ((n = 1; n <= count; n++)); do
			printf 'url = "%s/tasks/%s/events"\noutput = "%s/stream-%s-%s"\n' \
				"$URL" "$id" "$BATS_TEST_TMPDIR" "$id" "$n"
		done
	done >"$BATS_TEST_TMPDIR/config"
	start_process "$BATS_TEST_TMPDIR/curl" curl -sSN -Z --parallel-immediate \
		--parallel-max 300 -K "$BATS_TEST_TMPDIR/config"
	for id in "$@"; do
		wait_until streams_have "$count" '^: events' "$id"
	done
}

# streams_have count pattern [id]: so many streams have a line like that.
streams_have()
{
	[ "$(grep -l -- "$2" "$BATS_TEST_TMPDIR/stream-${3-}"* 2>/dev/null | wc -l)" -eq "$1" ]
}

executor()
{
	pgrep -P "$(pgrep -d, -P "$SERVER_PID")" awcp-executor
}

descriptors()
{
	local have
	have=$(find "/proc/$1/fd" -mindepth 1 | wc -l)
	test "$have" "$2" "$3"
}

@test "300 streams of one assignment get its events and its end" {
	new_assignment
	tell before
	listen 300 "$ID"
	wait_until streams_have 300 '"message":"before"'
	pid=$(executor)
	run bash -c "find /proc/$pid/task -mindepth 1 -maxdepth 1 | wc -l"
	[ "$output" -lt 100 ] || fail "$output threads"
	tell after
	wait_until streams_have 300 '"message":"after"'
	cancel "$ID"
	wait_until gone "$STARTED"
	wait "$STARTED"
	streams_have 300 '"code":"CANCELLED"'
	[ "$(cat "$BATS_TEST_TMPDIR"/stream-* | grep -c '"message":"')" -ge 600 ]
}

@test "300 streams of 60 assignments get the events and the end of their own" {
	ids=
	for ((i = 0; i < 60; i++)); do
		new_assignment
		ids="$ids $ID"
	done
	# shellcheck disable=SC2086 # words
	listen 5 $ids
	for id in $ids; do
		tell "of $id" "$AWCP_HOME/assignments/$id/events.ndjson"
	done
	for id in $ids; do
		cancel "$id"
	done
	wait_until gone "$STARTED"
	wait "$STARTED"
	for id in $ids; do
		run cat "$BATS_TEST_TMPDIR/stream-$id-1"
		assert_output --partial "of $id"
		assert_output --partial CANCELLED
		[ "$(grep -h '"message":"of ' "$BATS_TEST_TMPDIR/stream-$id"-* | sort -u | wc -l)" = 1 ]
	done
}

@test "a reader that stops reading holds up nobody, and gets all when it goes on" {
	new_assignment
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'GET /awcp/tasks/%s/events HTTP/1.0\r\n\r\n' "$ID" >&5
	listen 2 "$ID"
	for ((i = 0; i < 1500; i++)); do
		printf '{"type":"status","status":"running","message":"%d","more":"%08000d"}\n' "$i" 0
	done >>"$JOURNAL"
	wait_until streams_have 2 '"message":"1499"'
	slow=$ID
	new_assignment
	listen 1 "$ID"
	tell quick
	wait_until streams_have 1 '"message":"quick"'
	request GET /awcp/status
	assert_status 200
	cancel "$slow"
	timeout 20 cat <&5 >"$BATS_TEST_TMPDIR/slow"
	exec 5>&-
	run grep -c '"more":"' "$BATS_TEST_TMPDIR/slow"
	assert_output 1500
	run bash -c "grep -o '\"message\":\"[0-9]*\"' '$BATS_TEST_TMPDIR/slow' | grep -o '[0-9]*' | sort -nc"
	assert_success
	grep -q CANCELLED "$BATS_TEST_TMPDIR/slow"
}

@test "a big archive reaches streams that wait, and the stream ends after it" {
	new_assignment
	listen 20 "$ID"
	head -c 3000000 /dev/urandom >"$AWCP_HOME/assignments/$ID/result.archive"
	cat >>"$JOURNAL" <<-'J'
		{"type":"snapshot","snapshotId":"s","snapshotFile":"result.archive"}
		{"type":"done"}
	J
	WAIT=30 wait_until gone "$STARTED"
	wait "$STARTED"
	for n in "$BATS_TEST_TMPDIR"/stream-*; do
		sed -n 's/^data: //p' "$n" | jq -r 'select(.type == "snapshot").snapshotBase64' |
			base64 -d | cmp - "$AWCP_HOME/assignments/$ID/result.archive"
		[ "$(sed -n 's/^data: //p' "$n" | jq -r .type | tail -n 1)" = "done" ]
	done
}

@test "clients that go away are noticed at once" {
	pid=$(executor)
	new_assignment
	before=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
	listen 50 "$ID"
	descriptors "$pid" -ge $((before + 50))
	stop_process "$STARTED" KILL
	WAIT=3 wait_until descriptors "$pid" -le "$before"
}

@test "a stream that waits begins after Last-Event-ID" {
	new_assignment
	tell first
	tell second
	start_process "$BATS_TEST_TMPDIR/stream-x" curl -sSN -H 'Last-Event-ID: 1' "$URL/tasks/$ID/events"
	wait_until streams_have 1 second
	tell third
	wait_until streams_have 1 third
	run grep '^id: ' "$BATS_TEST_TMPDIR/stream-x"
	assert_output "$(printf 'id: %s\n' 2 3)"
}

@test "a line is sent when it is whole" {
	new_assignment
	listen 1 "$ID"
	printf '{"type":"status",' >>"$JOURNAL"
	tell other "$AWCP_HOME/assignments/$ID/unrelated"
	printf '"message":"whole"}\n' >>"$JOURNAL"
	wait_until streams_have 1 '^data: {"type":"status","message":"whole"}$'
}

@test "streams that wait tell a new run from its first event" {
	new_assignment
	tell first
	listen 30 "$ID"
	wait_until streams_have 30 '"first"'
	tell again "$JOURNAL.new"
	mv "$JOURNAL.new" "$JOURNAL"
	wait_until streams_have 30 '"again"'
	cancel "$ID"
	wait_until gone "$STARTED"
	run bash -c "cat '$BATS_TEST_TMPDIR'/stream-* | grep -c '^id: 1$'"
	assert_output 60
}

@test "an assignment that is removed ends the streams that wait for it" {
	new_assignment
	AWCP_KEEPALIVE=1 start_server -A none -S none
	listen 3 "$ID"
	rm -rf "$AWCP_HOME/assignments/$ID"
	wait_until gone "$STARTED"
	streams_have 3 '"code":"NOT_FOUND"'
}

@test "streams are kept alive, every AWCP_KEEPALIVE seconds" {
	new_assignment
	AWCP_KEEPALIVE=1 start_server -A none -S none
	listen 3 "$ID"
	tell news
	wait_until streams_have 3 '^: keepalive'
	twice() { [ "$(grep -c '^: keepalive' "$BATS_TEST_TMPDIR/stream-$ID-1")" -ge 2 ]; }
	wait_until twice
	AWCP_KEEPALIVE=0 run awcp-serve -l "127.0.0.1:$(free_port)" -A none -S none
	assert_equal "$status" 78
	assert_output --partial AWCP_KEEPALIVE
}

@test "more streams than AWCP_STREAMS, or descriptors, are refused and the reason is logged" {
	new_assignment
	id=$ID
	AWCP_STREAMS=3 start_server -A none -S none
	listen 3 "$id"
	request GET "/awcp/tasks/$id/events"
	assert_refused 503 BUSY
	grep -qi '^retry-after: ' "$HEAD"
	grep -q 'raise AWCP_STREAMS' "$SERVER_LOG"
	stop_process "$STARTED"
	start_server -A none -S none
	prlimit --pid "$(executor)" --nofile=256:256
	listen 192 "$id"
	request GET "/awcp/tasks/$id/events"
	assert_refused 503 BUSY
	assert_json '.hint | contains("open files")'
	request GET /awcp/status
	assert_status 200
}

@test "an executor that is stopped with streams open ends, and so do they" {
	new_assignment
	AWCP_KEEPALIVE=1 start_server -A none -S none
	listen 40 "$ID"
	stop_process "$SERVER_PID"
	wait_until gone "$STARTED"
	run wait "$STARTED"
	assert_failure # not as if all had been told
	run grep -E 'ended|stopping|ERROR|runtime error' "$SERVER_LOG"
	assert_output ''
}

@test "a stream breaks off when its program dies, and does not seem to have come to its end" {
	local -A streams
	local ended=
	# There is no route for a stream but these.
	[ "$(cat "$REPO"/cgi/awcp-*.c | grep -c '{"GET", .*events"')" -eq 3 ]
	start_server -A none -D "$HOME" -Q
	new_assignment
	mkdir -p "$HOME/ws"
	request POST /delegate --data-binary "$(jq -cn --arg url "$URL" --arg source "$HOME/ws" '{executorUrl: $url,
		task: {prompt: "sleep 5"}, environment: {resources: [{name: "ws", type: "fs", mode: "rw", $source}]}}')"
	assert_status 200
	awcp-queue put -q q x
	for path in "awcp/tasks/$ID" "delegation/$(jq -r .delegationId "$BODY")" queue/q; do
		start_process "$BATS_TEST_TMPDIR/${path%%/*}" curl -sSN "${URL%/awcp}/$path/events"
		streams[$STARTED]=$path
		wait_until grep -q '^: events' "$BATS_TEST_TMPDIR/${path%%/*}"
	done
	# So that nginx is not stopped for it.
	kill -STOP "$SERVER_PID"
	for program in delegator queued executor; do
		kill -9 "$(pgrep -P "$(pgrep -d, -P "$SERVER_PID")" "awcp-$program")"
	done
	for pid in "${!streams[@]}"; do
		status=0
		wait "$pid" || status=$?
		ended+="${streams[$pid]%%/*} $status, "
	done
	kill -CONT "$SERVER_PID"
	[ "$(tr ',' '\n' <<<"$ended" | grep -c ' 18$')" -eq 3 ] || fail "status $ended $(cat "$BATS_TEST_TMPDIR/delegation")"
}
