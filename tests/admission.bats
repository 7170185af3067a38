#!/usr/bin/env bats
# What an executor takes, what it declines and for how long, and when a START is too late.

load helper
load message

setup()
{
	own_home
}

teardown()
{
	stop_all
}

# One who asks again: exit 75, and the record says what was answered.
invite_declined()
{
	mkdir -p "$HOME/ws"
	AWCP_HOOKS=none run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" "${@}" go
	assert_failure 75
	assert_output --partial 'try again later'
	run awcp-list -a -j
	assert_output --partial '"code":"DECLINED"'
	assert_output --partial '"retryAfterSeconds"'
}

# hook script-text: the admission hook.
hook()
{
	mkdir -p "$AWCP_HOME/hooks"
	printf '#!/bin/sh\n%s\n' "$1" >"$AWCP_HOME/hooks/admission"
	chmod 755 "$AWCP_HOME/hooks/admission"
}

# edit_record id filter: as if it had been written so.
edit_record()
{
	local record=$AWCP_HOME/assignments/$1/record.json
	jq -c "$2" "$record" >"$record.new" && mv "$record.new" "$record"
}

@test "no more delegations are taken than AWCP_MAX_ACTIVE, and declining for now is exit 75" {
	export AWCP_MAX_ACTIVE=2
	start_server -A none
	accepted '' dlg_one
	accepted '' dlg_two
	declined '' dlg_three
	assert_json '.retryAfterSeconds >= 1 and .hint == "try again later"'
	invite_declined
	say '' POST /awcp/cancel/dlg_one
	accepted '' dlg_three
	declined '' dlg_four
}

@test "invitations that come at once do not exceed the limit" {
	export AWCP_MAX_ACTIVE=5
	start_server -A none
	local pids=()
	for ((i = 0; i < 20; i++)); do
		invite "dlg_$i" >"$BATS_TEST_TMPDIR/in.$i"
		curl -sS -o "$BATS_TEST_TMPDIR/out.$i" -H "Content-Type: application/json" --data-binary "@$BATS_TEST_TMPDIR/in.$i" "$URL" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	run sh -c "cat '$BATS_TEST_TMPDIR'/out.* | grep -o '\"ACCEPT\"' | wc -l"
	assert_output 5
	run sh -c "ls '$AWCP_HOME/assignments/.open' | wc -l"
	assert_output 5
}

@test "the same invitation twice at once is one delegation" {
	start_server -A none
	local pids=()
	invite dlg_same >"$BATS_TEST_TMPDIR/in"
	for ((i = 0; i < 8; i++)); do
		curl -sS -o "$BATS_TEST_TMPDIR/out.$i" -H "Content-Type: application/json" --data-binary "@$BATS_TEST_TMPDIR/in" "$URL" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	run sh -c "cat '$BATS_TEST_TMPDIR'/out.* | grep -o '\"ACCEPT\"' | wc -l"
	assert_output 8
	run jq .run "$AWCP_HOME/assignments/dlg_same/record.json"
	assert_output 8
}

@test "places of invitations that no START followed are given up, and of a crash's leftovers" {
	export AWCP_MAX_ACTIVE=2
	start_server -A none
	accepted '' dlg_old
	edit_record dlg_old '.invitedAt = "2026-01-01T00:00:00.000Z"'
	: >"$AWCP_HOME/assignments/.open/dlg_never"
	touch -d '1 hour ago' "$AWCP_HOME/assignments/.open/"*
	accepted '' dlg_one
	accepted '' dlg_two
	say '' GET /awcp/tasks/dlg_old/result
	assert_json '.status == "error" and .error.code == "START_EXPIRED"'
	declined '' dlg_three
}

@test "a START long after its INVITE is refused, before its archive is read, and ends the task" {
	start_server -A none
	accepted '' dlg_late
	edit_record dlg_late '.invitedAt = "2026-01-01T00:00:00.000Z"'
	say '' POST /awcp "$(start dlg_late)"
	assert_refused 410 START_EXPIRED
	say '' GET /awcp/tasks/dlg_late/result
	assert_json '.status == "error" and .error.code == "START_EXPIRED"'
	# A clock that was set back since the INVITE harms nobody.
	accepted '' dlg_early
	edit_record dlg_early '.invitedAt = "2036-01-01T00:00:00.000Z"'
	say '' POST /awcp "$(start dlg_early)"
	assert_status 200
	accepted '' dlg_late # begun anew
	say '' POST /awcp "$(start dlg_late)"
	assert_status 200
}

