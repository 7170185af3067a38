#!/usr/bin/env bats
# What ended long ago is forgotten, and what goes on is not; nothing costs more for what has ended.

load helper

setup() {
	own_home
	cd "$BATS_TEST_TMPDIR"
}

retire() { awcp-queue retire -q q "$@"; }
# work n: the next n tasks are done
work() { for ((i = 0; i < $1; i++)); do awcp-queue done "$(awcp-queue take -q q)"; done; }

@test "what ended is forgotten with its key and its directory, and said to be so" {
	awcp-queue put -q q -k one first
	awcp-queue put -q q -k two second
	awcp-queue put -q q third
	work 2
	told=$(wc -l <"$AWCP_HOME/log/lifecycle.log")
	mkdir -p "$AWCP_HOME/queue/q/jobs/1/work" "$AWCP_HOME/queue/q/jobs/3"
	run -0 retire # they ended just now
	assert_output 'tasks 0  rewritten 0  segments 0'
	run -0 retire -n --older 0
	assert_output 'tasks 2  rewritten 1  segments 1'
	run -0 retire --older 0
	assert_output 'tasks 2  rewritten 1  segments 1'
	assert_equal "$(wc -l <"$AWCP_HOME/log/lifecycle.log")" "$told" # nothing came to another state
	run -0 awcp-queue list -q q -s all
	assert_equal "${#lines[@]}" 1
	run -1 awcp-queue show q.1
	assert_output --partial 'task q.1 is not kept any more; '
	run -1 awcp-queue done q.1.1
	assert_output --partial 'the claim is over: task q.1 is not kept any more'
	run -66 awcp-queue show q.4
	run -1 awcp-queue put -q q -w q.1 x
	assert_output --partial 'not kept any more'
	run ls "$AWCP_HOME/queue/q/jobs" "$AWCP_HOME/tmp"
	assert_output "$AWCP_HOME/queue/q/jobs:
3

$AWCP_HOME/tmp:"
	run -0 awcp-queue put -q q -k one 'something else'
	assert_output q.4
	[ "$(awcp-queue show -j q.3 | jq -r '.payload + .state')" = thirdpending ]
	work 2
	run -0 awcp-queue check -q q
	assert_output ''
}

@test "no number is given twice, even if nothing but the numbers is left" {
	for _ in 1 2 3; do awcp-queue put -q q x; done
	work 3
	retire --older 0
	run -0 awcp-queue list -q q -s all
	assert_output ''
	rm "$AWCP_HOME/queue/q/head"
	run -0 awcp-queue stats -q q -j
	assert_equal "$(echo "$output" | jq .version)" 9
	run -0 awcp-queue put -q q y
	assert_output q.4
	run -0 awcp-queue check -q q
	assert_output ''
}

@test "changes that are not kept are told from those that are" {
	for _ in 1 2; do awcp-queue put -q q x; done
	work 1
	retire --older 0
	awcp-queue put -q q y
	run -1 awcp-queue list -q q --since 2
	assert_output --partial 'the changes after version 2 are not kept'
	run -0 awcp-queue list -q q --since 0 -j
	assert_equal "$(echo "$output" | jq -r '[.version, .id] | join(" ")')" $'5 q.2\n6 q.3'
	run -0 awcp-queue list -q q --since 5 -j
	assert_equal "$(echo "$output" | jq -r .id)" q.3
}

@test "a task is kept as long as another one that depends on it waits" {
	awcp-queue put -q q first
	awcp-queue put -q q second
	awcp-queue put -q q -w q.1 -w q.2 third
	work 1
	run -0 retire --older 0
	assert_output 'tasks 0  rewritten 3  segments 1'
	rm "$AWCP_HOME/queue/q/head"
	work 1
	[ "$(awcp-queue show -j q.3 | jq -r .state)" = pending ]
	run -0 retire -n --older 0
	assert_output 'tasks 2  rewritten 1  segments 1'
	run -0 retire --older 0
	assert_output 'tasks 2  rewritten 1  segments 1'
	work 1
	retire --older 0
	run ls "$AWCP_HOME/queue/q/dependants"
	assert_output ''
}

@test "the queue says how long, else the environment does" {
	awcp-queue put -q q x
	work 1
	AWCP_TASK_RETENTION=1h retire
	find "$AWCP_HOME/queue/q/journal" -type f -exec touch -d '2 hours ago' {} +
	sleep 1.1
	AWCP_TASK_RETENTION=1h run -0 retire # of that time is the segment, not the task
	assert_output 'tasks 0  rewritten 1  segments 1'
	awcp-queue put -q q y
	awcp-queue cancel q.2
	echo '{"retention": 1}' >"$AWCP_HOME/queue/q/config.json"
	retire
	find "$AWCP_HOME/queue/q/journal" -type f -exec touch -d '2 hours ago' {} +
	run -0 retire -n
	assert_output 'tasks 1  rewritten 1  segments 1'
	run -78 env AWCP_TASK_RETENTION=x awcp-queue put -q other z
	assert_output --partial 'AWCP_TASK_RETENTION is not a span of time: x; give seconds, or a number with s, m, h or d'
}

@test "a queue of a few tasks a day is retired by awcp-reap, too" {
	export AWCP_TASK_RETENTION=1s
	awcp-queue put -q q x
	work 1
	awcp-reap -k retention # from now on there is another segment
	awcp-queue put -q q y
	assert_equal "$(ls "$AWCP_HOME/queue/q/journal" | paste -sd ' ')" '00000001.ndjson 00000002.ndjson'
	old_enough() { retire -n | grep -q 'tasks 1 '; }
	wait_until old_enough
	would=$(retire -n)
	run -0 retire
	assert_output "$would" # what a dry run says is what is done
	run -1 awcp-queue show q.1
	assert_equal "$(awcp-queue list -q q | cut -d ' ' -f 1)" q.2
}

@test "a queue through which much has gone is as small as what is left" {
	awcp-queue put -q q -p 0 stays
	for _ in 1 2 3; do
		yes '{"payload": "a task of a bulk, that is cancelled", "priority": 1}' | head -n 5000 |
			awcp-queue put -q q -j - | awcp-queue cancel -
		retire --older 0 >/dev/null
	done
	run -0 awcp-queue list -q q -s all
	assert_equal "${#lines[@]}" 1
	size=$(du -sk "$AWCP_HOME/queue/q" | cut -f 1)
	((size < 2000)) || fail "$size KiB"
	run -0 awcp-queue check -q q
	assert_output ''
}
