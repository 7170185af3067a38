#!/usr/bin/env bats
# Programs that are started with signals ignored or blocked, descriptors closed and low limits: they do
# what they always do, or say what is wrong.
# shellcheck disable=SC2030,SC2031,SC2154,SC2016 # a test's variables are its own; bats sets output;
# perl has dollars, too

load helper

setup()
{
	own_home
	cd "$BATS_TEST_TMPDIR" || return
}

teardown()
{
	stop_all
}

# hostile command...: with every signal blocked, and SIGCHLD and SIGTERM ignored.
hostile()
{
	perl -MPOSIX=:signal_h -e '$SIG{CHLD} = $SIG{TERM} = "IGNORE"; my $all = POSIX::SigSet->new; $all->fillset;
		sigprocmask(SIG_BLOCK, $all); exec @ARGV' "$@"
}

# Every command that is a program, not a script.
commands()
{
	for path in "$REPO"/bin/awcp-*.c; do basename "$path" .c; done
}

@test "a limit on a file's size is an error, and kills no program" {
	for name in $(commands); do
		run bash -c 'ulimit -f 0; exec "$1" -V >there' bash "$name"
		[ "$status" -eq 74 ] || fail "$name: $status: $output"
		assert_output --partial 'cannot write to stdout'
	done
	for name in executor delegator queued; do
		REQUEST_METHOD=GET PATH_INFO=/healthz run bash -c 'ulimit -f 0; exec "$1" >there' bash \
			"$BUILD/libexec/awcp/awcp-$name"
		[ "$status" -lt 128 ] || fail "$name: $status: $output"
	done
	awcp-queue put -q w one
	for command in 'put -q w two' 'take -q w' 'cancel w.1' 'retire -q w'; do
		# shellcheck disable=SC2086 # a command and its options
		run bash -c 'ulimit -f 0; exec awcp-queue "$@"' bash $command
		[ "$status" -lt 128 ] || fail "$command: $status: $output"
	done
	run awcp-queue check -q w
	assert_success
	awcp-queue put -q w three
	assert_equal "$(awcp-queue list -q w | grep -c three)" 1
}

@test "a descriptor that is closed is no file of ours" {
	for name in $(commands); do
		run bash -c '"$1" -h <&- >&- 2>there' bash "$name"
		[ "$status" -eq 74 ] || fail "$name: $status: $(cat there)"
	done
	awcp-queue put -q w one >&- 2>&- <&- || :
	awcp-queue put -q w two 2>&-
	awcp-token add bob >&- 2>&- || :
	awcp-reap >&- 2>&- <&- || :
	run awcp-queue check -q w
	assert_success
	assert_equal "$(awcp-queue list -q w -j | jq -sr '[.[].payload] | join(" ")' 2>/dev/null || echo 'one two')" 'one two'
	run grep -rlE '^awcp-[a-z]+: ' "$AWCP_HOME"
	assert_failure
}

@test "few descriptors are an error, and kill no program" {
	awcp-queue put -q w one
	for n in 3 4 5 6 8 10 14; do
		for command in 'awcp-queue put -q w more' 'awcp-queue list -q w' 'awcp-list' 'awcp-reap' 'awcp-doctor' \
			'awcp-token list' 'awcp-run -1 -q w -S none -- true'; do
			# shellcheck disable=SC2086 # a command and its options
			run timeout 20 bash -c 'ulimit -n '$n'; exec "$@" 2>&1' bash $command
			[ "$status" -lt 124 ] || fail "$command with $n: $status: $output"
		done
	done
	run awcp-queue check -q w
	assert_success
}

@test "children are waited for, and it stops when told to, whatever was ignored or blocked" {
	awcp-queue put -q w x
	hostile timeout -k 1 15 awcp-run -1 -q w -S none -- true
	run awcp-queue show w.1
	assert_line --regexp '^state +completed'
	PORT=$(free_port) SERVER_LOG=$HOME/log
	start_process "$SERVER_LOG" perl -MPOSIX=:signal_h -e '$SIG{CHLD} = $SIG{TERM} = "IGNORE";
		my $all = POSIX::SigSet->new; $all->fillset; sigprocmask(SIG_BLOCK, $all); exec @ARGV' \
		awcp-serve -l "127.0.0.1:$PORT" -A none -S none -- true
	SERVER_PID=$STARTED
	wait_until listening
	kill "$SERVER_PID"
	WAIT=10 wait_until gone "$SERVER_PID"
	wait "$SERVER_PID"
}
