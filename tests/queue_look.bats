#!/usr/bin/env bats
# What people and programs are told of a queue: by name, since a version, to a reader, as it prints.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper

setup() {
	own_home
	cd "$BATS_TEST_TMPDIR"
}

# ids command...: the first column, as one line
ids() { "$@" | cut -d ' ' -f 1 | paste -sd ' '; }
name() { awcp-queue show -j "$1" | jq -r .name; }

@test "the day of a queue, as one types it" {
	dep1=$(awcp-queue put -q review first) dep2=$(awcp-queue put -q review second)
	sha=4711
	echo 'look at it' >prompt.txt
	id=$(awcp-queue put -q review -p 5 -l repo:foo -k "$sha" -w "$dep1" -w "$dep2" --after 1s --timeout 1h --retries 3 <prompt.txt)
	work() { echo "$1" >>worked; }
	while t=$(timeout 10 awcp-queue take -q review --lease 60 -W); do
		work "$t" && awcp-queue done "$t" || awcp-queue fail "$t"
		[ "$t" != "$id.1" ] || break
	done
	run -0 awcp-queue wait "$id"
	assert_output "$id completed"
	assert_equal "$(paste -sd ' ' worked)" 'review.1.1 review.2.1 review.3.1'
	run -0 awcp-queue list -q review -s running
	assert_output ''
	run -0 awcp-queue stats
	assert_line 'review  completed 3'
	run -1 awcp-queue cancel "$id"
	echo '[{"payload": 1}, {"payload": 2}]' >jobs.json
	run -0 bash -c "jq -c '.[]' jobs.json | awcp-queue put -q bulk -j -"
	assert_output $'bulk.1\nbulk.2'
	run -0 awcp-queue stats
	assert_line 'bulk  pending 2'
}

@test "a task is called by its name, too" {
	awcp-queue put -q q one
	first=$(name q.1)
	[[ $first =~ ^[a-z]+-[a-z]+-1$ ]]
	run -0 awcp-queue put -q q -w "$first" two
	run -0 awcp-queue list -q q
	assert_line --regexp "^q\.1 .* $first +one"
	run -0 awcp-queue show -j -q q "$(name q.2)"
	assert_equal "$(echo "$output" | jq -c .dependsOn)" '["q.1"]'
	awcp-queue pause -q q "$first"
	awcp-queue resume -q q "$first"
	awcp-queue cancel -q q "$first"
	run -1 awcp-queue wait -q q "$(name q.2)"
	assert_output 'q.2 blocked'
	run -66 awcp-queue show "$first" # of the queue default
	run -64 awcp-queue show -q q "wrong-$first"
	assert_output --partial "not a task: wrong-$first"
	# Many tasks, and no name twice.
	seq 5000 | jq -c '{payload: .}' | awcp-queue put -q many -j - >/dev/null
	assert_equal "$(awcp-queue list -q many -j --limit 0 | jq -r .name | sort -u | wc -l)" 5000
}

@test "progress is told by the worker, and shown" {
	awcp-queue put -q q x
	claim=$(awcp-queue take -q q)
	awcp-queue beat -m 'half of it' "$claim"
	assert_equal "$(awcp-queue show -j q.1 | jq -r .progress)" 'half of it'
}

@test "wait for the changes after a version" {
	awcp-queue put -q q x
	run -0 awcp-queue wait -q q --since 0
	assert_line --regexp '^q\.1 +pending'
	awcp-queue wait -q q --since 1 -j >changes &
	waits=$!
	awcp-queue cancel q.1
	wait "$waits"
	assert_equal "$(jq -r '[.version, .state] | join(" ")' changes)" '2 cancelled'
	run -64 awcp-queue wait -q q --since 1 q.1
}

@test "what is unread, read and active is each reader's own" {
	for i in 1 2 3 4; do awcp-queue put -q q "$i"; done
	unread() { ids awcp-queue list -q q --reader "$1" --mark unread; }
	assert_equal "$(unread ann)" 'q.1 q.2 q.3 q.4'
	awcp-queue read -q q --reader ann q.1 q.3
	awcp-queue read --reader ann --mark active q.4
	assert_equal "$(unread ann)/$(unread 'Eve / the other')" 'q.2/q.1 q.2 q.3 q.4'
	awcp-queue cancel q.1 # it changed, and has ended
	assert_equal "$(unread ann)" 'q.1 q.2'
	awcp-queue read -q q --reader ann
	awcp-queue cancel q.4
	assert_equal "$(unread ann)" ''
	run -0 awcp-queue list -q q --reader ann --mark active
	assert_output --regexp '^q\.4 +cancelled +active '
	awcp-queue read --reader ann q.4
	run -0 awcp-queue list -q q --reader ann --mark active
	assert_output ''
	awcp-queue read --reader ann --mark unread q.2
	rm "$AWCP_HOME/queue/q/head"
	assert_equal "$(unread ann)" q.2
	run -64 awcp-queue list -q q --mark unread
	run -64 awcp-queue read -q q
	run -64 awcp-queue read -q q --reader ann --mark later
}

