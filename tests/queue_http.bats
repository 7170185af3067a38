#!/usr/bin/env bats
# awcp-queued: queues over HTTP, through nginx.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own

load helper

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	export AWCP_AUTH_FAILURES=0 # there are many here
	start_server -Q
	ALICE=$(awcp-token add alice)
	BOB=$(awcp-token add bob)
	GUEST=$(awcp-token add -l queue=guests,lobby guest)
	OWNER=$(grep -rhoE 'awcp_[0-9a-f]{64}' "$AWCP_HOME/peers")
	export ALICE BOB GUEST OWNER
}

teardown_file()
{
	stop_all
}

setup()
{
	Q=q$BATS_TEST_NUMBER
}

# as token method path [body [curl option...]]: below /queue, with TYPE or JSON.
as()
{
	local token=$1 method=$2 path=$3 body=${4-}
	shift $(($# > 4 ? 4 : $#))
	[ -z "$body" ] || set -- --data-binary "$body" "$@"
	HEAD=$BATS_TEST_TMPDIR/head BODY=$BATS_TEST_TMPDIR/body
	: >"$BODY"
	STATUS=$(curl -sS --max-time 30 -X "$method" -D "$HEAD" -o "$BODY" -w '%{http_code}' \
		-H "Authorization: Bearer $token" -H "Content-Type: ${TYPE-application/json}" "$@" \
		"${URL%/awcp}/queue$path")
}

# ask method path [body [curl option...]]: with alice's token.
ask()
{
	as "$ALICE" "$@"
}

# put body [curl option...]: sets N, the number of the task.
put()
{
	local body=$1
	shift
	ask POST "/$Q/tasks" "$body" "$@"
	[[ $STATUS = 20[01] ]] || fail "HTTP $STATUS: $(cat "$BODY")"
	N=$(jq -er .number "$BODY")
}

# claim [body]: sets CLAIM, N and A; CLAIM is "" if there was no task.
claim()
{
	ask POST "/$Q/claim" "${1-}"
	CLAIM='' N='' A=''
	[ "$STATUS" != 204 ] || return 0
	assert_status 200
	CLAIM=$(jq -er .claim "$BODY") N=$(jq -er .number "$BODY") A=$(jq -er .attempt "$BODY")
}

# batch token [curl option...]: lines on stdin.
batch()
{
	local token=$1
	shift
	cat >"$BATS_TEST_TMPDIR/lines"
	TYPE=application/x-ndjson as "$token" POST "/$Q/tasks" "@$BATS_TEST_TMPDIR/lines" "$@"
}

# payloads n: as many lines of a batch.
payloads()
{
	seq "$1" | sed 's/.*/{"payload": &}/'
}

state()
{
	awcp-queue show -j "$Q.$1" | jq -r .state
}

assert_state()
{
	assert_equal "$(state "$1")" "$2"
}

queued_pid()
{
	local p
	for p in $(pgrep -P "$SERVER_PID"); do
		pgrep -P "$p" -x awcp-queued && return
	done
}

watched()
{
	local inode
	inode=$(printf '%x' "$(stat -c %i "$1")")
	grep -qs "ino:$inode " "/proc/$(queued_pid)/fdinfo/"*
}

# How many descriptors the program waits for with epoll.
count_waiting()
{
	cat "/proc/$(queued_pid)/fdinfo/"* 2>/dev/null | grep -c '^tfd:' || :
}

# wait_for_claim body log [seconds]: a worker that waits in the background; sets WORKER.
wait_for_claim()
{
	local before
	before=$(count_waiting)
	start_process "$2" curl -sS --max-time 30 -X POST -H "Authorization: Bearer ${TOKEN-$ALICE}" \
		-H 'Content-Type: application/json' --data-binary "$1" -w '\n%{http_code}\n' \
		"${URL%/awcp}/queue/$Q/claim?wait=${3-20}"
	WORKER=$STARTED
	stands() {
		gone "$WORKER" && return # it was answered already
		[ -d "$AWCP_HOME/queue/$Q/bell" ] && watched "$AWCP_HOME/queue/$Q/bell" &&
			[ "$(count_waiting)" -gt "$before" ]
	}
	wait_until stands
}

# follow path-and-query log [curl option...]: an event stream in the background; sets FOLLOWER.
follow()
{
	local path=$1 log=$2
	shift 2
	start_process "$log" curl -sSN --max-time 60 -H "Authorization: Bearer ${TOKEN-$ALICE}" "$@" \
		"${URL%/awcp}/queue$path"
	FOLLOWER=$STARTED
	wait_until grep -q '^: events' "$log"
}

# The versions in the log of a stream.
versions()
{
	sed -n 's/^id: //p' "$1" | paste -sd' '
}

has_version()
{
	grep -qx "id: $2" "$1"
}

@test "a task is put, and told where it is" {
	ask POST "/$Q/tasks" '{"payload": {"do": "it"}, "priority": 7, "lane": "a", "labels": ["x", "y"]}'
	assert_status 201
	assert_json '. == {id: "'"$Q"'.1", number: 1, created: true}'
	grep -qi "^location: /queue/$Q/tasks/1" "$HEAD"
	ask GET "/$Q/tasks/1"
	assert_status 200
	assert_json '.payload == {do: "it"} and .priority == 7 and .lane == "a" and .state == "pending"
		and .labels == ["x", "y"] and .tenant == "alice"'
	assert_equal "$(awcp-queue show -j "$Q.1" | jq -c .payload)" '{"do":"it"}'
}

@test "the same key gives the same task, and no other payload" {
	put '{"payload": "one"}' -H 'Idempotency-Key: "k 1"'
	assert_equal "$STATUS $N" '201 1'
	put '{"payload": "one"}' -H 'Idempotency-Key: k 1'
	assert_equal "$STATUS $N" '200 1'
	assert_json '.created == false'
	put '{"payload": "one", "key": "k 1"}'
	assert_equal "$STATUS $N" '200 1'
	ask POST "/$Q/tasks" '{"payload": "two"}' -H 'Idempotency-Key: k 1'
	assert_refused 409 KEY_REUSED
	ask POST "/$Q/tasks" '{"payload": "one", "key": "k2"}' -H 'Idempotency-Key: k 1'
	assert_refused 400 BAD_DATA
	as "$BOB" POST "/$Q/tasks" '{"payload": "mine"}' -H 'Idempotency-Key: k 1'
	assert_status 201 # another's keys are another's
}

@test "a batch is put in order, and every line has its receipt" {
	batch "$ALICE" < <(payloads 3000)
	assert_status 201
	run jq -cs '[length, (.[0, 2999] | .id, .number, .created)]' "$BODY"
	assert_output '[3000,"'"$Q"'.1",1,true,"'"$Q"'.3000",3000,true]'
	assert_equal "$(awcp-queue show -j "$Q.3000" | jq .payload)" 3000
	batch "$ALICE" < <(printf '{"payload": 1, "key": "a"}\r\n\n{"payload": 1, "key": "a"}')
	assert_status 201
	run jq -c '[.number, .created]' "$BODY"
	assert_output $'[3001,true]\n[3001,false]'
}

@test "a batch with a bad line puts those before it, and says which it is" {
	batch "$ALICE" < <(printf '%s\n' '{"payload": 1}' '{"payload": 2}' 'nope' '{"payload": 4}')
	assert_status 400
	run jq -c '[.number, .line, .code]' "$BODY"
	assert_output $'[1,null,null]\n[2,null,null]\n[null,3,"BAD_MESSAGE"]'
	ask GET "/$Q/tasks"
	assert_json '.tasks | length == 2'
	batch "$ALICE" < <(printf '%s\n' '{"payload": 1}' '{"payload": 2, "priority": -1}' 'nope')
	assert_status 400
	run jq -c '[.number, .line, .code]' "$BODY"
	assert_output $'[3,null,null]\n[null,2,"BAD_DATA"]'
	batch "$ALICE" < <(printf '%s\n' '{"payload": 1, "tenant": "bob"}')
	assert_status 403
	assert_json '.line == 1 and .code == "DECLINED"'
	batch "$ALICE" < <(printf '\n\n')
	assert_refused 400 BAD_MESSAGE
	batch "$ALICE" -H 'Idempotency-Key: k' <<<'{"payload": 1}'
	assert_refused 400 BAD_DATA
	ask GET "/$Q/tasks"
	assert_json '.tasks | length == 3'
}

@test "a task is claimed, kept alive, and finished with a result" {
	put '{"payload": "hello"}'
	claim '{"worker": "w1", "lease": 30}'
	assert_equal "$CLAIM" "$Q.1.1"
	assert_json '.payload == "hello" and .state == "running" and .attempts[0].worker == "alice:w1"'
	ask POST "/$Q/tasks/1/beat" '{"attempt": 1, "progress": "half", "lease": 90}'
	assert_status 200
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1, "result": {"lines": 12}}'
	assert_status 200
	assert_json '. == {ok: true}'
	ask GET "/$Q/tasks/1"
	assert_json '.state == "completed" and .result == {lines: 12} and .progress == "half"'
	claim
	assert_equal "$CLAIM" ''
}

@test "a task fails, is returned, and is limited" {
	put '{"payload": 1, "retries": 1, "backoff": 0}'
	claim
	ask POST "/$Q/tasks/$N/fail" '{"attempt": 1, "reason": "broken", "code": "E1", "exit": 3}'
	assert_status 200
	claim
	assert_equal "$CLAIM" "$Q.1.2"
	assert_json '.attempts[0] | .outcome == "failed" and .reason == "broken" and .exit == 3'
	ask POST "/$Q/tasks/$N/return" '{"attempt": 2, "reason": "no time"}'
	assert_status 200
	claim
	assert_equal "$CLAIM" "$Q.1.3"
	ask POST "/$Q/tasks/$N/limit" '{"attempt": 3, "after": 3600}'
	assert_status 200
	assert_state 1 rate_limited
	claim
	assert_equal "$CLAIM" ''
	put '{"payload": 2, "retries": 5}'
	claim
	ask POST "/$Q/tasks/$N/fail" '{"attempt": 1, "last": true}'
	assert_state 2 failed
}

@test "people cancel, pause, resume and retry" {
	put '{"payload": 1}'
	ask POST "/$Q/tasks/1/pause"
	assert_status 200
	assert_state 1 paused
	claim
	assert_equal "$CLAIM" ''
	ask POST "/$Q/tasks/1/resume"
	assert_state 1 pending
	ask POST "/$Q/tasks/1/cancel" '{"reason": "not needed"}'
	assert_state 1 cancelled
	ask GET "/$Q/tasks/1"
	assert_json '.error.message == "not needed"'
	ask POST "/$Q/tasks/1/cancel" '{"reason": "again"}'
	assert_status 200
	ask GET "/$Q/tasks/1"
	assert_json '.error.message == "not needed"'
	ask POST "/$Q/tasks/1/retry"
	assert_state 1 pending
	claim '{"lease": 1}'
	for _ in 1 2; do
		ask POST "/$Q/tasks/1/finish" "{\"attempt\": $A, \"result\": 7}"
		assert_status 200
	done
	ask POST "/$Q/tasks/1/finish" "{\"attempt\": $A, \"result\": 8}"
	assert_refused 409 BAD_STATE
	ask POST "/$Q/tasks" '{"payload": " "}'
	assert_refused 400 BAD_DATA
	put '{"payload": 2}'
	claim '{"lease": 1}'
	sleep 1.1
	assert_state 2 lapsed
	ask GET "/$Q/stats"
	assert_json '.states.lapsed == 1 and .states.running == 0'
	ask GET "/$Q/tasks?state=lapsed"
	assert_json '.tasks | length == 1'
}

@test "a worker that lost its claim can change nothing" {
	put '{"payload": 1}'
	claim '{"lease": 1}'
	assert_equal "$A" 1
	other() {
		claim
		[ "$A" = 2 ]
	}
	wait_until other # its lease ends
	for what in beat finish fail return limit; do
		ask POST "/$Q/tasks/1/$what" '{"attempt": 1}'
		assert_refused 409 BAD_STATE
	done
	assert_state 1 running
	ask POST "/$Q/tasks/1/cancel"
	ask POST "/$Q/tasks/1/finish" '{"attempt": 2}'
	assert_refused 409 BAD_STATE
	assert_state 1 cancelled
	ask POST "/$Q/tasks/1/finish" '{"attempt": 3}'
	assert_refused 409 BAD_STATE
}

@test "capabilities decide who may take what" {
	put '{"payload": 1, "requires": ["gpu", "cuda"]}'
	claim
	assert_equal "$CLAIM" ''
	claim '{"capabilities": ["gpu"]}'
	assert_equal "$CLAIM" ''
	claim '{"capabilities": ["cuda", "x", "gpu"]}'
	assert_equal "$CLAIM" "$Q.1.1"
}

@test "a list is filtered, and read page by page" {
	batch "$ALICE" < <(seq 7 | jq -c '{payload: ., lane: (if . < 4 then "a" else "b" end),
		labels: ["l\(. % 2)"], session: "s", key: "k\(.)"}')
	ask GET "/$Q/tasks?limit=3"
	assert_json '[.tasks[].number] == [1, 2, 3] and .next == 3 and .version == 7'
	assert_json '[.tasks[] | has("payload")] == [false, false, false]'
	ask GET "/$Q/tasks?limit=3&after=3"
	assert_json '[.tasks[].number] == [4, 5, 6] and .next == 6'
	ask GET "/$Q/tasks?limit=3&after=6"
	assert_json '[.tasks[].number] == [7] and .next == null'
	ask GET "/$Q/tasks?lane=b&label=l1&session=s"
	assert_json '[.tasks[].number] == [5, 7]'
	ask GET "/$Q/tasks?key=k%33"
	assert_json '[.tasks[].number] == [3]'
	ask POST "/$Q/tasks/2/cancel"
	ask GET "/$Q/tasks?state=cancelled&state=running"
	assert_json '[.tasks[].number] == [2]'
	ask GET "/$Q/tasks?state=all"
	assert_json '.tasks | length == 7'
	ask GET "/$Q/tasks?tenant=bob" # is alice's all the same
	assert_json '.tasks | length == 6'
}

@test "a page ends before it is too large" {
	for i in 1 2 3 4; do
		put '{"payload": 1}'
		claim
		jq -nc '{attempt: 1, result: ("x" * 400000)}' >"$BATS_TEST_TMPDIR/result"
		ask POST "/$Q/tasks/$i/finish" "@$BATS_TEST_TMPDIR/result"
		assert_status 200
	done
	ask GET "/$Q/tasks?state=completed"
	assert_json '[.tasks[].number] == [1, 2, 3] and .next == 3'
	ask GET "/$Q/tasks?state=completed&after=3"
	assert_json '[.tasks[].number] == [4] and .next == null'
}

@test "stats tell the owner all, and others of what is theirs and unfinished" {
	put '{"payload": 1, "lane": "a"}'
	put '{"payload": 2}'
	claim
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1}'
	as "$BOB" POST "/$Q/tasks" '{"payload": 3}'
	as "$OWNER" GET "/$Q/stats"
	assert_json '.queue == "'"$Q"'" and .states.completed == 1 and .states.pending == 2 and .lastHour == 1'
	ask GET "/$Q/stats"
	assert_json '.states.pending == 1 and (.states | has("completed") | not) and (has("lastHour") | not)'
	assert_json '.version == 5'
}

