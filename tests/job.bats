# Tasks of a queue that are no delegations, and awcp-run, which carries them out.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper
load worker

setup()
{
	own_home
	find_sandbox
}

teardown()
{
	stop_all
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

work_at()
{
	run awcp-run -1v -q jobs -S "$SANDBOX" "$@"
}

directory()
{
	echo "$AWCP_HOME/queue/jobs/jobs/${TASK#jobs.}"
}

@test "a task gets an empty directory and its prompt, and what it says is its result" {
	put 'ls -A | wc -l; pwd; echo first; echo second'
	work_at -- sh
	assert_success
	assert_equal "$(said .state)" completed
	run said .result.summary
	assert_line --index 0 0
	assert_line --index 1 "$(directory)/work"
	assert_line --index 3 second
	run cat "$(directory)/output.log"
	assert_line second
	[ ! -e "$(directory)/work" ]
}

@test "in the sandbox it can write there and nowhere else" {
	need_sandbox
	put 'touch here && echo mine; touch "$AWCP_WORKSPACE/../outside" 2>/dev/null || echo no'
	work_at -- sh
	assert_equal "$(said .result.summary)" $'mine\nno'
}

@test "its environment names it, and nothing else of ours" {
	put 'env | sed -n "s/^\(AWCP_[A-Z_]*\)=.*/\1/p" | sort; echo "$AWCP_ID"'
	work_at -- sh
	assert_equal "$(said .result.summary)" "$(printf 'AWCP_ASK\nAWCP_DESCRIPTION\nAWCP_ID\nAWCP_RESULT\nAWCP_WORKSPACE\n%s' "$TASK")"
}

@test "the session that it names is told, and only then" {
	put --session mine 'echo "$AWCP_SESSION"'
	work_at -- sh
	assert_equal "$(said .result.summary)" mine
}

@test "what it writes to AWCP_RESULT is its result" {
	put 'printf "{\"summary\": \"all well\", \"highlights\": [\"one\"]}" >"$AWCP_RESULT"'
	work_at -- sh
	assert_equal "$(said '.result | [.summary, .highlights] | tojson')" '["all well",["one"]]'
}

@test "a payload that is no text comes as JSON" {
	TASK=$(echo '{"payload": {"n": [1, 2]}}' | awcp-queue put -q jobs -j -)
	work_at -- cat
	assert_equal "$(said .result.summary)" '{"n":[1,2]}'
}

@test "a failure is told with its status and its last word, and tried again if so asked" {
	put --retries 1 --backoff 1 'echo "no luck" >&2; exit 3'
	work_at -- sh
	assert_equal "$(said .state)" waiting
	assert_equal "$(said .attempts[0].exit)" 3
	wait_until awcp-run -1 -q jobs -S none -- sh
	assert_equal "$(said .state)" failed
	assert_equal "$(said .error.message)" 'exit 3: no luck'
	assert_equal "$(said '.attempts | length')" 2
}

@test "exit 75 puts it off" {
	put 'echo "quota is used up" >&2; exit 75'
	work_at -- sh
	assert_failure 75
	assert_equal "$(said .state)" rate_limited
	assert_equal "$(said .error.message)" 'quota is used up'
	said .notBefore
	work_at -- sh
	assert_failure 75
	assert_output --partial 'no task is waiting'
	assert_output --partial 'profile jobs cools down until'
}

@test "a task that takes longer than its timeout is stopped, with all that it started" {
	sleep=$(unique_sleep)
	put --timeout 1 "setsid $sleep & echo on; $sleep"
	work_at -- sh
	assert_equal "$(said .state)" timed_out
	no_such_process "$sleep"
}

@test "a task that is cancelled is stopped within a second" {
	sleep=$(unique_sleep)
	put "$sleep"
	start_worker -q jobs -- sh
	wait_until pgrep -fx "$sleep"
	awcp-queue cancel -m 'not needed' "$TASK"
	WAIT=2 wait_until no_such_process "$sleep"
	assert_equal "$(said .state)" cancelled
	assert_equal "$(said .error.message)" 'not needed'
	put 'echo next'
	wait_until eval 'said ".state == \"completed\"" >/dev/null'
}

@test "progress is shown while it runs" {
	put 'echo half of it; sleep 60'
	start_worker -q jobs -- sh
	wait_until eval '[ "$(said ".progress // empty")" = "half of it" ]'
	awcp-queue cancel "$TASK"
}

@test "a worker that is told to stop hands it back; one that is killed loses it" {
	put 'echo begun; sleep 60'
	for signal in TERM KILL; do
		start_worker -q jobs -- sh
		wait_until eval '[ "$(said ".progress // empty")" = begun ]'
		stop_process "$WORKER" $signal
		wait_until eval 'awcp-queue take -q jobs >"$BATS_TEST_TMPDIR/claim"' ||
			fail "$(awcp-queue show "$TASK"; cat "$BATS_TEST_TMPDIR/worker.log"; ls -l "$AWCP_HOME/queue/jobs/running")"
		awcp-queue return - <"$BATS_TEST_TMPDIR/claim"
	done
	assert_equal "$(said '.attempts | map(.outcome) | join(" ")')" 'returned returned returned returned'
	assert_equal "$(said .attempts[2].reason)" 'its worker died'
	assert_equal "$(said .deaths)" 1
}

@test "delegations and tasks of the queue share workers" {
	start_server -A none
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	echo one >"$WS/a.txt"
	lend 'cat a.txt'
	awcp-queue put 'echo two' >"$BATS_TEST_TMPDIR/id"
	work
	work
	assert_equal "$(summary)" one
	run awcp-queue wait - <"$BATS_TEST_TMPDIR/id"
	assert_success
}

@test "four workers and forty tasks of four lanes: each once, a lane one at a time" {
	for i in $(seq 40); do
		jq -cn --arg i "$i" --arg lane "$((i % 4))" '{payload: $i, lane: $lane}'
	done | awcp-queue put -q jobs -j - >/dev/null
	log=$BATS_TEST_TMPDIR/log
	mkdir "$log"
	cat >"$BATS_TEST_TMPDIR/one" <<-'SH'
		#!/bin/sh
		read -r n
		mkdir "$1/lane$((n % 4))" || echo "lane $((n % 4)) twice" >>"$1/trouble"
		echo "$n" >>"$1/done"
		rmdir "$1/lane$((n % 4))"
	SH
	chmod +x "$BATS_TEST_TMPDIR/one"
	SANDBOX=none
	start_worker -q jobs -c 2 -- "$BATS_TEST_TMPDIR/one" "$log"
	start_worker -q jobs -c 2 -- "$BATS_TEST_TMPDIR/one" "$log"
	wait_until eval '[ "$(awcp-queue list -q jobs -s completed --limit 0 | wc -l)" -eq 40 ]'
	assert_equal "$(sort -n "$log/done")" "$(seq 40)"
	[ ! -e "$log/trouble" ]
}
