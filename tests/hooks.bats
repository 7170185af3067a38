#!/usr/bin/env bats
# The operator's own programs, told what happens on both sides.

load helper
load message

# The two sides have each their own state and hooks.
setup()
{
	own_home
	LENDER=$AWCP_HOME
	export AWCP_HOOK_TIMEOUT=3
	mkdir -p "$HOME/ws"
	echo one >"$HOME/ws/a"
}

teardown()
{
	stop_all
}

# executor command...: a server whose state is not the delegator's.
executor()
{
	AWCP_HOME=$HOME/executor start_server -A none -S none -- "$@"
}

# hook directory name [script]: by default it notes what it was told, in a file a hook.
hook()
{
	mkdir -p "$1"
	# shellcheck disable=SC2016 # the hook's
	printf '#!/bin/sh\n%s\n' "${3-cat >"\$AWCP_HOME/told.\$AWCP_HOOK.new" &&
		env >"\$AWCP_HOME/env.\$AWCP_HOOK" &&
		mv "\$AWCP_HOME/told.\$AWCP_HOOK.new" "\$AWCP_HOME/told.\$AWCP_HOOK"}" >"$1/$2"
	chmod 755 "$1/$2"
}

# told directory name filter: what jq makes of what the hook was told; waits for it.
told()
{
	wait_until test -s "$1/told.$2"
	jq -r "$3" "$1/told.$2"
}

@test "the hook question can fetch a person, or be one" {
	executor sh -c 'awcp-ask -o red -o blue colour >a'
	mkdir -p "$HOME/bin"
	hook "$LENDER/hooks" question "exec '$BUILD/bin/awcp-answer' \"\$AWCP_ID\" \"\$(jq -r '.questions[0].options[1]')\""
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	assert_equal "$(cat "$HOME/ws/a")" blue
}

@test "the delegator's hooks are told created, started, snapshot, completed and applied" {
	executor sh -c 'echo two >a; echo done'
	for name in created started snapshot completed applied error; do
		hook "$LENDER/hooks" $name
	done
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	id=$output
	for name in created started snapshot completed applied; do
		run told "$LENDER" $name .id
		assert_output "$id"
		grep -qx "AWCP_ID=$id" "$LENDER/env.$name"
		grep -qx "AWCP_HOOK=$name" "$LENDER/env.$name"
	done
	run told "$LENDER" created .state
	assert_output created
	run told "$LENDER" started .state
	assert_output started
	run told "$LENDER" snapshot '.snapshots[0].status'
	assert_output pending
	run told "$LENDER" completed '.state, .result.summary'
	assert_output $'completed\ndone'
	run told "$LENDER" applied '.snapshots[0].status'
	assert_output applied
	assert [ ! -e "$LENDER/told.error" ]
}

@test "a delegation that ends badly is told as error, once" {
	executor sh -c 'echo broken >&2; exit 1'
	# shellcheck disable=SC2016 # the hook's
	hook "$LENDER/hooks" error 'jq -c .error >>"$AWCP_HOME/errors"'
	hook "$LENDER/hooks" completed
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_failure 1
	wait_until test -s "$LENDER/errors"
	run jq -r '.code, .message' "$LENDER/errors"
	assert_output $'TASK_FAILED\nexit 1: broken'
	assert [ ! -e "$LENDER/told.completed" ]
}

@test "the delegator's admission hook sees what would be lent, and refuses in its own words" {
	executor true
	hook "$LENDER/hooks" admission 'cat >"$AWCP_HOME/asked"; echo "$AWCP_ROLE $AWCP_HOOK $AWCP_ID" >"$AWCP_HOME/role"
		if grep -q secret-project "$AWCP_HOME/asked"; then echo "not that one"; echo more; exit 1; fi'
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	id=$output
	assert_equal "$(cat "$LENDER/role")" "delegator admission $id"
	run jq -r '.id, .state, .peerUrl, .environment.resources[].source, .task.prompt' "$LENDER/asked"
	assert_output "$id"$'\ncreated\n'"$URL"$'\n'"$HOME/ws"$'\ngo'
	mkdir "$HOME/secret-project"
	run awcp-invite -q -e "$URL" -r "$HOME/secret-project" go
	assert_failure 77
	assert_output 'awcp-invite: the admission hook refuses it; not that one'
	hook "$LENDER/hooks" admission 'exit 3'
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_failure 75
	assert_output --partial lifecycle.log
	assert_equal "$(awcp-list -aj | jq -r .id)" "$id"
	assert_equal "$(find "$HOME/executor/assignments" "$LENDER/delegations" -mindepth 1 -maxdepth 1 -name 'dlg_*' | wc -l)" 1
}

