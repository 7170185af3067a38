# awcp-tmux: a real tmux, and a stand-in for a program that wants a terminal.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

# bats file_tags=plain
load helper
load worker

setup()
{
	own_home
	HERE=$BATS_TEST_TMPDIR
	export HERE TMPDIR=$HERE
	make_terminal
}

teardown()
{
	stop_all
}

# A program that takes a paste and a key, byte by byte, and then does what its argument says.
make_terminal()
{
	cat >"$HERE/terminal" <<-'SH'
		#!/usr/bin/env bash
		old=$(stty -g)
		stty raw -echo
		printf 'starting\r\n'
		sleep 0.3
		# Whatever comes before it is ready is lost.
		timeout 0.1 cat >"$HERE/early"
		printf '\033[?2004hready> '
		input=
		until [[ $input == *$'\033[201~\r' ]]; do
			byte=$(dd bs=1 count=1 2>/dev/null && echo .) || exit 9
			input+=${byte%.}
		done
		stty "$old"
		printf %s "$input" >"$HERE/input"
		echo "I was told: $(tr -dc '[:print:]' <<<"$input" | sed 's/\[20[01]~//g')"
		eval "$1"
	SH
	chmod +x "$HERE/terminal"
}

# drive prompt [option...] [-- program...]: by default the stand-in, which then waits.
drive()
{
	printf %b "$1" >"$HERE/prompt"
	shift
	case " $* " in
	*' -- '*) ;;
	*) set -- "$@" -- "$HERE/terminal" 'echo answer; sleep 60' ;;
	esac
	run awcp-tmux "$@" <"$HERE/prompt"
}

# Nothing of it is left.
nothing_left()
{
	! pgrep -f "$HERE/(terminal|awcp-tmux)" && [ -z "$(find "$HERE" -name 'awcp-tmux.*')" ]
}

@test "the prompt is one bracketed paste and an Enter, and what was shown is printed" {
	drive 'first line\n\tsecond "$HOME" `id` %s #{pid}\n\n' -q 1
	assert_success
	assert_line --partial 'ready> I was told'
	assert_line answer
	assert_equal "$(cat -v "$HERE/input")" \
		$'^[[200~first line^M\tsecond "$HOME" `id` %s #{pid}^[[201~^M'
	[ ! -s "$HERE/early" ]
	wait_until nothing_left
}

@test "nothing in a prompt can end the paste or press a key" {
	drive 'a\033[201~\r\x03\x04b\xc2\x9b201~\xc2\xc2\x9b\x9bc\x7f\x00d \xc3\xa4' -q 1 -r 'ready>'
	assert_success
	assert_equal "$(cat "$HERE/input")" $'\033[200~a[201~b201~cd ä\033[201~\r'
}

@test "-d ends it at once, but not where the prompt says the same" {
	drive 'say DONE' -q 1h -r 'ready>' -d 'DONE' -- "$HERE/terminal" \
		'sleep 0.5; echo half; sleep 0.5; echo DONE; sleep 60'
	assert_success
	assert_line half
	assert_line DONE
	wait_until nothing_left
}

@test "output that goes on is waited for, however long it is" {
	drive go -q 1 -r 'ready>' -- "$HERE/terminal" 'for i in 1 2 3 4; do seq 300; sleep 0.5; done; sleep 60'
	assert_success
	assert_equal "$(grep -cx 300 <<<"$output")" 4
	assert_equal "$(grep -cx 1 <<<"$output")" 4
}

@test "a program that ends has its own exit status" {
	drive go -q 1h -r 'ready>' -- "$HERE/terminal" 'echo sorry; exit 7'
	assert_failure 7
	assert_line sorry
	drive go -q 1h -r 'ready>' -- "$HERE/terminal" 'kill -9 $$'
	assert_failure 137
	drive go -q 1h -- sh -c 'echo no key; exit 0'
	assert_failure 1
	assert_line 'no key'
	assert_line --partial 'awcp-tmux: it ended (status 0) before it was ready'
}

@test "-l says that it is rate-limited: 75, and why" {
	drive go -q 1h -r 'ready>' -l 'limit (reached|hit)' -- "$HERE/terminal" 'echo "usage limit reached"; sleep 60'
	assert_failure 75
	assert_line 'awcp-tmux: usage limit reached'
}