@test "who reads one by one is remembered in as few words as who reads all" {
	seq 3000 | jq -c '{payload: .}' | awcp-queue put -q q -j - >ids
	head -n 1500 ids | awcp-queue read --reader ann -
	tail -n 1000 ids | awcp-queue read --reader ann -
	assert_equal "$(awcp-queue list -q q --reader ann --mark unread --limit 0 | wc -l)" 500
	assert_equal "$(awcp-queue list -q q --reader ann --mark unread --limit 1 -j | jq .number)" 1501
	size=$(stat -c %s "$AWCP_HOME/queue/q/readers/ann")
	((size < 30000)) || fail "$size bytes"
}

@test "what a task printed, also while it runs" {
	awcp-queue put -q q x
	run -66 awcp-queue output q.1
	assert_output --partial 'task q.1 has printed nothing'
	run -66 timeout 20 awcp-queue output -W q.9
	claim=$(awcp-queue take -q q)
	awcp-queue output -W q.1 >followed &
	follows=$!
	mkdir -p "$AWCP_HOME/queue/q/jobs/1"
	echo one >"$AWCP_HOME/queue/q/jobs/1/output.log"
	wait_until grep -q one followed
	echo two >>"$AWCP_HOME/queue/q/jobs/1/output.log"
	awcp-queue done "$claim"
	wait "$follows"
	assert_equal "$(cat followed)" $'one\ntwo'
	run -0 awcp-queue output -q q "$(name q.1)"
	assert_output $'one\ntwo'
}

# read_only command...: where nothing of the state can be written.
read_only()
{
	bwrap --dev-bind / / --ro-bind "$AWCP_HOME" "$AWCP_HOME" "$@"
}

@test "what only looks works where nothing can be written, with an index and without" {
	bwrap --dev-bind / / true 2>/dev/null || skip 'no bubblewrap here'
	a=$(awcp-queue put -q q -k key one)
	awcp-queue put -q q -w "$a" two
	awcp-queue take -q q
	for part in nothing head cells; do
		rm -f "$AWCP_HOME/queue/q/$part"
		find "$AWCP_HOME" -type f | sort | xargs cksum >before
		run -0 read_only awcp-queue list -q q
		assert_line --regexp '^q\.1 +running'
		assert_line --regexp '^q\.2 +waiting'
		run -0 read_only awcp-queue list -q q --reader ann --mark unread
		assert_equal "${#lines[@]}" 2
		run -0 read_only awcp-queue list -q q --since 0 -j
		assert_equal "${#lines[@]}" 3
		run -0 read_only awcp-queue show q.1
		run -0 read_only awcp-queue stats
		assert_line --partial 'waiting 1  running 1'
		run -0 read_only awcp-queue check -q q
		run -0 read_only awcp-queue retire -n -q q --older 0
		assert_output 'tasks 0  rewritten 0  segments 0'
		run -0 read_only awcp-answer
		for words in awcp-list 'awcp-list -a' awcp-log awcp-config 'awcp-token list' 'awcp-run --profiles' 'awcp-reap -n'; do
			# shellcheck disable=SC2086 # words
			run -0 read_only $words
		done
		run -77 read_only awcp-queue put -q q three
		find "$AWCP_HOME" -type f | sort | xargs cksum >after
		run -0 diff before after
	done
}

@test "a task that no worker fits says so, until one comes that does" {
	id=$(awcp-queue put -q q -r gpu -r cuda train)
	awcp-queue put -q q plain
	run -0 awcp-queue list -q q
	assert_line --regexp "^$id .*no worker of late has gpu, cuda"
	refute_line --regexp '^q\.2 .*no worker'
	run -124 timeout 2 awcp-queue wait "$id"
	assert_output "awcp-queue wait: $id waits: no worker of late has gpu, cuda"
	run awcp-doctor
	assert_line --regexp '^warn +queues +1 task of queue q waits: no worker of late has gpu, cuda; awcp-queue list -q q'
	run -0 awcp-queue take -q q -r gpu
	assert_output q.2.1
	assert_equal "$(awcp-queue show -j "$id" | jq -r .unfit)" 'no worker of late has gpu, cuda'
	run -75 awcp-queue take -q none -r gpu -r cuda || true
	awcp-queue put -q q -p 9 sooner
	run -0 awcp-queue take -q q -r cuda -r gpu
	assert_output q.3.1
	assert_equal "$(awcp-queue show -j "$id" | jq -r .unfit)" null
}

@test "changes are those of the tasks that were asked for, and others are passed over" {
	awcp-queue put -q q -l one -L x -k a first
	awcp-queue put -q q -l two -L y --session s second
	claim=$(awcp-queue take -q q)
	awcp-queue done "$claim"
	run -0 awcp-queue list -q q --since 0
	assert_equal "${#lines[@]}" 4
	for filter in '-l one' '-L x' '-k a' '-s running -s completed -s pending -l one'; do
		# shellcheck disable=SC2086 # words
		run -0 awcp-queue list -q q --since 0 -j $filter
		assert_equal "$(echo "$output" | jq -r .version | paste -sd ' ')" '1 3 4'
	done
	for filter in '--session s' 'q.1' '--limit 1 -l two' '-s pending -l two'; do
		# shellcheck disable=SC2086 # words
		run -0 awcp-queue list -q q --since 0 -j $filter
		assert_equal "$(echo "$output" | jq -r .version)" 2
	done
	awcp-queue read -q q --reader ann --since 3
	run -0 awcp-queue list -q q --since 0 -j --reader ann --mark unread
	assert_equal "$(echo "$output" | jq -r '[.version, .mark] | join(" ")')" '4 unread'
}