@test "tokens do not see, change, take or wait for tasks of others" {
	put '{"payload": "secret"}'
	as "$BOB" GET "/$Q/tasks/1"
	assert_refused 404 NOT_FOUND
	cp "$BODY" "$BATS_TEST_TMPDIR/theirs"
	as "$BOB" GET "/$Q/tasks/2"
	assert_equal "$(sed 's/\.2"/.1"/' "$BODY")" "$(cat "$BATS_TEST_TMPDIR/theirs")" # as if not there
	assert_json '.hint == ""'
	as "$BOB" POST "/$Q/claim"
	assert_status 204
	claim
	for what in cancel retry pause resume; do
		as "$BOB" POST "/$Q/tasks/1/$what"
		assert_refused 404 NOT_FOUND
	done
	for what in beat finish fail return limit; do
		as "$BOB" POST "/$Q/tasks/1/$what" '{"attempt": 1}'
		assert_refused 404 NOT_FOUND
	done
	assert_state 1 running
	as "$BOB" GET "/$Q/tasks?state=all"
	assert_json '.tasks == []'
	as "$BOB" POST "/$Q/tasks" '{"payload": 1, "dependsOn": ["'"$Q"'.1"]}'
	assert_refused 400 BAD_DATA
	sed 's/\.1"/.9"/' "$BODY" >"$BATS_TEST_TMPDIR/theirs"
	as "$BOB" POST "/$Q/tasks" '{"payload": 1, "dependsOn": ["'"$Q"'.9"]}'
	assert_equal "$(sed 's/\.1 /.9 /' "$BODY")" "$(cat "$BATS_TEST_TMPDIR/theirs")"
	as "$BOB" POST "/$Q/tasks" '{"payload": 1, "tenant": "alice"}'
	assert_refused 403 DECLINED
	put '{"payload": 1, "dependsOn": ["'"$Q"'.1"], "tenant": "alice"}'
	assert_state 2 waiting
}