@test "the executor's hooks are told started, completed and error" {
	executor sh -c 'read -r prompt; [ "$prompt" = well ]'
	for name in started completed error; do
		hook "$HOME/executor/hooks" $name
	done
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" well
	assert_success
	id=$output
	run told "$HOME/executor" started '.id, .state, .invite.task.prompt'
	assert_output "$id"$'\nactive\nwell'
	run told "$HOME/executor" completed '.id, .state'
	assert_output "$id"$'\ncompleted'
	assert [ ! -e "$HOME/executor/told.error" ]
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" badly
	assert_failure 1
	run told "$HOME/executor" error '.state, .error.code'
	assert_output $'error\nTASK_FAILED'
}

@test "a cancelled delegation is told as error on both sides" {
	executor sh -c 'exec tail -f /dev/null'
	hook "$LENDER/hooks" error
	hook "$HOME/executor/hooks" error
	id=$(awcp-invite -b -q -e "$URL" -r "ws=$HOME/ws" go)
	awcp-cancel "$id"
	run told "$LENDER" error '.state, .error.code'
	assert_output $'cancelled\nCANCELLED'
	run told "$HOME/executor" error '.error.code'
	assert_output CANCELLED
}

@test "a hook that fails, cannot be run or takes too long is logged and changes nothing" {
	executor sh -c 'echo two >a'
	hook "$LENDER/hooks" created 'exit 7'
	hook "$LENDER/hooks" started 'sleep 1000'
	hook "$LENDER/hooks" snapshot 'exit 0'
	chmod 644 "$LENDER/hooks/snapshot"
	mkdir "$LENDER/hooks/completed"
	hook "$LENDER/hooks" applied 'kill -9 $$'
	start_clock
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	assert_took 3000 30000 # it waits for no hook
	id=$output
	run cat "$HOME/ws/a"
	assert_output two
	for end in 'created .* status=7' 'snapshot .* status=127' 'completed .* status=127' \
		'applied .* signal=9' 'started .* timeout=3'; do
		wait_until grep -qE "event=hook-failed hook=${end/ \.\* / id=$id }\$" "$LENDER/log/lifecycle.log"
	done
}

@test "a hook that takes long holds nothing: no lock, no output, no process of ours" {
	executor sh -c 'echo two >a'
	# shellcheck disable=SC2016 # the hook's
	hook "$LENDER/hooks" started 'ls -l /proc/self/fd >"$AWCP_HOME/files"
		echo $$ >"$AWCP_HOME/pid"; echo said; echo complained PASSWORD=hunter2 >&2; exec tail -f /dev/null'
	# The pipe ends only when nobody has it any more.
	run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	id=$output
	refute_output --partial said
	wait_until test -s "$LENDER/pid"
	kill -0 "$(cat "$LENDER/pid")"
	run awcp-show "$id"
	assert_success
	run grep -c -- '-> ' "$LENDER/files"
	assert_output 4 # the three, and the directory that ls reads
	wait_until grep -qx 'complained PASSWORD=\*\*\*' "$LENDER/log/hooks.log"
	grep -qx said "$LENDER/log/hooks.log"
	wait_until gone "$(cat "$LENDER/pid")"
}

@test "AWCP_HOOKS names another directory" {
	executor true
	mkdir "$HOME/mine"
	hook "$HOME/mine" created
	AWCP_HOOKS=$HOME/mine run awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go
	assert_success
	run told "$LENDER" created .state
	assert_output created
}

@test "a hook learns nothing secret, also from a plain CGI request" {
	AWCP_HOME=$HOME/executor
	token=$(awcp-token add alice)
	hook "$AWCP_HOME/hooks" admission
	body=$(invite dlg_one)
	run env REQUEST_METHOD=POST PATH_INFO=/ CONTENT_LENGTH=${#body} SECRET=hidden \
		HTTP_AUTHORIZATION="Bearer $token" "$EXECUTOR" <<<"$body"
	assert_output --partial '"ACCEPT"'
	run grep -r -e "$token" -e hidden "$AWCP_HOME"
	assert_failure
	run cut -d= -f1 "$AWCP_HOME/env.admission"
	assert_line AWCP_ID
	refute_line SECRET
	refute_line HTTP_AUTHORIZATION
}
