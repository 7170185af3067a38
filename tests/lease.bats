# The end of a task that did not choose it: lease, cancel, and the death of its worker.  Nothing of it
# goes on running, and exactly one outcome is recorded.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper
load worker

setup_file()
{
	own_home
	FAULT_LIBRARY=$BATS_FILE_TMPDIR/fault.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$FAULT_LIBRARY" "$REPO/tests/fault/fault.c" -ldl
	export FAULT_LIBRARY
	start_server -A none
	find_sandbox
}

teardown_file()
{
	stop_all
}

setup()
{
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	echo one >"$WS/a.txt"
}

teardown()
{
	[ -z "${WORKER-}" ] || stop_process "$WORKER"
	rm -rf "$AWCP_HOME/queue/default"
}

# A shell script that starts processes of every kind and says begun when all are there: in a session
# of its own, forked twice, deaf to TERM, started without an environment.  $1 is a sleep of their own.
crowd()
{
	echo "trap '' TERM
		setsid $1 &
		(setsid sh -c 'trap \"\" TERM; $1 & wait; $1' &)
		($1 & $1 &)
		while [ \$(pgrep -fcx '$1') -lt 4 ]; do sleep 0.01; done
		echo begun
		$1"
}

# The task has ended, once, in the journal as in the record; nothing of it is on the queue.
ended_once()
{
	[ "$(grep -cE '"type": ?"(done|error)"' "$STATE/events.ndjson")" -eq 1 ] &&
		[ "$(tail -n 1 "$STATE/events.ndjson" | jq -r .type)" = "$(jq -r \
			'if .state == "completed" then "done" elif .state == "error" then "error" else "?" end' \
			"$STATE/record.json")" ]
}

assert_ended_once()
{
	ended_once || fail "$(jq -c '{state, error}' "$STATE/record.json") $(cat "$STATE/events.ndjson")"
}

queue_is_empty()
{
	! awcp-queue list 2>/dev/null | grep -q .
}

# --- lease

@test "when the lease ends nothing of the task is left, in the sandbox or not" {
	for SANDBOX in none "$SANDBOX"; do
		sleep=$(unique_sleep)
		lend "$(crowd "$sleep")" -t 2
		work
		assert_success
		no_such_process "$sleep"
		assert_event '.type == "error" and .code == "EXPIRED"'
		assert_equal "$(jq -r '.state + " " + .error.code' "$STATE/record.json")" 'error EXPIRED'
		assert_ended_once
		queue_is_empty
	done
}

@test "a command that ends on TERM need not wait for KILL when the lease ends" {
	lend 'trap "sleep 2; echo saved; exit 0" TERM; sleep 60 & wait' -t 1
	start_clock
	work
	assert_output --partial EXPIRED
	assert_took 7000 10000
	assert_event '.code == "EXPIRED"'
	run cat "$STATE/output.log"
	assert_line saved
}

@test "a lease that ends while no worker takes the task: stream, record and result say so" {
	lend 'echo never' -t 2
	start_process "$BATS_TEST_TMPDIR/stream" curl -sSN -m 20 "$URL/tasks/$ID/events"
	wait_until grep -q '"code":"EXPIRED"' "$BATS_TEST_TMPDIR/stream"
	wait_until gone "$STARTED" # it was the last event
	assert_equal "$(jq -r '.state + " " + .error.code' "$STATE/record.json")" 'error EXPIRED'
	[ ! -e "$AWCP_HOME/assignments/.open/$ID" ]
	request GET "/awcp/tasks/$ID/result"
	assert_json '.status == "error" and .error.code == "EXPIRED"'
	run awcp-watch -q "$ID"
	assert_failure 1
	assert_equal "$(awcp-list -aj -s expired | jq -r "select(.id == \"$ID\") | .state")" expired
	work
	assert_output --partial 'no longer wanted'
	queue_is_empty
	assert_ended_once
}