@test "the owner's token sees and takes all tasks, also those of commands" {
	put '{"payload": "alice"}'
	as "$BOB" POST "/$Q/tasks" '{"payload": "bob"}'
	awcp-queue put -q "$Q" command
	as "$OWNER" GET "/$Q/tasks"
	assert_json '[.tasks[].tenant] == ["alice", "bob", null]'
	as "$OWNER" GET "/$Q/tasks?tenant=bob"
	assert_json '[.tasks[].number] == [2]'
	for n in 1 2 3; do
		as "$OWNER" POST "/$Q/claim"
		assert_json ".number == $n"
		as "$OWNER" POST "/$Q/tasks/$n/finish" '{"attempt": 1}'
		assert_status 200
	done
	as "$OWNER" POST "/$Q/tasks" '{"payload": 1, "tenant": "bob"}'
	as "$BOB" POST "/$Q/claim"
	assert_json '.number == 4 and .attempts[0].worker == "bob"'
}

@test "a token with queues may use those and no others, be they there or not" {
	put '{"payload": 1}'
	for name in $Q nothing; do
		for path in tasks tasks/1 stats events; do
			as "$GUEST" GET "/$name/$path"
			assert_refused 403 DECLINED
		done
		as "$GUEST" POST "/$name/tasks" '{"payload": 1}'
		assert_refused 403 DECLINED
		as "$GUEST" POST "/$name/claim"
		assert_refused 403 DECLINED
		as "$GUEST" POST "/$name/tasks/1/cancel"
		assert_refused 403 DECLINED
	done
	[ ! -e "$AWCP_HOME/queue/nothing" ]
	as "$GUEST" POST "/guests/tasks" '{"payload": 1}'
	assert_status 201
	as "$GUEST" POST "/lobby/tasks" '{"payload": 1}'
	assert_status 201
}

