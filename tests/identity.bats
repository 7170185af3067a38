#!/usr/bin/env bats
# Tokens: until when they work, how much they are worth, and what becomes of those who have none.

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

# seconds from now, as a token's expiry has it.
expiry()
{
	awcp-token list -j | jq -r --arg name "$1" 'select(.name == $name) | .expiresAt // "never"'
}

log_has()
{
	grep -q "$1" "$AWCP_HOME/log/lifecycle.log"
}

@test "a token works until it expires, and no longer" {
	start_server
	token=$(awcp-token add -x 1h alice)
	say "$token" GET /awcp/status
	assert_status 200
	# An hour later, as far as the token is concerned.
	file=$(ls "$AWCP_HOME"/tokens/????????????????????????????????????????????????????????????????)
	for f in $file; do
		[ "$(jq -r .name "$f")" = alice ] || continue
		jq -c '.expiresAt = "2026-01-01T00:00:00.000Z"' "$f" >"$f.new"
		cat "$f.new" >"$f"
		rm "$f.new"
	done
	say "$token" GET /awcp/status
	assert_refused 401 AUTH_FAILED
	assert_json '.error | test("expired")'
	say '' POST /awcp "$(invite dlg_x$LONG ".auth = {type: \"bearer\", credential: \"$token\"}")"
	assert_json '.type == "ERROR" and .code == "AUTH_FAILED"'
}

@test "list shows the expiry and the limits, and never the secret" {
	token=$(awcp-token add -x 2d -l active=3 -l ttl=10m -l bytes=5M -l rate=7 -l queue=night,day alice)
	awcp-token add bob >/dev/null
	run awcp-token list
	assert_line --regexp '^alice +....-..-..T..:..:.. ....-..-..T..:..:.. active=3 ttl=600 bytes=5242880 rate=7 queue=night,day$'
	assert_line --regexp '^bob +....-..-..T..:..:.. never +$'
	run awcp-token list -j
	assert_line --partial '"limits":{"active":3,"ttl":600,"bytes":5242880,"rate":7,"queues":["night","day"]}'
	refute_output --partial sha256
	refute_output --partial "$token"
	run expiry bob
	assert_output never
}

@test "limits that make no sense are refused, and nothing is added" {
	for limit in active=0 active=-1 active=x bytes=1Q ttl=0 rate= queue= queue=a/b queue=a,,b speed=3 active; do
		run awcp-token add -l "$limit" alice
		assert_failure 64
	done
	for time in 0 -1 tomorrow 1e9 99999d; do
		run awcp-token add -x "$time" alice
		assert_failure 64
	done
	run awcp-token rm -l active=1 alice
	assert_failure 64
	run awcp-token list
	assert_output ''
}

@test "rotate gives a new secret with the old limits, and the old one stops working" {
	start_server
	old=$(awcp-token add -x 1d -l ttl=30 alice)
	accepted "$old" dlg_before '.lease.ttlSeconds = 30'
	until=$(expiry alice)
	new=$(awcp-token rotate alice)
	assert [ "$new" != "$old" ]
	say "$old" GET /awcp/status
	assert_refused 401 AUTH_FAILED
	say "$new" GET /awcp/tasks/dlg_before/result
	assert_status 200
	declined "$new" dlg_after '.lease.ttlSeconds = 31'
	assert_equal "$(expiry alice)" "$until"
	run grep -rl -e "$old" -e "$new" "$AWCP_HOME"
	assert_output ''
	run awcp-token rotate nobody
	assert_failure 66
}

@test "rotate -p keeps the new token for our own use" {
	start_server -S none -- true
	name=serve-$PORT
	before=$(jq -r .token "$AWCP_HOME/peers/$name")
	run awcp-token rotate -p "$URL" "$name"
	assert_success
	assert_output ''
	assert [ "$(jq -r .token "$AWCP_HOME/peers/$name")" != "$before" ]
	mkdir "$HOME/ws"
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
}

@test "a token has so many delegations at a time, and room again when one ends" {
	start_server
	token=$(awcp-token add -l active=2 alice)
	other=$(awcp-token add bob)
	accepted "$token" dlg_one
	accepted "$token" dlg_two
	declined "$token" dlg_three
	assert_json '.retryAfterSeconds > 0 and (.hint | test("later"))'
	accepted "$token" dlg_two # a resume needs no place of its own
	accepted "$other" dlg_four
	say "$token" POST /awcp/cancel/dlg_one
	assert_status 200
	accepted "$token" dlg_three
	declined "$token" dlg_one # it ended, so it needs one again
}