@test "without a START in time the stream says so, and without a worker in time; both make room" {
	export AWCP_START_WITHIN=3 AWCP_MAX_ACTIVE=1
	start_server -A none
	accepted '' dlg_never
	say '' GET /awcp/tasks/dlg_never/events
	grep -q '"code":"START_EXPIRED"' "$BODY"
	accepted '' dlg_waits '.lease.ttlSeconds = 3'
	say '' POST /awcp "$(start dlg_waits)"
	assert_status 200
	declined '' dlg_next
	say '' GET /awcp/tasks/dlg_waits/events
	grep -q '"code":"EXPIRED"' "$BODY"
	accepted '' dlg_next
}

@test "a START that came in time may take longer than that to arrive" {
	export AWCP_START_WITHIN=2
	start_server -A none
	accepted '' dlg_slow
	# Zeros, which in base64 are as many A.
	text=$(start dlg_slow ".transportHandle.workspaceBase64 = \"A\" * 400000 |
		.transportHandle.checksum = \"$(head -c 300000 /dev/zero | sha256sum | cut -d' ' -f1)\"")
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'POST /awcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' >&5
	printf 'Content-Length: %s\r\n\r\n%s' "${#text}" "${text:0:200000}" >&5
	sleep 4 # the time is the event
	say '' GET /awcp/tasks/dlg_slow/result
	assert_json '.status == "running"'
	printf %s "${text:200000}" >&5
	run cat <&5
	exec 5>&-
	assert_output --partial '"ok":true'
}

@test "a transport that is not offered is refused by name" {
	start_server -A none
	for transport in git storage sshfs carrier-pigeon; do
		say '' POST /awcp "$(invite dlg_odd ".requirements.transport = \"$transport\"")"
		assert_status 200
		assert_json '.type == "ERROR" and .code == "DEP_MISSING" and (.hint | test("archive"))'
	done
	accepted '' dlg_odd '.requirements.transport = "archive"'
}

# cgi method path [body]: one request of the program itself, without a server.
cgi()
{
	printf %s "${3-}" | env AWCP_AUTH=none REQUEST_METHOD="$1" PATH_INFO="$2" \
		CONTENT_LENGTH="$(printf %s "${3-}" | wc -c)" "$EXECUTOR"
}

@test "as plain CGI, too, a lease has ended when it has" {
	cgi POST / "$(invite dlg_waits '.lease.ttlSeconds = 3')" | grep -q ACCEPT
	cgi POST / "$(start dlg_waits)" | grep -q '"ok":true'
	run cgi GET /tasks/dlg_waits/result
	assert_output --partial '"status":"running"'
	sleep 3 # the lease is the event
	run cgi GET /tasks/dlg_waits/result
	assert_output --partial '"code":"EXPIRED"'
}

@test "a lease never ends later than was accepted, whatever clock START was made by" {
	start_server -A none
	accepted '' dlg_far
	say '' POST /awcp "$(start dlg_far '.lease.expiresAt = "9999-12-31T23:59:59Z"')"
	assert_status 200
	run jq -e '(.lease.expiresAt | sub("\\.[0-9]+Z"; "Z") | fromdate) - now | . > 50 and . <= 60' \
		"$AWCP_HOME/assignments/dlg_far/record.json"
	assert_success
	accepted '' dlg_past
	say '' POST /awcp "$(start dlg_past '.lease.expiresAt = "1970-01-01T00:00:00Z"')"
	assert_refused 410 START_EXPIRED
	say '' GET /awcp/tasks/dlg_past/result
	assert_json '.status == "error" and .error.code == "START_EXPIRED"'
}

