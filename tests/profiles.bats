# Profiles of awcp-run: which task goes to which, what makes one wait, and what ends that.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper
load worker

setup()
{
	own_home
	export SANDBOX=none
	mkdir "$BATS_TEST_TMPDIR/bin"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	agent good 'cat; echo " by good"'
	agent tired 'cat >/dev/null; echo "quota is used up" >&2; exit 75'
	agent dying 'cat >/dev/null; kill -9 $$'
}

teardown()
{
	stop_all
}

# agent name script: a program.
agent()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
	chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

put()
{
	TASK=$(awcp-queue put -q jobs "$@")
}

# said filter: of the task.
said()
{
	awcp-queue show -j "$TASK" | jq -er "$1"
}

is()
{
	[ "$(said .state)" = "$1" ]
}

one()
{
	run awcp-run -1v -q jobs -S none "$@"
}

# profile name filter: of what is known of it.
profile()
{
	awcp-run --profiles -j | jq -er "select(.name == \"$1\") | $2"
}

# --- which task goes to which

@test "a task goes to the first profile, and to the next one at once when that is rate-limited" {
	put hello
	start_worker -q jobs -P first=tired -P second=good
	wait_until is completed
	assert_equal "$(said .result.summary)" 'hello by good'
	assert_equal "$(said '.attempts | map(.outcome) | join(" ")')" 'rate_limited completed'
	assert_equal "$(said '.attempts | map(.worker | split("/")[1]) | join(" ")')" 'first second'
	assert_equal "$(said .attempts[0].reason)" 'quota is used up'
	# What comes next does not try the first again.
	put again
	wait_until is completed
	assert_equal "$(said '.attempts | length')" 1
}

@test "a task that requires something goes only to a profile that has it" {
	put -r gpu -r runtime:codex x
	one -P plain=good
	assert_failure 75
	one -P plain=good -P 'half:gpu=good'
	assert_failure 75
	one -P plain=good -P 'all:net,gpu,runtime:codex=good'
	assert_success
	said '.attempts[0].worker | endswith("/all")'
}

@test "a profile without a command has the one behind --, with capabilities" {
	put -r gpu 'a "quoted" prompt'
	one -P 'mine:gpu' -- sh -c 'echo "$(cat), $1"' x 'two words'
	assert_equal "$(said .result.summary)" 'a "quoted" prompt, two words'
	said '.attempts[0].worker | endswith("/mine")'
}

@test "the command of a profile is words, and what a shell would make of it is refused" {
	agent words 'cat >/dev/null; printf "%s." "$@"'
	put x
	one -P 'words=words  --quiet	a=b -'
	assert_equal "$(said .result.summary)" '--quiet.a=b.-.'
	for profile in 'a=echo "x y"' 'a=echo $HOME' 'a=~/agent' 'a=one; two' 'a=' 'a:' 'a:=x' 'a b=x' '=x' \
		'a/b=x' 'a=good' 'b'; do
		run awcp-run -S none -P 'a=good' -P "$profile"
		assert_failure 64
		assert_output --partial 'profile'
	done
	run awcp-run -S none -P a -P b -- good
	assert_failure 64
	run awcp-run -S none -P 'a=no-such-program'
	assert_failure 78
}

# --- when one is rate-limited

@test "a failure that prints what the operator named is a limit, other ends are not" {
	put 'echo "Error: usage limit reached, sorry" >&2; echo later; exit 1'
	one --limited '^Error: (usage|rate) limit' -- sh
	assert_failure 75
	assert_equal "$(said .state)" rate_limited
	assert_equal "$(said .error.message)" 'Error: usage limit reached, sorry'
	awcp-run --clear jobs
	put 'echo "Error: usage limit reached"'
	one --limited '^Error: (usage|rate) limit' -- sh
	assert_equal "$(said .state)" completed
	put 'echo "no Error: usage limit"; exit 1'
	one --limited '^Error: (usage|rate) limit' -- sh
	assert_equal "$(said .state)" failed
	put 'seq 30; echo 429 too many; seq 5; exit 1'
	one --limited '429' -- sh
	assert_equal "$(said .state)" rate_limited
}

@test "what cools down is given nothing by any worker, until then or until it is cleared" {
	put first
	one --cooldown 1h -P a=tired
	assert_equal "$(said .state)" rate_limited
	said '.notBefore | fromdateiso8601? // (.[:19] + "Z" | fromdate) > now + 3000'
	put second
	one -P a=good
	assert_failure 75
	assert_output --partial 'profile a cools down until'
	assert_equal "$(profile a .state)" cooling
	assert_equal "$(profile a .why)" 'quota is used up'
	profile a .until
	awcp-run --clear a
	assert_equal "$(profile a .state)" ready
	one -P a=good
	assert_success
	assert_equal "$(said .state)" completed
	run awcp-run --clear a
	assert_failure 66
}

@test "a worker goes on by itself when the time is over" {
	put x
	agent once '[ -e "$0.done" ] || { >"$0.done"; exit 75; }; cat'
	start_worker -q jobs --cooldown 1 -P once=once
	wait_until is completed
	assert_equal "$(said '.attempts | map(.outcome) | join(" ")')" 'rate_limited completed'
}

@test "a task that no other profile may take waits for its own" {
	put -r gpu x
	start_worker -q jobs -P plain=good -P fast:gpu=tired
	wait_until is rate_limited
	put y
	wait_until is completed
}