@test "a cancel shortens the grace of an ended lease" {
	sleep=$(unique_sleep)
	start_worker -- sh
	lend "trap 'echo asked' TERM; echo begun; $sleep; $sleep" -t 2
	wait_until event '.message == "begun"'
	wait_until event '.message == "asked"'
	curl -sS -X POST "$URL/cancel/$ID" >/dev/null
	start_clock
	wait_until no_such_process "$sleep"
	assert_took 1000 8000
	assert_event '.type == "error" and .code == "CANCELLED"'
	assert_ended_once
}

# --- cancel

@test "a cancelled task is gone within a second, deaf or not, in the sandbox or not" {
	for SANDBOX in none "$SANDBOX"; do
		sleep=$(unique_sleep)
		start_worker -- sh
		lend "$(crowd "$sleep")"
		wait_until event '.message == "begun"'
		curl -sS -X POST "$URL/cancel/$ID" >/dev/null
		start_clock
		wait_until no_such_process "$sleep"
		assert_took 1000 8000
		stop_process "$WORKER"
		assert_ended_once
	done
}

@test "so is one whose delegator sends ERROR" {
	sleep=$(unique_sleep)
	start_worker -- sh
	lend "$(crowd "$sleep")"
	wait_until event '.message == "begun"'
	post "{\"version\":\"1\",\"type\":\"ERROR\",\"delegationId\":\"$ID\",\"code\":\"TRANSPORT_ERROR\",\"message\":\"lost\"}"
	start_clock
	assert_status 200
	wait_until no_such_process "$sleep"
	assert_took 1000 8000
	assert_event '.type == "error" and .code == "TRANSPORT_ERROR" and .message == "lost"'
	assert_ended_once
}

@test "processes that go from fork to fork are caught" {
	name=chain$RANDOM$RANDOM
	printf 'sh ./%s & exit\n' $name >"$WS/$name"
	for SANDBOX in none "$SANDBOX"; do
		start_worker -- sh
		lend "(setsid sh ./$name &); (setsid sh ./$name &); echo begun; sleep 60"
		wait_until event '.message == "begun"'
		curl -sS -X POST "$URL/cancel/$ID" >/dev/null
		wait_until grep -q cancelled "$BATS_TEST_TMPDIR/worker.log"
		for _ in 1 2 3 4 5; do
			run pgrep -f "$name"
			assert_output ''
		done
		stop_process "$WORKER"
	done
}

# cancel_at file prompt: cancel the task as soon as its directory has the file, while all that the
# worker writes takes it long.
cancel_at()
{
	SANDBOX=none
	lend "$2"
	FAULT_SLOW=20 LD_PRELOAD=$FAULT_LIBRARY start_worker -- env -u FAULT_SLOW -u LD_PRELOAD sh
	wait_until test -e "$STATE/$1"
	curl -sS -X POST "$URL/cancel/$ID" >/dev/null
	start_clock
	wait_until nobody_holds_a_task
	assert_took 1000 8000
	wait_until queue_is_empty
	assert_event '.type == "error" and .code == "CANCELLED"'
	assert_ended_once
	run ls "$STATE" "$AWCP_HOME/tmp"
	refute_output --regexp 'work|report|result|received'
}

@test "a task that is cancelled while it is unpacked is over within a second, and nothing is left" {
	mkdir "$WS/many"
	(cd "$WS/many" && for n in {100..399}; do echo "$n" >"$n"; done)
	cancel_at work/ws/many/120 true
	run grep -c '"status"' "$STATE/events.ndjson"
	assert_output 0 # it was not yet said to run
}

@test "so is one whose result is packed" {
	cancel_at result.archive.tmp 'head -c 64000000 /dev/urandom >big'
	assert_event '.status == "running"'
}

@test "of repeated cancels one is recorded" {
	start_worker -- sh
	lend 'echo begun; sleep 60'
	wait_until event '.message == "begun"'
	for _ in 1 2 3 4 5 6 7 8; do
		curl -sS -X POST "$URL/cancel/$ID" >/dev/null &
		curls="${curls-} $!"
	done
	# shellcheck disable=SC2086 # pids
	wait $curls
	wait_until grep -q cancelled "$BATS_TEST_TMPDIR/worker.log"
	assert_event '.code == "CANCELLED"'
	assert_ended_once
}