@test "without a token, or with a wrong one, nothing is told" {
	put '{"payload": 1}'
	for path in tasks tasks/1 stats events; do
		request GET "/queue/$Q/$path"
		assert_refused 401 AUTH_FAILED
		as "awcp_$(printf %064d 0)" GET "/$Q/$path"
		assert_refused 401 AUTH_FAILED
	done
	request POST "/queue/$Q/claim"
	assert_refused 401 AUTH_FAILED
	request POST "/queue/$Q/tasks/1/cancel"
	assert_refused 401 AUTH_FAILED
	assert_state 1 pending
}

@test "bad input is refused, and nothing is half written" {
	put '{"payload": 1}'
	while read -r code body; do
		ask POST "/$Q/tasks" "$body"
		[ "$STATUS" = 400 ] || fail "$body: HTTP $STATUS"
		assert_refused 400 "$code"
	done <<-'BAD'
		BAD_MESSAGE nope
		BAD_MESSAGE [1]
		BAD_MESSAGE {"payload": 1} {"payload": 2}
		BAD_MESSAGE {"payload": 1, "payload": 2}
		BAD_DATA {}
		BAD_DATA {"payload": 1, "priority": "high"}
		BAD_DATA {"payload": 1, "priority": -1}
		BAD_DATA {"payload": 1, "priority": 10}
		BAD_DATA {"payload": 1, "lane": 5}
		BAD_DATA {"payload": 1, "lane": ""}
		BAD_DATA {"payload": 1, "labels": "x"}
		BAD_DATA {"payload": 1, "labels": [1]}
		BAD_DATA {"payload": 1, "notBefore": "soon"}
		BAD_DATA {"payload": 1, "retries": 1.5}
		BAD_DATA {"payload": 1, "unique": true}
		BAD_DATA {"payload": 1, "what": 1}
		BAD_DATA {"payload": 1, "dependsOn": ["elsewhere.1"]}
		USAGE {"payload": 1, "dependsOn": ["nonsense"]}
	BAD
	TYPE=text/plain ask POST "/$Q/tasks" '{"payload": 1}'
	assert_refused 400 BAD_MESSAGE
	ask POST "/$Q/tasks"
	assert_refused 400 BAD_MESSAGE
	printf '{"payload": "\xff"}' >"$BATS_TEST_TMPDIR/bytes"
	ask POST "/$Q/tasks" "@$BATS_TEST_TMPDIR/bytes"
	assert_refused 400 BAD_MESSAGE
	ask GET "/$Q/stats"
	assert_json '.version == 1'
}

@test "what is too large is refused" {
	jq -nc '{payload: ("x" * 1000001)}' >"$BATS_TEST_TMPDIR/large"
	ask POST "/$Q/tasks" "@$BATS_TEST_TMPDIR/large"
	assert_refused 413 TOO_LARGE
	jq -nc '{payload: ("x" * 3000000)}' >"$BATS_TEST_TMPDIR/large"
	ask POST "/$Q/tasks" "@$BATS_TEST_TMPDIR/large"
	assert_refused 413 TOO_LARGE
	batch "$ALICE" < <(echo '{"payload": 1}' && cat "$BATS_TEST_TMPDIR/large")
	assert_status 413
	assert_equal "$(jq -cs '[.[0].number, .[1].line, .[1].code]' "$BODY")" '[1,2,"TOO_LARGE"]'
	claim
	jq -nc '{attempt: 1, result: ("x" * 3000000)}' >"$BATS_TEST_TMPDIR/large"
	ask POST "/$Q/tasks/1/finish" "@$BATS_TEST_TMPDIR/large"
	assert_refused 413 TOO_LARGE
	jq -nc '{attempt: 1, result: ("x" * 1048576)}' >"$BATS_TEST_TMPDIR/large"
	ask POST "/$Q/tasks/1/finish" "@$BATS_TEST_TMPDIR/large"
	assert_refused 413 TOO_LARGE
	assert_state 1 running
	jq -nc '{payload: ("x" * 999990)}' >"$BATS_TEST_TMPDIR/large"
	ask POST "/$Q/tasks" "@$BATS_TEST_TMPDIR/large"
	assert_status 201
	ask GET "/$Q/tasks/2"
	assert_json '.payload | length == 999990'
}

