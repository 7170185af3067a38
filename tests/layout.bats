#!/usr/bin/env bats
# The layout of the state directory: a new one is noted, another one is refused.

load helper

setup()
{
	own_home
}

@test "a new state directory says which layout it has, and that is not written again" {
	awcp-list
	assert_equal "$(cat "$AWCP_HOME/version")" 1
	before=$(stat -c %i "$AWCP_HOME/version")
	awcp-queue put hello
	assert_equal "$(stat -c %i "$AWCP_HOME/version")" "$before"
}

@test "hooks that were there before the first command do not make it an old one" {
	mkdir -p "$AWCP_HOME/hooks"
	awcp-list
	assert [ -s "$AWCP_HOME/version" ]
}

@test "of many who make it at once none takes it for an old one" {
	seq 30 | xargs -P 10 -I{} sh -c 'awcp-queue put -q q{} hello >/dev/null || exit 255'
	assert_equal "$(cat "$AWCP_HOME/version")" 1
	run find "$AWCP_HOME" -maxdepth 1 -type f
	assert_output "$AWCP_HOME/version"
}

@test "a newer layout is refused by every program" {
	mkdir -m 700 "$AWCP_HOME"
	echo 999 >"$AWCP_HOME/version"
	for program in awcp-list 'awcp-queue list' 'awcp-token list' 'awcp-run -1 -- true' \
		"$BUILD/libexec/awcp/awcp-queued" "$EXECUTOR" "$BUILD/libexec/awcp/awcp-delegator" \
		awcp-serve; do
		# shellcheck disable=SC2086 # a command with its arguments
		REQUEST_METHOD=GET run $program </dev/null
		assert_equal "$program $status" "$program 78"
		assert_line --partial "the state directory $AWCP_HOME has layout 999, and this version of awcp knows"
	done
	run ls "$AWCP_HOME"
	assert_output version
}

@test "a number that is none is an error, too" {
	awcp-list
	for text in '' x 0 -1 '1x' 99999999999; do
		printf '%s\n' "$text" >"$AWCP_HOME/version"
		run awcp-list
		assert_equal "$status" 78
		assert_output --partial 'does not hold a number'
	done
}
