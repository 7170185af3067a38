#!/usr/bin/env bats
# awcp-delegator: what local programs have directories delegated by, through nginx, with a real
# executor beside it.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	export AWCP_AUTH_FAILURES=0 # there are many here
	make_agent "$HOME/agent"
	AWCP_HOME=$HOME/executor start_server -A none -S none -c 4 -- "$HOME/agent"
	EXECUTOR_URL=$URL
	export ROOT=$HOME/projects EXECUTOR_URL
	mkdir "$ROOT" "$HOME/other"
	start_server -D "$ROOT"
	ALICE=$(awcp-token add --rights lend,read alice)
	BOB=$(awcp-token add --rights lend,read bob)
	export ALICE BOB
}

teardown_file()
{
	stop_all
}

setup()
{
	GATE=$HOME/gate WS=$ROOT/$BATS_TEST_NUMBER
	rm -f "$GATE"
	mkfifo "$GATE"
	mkdir -p "$WS/src"
	printf 'one\n' >"$WS/a.txt"
	printf 'bye\n' >"$WS/gone.txt"
	printf 'int x;\n' >"$WS/src/x.c"
}

# "edit" changes things at once, "gate" when somebody writes to the gate, "wait" never ends.
make_agent()
{
	cat >"$1" <<-AGENT
		#!/bin/sh
		prompt=\$(cat)
		echo "working on \$prompt"
		case \$prompt in
		gate) read -r go <'$HOME/gate' ;;
		wait) exec tail -f /dev/null ;;
		list) find . -type f | sort >"\$AWCP_WORKSPACE/list" || exit
		      mv "\$AWCP_WORKSPACE/list" list.txt ;;
		fail) echo 'it is broken' >&2; exit 3 ;;
		guarded) echo evil >.envrc; mkdir -p .git/hooks; echo evil >.git/hooks/post-checkout ;;
		esac
		echo two >>a.txt
		rm -f gone.txt
		echo "did \$prompt"
	AGENT
	chmod 755 "$1"
}

# ask method path [curl option...]: with alice's token.
ask()
{
	local method=$1 path=$2
	shift 2
	request "$method" "$path" -H "Authorization: Bearer $ALICE" "$@"
}

# order prompt [jq program]: the body of POST /delegate for $WS, changed by the program.
order()
{
	jq -nc --arg url "$EXECUTOR_URL" --arg ws "$WS" --arg prompt "$1" '{
		executorUrl: $url,
		environment: {resources: [{name: "ws", type: "fs", source: $ws, mode: "rw"}]},
		task: {description: "a test", prompt: $prompt}
	} | '"${2:-.}"
}

# delegate prompt [jq program]: sets ID.
delegate()
{
	ask POST /delegate --data-binary "$(order "$@")"
	assert_status 200
	ID=$(jq -er .delegationId "$BODY")
	assert_json 'keys == ["delegationId"]'
	[[ $ID =~ ^dlg_[0-9a-f]{32}$ ]]
}

state()
{
	ask GET "/delegation/$ID"
	jq -r .state "$BODY"
}

in_state()
{
	[ "$(state)" = "$1" ]
}

# The events to the end; also the way to wait for it.
events()
{
	ask GET "/delegation/$ID/events" "$@"
}

# finish state: wait for the end, which is this.
finish()
{
	events
	assert_status 200
	ask GET "/delegation/$ID"
	assert_json ".state == \"$1\""
}

snapshot()
{
	ask GET "/delegation/$ID/snapshots"
	assert_status 200
	SNAP=$(jq -er '.snapshots[0].id' "$BODY")
}

# refused code body-or-program: POST /delegate is refused with 400 and this code.
refused()
{
	ask POST /delegate --data-binary "$(order edit "$2")"
	assert_refused 400 "$1"
}

@test "health is told to everybody" {
	request GET /health
	assert_status 200
	assert_json '. == {status: "ok"}'
}

@test "an automatic delegation is applied when it is completed" {
	delegate edit
	finish completed
	assert_json '.result.summary | contains("did edit")'
	assert_json '.snapshots[0].status == "applied" and .appliedSnapshotId == .snapshots[0].id'
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
	[ ! -e "$WS/gone.txt" ]
}