@test "a lease or retention that makes no sense is refused by name" {
	start_server -A none
	for ttl in 0 -1 1e18 1000000000000000000 0.5 '"60"' null; do
		say '' POST /awcp "$(invite dlg_odd ".lease.ttlSeconds = $ttl")"
		assert_refused 400 BAD_MESSAGE
		assert_json '.error | test("lease.ttlSeconds")'
	done
	for retention in -1 1e18 '"1"' null; do
		say '' POST /awcp "$(invite dlg_odd ".retentionMs = $retention")"
		assert_refused 400 BAD_MESSAGE
		assert_json '.error | test("retentionMs")'
	done
	declined '' dlg_odd '.lease.ttlSeconds = 9007199254740991'
	accepted '' dlg_kept '.retentionMs = 9007199254740991'
	assert_json '.retentionMs == 604800000'
}

@test "a resume keeps to the limits, too" {
	start_server -A none
	accepted '' dlg_again
	declined '' dlg_again '.lease.ttlSeconds = 3601'
	run jq -r .state "$AWCP_HOME/assignments/dlg_again/record.json"
	assert_output pending
}

@test "with AWCP_ACCESS=ro an INVITE is accepted read-only, and nothing comes back changed" {
	export AWCP_ACCESS=ro
	start_server -A none -S none -- sh -c 'echo changed >a'
	accepted '' dlg_rw
	assert_json '.executorConstraints.acceptedAccessMode == "ro"'
	say '' POST /awcp "$(start dlg_rw)"
	run jq -r .lease.accessMode "$AWCP_HOME/assignments/dlg_rw/record.json"
	assert_output ro
	mkdir "$HOME/ws"
	echo one >"$HOME/ws/a"
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_failure 69
	assert_output --partial 'read-only'
	for access in ro any; do
		run awcp-invite -q -o $access -e "$URL" -r "ws=$HOME/ws" go
		assert_success
		run cat "$HOME/ws/a"
		assert_output one
		run jq -r '.leaseConfig.accessMode, .activeLease.accessMode, .environment.resources[].mode' \
			"$AWCP_HOME/delegations/$(awcp-list -aj | jq -rs 'max_by(.createdAt).id')/record.json"
		assert_output $'ro\nro\nro'
	done
}

@test "with -o any a delegation is read-only only where it must be" {
	start_server -A none -S none -- sh -c 'echo changed >a'
	mkdir "$HOME/ws"
	echo one >"$HOME/ws/a"
	run awcp-invite -q -o any -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	run cat "$HOME/ws/a"
	assert_output changed
}

@test "nothing is taken when the disk is nearly full, or the machine busy" {
	AWCP_MIN_FREE=1000000T start_server -A none
	declined '' dlg_one
	assert_json '.error // .message | test("disk")'
	invite_declined
	stop_process "$SERVER_PID"
	echo 'int getloadavg(double *l, int n) { *l = 9; return n > 0; }' |
		gcc -shared -fPIC -x c -o "$BATS_TEST_TMPDIR/load.so" -
	AWCP_MAX_LOAD=9 LD_PRELOAD=$BATS_TEST_TMPDIR/load.so start_server -A none
	accepted '' dlg_one
	stop_process "$SERVER_PID"
	AWCP_MAX_LOAD=8 LD_PRELOAD=$BATS_TEST_TMPDIR/load.so start_server -A none
	declined '' dlg_two
	assert_json '(.message | test("busy")) and .retryAfterSeconds > 0'
}

@test "nothing is taken while a crash loop keeps the queue from work" {
	start_server -A none
	mkdir -p "$AWCP_HOME/guards"
	jq -cn --arg until "$(date -u -d '+1 minute' +%FT%T.000Z)" \
		'{kind: "queue", name: "default", until: $until, stopped: true, why: "signal 9"}' >"$AWCP_HOME/guards/queue.default"
	declined '' dlg_one
	assert_json '(.message | test("died too often")) and .retryAfterSeconds > 0 and .retryAfterSeconds <= 61'
	awcp-run --clear default
	accepted '' dlg_one
}

@test "settings that make no sense stop the program" {
	for setting in AWCP_ACCESS=write AWCP_STRICT=yes AWCP_MIN_FREE=much AWCP_START_WITHIN=-1 \
		AWCP_AUTH_FAILURES=few; do
		run env "$setting" REQUEST_METHOD=GET PATH_INFO=/status "$EXECUTOR"
		assert_failure 78
		assert_output --partial "${setting%%=*}"
	done
}

