#!/usr/bin/env bats
# What both sides stand: peers that dawdle, stall, come twice at once, or come back after everything
# was started again; and clocks that jump.
# shellcheck disable=SC2030,SC2031,SC2034 # a test's variables are its own, or worker.bash's

load helper
load message
load worker

setup()
{
	own_home
	SANDBOX=none
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	echo one >"$WS/a.txt"
}

teardown()
{
	stop_all
}

threads()
{
	awk '/^Threads:/ { print $2 }' "/proc/$1/status"
}

few_threads()
{
	[ "$(threads "$1")" -lt 20 ]
}

many_threads()
{
	[ "$(threads "$1")" -ge 300 ]
}

ended_once()
{
	[ "$(grep -cE '"type": ?"(done|error)"' "$STATE/events.ndjson")" -eq 1 ]
}

# A bit of a message on each of 300 connections, and a byte more of each now and then.
dawdle()
{
	perl -MIO::Socket::INET -e '
		my ($port, $ready) = @ARGV;
		my @c = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die } 1 .. 300;
		$SIG{PIPE} = "IGNORE";
		print $_ "POST /awcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" .
			"Content-Length: 100000\r\n\r\n{\"version\":\"1\"," and $_->flush for @c;
		open(my $f, ">", $ready);
		while (1) { select(undef, undef, undef, 0.1); print $_ " " and $_->flush for @c }' "$@"
}