@test "cancels that race with completion: one outcome each" {
	SANDBOX=none
	start_worker -- sh
	cancelled=0 completed=0
	for ((i = 0; i < 10 || i < 160 / FAULT_STRIDE; i++)); do
		lend "sleep 0.0$((RANDOM % 3))$((RANDOM % 10))"
		while [ "$((RANDOM % 60))" -ne 0 ]; do :; done # up to the time that the task takes
		curl -sS -X POST "$URL/cancel/$ID" >/dev/null
		wait_until ended_once
		case $(jq -r .state "$STATE/record.json") in
		completed) completed=$((completed + 1)) ;;
		*) cancelled=$((cancelled + 1)) ;;
		esac
	done
	wait_until queue_is_empty
	stop_process "$WORKER"
	echo "# $completed completed, $cancelled cancelled" >&3
	for STATE in "$AWCP_HOME"/assignments/*/; do
		assert_ended_once
	done
	[ "$cancelled" -gt 0 ]
}

# --- the death of a worker

@test "worker and command killed at the same moment: the sandbox leaves nothing" {
	[ "$SANDBOX" = bwrap ] || skip 'bubblewrap does not work here'
	sleep=$(unique_sleep)
	start_worker -- sh
	lend "$(crowd "$sleep")"
	wait_until event '.message == "begun"'
	task=$(pgrep -P "$WORKER")
	kill -9 "$WORKER" "$task" "$(pgrep -P "$task")"
	wait_until no_such_process "$sleep"
	SANDBOX=none work -- echo again
	assert_equal "$(summary)" again
	assert_ended_once
}

@test "the same without a sandbox: the next worker clears up before it runs the task again" {
	sleep=$(unique_sleep)
	SANDBOX=none
	start_worker -- sh
	lend "$(crowd "$sleep")"
	wait_until event '.message == "begun"'
	task=$(pgrep -P "$WORKER")
	kill -9 "$WORKER" "$task" "$(pgrep -P "$task")"
	wait_until nobody_holds_a_task
	work -- sh -c "pgrep -fcx '$sleep'; echo again"
	assert_equal "$(summary)" $'0\nagain'
	no_such_process "$sleep"
	assert_ended_once
}

@test "the same when it was cancelled or expired meanwhile" {
	sleep=$(unique_sleep)
	for how in cancelled expired; do
		SANDBOX=none
		start_worker -- sh
		options=
		[ $how = cancelled ] || options='-t 3'
		# shellcheck disable=SC2086 # words
		lend "$(crowd "$sleep")" $options
		wait_until event '.message == "begun"'
		task=$(pgrep -P "$WORKER")
		kill -9 "$WORKER" "$task" "$(pgrep -P "$task")"
		if [ $how = cancelled ]; then
			curl -sS -X POST "$URL/cancel/$ID" >/dev/null
		else
			sleep 3 # the lease is the event
		fi
		wait_until nobody_holds_a_task
		work -- echo never
		no_such_process "$sleep"
		assert_ended_once
		assert_event '.type == "error"'
		queue_is_empty
	done
}

# A task in running/, if there is one, is not locked any more.
nobody_holds_a_task() {
	local task
	for task in "$AWCP_HOME"/queue/default/running/*; do
		[ ! -e "$task" ] || flock -n "$task" true || return 1
	done
}

@test "with -R fail a task whose worker died is not run again" {
	for victim in worker task; do
		start_worker -- sh
		lend 'echo begun; sleep 60'
		wait_until event '.message == "begun"'
		[ $victim = worker ] || kill -9 "$(pgrep -P "$WORKER")"
		stop_process "$WORKER" KILL
		wait_until nobody_holds_a_task
		work -R fail -- echo again
		assert_success
		assert_event '.type == "error" and .code == "TASK_FAILED" and .message == "its worker died"'
		assert_ended_once
		queue_is_empty
	done
}

@test "deaths at an archive are those of the task, not of its queue" {
	local n
	SANDBOX=none
	mkdir "$WS/many"
	(cd "$WS/many" && for n in {100..399}; do echo "$n" >"$n"; done)
	lend true
	: >"$BATS_TEST_TMPDIR/before"
	FAULT_SLOW=20 LD_PRELOAD=$FAULT_LIBRARY start_worker --deaths 1 -- true
	for n in 1 2 3; do
		wait_until test "$STATE/work/ws/many" -nt "$BATS_TEST_TMPDIR/before"
		kill -9 "$(pgrep -P "$WORKER")"
		wait_until eval "[ \"\$(grep -c 'signal 9, at an archive' '$BATS_TEST_TMPDIR/worker.log')\" -eq $n ]"
		touch "$BATS_TEST_TMPDIR/before"
	done
	wait_until event '.code == "TASK_FAILED"'
	assert_event '.message == "its worker died 3 times"'
	lend true # the queue goes on
	wait_until event '.type == "done"'
}

@test "with -R fail a task that was handed back is run again" {
	start_worker -- sh
	lend 'echo begun; sleep 60'
	wait_until event '.message == "begun"'
	stop_process "$WORKER"
	work --cooldown 1 -- sh -c 'exit 75'
	assert_failure 75
	wait_until awcp-run -1 -S none -R fail -- echo again
	assert_equal "$(summary)" again
}

@test "with recovery unknown, of the worker or of the queue, nobody claims to know what it did" {
	SANDBOX=none
	for policy in option config; do
		lend 'kill -9 $PPID; sleep 60'
		work
		assert_failure 75
		if [ $policy = option ]; then
			work -R unknown
		else
			echo '{"recovery": "unknown"}' >"$AWCP_HOME/queue/default/config.json"
			work
		fi
		assert_success
		assert_event '.code == "TASK_FAILED" and
			.message == "its worker died, and nobody can know what it had done by then"'
		assert_ended_once
		queue_is_empty
	done
}

@test "a task that kills its workers is ended after the third" {
	SANDBOX=none
	lend 'kill -9 $PPID; sleep 60'
	for _ in 1 2 3; do
		work
		assert_failure 75
	done
	work
	assert_success
	assert_event '.code == "TASK_FAILED" and .message == "its worker died 3 times"'
	assert_equal "$(grep -c '"running"' "$STATE/events.ndjson")" 3
	assert_ended_once
	queue_is_empty
	lend 'kill -9 $PPID; sleep 60'
	work
	AWCP_MAX_ATTEMPTS=1 work
	assert_success
	assert_event '.message == "its worker died"'
}

@test "a worker killed at any change to the state: the next ends the task exactly once" {
	for ((n = 1; ; n += FAULT_STRIDE)); do
		lend 'echo two >a.txt'
		FAULT=kill:$n LD_PRELOAD=$FAULT_LIBRARY run awcp-run -1 --deaths 0 -S none -- \
			env -u FAULT -u LD_PRELOAD sh
		clean=$status
		[ "$clean" -eq 0 ] || work -c 2 --deaths 0
		if [ "$status" -eq 75 ]; then
			queue_is_empty || fail "killed at change $n: $output"
		fi
		ended_once || fail "killed at change $n: $(cat "$STATE/events.ndjson")"
		queue_is_empty || fail "killed at change $n: still on the queue"
		assert_equal "$(jq -r .state "$STATE/record.json")" completed
		assert_equal "$(result_file ws/a.txt)" two
		[ ! -e "$STATE/work" ] || fail "killed at change $n: work/ is left"
		[ "$clean" -ne 0 ] || [ "$n" -lt 10 ] || break
	done
	echo "# $n changes" >&3
	[ "$n" -gt 10 ]
}