@test "the record is the protocol's, without what is ours" {
	delegate edit '.ttlSeconds = 77 | .snapshotMode = "staged"'
	finish completed
	assert_json '.id == "'"$ID"'" and .peerUrl == "'"$EXECUTOR_URL"'"'
	assert_json '.leaseConfig == {ttlSeconds: 77, accessMode: "rw"}'
	assert_json '.snapshotPolicy == {mode: "staged", maxSnapshots: 10}'
	assert_json '.task == {description: "a test", prompt: "edit"}'
	assert_json '.environment.resources == [{name: "ws", type: "fs", source: "'"$WS"'", mode: "rw"}]'
	assert_json 'keys - ["id", "state", "peerUrl", "environment", "exportPath", "task",
		"leaseConfig", "retentionMs", "executorRetentionMs", "activeLease", "executorWorkDir",
		"executorConstraints", "snapshots", "appliedSnapshotId", "snapshotPolicy", "result",
		"error", "createdAt", "updatedAt"] == []'
	assert_json '(.activeLease.expiresAt | sub("\\.[0-9]+"; "") | fromdate) - now | . > 40 and . < 78'
}

@test "a staged snapshot waits, and is applied once" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	assert_equal "$(cat "$WS/a.txt")" one
	snapshot
	assert_json '.snapshots | length == 1 and .[0].status == "pending"'
	ask POST "/delegation/$ID/snapshots/$SNAP/apply"
	assert_status 200
	assert_json '. == {ok: true}'
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
	snapshot
	assert_json '.snapshots[0].status == "applied"'
	ask POST "/delegation/$ID/snapshots/$SNAP/apply"
	assert_refused 400 BAD_STATE
	ask POST "/delegation/$ID/snapshots/$SNAP/discard"
	assert_refused 400 BAD_STATE
}

@test "a staged snapshot is discarded" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	snapshot
	ask POST "/delegation/$ID/snapshots/$SNAP/discard"
	assert_status 200
	assert_json '. == {ok: true}'
	snapshot
	assert_json '.snapshots[0].status == "discarded"'
	assert_equal "$(cat "$WS/a.txt")" one
	ask POST "/delegation/$ID/snapshots/$SNAP/apply"
	assert_refused 400 BAD_STATE
}

@test "a snapshot's id is taken as it is, and must be there" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	snapshot
	for bad in snap_ "${SNAP%?}" snap_0123456789ab; do
		ask POST "/delegation/$ID/snapshots/$bad/apply"
		assert_refused 400 NOT_FOUND
		ask POST "/delegation/$ID/snapshots/$bad/discard"
		assert_refused 400 NOT_FOUND
	done
	ask POST "/delegation/$ID/snapshots/..%2f$SNAP/apply"
	assert_status 404
	assert_equal "$(cat "$WS/a.txt")" one
}

@test "snapshotMode discard keeps nothing" {
	delegate edit '.snapshotMode = "discard"'
	finish completed
	assert_equal "$(cat "$WS/a.txt")" one
	snapshot
	assert_json '.snapshots[0].status == "discarded"'
}

@test "a conflict changes nothing and is told by path" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	snapshot
	echo mine >"$WS/a.txt"
	ask POST "/delegation/$ID/snapshots/$SNAP/apply"
	assert_refused 400 CONFLICT
	assert_json '.conflicts == [{path: "ws/a.txt", why: .conflicts[0].why, kind: "both"}]'
	assert_equal "$(cat "$WS/a.txt")" mine
	[ -e "$WS/gone.txt" ]
}

@test "an automatic delegation with a conflict is completed and leaves its snapshot pending" {
	delegate gate
	wait_until in_state running
	echo mine >"$WS/a.txt"
	echo >"$GATE"
	finish completed
	assert_json '.snapshots[0].status == "pending"'
	assert_equal "$(cat "$WS/a.txt")" mine
	run cat "$AWCP_HOME/delegations/$ID/follow.log"
	assert_output --partial 'conflict: ws/a.txt: '
	assert_equal "$(jq -r .applyError.code "$AWCP_HOME/delegations/$ID/record.json")" CONFLICT
	[ ! -e "$AWCP_HOME/delegations/.open/$ID" ]
}

@test "what is guarded is taken neither by itself nor when it is applied" {
	delegate guarded
	finish completed
	snapshot
	ask POST "/delegation/$ID/snapshots/$SNAP/apply"
	assert_refused 400 CONFLICT
	assert_json '.conflicts == [{path: "ws/.envrc", why: .conflicts[0].why, kind: "guarded"}]'
	assert_json '.error | contains("guarded path changed there: ws/.envrc")'
	assert_equal "$(cat "$WS/a.txt")" one
	[ ! -e "$WS/.envrc" ]
	awcp-snapshot apply --guarded "$ID"
	assert_equal "$(cat "$WS/.envrc")" evil
	[ ! -e "$WS/.git" ]
}