@test "300 bodies that come a byte at a time hold up nobody, and leave nothing" {
	start_server -A none
	executor=$(pgrep -P "$(pgrep -d, -P "$SERVER_PID")" awcp-executor)
	start_process "$BATS_TEST_TMPDIR/dawdle" dawdle "$PORT" "$BATS_TEST_TMPDIR/ready"
	slow=$STARTED
	wait_until test -e "$BATS_TEST_TMPDIR/ready"
	wait_until many_threads "$executor"
	start_clock
	for i in 1 2 3 4 5 6 7 8 9 10; do
		accepted '' dlg_$i
		say '' POST /awcp "$(start dlg_$i)"
		assert_status 200
	done
	assert_took 5000 20000
	assert_peak "$executor" 16384
	pkill -KILL -P "$slow" || true
	stop_process "$slow" KILL
	wait_until few_threads "$executor"
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

@test "of STARTs that come at once one is taken, and the task is there once" {
	start_server -A none
	accepted '' dlg_one
	start dlg_one >"$BATS_TEST_TMPDIR/start"
	pids=
	for i in 1 2 3 4 5 6 7 8; do
		curl -sS -o "$BATS_TEST_TMPDIR/out.$i" -H "Content-Type: application/json" --data-binary "@$BATS_TEST_TMPDIR/start" "$URL" 3>&- &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086 # pids
	wait $pids
	assert_equal "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -o '"ok":true' | wc -l)" 1
	assert_equal "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -o '"code":"BAD_STATE"' | wc -l)" 7
	assert_equal "$(awcp-queue list | wc -l)" 1
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

@test "a stream that is silent for too long is opened again, and nothing is lost" {
	P=$BATS_TEST_TMPDIR/peer
	mkdir "$P"
	for step in 01-invite-accept:invite 03-start:start 02-events-happy:events 04-ack:ack; do
		jq -r .response.body "$FIXTURES/awcp-v1/${step%:*}.json" |
			sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' >"$P/${step#*:}"
	done
	{ head -n 2 "$P/events"; printf '@NEVER@'; } >"$P/events.1"
	printf '{"status":"running"}' >"$P/result"
	start_process "$P/out" "$REPO/tests/peer.pl" "$P"
	wait_until test -s "$P/port"
	AWCP_QUIET=1 run awcp-invite -m staged -r "ws=$WS" -e "http://127.0.0.1:$(cat "$P/port")/awcp" x
	assert_success
	assert_output --partial 'the event stream was lost, connecting again'
	assert_equal "$(grep -c 'GET events' "$P/log")" 2
	assert_equal "$(awcp-list -aj | jq -r .state)" completed
}

# in_time file seconds: the clock of the programs that have this file is so wrong from now on.
in_time()
{
	echo "$2" >"$1.new"
	mv "$1.new" "$1"
}

wrong_clock()
{
	export FAULT_CLOCK=$BATS_TEST_TMPDIR/clock
	LIBRARY=$BATS_TEST_TMPDIR/clock.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$LIBRARY" "$REPO/tests/fault/clock.c" -ldl
	in_time "$FAULT_CLOCK" 0
}

@test "a clock that is put back does not make a lease longer, put forward it ends it" {
	wrong_clock
	start_server -A none
	for seconds in -86400 86400; do
		in_time "$FAULT_CLOCK" 0
		LD_PRELOAD=$LIBRARY start_worker -- env -u LD_PRELOAD sh
		ttl=6
		[ $seconds -lt 0 ] || ttl=60
		lend 'echo begun; exec sleep 50' -t $ttl
		wait_until event '.message == "begun"'
		in_time "$FAULT_CLOCK" $seconds
		WAIT=20 wait_until event '.type == "error" and .code == "EXPIRED"'
		ended_once
		stop_process "$WORKER"
	done
}

@test "an executor whose clock is put back or forward takes what comes then" {
	wrong_clock
	LD_PRELOAD=$LIBRARY start_server -A none
	accepted '' dlg_before
	in_time "$FAULT_CLOCK" -86400
	say '' POST /awcp "$(start dlg_before)"
	assert_status 200
	accepted '' dlg_after
	say '' GET /awcp/tasks/dlg_before/result
	assert_json '.status == "running"'
	in_time "$FAULT_CLOCK" 0
	say '' POST /awcp "$(start dlg_after)" # as if a day had passed since its INVITE
	assert_refused 410 START_EXPIRED
	WAIT=20 wait_until jq -e '.state == "error"' "$AWCP_HOME/assignments/dlg_after/record.json"
	say '' POST /awcp "$(start dlg_after)" # and when that was noted, too
	assert_refused 410 START_EXPIRED
	accepted '' dlg_after
	say '' POST /awcp "$(start dlg_after)"
	assert_status 200
}

@test "a delegator whose clock jumps follows to the end" {
	wrong_clock
	start_server -A none -S none -- sh
	for seconds in -86400 86400; do
		in_time "$FAULT_CLOCK" 0
		LD_PRELOAD=$LIBRARY start_process "$BATS_TEST_TMPDIR/invite" awcp-invite -q -r "ws=$WS" \
			-e "$URL" "while [ ! -e '$WS/gate' ]; do sleep 0.01; done; echo two >a.txt"
		wait_until grep -q '^dlg_' "$BATS_TEST_TMPDIR/invite"
		STATE=$AWCP_HOME/delegations/$(head -n 1 "$BATS_TEST_TMPDIR/invite")
		wait_until event '.status == "running"'
		in_time "$FAULT_CLOCK" $seconds
		touch "$WS/gate"
		wait_until gone "$STARTED"
		assert_equal "$(jq -r .state "$STATE/record.json")" completed
		assert_equal "$(cat "$WS/a.txt")" two
		rm "$WS/gate"
		echo one >"$WS/a.txt"
	done
}

@test "what was done in time is taken when the lease has long ended" {
	wrong_clock
	start_server -A none -S none -- sh
	id=$(awcp-invite -bq -e "$URL" -r "ws=$WS" 'echo two >a.txt')
	STATE=$AWCP_HOME/assignments/$id
	wait_until event '.type == "done"'
	in_time "$FAULT_CLOCK" 86400
	LD_PRELOAD=$LIBRARY run awcp-watch -q "$id"
	assert_success
	assert_equal "$(cat "$WS/a.txt")" two
}

# serve: all of an executor, at the port that it had before.
serve()
{
	# shellcheck disable=SC2016 # the command's
	start_process "$SERVER_LOG" awcp-serve -A none -l "127.0.0.1:$PORT" -S none -- sh -c \
		'echo run >>"$GATE.runs"; echo begun; while [ ! -e "$GATE" ]; do sleep 0.01; done; echo two >a.txt'
	SERVER_PID=$STARTED
	wait_until listening
}

descendants()
{
	local child
	for child in $(pgrep -P "$1"); do
		echo "$child"
		descendants "$child"
	done
}

runs()
{
	[ -e "$GATE.runs" ] && [ "$(wc -l <"$GATE.runs")" -eq "$1" ]
}

@test "a delegation outlives three restarts of everything, one of them by kill -9" {
	export GATE=$BATS_TEST_TMPDIR/gate AWCP_TASK_ENV=GATE
	PORT=$(free_port) URL=http://127.0.0.1:$PORT/awcp SERVER_LOG=$BATS_TEST_TMPDIR/log
	serve
	id=$(awcp-invite -bq -e "$URL" -r "ws=$WS" go)
	for restart in 1 2 3; do
		wait_until runs $restart
		start_process "$BATS_TEST_TMPDIR/watch" awcp-watch "$id"
		wait_until grep -q . "$BATS_TEST_TMPDIR/watch"
		stop_process "$STARTED" KILL
		below=$(descendants "$SERVER_PID")
		if [ $restart = 2 ]; then
			# shellcheck disable=SC2086 # pids
			kill -KILL "$SERVER_PID" $below
		fi
		stop_process "$SERVER_PID"
		for pid in $below; do
			wait_until gone "$pid"
		done
		: >"$SERVER_LOG"
		serve
	done
	wait_until runs 4
	touch "$GATE"
	run awcp-watch "$id"
	assert_success
	assert_equal "$(cat "$WS/a.txt")" two
	STATE=$AWCP_HOME/delegations/$id
	ended_once
	assert_equal "$(jq -r .state "$STATE/record.json")" completed
}