@test "bad requests of workers and people are refused" {
	put '{"payload": 1}'
	claim
	for body in '{}' '{"attempt": 0}' '{"attempt": "1"}' '{"attempt": 1.5}' '{"attempt": 4294967296}' \
		'{"attempt": 1, "lease": 0}' '{"attempt": 1, "lease": 86401}' '{"attempt": 1, "lease": "1"}' \
		'{"attempt": 1, "progress": 5}' '{"attempt": 1, "what": 5}' '[]' 'x'; do
		ask POST "/$Q/tasks/1/beat" "$body"
		[ "$STATUS" = 400 ] || fail "$body: HTTP $STATUS"
	done
	for body in '{"attempt": 1, "exit": 256}' '{"attempt": 1, "last": 1}' '{"attempt": 1, "reason": []}'; do
		ask POST "/$Q/tasks/1/fail" "$body"
		[ "$STATUS" = 400 ] || fail "$body: HTTP $STATUS"
	done
	for body in '{"lease": 0}' '{"lease": -5}' '{"worker": 1}' '{"capabilities": "x"}' '{"capabilities": [1]}' '{"x": 1}'; do
		ask POST "/$Q/claim" "$body"
		[ "$STATUS" = 400 ] || fail "$body: HTTP $STATUS"
	done
	ask POST "/$Q/tasks/1/retry" '{"reason": "x"}'
	assert_refused 400 BAD_DATA
	for query in wait=-1 wait=301 wait=x wait= wait=%zz wait=1%00 what=1; do
		ask POST "/$Q/claim?$query"
		[ "$STATUS" = 400 ] || fail "$query: HTTP $STATUS"
	done
	for query in limit=0 limit=1001 after=x state=ready "lane=$(printf %0300d 0)" what=1; do
		ask GET "/$Q/tasks?$query"
		[ "$STATUS" = 400 ] || fail "$query: HTTP $STATUS"
	done
	assert_state 1 running
}

@test "what is not there is not found" {
	for path in tasks tasks/1 stats events; do
		ask GET "/$Q/$path"
		assert_refused 404 NOT_FOUND
	done
	ask POST "/$Q/claim"
	assert_refused 404 NOT_FOUND
	[ ! -e "$AWCP_HOME/queue/$Q" ]
	put '{"payload": 1}'
	for id in 0 2 01 x 99999999999999999999 1x 281474976710657; do
		ask GET "/$Q/tasks/$id"
		assert_refused 404 NOT_FOUND
		ask POST "/$Q/tasks/$id/cancel"
		assert_refused 404 NOT_FOUND
	done
	ask GET "/$Q"
	assert_status 404
	ask GET "/$(printf %065d 0)/tasks"
	assert_refused 400 USAGE
	ask GET "/..%2f$Q/tasks"
	assert_status 404
	ask DELETE "/$Q/tasks/1"
	assert_refused 405 BAD_METHOD
	grep -qi '^allow: GET' "$HEAD"
}

@test "a worker that waits gets a task within 50 ms of its being put" {
	awcp-queue put -q "$Q" first
	claim # no: that has no tenant
	assert_equal "$CLAIM" ''
	best=1000
	for i in 1 2 3 4 5; do
		wait_for_claim '{}' "$BATS_TEST_TMPDIR/claim"
		put "{\"payload\": $i}"
		before=$(now_ms)
		wait "$WORKER"
		took=$(($(now_ms) - before))
		best=$((took < best ? took : best))
		run jq -c '.payload? // .' "$BATS_TEST_TMPDIR/claim"
		assert_output "$i"$'\n200'
	done
	[ "$best" -le 50 ] || fail "$best ms"
}

@test "workers that wait are served in the order in which they came, each once" {
	for i in 1 2 3; do
		wait_for_claim "{\"worker\": \"w$i\"}" "$BATS_TEST_TMPDIR/claim$i"
		pids[i]=$WORKER
	done
	TOKEN=$BOB wait_for_claim '{}' "$BATS_TEST_TMPDIR/bob" 3
	bob=$WORKER
	batch "$ALICE" < <(payloads 3)
	for i in 1 2 3; do
		wait "${pids[i]}"
		run jq -c '.number? // .' "$BATS_TEST_TMPDIR/claim$i"
		assert_output "$i"$'\n200'
	done
	wait "$bob"
	assert_equal "$(cat "$BATS_TEST_TMPDIR/bob")" $'\n204'
}

@test "a worker that waits gets what becomes due, and what another one loses" {
	put '{"payload": 1}'
	claim '{"lease": 1}'
	wait_for_claim '{}' "$BATS_TEST_TMPDIR/claim"
	wait "$WORKER"
	run jq -r '.claim? // .' "$BATS_TEST_TMPDIR/claim"
	assert_output "$Q.1.2"$'\n200'
	put '{"payload": 2, "notBefore": "'"$(date -u -d '+2 seconds' +%FT%T.%3NZ)"'"}'
	wait_for_claim '{}' "$BATS_TEST_TMPDIR/claim"
	wait "$WORKER"
	run jq -r '.claim? // .' "$BATS_TEST_TMPDIR/claim"
	assert_output "$Q.2.1"$'\n200'
}