@test "a lease is not longer than the token allows" {
	start_server
	token=$(awcp-token add -l ttl=5m alice)
	accepted "$token" dlg_one '.lease.ttlSeconds = 300'
	assert_json '.executorConstraints.maxTtlSeconds == 300'
	declined "$token" dlg_two '.lease.ttlSeconds = 301'
	assert_json '.hint | test("300")'
	assert_json 'has("retryAfterSeconds") | not'
}

@test "an archive is not larger than the token allows, wherever the id stands" {
	start_server
	token=$(awcp-token add -l bytes=10K alice)
	data=$(head -c 10241 /dev/zero | base64 -w0)
	accepted "$token" dlg_one
	say "$token" POST /awcp "$(start dlg_one ".transportHandle.workspaceBase64 = \"$data\"")"
	assert_refused 413 WORKSPACE_TOO_LARGE
	accepted "$token" dlg_two
	say "$token" POST /awcp "$(start dlg_two ".transportHandle.workspaceBase64 = \"$data\"" |
		jq -c 'to_entries | sort_by(.key) | reverse | from_entries')"
	assert_refused 413 WORKSPACE_TOO_LARGE
	# By the id alone, too: the limit is of the token that invited it.
	say '' POST /awcp "$(invite dlg_$LONG ".auth = {type: \"bearer\", credential: \"$token\"}")"
	assert_json '.type == "ACCEPT"'
	say '' POST /awcp "$(start dlg_$LONG ".transportHandle.workspaceBase64 = \"$data\"")"
	assert_refused 413 WORKSPACE_TOO_LARGE
	say "$token" GET /awcp/tasks/dlg_$LONG/result
	assert_json '.status == "error" and .error.code == "WORKSPACE_TOO_LARGE"'
}

@test "a token may send so many invitations a minute" {
	start_server
	token=$(awcp-token add -l rate=3 alice)
	other=$(awcp-token add bob)
	for id in dlg_1 dlg_2 dlg_3; do
		accepted "$token" $id
	done
	declined "$token" dlg_4
	assert_json '.retryAfterSeconds >= 1 and .retryAfterSeconds <= 21'
	accepted "$other" dlg_5
	# A clock that was set back does not shut anybody out.
	printf '%020d\n' 99999999999999999 >"$AWCP_HOME/assignments/.owners/alice/.rate"
	accepted "$token" dlg_4
}

@test "a task goes to a queue that its token may use" {
	start_server
	token=$(awcp-token add -l queue=night,day alice)
	plain=$(awcp-token add bob)
	accepted "$token" dlg_one
	accepted "$token" dlg_two '.requirements.queue = "day"'
	declined "$token" dlg_three '.requirements.queue = "default"'
	declined "$plain" dlg_three '.requirements.queue = "day"'
	accepted "$plain" dlg_three '.requirements.queue = "default"'
	for id in dlg_one dlg_two; do
		say "$token" POST /awcp "$(start $id)"
		assert_status 200
	done
	run jq -r .payload.assignment <<<"$(awcp-queue list -j -q night && awcp-queue list -j -q day)"
	assert_output $'dlg_one\ndlg_two'
}

@test "with AWCP_STRICT an id alone opens nothing, also one that was invited before" {
	export AWCP_AUTH_FAILURES=0
	start_server
	token=$(awcp-token add alice)
	auth=".auth = {type: \"api_key\", credential: \"$token\"}"
	say '' POST /awcp "$(invite dlg_a$LONG "$auth")"
	assert_json '.type == "ACCEPT"'
	say '' GET /awcp/tasks/dlg_a$LONG/result
	assert_status 200
	stop_process "$SERVER_PID"
	AWCP_STRICT=1 start_server
	say '' POST /awcp "$(invite dlg_b$LONG "$auth")"
	assert_json '.type == "ACCEPT"'
	for id in dlg_a$LONG dlg_b$LONG; do
		for call in "GET /awcp/tasks/$id/events" "GET /awcp/tasks/$id/result" \
			"POST /awcp/tasks/$id/ack" "POST /awcp/cancel/$id"; do
			# shellcheck disable=SC2086 # method and path
			say '' $call
			assert_refused 401 AUTH_FAILED
		done
		say '' POST /awcp "$(start $id)"
		assert_refused 401 AUTH_FAILED
		say "$token" GET "/awcp/tasks/$id/result"
		assert_status 200
	done
}