@test "the events are numbered, and end with the delegation" {
	delegate edit
	events
	assert_status 200
	grep -qi '^content-type: text/event-stream' "$HEAD"
	grep '^id: ' "$BODY" | cut -c5- >"$BATS_TEST_TMPDIR/ids"
	run seq "$(wc -l <"$BATS_TEST_TMPDIR/ids")"
	assert_output "$(cat "$BATS_TEST_TMPDIR/ids")"
	sed -n 's/^data: //p' "$BODY" >"$BATS_TEST_TMPDIR/events"
	run jq -r .type "$BATS_TEST_TMPDIR/events"
	assert_line --index 0 status
	assert_equal "${lines[-1]}" 'done'
	run diff "$BATS_TEST_TMPDIR/events" "$AWCP_HOME/delegations/$ID/events.ndjson"
	assert_success
	assert_equal "$(state)" completed
}

@test "the events go on after Last-Event-ID, also when all is over" {
	delegate edit
	events
	grep -c '^id: ' "$BODY" >"$BATS_TEST_TMPDIR/count"
	events -H 'Last-Event-ID: 1'
	assert_equal "$(grep -c '^id: ' "$BODY")" "$(($(cat "$BATS_TEST_TMPDIR/count") - 1))"
	grep -q '^id: 2$' "$BODY"
	run grep -c '^id: 1$' "$BODY"
	assert_output 0
	events -H "Last-Event-ID: $(cat "$BATS_TEST_TMPDIR/count")"
	assert_status 200
	run grep -c '^id: ' "$BODY"
	assert_output 0
}

@test "events come while the task runs" {
	delegate gate
	start_process "$BATS_TEST_TMPDIR/live" curl -sN -H "Authorization: Bearer $ALICE" \
		"${URL%/awcp}/delegation/$ID/events"
	reader=$STARTED
	wait_until grep -q '"message":"working on gate"' "$BATS_TEST_TMPDIR/live"
	echo >"$GATE"
	wait "$reader"
	grep -q '"type":"done"' "$BATS_TEST_TMPDIR/live"
	assert_equal "$(state)" completed
}

@test "a failed task is told in the record and in the events" {
	delegate fail
	finish error
	assert_json '.error.code == "TASK_FAILED" and (.error.message | contains("it is broken"))'
	events
	grep '^data: ' "$BODY" | tail -n 1 | grep -q '"type":"error"'
}

@test "what an executor without modes adds has those that this account gives" {
	local peer=$BATS_TEST_TMPDIR/peer part
	mkdir "$peer"
	for part in 01-invite-accept:invite 03-start:start 02-events-happy:events 04-ack:ack; do
		jq -r .response.body "$FIXTURES/awcp-v1/${part%:*}.json" |
			sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' >"$peer/${part#*:}"
	done
	start_process "$peer/out" "$REPO/tests/peer.pl" "$peer"
	wait_until test -s "$peer/port"
	EXECUTOR_URL=http://127.0.0.1:$(cat "$peer/port")/awcp
	delegate append
	finish completed
	assert_equal "$(stat -c %a "$WS/new" "$WS/new/n.txt")" \
		"$(printf '%o\n' $((0755 & ~$(umask))) $((0644 & ~$(umask))))"
}

@test "DELETE cancels a running task, here and there" {
	delegate wait
	wait_until in_state running
	ask DELETE "/delegation/$ID"
	assert_status 200
	assert_json '. == {ok: true}'
	assert_equal "$(state)" cancelled
	events
	grep -q '"code":"CANCELLED"' "$BODY"
	AWCP_HOME=$HOME/executor run awcp-show -j "$ID"
	assert_equal "$(jq -r .state <<<"$output")" error
	ask DELETE "/delegation/$ID" # once more is no mistake
	assert_status 200
	assert_equal "$(state)" cancelled
}

@test "DELETE cancels also when the executor is gone" {
	here=$URL
	AWCP_HOME=$HOME/second start_server -A none -S none -- "$HOME/agent"
	second=$SERVER_PID EXECUTOR_URL=$URL URL=$here
	delegate wait
	wait_until in_state running
	stop_process "$second"
	ask DELETE "/delegation/$ID"
	assert_status 200
	assert_equal "$(state)" cancelled
	ask GET "/delegation/$ID"
	assert_json '.error.message | contains("executor was not told")'
}