@test "a worker that went away while it waited takes nothing" {
	wait_for_claim '{}' "$BATS_TEST_TMPDIR/claim"
	stop_process "$WORKER" KILL
	unwatched() { ! watched "$AWCP_HOME/queue/$Q/bell"; }
	wait_until unwatched
	put '{"payload": 1}'
	assert_state 1 pending
	claim
	assert_equal "$CLAIM" "$Q.1.1"
}

@test "who waits has no thread" {
	threads() { awk '/^Threads/ { print $2 }' "/proc/$(queued_pid)/status"; }
	for i in $(seq 60); do
		curl -sS --max-time 30 -X POST -H "Authorization: Bearer $ALICE" -o /dev/null \
			"${URL%/awcp}/queue/$Q/claim?wait=20" 3>&- &
		note_started $!
	done
	stand() { [ "$(count_waiting)" -ge 60 ]; }
	wait_until stand
	few() { [ "$(threads)" -le 20 ]; }
	WAIT=15 wait_until few
	put '{"payload": 1}'
	assert_status 201
}

@test "many workers at once finish every task once, and streams tell each change once" {
	put '{"payload": 0}'
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/events"
	for i in 1 2 3 4 5 6; do
		# shellcheck disable=SC2016
		start_process "$BATS_TEST_TMPDIR/worker$i" bash -c '
			post() { curl -fsS --max-time 20 -H "Authorization: Bearer $1" \
				-H "Content-Type: application/json" -d "$3" "$2"; }
			while task=$(post "$1" "$2/claim?wait=2" "{}") && [ -n "$task" ]; do
				number=${task##*\"claim\":\"} number=${number#*.} number=${number%%.*}
				post "$1" "$2/tasks/$number/finish" "{\"attempt\": 1}" >/dev/null && echo "$number"
			done' worker "$ALICE" "${URL%/awcp}/queue/$Q"
		pids[i]=$STARTED
	done
	batch "$ALICE" < <(payloads 60)
	for i in 1 2 3 4 5 6; do
		wait "${pids[i]}"
	done
	assert_equal "$(sort -n "$BATS_TEST_TMPDIR"/worker? | paste -sd' ')" "$(seq 61 | paste -sd' ')"
	wait_until has_version "$BATS_TEST_TMPDIR/events" 183
	assert_equal "$(versions "$BATS_TEST_TMPDIR/events")" "$(seq 183 | paste -sd' ')"
}

@test "the events are the changes in order, and go on as they come" {
	put '{"payload": 1}'
	put '{"payload": 2}'
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/events"
	wait_until has_version "$BATS_TEST_TMPDIR/events" 2
	claim
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1, "result": "r"}'
	wait_until has_version "$BATS_TEST_TMPDIR/events" 4
	stop_process "$FOLLOWER"
	assert_equal "$(versions "$BATS_TEST_TMPDIR/events")" '1 2 3 4'
	sed -n 's/^data: //p' "$BATS_TEST_TMPDIR/events" >"$BATS_TEST_TMPDIR/data"
	run jq -c '[.number, .version, .state, has("payload"), .result]' "$BATS_TEST_TMPDIR/data"
	assert_output '[1,1,"pending",false,null]
[2,2,"pending",false,null]
[1,3,"running",false,null]
[1,4,"completed",false,"r"]'
}

@test "a change is told within 50 ms of the answer" {
	put '{"payload": 0}'
	follow "/$Q/events" "$BATS_TEST_TMPDIR/events"
	best=1000
	for i in 2 3 4 5 6; do
		put "{\"payload\": $i}"
		before=$(now_ms)
		wait_until has_version "$BATS_TEST_TMPDIR/events" "$i"
		took=$(($(now_ms) - before))
		best=$((took < best ? took : best))
	done
	stop_process "$FOLLOWER"
	assert_equal "$(versions "$BATS_TEST_TMPDIR/events")" '2 3 4 5 6' # and none from before
	[ "$best" -le 50 ] || fail "$best ms"
}

@test "a stream that broke off is resumed without loss or repetition" {
	batch "$ALICE" < <(payloads 300)
	follow "/$Q/events?since=100" "$BATS_TEST_TMPDIR/first"
	wait_until has_version "$BATS_TEST_TMPDIR/first" 150
	stop_process "$FOLLOWER" KILL
	sed -i '/^id: 201$/,$d' "$BATS_TEST_TMPDIR/first"
	last=$(versions "$BATS_TEST_TMPDIR/first" | grep -oE '[0-9]+$')
	put '{"payload": 301}'
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/second" -H "Last-Event-ID: $last"
	put '{"payload": 302}'
	wait_until has_version "$BATS_TEST_TMPDIR/second" 302
	stop_process "$FOLLOWER"
	assert_equal "$(versions "$BATS_TEST_TMPDIR/first") $(versions "$BATS_TEST_TMPDIR/second")" \
		"$(seq 101 302 | paste -sd' ')"
	ask GET "/$Q/events?since=999"
	assert_refused 410 EXPIRED
	ask GET "/$Q/events?since=x"
	assert_refused 400 BAD_MESSAGE
}

@test "a stream tells a token only what is its own, among a thousand changes of others" {
	put '{"payload": 1}'
	batch "$BOB" < <(payloads 1000)
	put '{"payload": 2}'
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/alice"
	TOKEN=$OWNER follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/owner"
	wait_until has_version "$BATS_TEST_TMPDIR/alice" 1002
	wait_until has_version "$BATS_TEST_TMPDIR/owner" 1002
	put '{"payload": 3}'
	wait_until has_version "$BATS_TEST_TMPDIR/alice" 1003
	assert_equal "$(versions "$BATS_TEST_TMPDIR/alice")" '1 1002 1003'
	wait_until has_version "$BATS_TEST_TMPDIR/owner" 1003
	assert_equal "$(versions "$BATS_TEST_TMPDIR/owner")" "$(seq 1003 | paste -sd' ')"
}