@test "-t ends what never comes to rest, and what is never ready" {
	drive go -t 5 -q 1h -r 'ready>' -- "$HERE/terminal" 'while :; do echo more; sleep 0.1; done'
	assert_failure 1
	assert_line more
	assert_line 'awcp-tmux: it took longer than 5 s'
	drive go -t 1 -r never
	assert_failure 1
	wait_until nothing_left
}

@test "TERM ends all of it, and what does not hear of a hangup, too" {
	echo go >"$HERE/prompt"
	bash -c 'awcp-tmux -q 1h -r "ready>" -- "$HERE/terminal" "trap \"\" HUP TERM; echo deaf; sleep 61" \
		<"$HERE/prompt" >"$HERE/log" 2>&1 3>&- & echo $!' >"$HERE/pid"
	wait_until test -e "$HERE/input"
	kill "$(cat "$HERE/pid")"
	wait_until nothing_left
}

@test "neither a server that runs nor the user's settings are used" {
	mkdir -p "$HOME/.config/tmux"
	echo "run-shell 'touch $HERE/settings'" | tee "$HOME/.tmux.conf" >"$HOME/.config/tmux/tmux.conf"
	TMUX=$HERE/other,1,0 drive go -q 1 -r 'ready>'
	assert_success
	[ ! -e "$HERE/settings" ]
}

@test "it is the command of a worker, with a sandbox and without" {
	find_sandbox
	agent=$HERE/agent
	printf '#!/bin/sh\nread -r line; echo "did $line in $(pwd) for $AWCP_ID"; echo fine >made; sleep 60' >"$agent"
	chmod +x "$agent"
	for SANDBOX in none "$SANDBOX"; do
		task=$(awcp-queue put -q jobs 'the job')
		run awcp-run -1v -q jobs -S "$SANDBOX" -- awcp-tmux -q 1 -d '^did' -- "$agent"
		assert_success
		run awcp-queue show -j "$task"
		assert_equal "$(jq -r .state <<<"$output")" completed
		jq -r .result.summary <<<"$output" | grep -q "^did the job in .*/work for $task\$"
	done
	wait_until nothing_left
}

@test "a wrong command line is told with 64, a missing program with 78, no prompt with 65" {
	for options in '' '-q soon -- true' '-q 0 -- true' '-r ( -- true' '-s 200 -- true' '-s x50 -- true' '-z -- true' '-d'; do
		# shellcheck disable=SC2086 # words
		run awcp-tmux $options </dev/null
		assert_failure 64
		assert_output --partial awcp-tmux:
	done
	drive x -- no-such-program
	assert_failure 78
	drive '\033\n'
	assert_failure 65
	run awcp-tmux -V
	assert_output --regexp '^awcp-tmux [0-9]'
}

# A program that does as it is told, in the mode in which a terminal is; deaf, it reads nothing.
@test "a prompt that was not taken is no success, however it was shown" {
	for mode in 'raw -echo' 'sane' 'sane -echo'; do
		drive 'do it' -q 1 -r 'r> ' -- sh -c "stty $mode; printf 'r> '; sleep 60"
		assert_failure 1
		assert_line --partial 'has not taken the prompt'
	done
	drive 'do it' -q 1 -d DONE -r 'r> ' -- sh -c "stty raw -echo; printf 'r> '; sleep 60"
	assert_failure 1
	drive 'do it' -q 1 -r 'r> ' -- sh -c "printf 'r> '; sleep 2; exit 0"
	assert_failure 1
	drive 'do it' -q 1 -r 'r> ' -- sh -c "stty -echo; printf 'r> '; read -r line; sleep 60"
	assert_success # in silence, but it took it
	wait_until nothing_left
}

@test "an end mark is waited for through any silence, and a pattern may end with a blank" {
	drive 'a\nb' -q 1 -r 'ready> ' -d '^ALL DONE $' -- "$HERE/terminal" 'sleep 3; printf "ALL DONE "; sleep 60'
	assert_success
	assert_line 'ALL DONE'
	drive 'a\nb' -q 1 -r '^r>$' -d '^b: B$' -- sh -c \
		'stty -echo; printf "r> "; read -r one; sleep 2.5; read -r two; echo; echo "$two: B"; sleep 60'
	assert_success # what it had not read yet is still there
	wait_until nothing_left
}