@test "nobody waits for one whose lease is over, though nobody knows how it ended" {
	here=$URL
	AWCP_HOME=$HOME/third start_server -A none -S none -- "$HOME/agent"
	third=$SERVER_PID EXECUTOR_URL=$URL URL=$here
	delegate wait '.ttlSeconds = 3'
	wait_until in_state running
	stop_process "$third"
	kill -KILL "$(pgrep -f "^awcp-delegator follow $ID")"
	wait_until in_state error
	ask GET "/delegation/$ID"
	assert_json '.error.code == "EXPIRED"'
	assert_equal "$(jq -r .state "$AWCP_HOME/delegations/$ID/record.json")" running # and may still be fetched
	ask DELETE "/delegation/$ID"
	assert_status 200
	assert_equal "$(state)" cancelled
}

@test "an id that is not there is not found" {
	ID=dlg_00000000000000000000000000000000
	ask GET "/delegation/$ID"
	assert_refused 404 NOT_FOUND
	ask GET "/delegation/$ID/snapshots"
	assert_refused 404 NOT_FOUND
	ask GET "/delegation/$ID/events"
	assert_refused 404 NOT_FOUND
	ask DELETE "/delegation/$ID"
	assert_refused 400 NOT_FOUND
	ask POST "/delegation/$ID/snapshots/snap_0/apply"
	assert_refused 400 NOT_FOUND
	ask POST "/delegation/$ID/snapshots/snap_0/discard"
	assert_refused 400 NOT_FOUND
	ask GET /delegation/..%2fpeers
	assert_refused 404 NOT_FOUND
	ask GET /delegation/..%2f..%2fpeers
	assert_refused 400 BAD_MESSAGE
}

@test "what is no route is refused as JSON" {
	ask GET /delegate
	assert_refused 405 BAD_METHOD
	ask POST "/delegation/dlg_0"
	assert_refused 405 BAD_METHOD
	ask GET /delegation/dlg_0/nothing
	assert_refused 404 NOT_FOUND
	ask GET /nothing
	assert_refused 404 NOT_FOUND
}

@test "without a token, or with a wrong one, nothing is told" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	snapshot
	for path in "GET /delegations" "GET /delegation/$ID" "GET /delegation/$ID/snapshots" \
		"GET /delegation/$ID/events" "DELETE /delegation/$ID" "POST /delegate" \
		"POST /delegation/$ID/snapshots/$SNAP/apply" \
		"POST /delegation/$ID/snapshots/$SNAP/discard"; do
		# shellcheck disable=SC2086 # method and path
		request $path
		assert_refused 401 AUTH_FAILED
		grep -qi '^www-authenticate: Bearer' "$HEAD"
		# shellcheck disable=SC2086
		request $path -H 'Authorization: Bearer awcp_wrong'
		assert_refused 401 AUTH_FAILED
	done
}

@test "another's delegation, and one made by a command, do not exist" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	snapshot
	made=$(cd "$WS" && awcp-invite -q -m staged -e "$EXECUTOR_URL" edit)
	for path in "GET /delegation/$ID" "GET /delegation/$ID/snapshots" "GET /delegation/$ID/events" \
		"GET /delegation/$made"; do
		# shellcheck disable=SC2086 # method and path
		request $path -H "Authorization: Bearer $BOB"
		assert_refused 404 NOT_FOUND
	done
	request POST "/delegation/$ID/snapshots/$SNAP/apply" -H "Authorization: Bearer $BOB"
	assert_refused 400 NOT_FOUND
	request GET /delegations -H "Authorization: Bearer $BOB"
	assert_json '. == {activeDelegations: 0, delegations: []}'
	ask GET /delegations
	assert_json '[.delegations[].id] | contains(["'"$ID"'"]) and (contains(["'"$made"'"]) | not)'
	assert_json '.delegations[0] | keys == ["createdAt", "environment", "executorUrl", "id", "state"]'
}