@test "an event that would be large is short" {
	put '{"payload": 1}'
	claim
	jq -nc '{attempt: 1, result: ("x" * 100000)}' >"$BATS_TEST_TMPDIR/result"
	ask POST "/$Q/tasks/1/finish" "@$BATS_TEST_TMPDIR/result"
	assert_status 200
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/events"
	wait_until has_version "$BATS_TEST_TMPDIR/events" 3
	run jq -c '[.state, .short, .result]' <<<"$(sed -n 's/^data: //p' "$BATS_TEST_TMPDIR/events" | tail -1)"
	assert_output '["completed",true,null]'
}

@test "commands and HTTP use the same queue at the same time" {
	awcp-queue put -q "$Q" -j - <<<'{"payload": "shell", "tenant": "alice"}'
	put '{"payload": "http"}'
	claim
	assert_equal "$CLAIM" "$Q.1.1"
	run awcp-queue take -q "$Q"
	assert_output "$Q.2.1"
	awcp-queue "done" "$Q.1.1"
	ask POST "/$Q/tasks/2/finish" '{"attempt": 1}'
	assert_status 200
	run awcp-queue check -q "$Q"
	assert_success
}

@test "what a task printed: whole, in part, and as it comes" {
	put '{"payload": 1}'
	ask GET "/$Q/tasks/1/output"
	assert_refused 404 NOT_FOUND
	claim
	local job=$AWCP_HOME/queue/$Q/jobs/1
	mkdir -p "$job"
	printf 'one\ntwo\nthree\n' >"$job/output.log"
	ask GET "/$Q/tasks/1/output"
	assert_status 200
	assert_equal "$(cat "$BODY")" $'one\ntwo\nthree'
	grep -qi '^X-Content-Type-Options: nosniff' "$HEAD"
	while read -r range status expected; do
		ask GET "/$Q/tasks/1/output" '' -H "Range: bytes=$range"
		assert_status "$status"
		assert_equal "$range $(tr '\n' / <"$BODY")" "$range $expected"
	done <<-'R'
		0-2 206 one
		4-6 206 two
		8- 206 three/
		8-99 206 three/
		-6 206 three/
		-99 206 one/two/three/
		5-4 200 one/two/three/
		1-2,5-6 200 one/two/three/
		x 200 one/two/three/
	R
	ask GET "/$Q/tasks/1/output" '' -H 'Range: bytes=4-6'
	grep -qi '^Content-Range: bytes 4-6/14' "$HEAD"
	ask GET "/$Q/tasks/1/output" '' -H 'Range: bytes=14-'
	assert_status 416
	grep -qi '^Content-Range: bytes \*/14' "$HEAD"
	as "$BOB" GET "/$Q/tasks/1/output"
	assert_refused 404 NOT_FOUND
	ask GET "/$Q/tasks/9/output?follow=1"
	assert_refused 404 NOT_FOUND
	ask GET "/$Q/tasks/1/output?follow=2"
	assert_refused 400 BAD_MESSAGE
	curl -sSN -H "Authorization: Bearer $ALICE" --max-time 30 \
		"${URL%/awcp}/queue/$Q/tasks/1/output?follow=1&from=4" >"$BATS_TEST_TMPDIR/followed" &
	local follower=$!
	wait_until grep -q three "$BATS_TEST_TMPDIR/followed"
	echo four >>"$job/output.log"
	wait_until grep -q four "$BATS_TEST_TMPDIR/followed"
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1}'
	wait "$follower"
	assert_equal "$(tr '\n' / <"$BATS_TEST_TMPDIR/followed")" two/three/four/
}

@test "each reader is told what is unread, and what has its attention" {
	local i
	for i in 1 2 3; do put '{"payload": 1}'; done
	marked()
	{
		ask GET "/$Q/tasks?reader=$1&mark=$2"
		assert_status 200
		jq -c '[.tasks[] | .number]' "$BODY"
	}
	assert_equal "$(marked ann unread)" '[1,2,3]'
	ask POST "/$Q/read" '{"reader": "ann", "tasks": [1]}'
	assert_status 200
	ask POST "/$Q/read" '{"reader": "ann", "tasks": [3], "mark": "active"}'
	assert_equal "$(marked ann unread) $(marked ann active) $(marked eve unread)" '[2] [3] [1,2,3]'
	ask POST "/$Q/read" '{"reader": "ann", "version": 3}'
	assert_equal "$(marked ann unread) $(marked ann active)" '[] [3]'
	ask POST "/$Q/tasks/2/cancel"
	assert_equal "$(marked ann unread)" '[2]'
	ask GET "/$Q/tasks?reader=ann&state=all"
	assert_json '[.tasks[].mark] == ["read", "unread", "active"]'
	# Whoever has another token reads for itself, and only what is its own.
	as "$BOB" POST "/$Q/read" '{"reader": "ann", "tasks": [1]}'
	assert_refused 404 NOT_FOUND
	as "$OWNER" GET "/$Q/tasks?reader=ann&mark=unread"
	assert_json '[.tasks[].number] == [1, 2, 3]'
	for bad in '{"tasks": [1]}' '{"reader": "ann"}' '{"reader": "", "tasks": []}' \
		'{"reader": "ann", "tasks": [0]}' '{"reader": "ann", "tasks": [1], "mark": "x"}' \
		'{"reader": "ann", "mark": "active"}' '{"reader": "ann", "version": 99}' \
		'{"reader": "a\nb", "tasks": [1]}' '{"reader": "ann", "tasks": [1], "x": 1}'; do
		ask POST "/$Q/read" "$bad"
		[ "$STATUS" = 400 ] || fail "$bad: HTTP $STATUS: $(cat "$BODY")"
	done
	ask GET "/$Q/tasks?mark=unread"
	assert_refused 400 BAD_MESSAGE
}