@test "--profiles lists what was ever used, as columns and as NDJSON" {
	put x
	one -P b:gpu,net=good -P a=tired
	run awcp-run --profiles
	assert_line --index 0 --regexp '^a +ready +- +0  -'
	assert_line --index 1 --regexp '^b +ready +- +0  gpu,net'
	assert_equal "$(profile b '.capabilities | join(",")')" gpu,net
	assert_equal "$(profile b .program)" "$BATS_TEST_TMPDIR/bin/good"
}

# --- when one only dies

@test "a profile that dies again and again is stopped, loudly, and another takes over" {
	for _ in 1 2 3 4; do
		put x
	done
	start_worker -q jobs --deaths 3 -P bad=dying -P good=good
	wait_until is completed
	run cat "$BATS_TEST_TMPDIR/worker.log"
	assert_line --partial 'profile bad: it died 3 times within 600 s, at last: killed by signal 9'
	run cat "$AWCP_HOME/log/lifecycle.log"
	assert_line --partial 'event=guard-stopped kind=profile name=bad deaths=3'
	assert_equal "$(profile bad '.state + " " + (.deaths | tostring)')" 'stopped 3'
	run awcp-queue list -q jobs -s failed --limit 0
	assert_equal "${#lines[@]}" 3
	# The next worker says at once why it does nothing.
	stop_process "$WORKER"
	run awcp-run -1 -q jobs -S none -P bad=good
	assert_failure 75
	assert_output --partial 'profile bad is stopped until'
	awcp-run --clear bad
	put x
	one -P bad=good
	assert_success
}

@test "a success between makes deaths be forgotten, and --deaths 0 counts none" {
	for prompt in 'kill -9 $$' 'kill -9 $$' 'echo fine' 'kill -9 $$' 'kill -9 $$'; do
		put "$prompt"
		one --deaths 3 -P p=sh
		assert_success
	done
	assert_equal "$(profile p .deaths)" 2
	awcp-run --clear p
	put 'kill -9 $$'
	one --deaths 0 -P p=sh
	assert_equal "$(profile p .deaths)" 0
}

@test "to fail at once without a look at the prompt is a death, to fail at the task is none" {
	put 'exit 1'
	one -P p=sh
	assert_equal "$(said .state)" failed
	assert_equal "$(profile p .deaths)" 0
	put 'exit 1'
	one -P p=false
	assert_equal "$(profile p .deaths)" 1
	printf '#!/no/such/interpreter\n' >"$BATS_TEST_TMPDIR/bin/good"
	put x
	one -P p=good
	assert_equal "$(said .error.code)" SETUP_FAILED
	assert_equal "$(profile p .deaths)" 2
}

@test "in the sandbox it is the same" {
	find_sandbox
	need_sandbox
	for prompt in 'kill -9 $$' 'exit 1' 'exit 255'; do
		put "$prompt"
		run awcp-run -1 -q jobs -S bwrap -P p=sh
	done
	assert_equal "$(profile p .deaths)" 1
	put x
	run awcp-run -1 -q jobs -S bwrap -P p=false
	assert_equal "$(profile p .deaths)" 2
}

@test "a queue whose tasks kill their processes again and again is stopped, others go on" {
	for _ in 1 2 3; do
		put --retries 5 'kill -9 $PPID; sleep 60'
	done
	start_worker -q jobs -q other --deaths 2 -- sh
	wait_until grep -q 'nothing is taken from this queue' "$BATS_TEST_TMPDIR/worker.log"
	TASK=$(awcp-queue put -q other 'echo fine')
	wait_until is completed
	awcp-queue list -q jobs -s pending | grep -q .
	stop_process "$WORKER"
	one -- sh
	assert_failure 75
	assert_output --partial 'queue jobs is stopped until'
	awcp-run --clear jobs
	one -- true
	assert_success
}

# --- when a worker died

@test "-R says what becomes of a task whose worker died, before what the queue says" {
	for policy in fail unknown retry; do
		put 'sleep 60'
		echo '{"recovery": "fail"}' >"$AWCP_HOME/queue/jobs/config.json"
		start_worker -q jobs -- sh
		wait_until is running
		stop_process "$WORKER" KILL
		wait_until eval 'one -R '$policy' -- true; ! is running'
		case $policy in
		fail) assert_equal "$(said .state)" failed ;;
		unknown) assert_equal "$(said .state)" unknown ;;
		retry) assert_equal "$(said .state)" completed ;;
		esac
	done
	TASK=$(echo '{"payload": "sleep 60", "recovery": "unknown"}' | awcp-queue put -q jobs -j -)
	start_worker -q jobs -- sh
	wait_until is running
	stop_process "$WORKER" KILL
	wait_until eval 'one -R retry -- true; ! is running'
	assert_equal "$(said .state)" unknown
}

@test "a delegator learns that nobody works, whether its task came before that or after" {
	start_server -A none -- dying
	mkdir "$HOME/ws"
	cd "$HOME/ws"
	echo x >f
	for _ in 1 2 3 4 5; do
		awcp-invite -q -e "$URL" x || true
	done
	wait_until bash -c 'awcp-run --profiles | grep -q stopped'
	for _ in 1 2; do
		start_process "$HOME/told" awcp-invite -e "$URL" x
		wait_until grep -q 'nobody works here now: profile .* is stopped until .*' "$HOME/told"
	done
}