@test "what is wrong with an order is said" {
	for part in executorUrl environment task; do
		refused BAD_MESSAGE "del(.$part)"
		assert_json '.error == "Missing required fields: executorUrl, environment, task"'
	done
	refused USAGE '.executorUrl = "ftp://example"'
	refused BAD_MESSAGE '.executorUrl = 7'
	refused BAD_MESSAGE '.task.prompt = ""'
	refused BAD_MESSAGE '.task.description = []'
	refused BAD_MESSAGE '.environment.resources = []'
	refused BAD_MESSAGE '.environment.resources[0].name = "../x"'
	refused BAD_MESSAGE '.environment.resources[0].mode = "wr"'
	refused BAD_MESSAGE '.environment.resources[0].type = "git"'
	refused BAD_MESSAGE '.environment.resources[0].include = "*.c"'
	refused BAD_MESSAGE '.environment.resources[0].exclude = [1]'
	refused USAGE '.environment.resources += .environment.resources'
	refused BAD_MESSAGE '.ttlSeconds = 0'
	refused BAD_MESSAGE '.ttlSeconds = 1e18'
	refused BAD_MESSAGE '.ttlSeconds = "x"'
	refused BAD_MESSAGE '.accessMode = "wo"'
	refused BAD_MESSAGE '.snapshotMode = "later"'
	refused BAD_MESSAGE '.auth = {type: "basic", credential: "x"}'
	refused BAD_MESSAGE '.auth = {type: "bearer", credential: "a\r\nb"}'
	refused BAD_MESSAGE '.auth = {type: "bearer"}'
}

@test "a body that is no JSON object, not said to be JSON, or too large is refused" {
	for body in '' '[]' '{' '{"a":1,"a":2}' 'null'; do
		ask POST /delegate --data-binary "$body"
		assert_refused 400 BAD_MESSAGE
	done
	cgi AWCP_ROOTS="$ROOT" CONTENT_TYPE=text/plain < <(order edit)
	assert_output --partial 'Status: 400'
	assert_output --partial 'Content-Type: application/json'
	head -c 1500000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/large"
	ask POST /delegate --data-binary "@$BATS_TEST_TMPDIR/large"
	assert_refused 413 TOO_LARGE
	head -c 3000000 /dev/zero >"$BATS_TEST_TMPDIR/larger"
	ask POST /delegate --data-binary "@$BATS_TEST_TMPDIR/larger"
	assert_refused 413 TOO_LARGE
}

@test "only directories in the roots may be delegated, whatever leads to them" {
	echo secret >"$HOME/other/secret"
	ln -s "$HOME/other" "$WS/out"
	ln -s src "$WS/in"
	for path in "$HOME/other" "$HOME/nothing" "$ROOT/../other" "$ROOT/x/../../other" "$WS/out" \
		"$ROOT-not" / "$AWCP_HOME"; do
		refused WORKDIR_DENIED ".environment.resources[0].source = \"$path\""
	done
	refused WORKSPACE_INVALID ".environment.resources[0].source = \"$WS/a.txt\""
	refused WORKSPACE_NOT_FOUND ".environment.resources[0].source = \"$WS/nothing\""
	refused WORKSPACE_INVALID '.environment.resources[0].source = "src"'
	delegate list ".environment.resources[0].source = \"$WS/in\""
	finish completed
	assert_json '.environment.resources[0].source == "'"$WS/src"'"'
	run cat "$WS/src/list.txt"
	assert_output ./x.c
}

@test "what would be sent is looked at before there is an id" {
	touch "$WS/.env"
	refused SENSITIVE_FILES .
	refused WORKSPACE_INVALID '.environment.resources[0].source += "/a.txt"'
	ask GET /delegations
	assert_json '[.delegations[] | select(.environment.resources[0].source == "'"$WS"'")] == []'
}

# cgi variable=value...: the order of a CGI request, read from stdin; its answer in $output.
cgi()
{
	cat >"$BATS_TEST_TMPDIR/body"
	run env -u AWCP_ROOTS REQUEST_METHOD=POST PATH_INFO=/delegate \
		CONTENT_TYPE='application/json; charset=utf-8' \
		CONTENT_LENGTH="$(wc -c <"$BATS_TEST_TMPDIR/body")" \
		HTTP_AUTHORIZATION="Bearer $ALICE" "$@" \
		"$BUILD/libexec/awcp/awcp-delegator" cancel dlg_0 <"$BATS_TEST_TMPDIR/body"
}

@test "without roots nothing may be delegated" {
	cgi AWCP_AUTH=token < <(order edit)
	assert_output --partial 'Status: 400'
	assert_output --partial WORKDIR_DENIED
	assert_output --partial 'until AWCP_ROOTS'
}