@test "what is not kept any more is gone" {
	put '{"payload": 1}'
	put '{"payload": 2}'
	claim
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1}'
	awcp-queue retire -q "$Q" --older 0
	ask GET "/$Q/tasks/1"
	assert_refused 404 NOT_FOUND # it may have been another's
	as "$OWNER" GET "/$Q/tasks/1"
	assert_refused 410 EXPIRED
	ask GET "/$Q/events?since=2"
	assert_refused 410 EXPIRED
}

@test "a queue that was removed is not written to any more" {
	put '{"payload": 1}'
	rm -r "${AWCP_HOME:?}/queue/$Q"
	ask GET "/$Q/tasks/1"
	assert_refused 404 NOT_FOUND
	put '{"payload": 2}'
	assert_equal "$N" 1
	assert_equal "$(awcp-queue show -j "$Q.1" | jq .payload)" 2
}

@test "it stays small" {
	assert_peak "$(queued_pid)" 16384
}

@test "what was acknowledged is there after the program is killed, and streams go on" {
	put '{"payload": 0}'
	claim
	ask POST "/$Q/tasks/1/beat" '{"attempt": 1, "lease": 600}'
	follow "/$Q/events?since=0" "$BATS_TEST_TMPDIR/first"
	# shellcheck disable=SC2016
	start_process "$BATS_TEST_TMPDIR/log" bash -c '
		for i in $(seq 100000); do
			curl -fsS --max-time 5 -H "Authorization: Bearer $1" -H "Content-Type: application/json" \
				-d "{\"payload\": $i}" "$2" && echo || exit 0
		done' putter "$ALICE" "${URL%/awcp}/queue/$Q/tasks"
	wait_until has_version "$BATS_TEST_TMPDIR/first" 20
	kill -KILL "$(queued_pid)"
	wait "$STARTED"
	up() {
		ask GET "/$Q/stats"
		[ "$STATUS" = 200 ]
	}
	wait_until up # awcp-serve starts it again
	told=$(grep -c '"created":true' "$BATS_TEST_TMPDIR/log")
	[ "$told" -ge 15 ]
	for n in $(jq -r .number "$BATS_TEST_TMPDIR/log" 2>/dev/null); do
		ask GET "/$Q/tasks/$n"
		assert_status 200
	done
	ask POST "/$Q/tasks/1/finish" '{"attempt": 1}' # the claim outlived it
	assert_status 200
	last=$(versions "$BATS_TEST_TMPDIR/first" | grep -oE '[0-9]+$')
	follow "/$Q/events" "$BATS_TEST_TMPDIR/second" -H "Last-Event-ID: $last"
	put '{"payload": "end"}'
	ask GET "/$Q/stats"
	version=$(jq .version "$BODY")
	wait_until has_version "$BATS_TEST_TMPDIR/second" "$version"
	assert_equal "$(versions "$BATS_TEST_TMPDIR/first") $(versions "$BATS_TEST_TMPDIR/second")" \
		"$(seq "$version" | paste -sd' ')"
	run awcp-queue check -q "$Q"
	assert_success
}

@test "queues are named to those who have tasks in them" {
	put '{"payload": 1}'
	ask GET ''
	assert_status 200
	assert_json ".queues | index(\"$Q\") != null"
	as "$BOB" GET ''
	assert_json ".queues | index(\"$Q\") == null"
	as "$OWNER" GET ''
	assert_json ".queues | index(\"$Q\") != null"
	claim
	ask POST "/$Q/tasks/$N/finish" "{\"attempt\": $A}"
	ask GET ''
	assert_json ".queues | index(\"$Q\") == null"
}

@test "without tokens everybody has all tasks, but no web page" {
	stop_process "$SERVER_PID"
	start_server -Q -A none
	awcp-queue put -q "$Q" command
	request POST "/queue/$Q/tasks" -d '{"payload": 1}'
	assert_status 201
	request GET "/queue/$Q/tasks"
	assert_json '[.tasks[].tenant] == [null, null]'
	request POST "/queue/$Q/claim" -H 'Origin: http://evil.example'
	assert_refused 403 DECLINED
	request POST "/queue/$Q/claim" -d '{"worker": "me"}'
	assert_json '.payload == "command" and .attempts[0].worker == "me"'
}

@test "as plain CGI it answers one request, and waits for a task" {
	export REQUEST_METHOD=POST PATH_INFO=/queue/$Q/claim QUERY_STRING=wait=20 AWCP_AUTH=none
	start_process "$BATS_TEST_TMPDIR/answer" "$BUILD/libexec/awcp/awcp-queued"
	wait_until test -d "$AWCP_HOME/queue/$Q/bell"
	awcp-queue put -q "$Q" hello
	wait "$STARTED"
	grep -q '^Status: 200' "$BATS_TEST_TMPDIR/answer"
	run jq -r .payload <<<"$(tail -1 "$BATS_TEST_TMPDIR/answer")"
	assert_output hello
	QUERY_STRING='' run "$BUILD/libexec/awcp/awcp-queued"
	assert_line --index 0 --partial 'Status: 204'
}

@test "without -Q there is no queue to be seen" {
	stop_process "$SERVER_PID"
	start_server
	ask GET "/$Q/tasks"
	assert_refused 404 NOT_FOUND
	[ "$(jq -r .hint "$BODY")" = 'AWCP is at /awcp' ]
}