@test "the admission hook sees the INVITE without its secret, and accepts with 0" {
	start_server
	token=$(awcp-token add alice)
	# shellcheck disable=SC2016 # the hook's
	hook 'cat >"$AWCP_HOME/asked"; env >"$AWCP_HOME/env"; echo noise >&2'
	say '' POST /awcp "$(invite dlg_$LONG ".auth = {type: \"bearer\", credential: \"$token\"}")"
	assert_json '.type == "ACCEPT"'
	run jq -r '.type, .task.prompt, has("auth")' "$AWCP_HOME/asked"
	assert_output $'INVITE\ntrue\nfalse'
	run grep -r "$token" "$AWCP_HOME"
	assert_failure
	grep -qx "AWCP_ID=dlg_$LONG" "$AWCP_HOME/env"
	grep -qx AWCP_HOOK=admission "$AWCP_HOME/env"
	grep -qx AWCP_OWNER=alice "$AWCP_HOME/env"
	run grep -E 'FCGI|HTTP_|AUTHORIZATION' "$AWCP_HOME/env"
	assert_failure
	grep -qx noise "$AWCP_HOME/log/hooks.log"
}

@test "the admission hook refuses with 1, in its own words" {
	start_server -A none
	hook 'echo "ask on Monday"; echo more; exit 1'
	declined '' dlg_one
	assert_json '.hint == "ask on Monday" and (has("retryAfterSeconds") | not)'
	mkdir "$HOME/ws"
	AWCP_HOOKS=none run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_failure 69
	assert_output --partial 'ask on Monday'
	run ls "$AWCP_HOME/assignments" "$AWCP_HOME/assignments/.open"
	refute_output --partial dlg_
	hook 'yes refused | head -c 5000000; exit 1'
	declined '' dlg_two
	assert_json '.hint | length < 300'
}

@test "an admission hook that is broken or too slow declines for now, and is logged" {
	export AWCP_HOOK_TIMEOUT=1
	start_server -A none
	hook 'exit 3'
	declined '' dlg_one
	assert_json '.retryAfterSeconds > 0'
	grep -q 'event=hook-failed hook=admission id=dlg_one status=3$' "$AWCP_HOME/log/lifecycle.log"
	hook 'kill -9 $$'
	declined '' dlg_two
	grep -q 'hook=admission id=dlg_two signal=9$' "$AWCP_HOME/log/lifecycle.log"
	chmod 644 "$AWCP_HOME/hooks/admission"
	declined '' dlg_three
	grep -q 'hook=admission id=dlg_three status=127$' "$AWCP_HOME/log/lifecycle.log"
	# shellcheck disable=SC2016 # the hook's
	hook 'sleep 1000 & echo $! >"$AWCP_HOME/child"; sleep 1000'
	declined '' dlg_four
	grep -q 'hook=admission id=dlg_four timeout=1$' "$AWCP_HOME/log/lifecycle.log"
	wait_until gone "$(cat "$AWCP_HOME/child")"
	invite_declined
	rm "$AWCP_HOME/hooks/admission"
	accepted '' dlg_one
}

@test "the agent card is the operator's, with what the program knows filled in" {
	AWCP_MAX_TTL=120 start_server
	for path in /.well-known/agent-card.json /.well-known/agent.json; do
		say '' GET $path
		assert_refused 404 NOT_FOUND
	done
	echo '{"name":"builder","capabilities":{"pushNotifications":false},"awcp":{"limits":9}}' \
		>"$AWCP_HOME/agent-card.json"
	for path in /.well-known/agent-card.json /.well-known/agent.json; do
		say '' GET $path
		assert_status 200
		grep -qi '^content-type: application/json' "$HEAD"
		assert_json '.name == "builder" and .capabilities == {pushNotifications: false, streaming: true}
			and .awcp.version == "1" and .awcp.transports == ["archive"]
			and .awcp.limits.maxTtlSeconds == 120 and .awcp.authentication == "bearer"
			and (.awcp.sandboxProfile | type == "object") and .awcp.path == "/awcp"'
	done
	say '' POST /.well-known/agent-card.json x
	assert_refused 405 BAD_METHOD
	echo '{"name":' >"$AWCP_HOME/agent-card.json"
	say '' GET /.well-known/agent-card.json
	assert_refused 500 CONFIG
	assert [ -s "$AWCP_HOME/agent-card.json" ]
}