@test "a root is not a way to the state directory" {
	for path in "$HOME" "$AWCP_HOME" "$AWCP_HOME/peers"; do
		cgi AWCP_ROOTS="$HOME" < <(order edit ".environment.resources[0].source = \"$path\"")
		assert_output --partial WORKDIR_DENIED
		assert_output --partial 'own state'
	done
}

@test "as plain CGI it answers, and the delegation goes on without it" {
	cgi AWCP_ROOTS="$ROOT" < <(order edit)
	assert_output --partial 'Status: 200'
	ID=$(grep -o 'dlg_[0-9a-f]*' <<<"$output")
	finish completed
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
}

@test "resources have patterns and modes of their own" {
	mkdir "$WS/docs"
	echo text >"$WS/docs/a.md"
	echo noise >"$WS/docs/b.log"
	echo obj >"$WS/src/x.o"
	delegate 'find' ".environment.resources = [
		{name: \"code\", type: \"fs\", source: \"$WS/src\", mode: \"rw\", include: [\"*.c\"]},
		{name: \"docs\", type: \"fs\", source: \"$WS/docs\", mode: \"ro\", exclude: [\"*.log\"]}]
		| .snapshotMode = \"staged\""
	finish completed
	assert_json '[.environment.resources[].mode] == ["rw", "ro"]'
	run cut -f1 "$AWCP_HOME/delegations/$ID/base.manifest"
	refute_output --partial b.log
	refute_output --partial x.o
	grep -q docs/a.md "$AWCP_HOME/delegations/$ID/base.manifest"
	grep -q code/x.c "$AWCP_HOME/delegations/$ID/base.manifest"
}

@test "accessMode ro takes nothing back" {
	delegate edit '.accessMode = "ro"'
	events
	ask GET "/delegation/$ID"
	assert_json '.leaseConfig.accessMode == "ro" and .environment.resources[0].mode == "ro"'
	assert_equal "$(cat "$WS/a.txt")" one
}

@test "an executor that cannot be reached is an error in the record" {
	delegate edit '.executorUrl = "http://127.0.0.1:1/awcp"'
	finish error
	assert_json '.error.code == "TRANSPORT_ERROR" and (.error.hint | length > 0)'
}

@test "two at once do not wait for each other" {
	delegate gate
	first=$ID
	wait_until in_state running
	mkdir "$WS/b"
	cp "$WS/a.txt" "$WS/b"
	delegate edit ".environment.resources[0].source = \"$WS/b\""
	finish completed
	ID=$first
	assert_equal "$(state)" running
	ask GET /delegations
	assert_json '.activeDelegations == 1'
	echo >"$GATE"
	finish completed
}

@test "a credential is shown to the executor and lies nowhere in clear" {
	here=$URL
	AWCP_HOME=$HOME/strict start_server -S none -- "$HOME/agent"
	EXECUTOR_URL=$URL URL=$here
	carol=$(AWCP_HOME=$HOME/strict awcp-token add carol)
	delegate edit
	finish error
	assert_json '.error.code == "AUTH_FAILED"'
	for type in bearer api_key oauth2; do
		delegate gate ".auth = {type: \"$type\", credential: \"$carol\"}"
		wait_until in_state running
		run grep -rl "$carol" "$AWCP_HOME" "$HOME/strict"
		assert_output "$AWCP_HOME/delegations/$ID/auth"
		run stat -c %a "$output"
		assert_output 600
		run grep -c "$carol" "$BODY"
		assert_output 0
		echo >"$GATE"
		finish completed
		run grep -rl "$carol" "$AWCP_HOME" "$HOME/strict"
		assert_output ''
		printf 'one\n' >"$WS/a.txt"
	done
	delegate wait ".auth = {type: \"bearer\", credential: \"$carol\"}"
	wait_until in_state running
	ask DELETE "/delegation/$ID"
	assert_status 200
	[ ! -e "$AWCP_HOME/delegations/$ID/auth" ]
	AWCP_HOME=$HOME/strict run awcp-show "$ID"
	assert_output --partial carol
}

# A second server of the same account, which a test may stop.
start_second()
{
	FIRST_URL=$URL
	start_server -D "$ROOT"
	SECOND=$SERVER_PID
}

@test "a delegation goes on when the web program is gone, and is there when it is back" {
	start_second
	delegate gate
	wait_until in_state running
	stop_process "$SECOND"
	echo >"$GATE"
	URL=$FIRST_URL
	finish completed
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
}

@test "a delegation whose follower died is picked up by the next web program" {
	delegate gate
	wait_until in_state running
	follower=$(pgrep -f "^awcp-delegator follow $ID")
	kill -KILL "$follower"
	wait_until gone "$follower"
	echo >"$GATE"
	start_second
	finish completed
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
	stop_process "$SECOND"
}

@test "one that was recorded and not begun is begun by the next web program" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	before=$ID
	ID=dlg_$(tr -d - </proc/sys/kernel/random/uuid)
	mkdir -m 700 "$AWCP_HOME/delegations/$ID"
	jq --arg id "$ID" '{id: $id, state: "created", snapshots: []} +
		(. | del(.id, .state, .snapshots, .result, .activeLease, .base, .lastEventId))' \
		"$AWCP_HOME/delegations/$before/record.json" >"$AWCP_HOME/delegations/$ID/record.json"
	touch "$AWCP_HOME/delegations/.open/$ID"
	start_second
	finish completed
	assert_json '.snapshots[0].status == "pending"'
	stop_process "$SECOND"
}

@test "one whose follower died before it was applied is applied by the next web program, once" {
	delegate edit '.snapshotMode = "staged"'
	finish completed
	assert_equal "$(cat "$WS/a.txt")" one
	record=$AWCP_HOME/delegations/$ID/record.json
	jq -c '.snapshotPolicy.mode = "auto"' "$record" >"$record.new" && mv "$record.new" "$record"
	touch "$AWCP_HOME/delegations/.open/$ID"
	ask GET "/delegation/$ID"
	assert_json '.state == "running"'
	start_second
	finish completed
	assert_json '.snapshots[0].status == "applied"'
	assert_equal "$(cat "$WS/a.txt")" $'one\ntwo'
	[ ! -e "$AWCP_HOME/delegations/.open/$ID" ]
	stop_process "$SECOND"
}

@test "with as many unfinished as there may be, one is told to come back" {
	AWCP_MAX_DELEGATIONS=1 start_second
	delegate gate
	wait_until in_state running
	ask POST /delegate --data-binary "$(order edit)"
	assert_refused 503 BUSY
	grep -qi '^retry-after:' "$HEAD"
	echo >"$GATE"
	finish completed
	delegate edit '.snapshotMode = "staged"'
	finish completed
	stop_process "$SECOND"
}

@test "AWCP_CALLERS names tokens that may delegate beside those that have the right" {
	plain=$(awcp-token add plain)
	start_second
	request POST /delegate -H "Authorization: Bearer $plain" --data-binary "$(order edit)"
	assert_refused 403 DECLINED
	stop_process "$SECOND"
	AWCP_CALLERS='plain carol' start_second
	request POST /delegate -H "Authorization: Bearer $plain" --data-binary '{}'
	assert_refused 400 BAD_MESSAGE
	ask GET /delegations
	assert_status 200
	stop_process "$SECOND"
}

@test "where no token is asked for everybody may delegate, but no web page" {
	FIRST_URL=$URL
	start_server -A none -D "$ROOT"
	second=$SERVER_PID
	request POST /delegate --data-binary "$(order edit)" -H 'Origin: http://example.org'
	assert_refused 403 DECLINED
	request POST /delegate --data-binary "$(order edit)"
	assert_status 200
	ID=$(jq -r .delegationId "$BODY")
	request GET "/delegation/$ID/events"
	request GET "/delegation/$ID"
	assert_json '.state == "completed"'
	URL=$FIRST_URL
	ask GET "/delegation/$ID"
	assert_refused 404 NOT_FOUND
	stop_process "$second"
}

@test "a root that is no directory is said at once" {
	run awcp-serve -D "$HOME/nothing"
	assert_failure 66
	assert_output --partial 'no directory'
	AWCP_ROOTS=relative AWCP_AUTH=none REQUEST_METHOD=GET PATH_INFO=/health \
		run "$BUILD/libexec/awcp/awcp-delegator"
	assert_failure 78
}

@test "it stays small" {
	for _ in 1 2 3 4 5; do
		ask GET /delegations
		assert_status 200
	done
	assert_peak "$(pgrep -P "$(pgrep -d, -P "$SERVER_PID")" -x awcp-delegator)" 16384
}