@test "an id with fewer than 128 bits is nobody's credential" {
	start_server
	token=$(awcp-token add alice)
	for id in dlg_${LONG%?} dlg_1; do
		say '' POST /awcp "$(invite $id ".auth = {type: \"bearer\", credential: \"$token\"}")"
		assert_json '.type == "ACCEPT"'
		say '' GET /awcp/tasks/$id/result
		assert_refused 401 AUTH_FAILED
	done
}

@test "after ten failures in a minute an address is told to wait, but a right token still works" {
	start_server
	token=$(awcp-token add alice)
	for ((i = 0; i < 10; i++)); do
		say "awcp_wrong$i" GET /awcp/status
		assert_refused 401 AUTH_FAILED
	done
	for body in '' "$(invite dlg_1)"; do
		say awcp_wrong POST /awcp "$body"
		assert_refused 429 RATE_LIMITED
		grep -qiE '^retry-after: ([1-9]|[1-6][0-9])'$'\r' "$HEAD"
	done
	say '' GET /awcp/tasks/dlg_1/events
	assert_refused 429 RATE_LIMITED
	say "$token" GET /awcp/status
	assert_status 200
	mkdir "$HOME/ws"
	printf 'awcp_wrong\n' >"$HOME/wrong"
	chmod 600 "$HOME/wrong"
	run awcp-invite -q -T "$HOME/wrong" -e "$URL" -r "ws=$HOME/ws" go
	assert_failure 75
}

@test "failures are logged with the address and the reason, without the secret" {
	start_server
	token=$(awcp-token add alice)
	say awcp_wrong_secret GET /awcp/status
	say '' GET /awcp/tasks/dlg_1/result
	log_has 'event=auth-failed from=127.0.0.1 method=GET path=/status why="the credential is not known here"'
	log_has 'event=auth-failed from=127.0.0.1 method=GET path=/tasks/:id/result why="a token is needed here"'
	for ((i = 0; i < 12; i++)); do
		say awcp_wrong_secret GET /awcp/status
	done
	run grep -c auth-throttled "$AWCP_HOME/log/lifecycle.log"
	assert_output 1
	run grep -c auth-failed "$AWCP_HOME/log/lifecycle.log"
	assert_output 10
	run grep -r -e wrong_secret -e "$token" "$AWCP_HOME/log"
	assert_output ''
	run stat -c %a "$AWCP_HOME/log" "$AWCP_HOME/log/lifecycle.log"
	assert_output $'700\n600'
}

@test "a log that has grown large is rotated" {
	start_server
	say wrong GET /awcp/status
	head -c 4200000 /dev/zero | tr '\0' x >>"$AWCP_HOME/log/lifecycle.log"
	say wrong GET /awcp/status
	run wc -l <"$AWCP_HOME/log/lifecycle.log"
	assert_output 1
	assert [ -s "$AWCP_HOME/log/lifecycle.log.1" ]
}

@test "a delegation of somebody else is declined in the same bytes as by a hook without words" {
	start_server
	token=$(awcp-token add alice)
	other=$(awcp-token add bob)
	accepted "$token" dlg_hers
	declined "$other" dlg_hers
	cp "$BODY" "$BATS_TEST_TMPDIR/foreign"
	say "$token" POST /awcp/cancel/dlg_hers
	say "$token" POST /awcp/tasks/dlg_hers/ack
	mkdir "$AWCP_HOME/hooks"
	printf '#!/bin/sh\nexit 1\n' >"$AWCP_HOME/hooks/admission"
	chmod 755 "$AWCP_HOME/hooks/admission"
	declined "$other" dlg_hers # nobody's any more
	run cmp "$BODY" "$BATS_TEST_TMPDIR/foreign"
	assert_success
}

@test "when there is no room, an id of somebody else is declined as any other" {
	export AWCP_MAX_ACTIVE=1
	start_server
	token=$(awcp-token add alice)
	other=$(awcp-token add bob)
	accepted "$token" dlg_hers
	declined "$other" dlg_hers
	sed 's/dlg_hers/dlg_none/' "$BODY" >"$BATS_TEST_TMPDIR/foreign"
	declined "$other" dlg_none
	run cmp "$BODY" "$BATS_TEST_TMPDIR/foreign"
	assert_success
}
