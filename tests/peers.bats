#!/usr/bin/env bats
# awcp-invite with executors of other makes: the recorded answers of the reference, and peers that
# break, lie or stall.  peer.pl plays them all.

load helper

FIX=$FIXTURES/awcp-v1

setup() {
	own_home
	P=$BATS_TEST_TMPDIR/peer WS=$BATS_TEST_TMPDIR/ws
	mkdir "$P" "$WS"
	export AWCP_TIMEOUT=2
	# What the recorded workspace was.
	mkdir -p "$WS/.git" "$WS/empty" "$WS/sub/deep"
	printf 'ref\n' >"$WS/.git/HEAD"
	printf 'hi\n' >"$WS/.hidden"
	printf 'hello\none\n' >"$WS/a.txt"
	printf 'bye\n' >"$WS/gone.txt"
	cd "$WS"
}

teardown() { stop_all; }

# body NN-name file: the recorded answer, with the delegation's id as a placeholder.
body() {
	jq -r .response.body "$FIX/$1.json" | sed -E 's/dlg_[0-9a-f]{32}|dlg_manual1|dlg_nope/@ID@/g' >"$P/$2"
}

peer() {
	start_process "$P/out" "$REPO/tests/peer.pl" "$P"
	wait_until test -s "$P/port"
	URL=http://127.0.0.1:$(cat "$P/port")/awcp
}

happy() {
	body 01-invite-accept invite
	body 03-start start
	body 02-events-happy events
	body 04-ack ack
}

state() { awcp-list -a -j | jq -r .state; }

@test "a recorded delegation comes to its end and is applied" {
	happy
	peer
	printf '#!/bin/sh\n' >run.sh
	chmod 751 run.sh
	# What the executor sends back as run.sh differs, so it is changed and keeps its mode.
	run awcp-invite -q -r ws=. -e "$URL" 'append'
	assert_success
	assert_equal "$(tail -n 1 a.txt)" two
	assert_equal "$(cat new/n.txt)" n
	assert_equal "$(stat -c %a run.sh)" 751
	assert_equal "$(state)" completed
	assert_equal "$(cat "$P/log")" $'POST invite\nGET events\nPOST start\nPOST ack'
	run awcp-snapshot show "$(awcp-list -aj | jq -r .id)"
	assert_line --regexp '^M .*ws/run\.sh$' # without a mode that the executor does not know
}

@test "a delegation that was cancelled before its INVITE arrived is not started" {
	happy
	mv "$P/invite" "$P/late"
	printf '@THEN@' >"$P/invite"
	peer
	start_process "$P/follower" awcp-invite -q -r ws=. -e "$URL" x
	wait_until grep -q 'POST invite' "$P/log"
	awcp-cancel "$(awcp-list -j | jq -r .id)" # the executor knows of none
	mv "$P/late" "$P/invite.then"
	wait_until gone "$STARTED"
	assert_equal "$(state)" cancelled
	run cat "$P/log"
	refute_line 'POST start'
	assert_equal "${lines[1]} ${lines[-1]}" 'POST cancel POST cancel'
	grep -q 'awcp-invite: .*cancelled' "$P/follower"
}

@test "a clock that is put forward while START is answered does not end the lease" {
	happy
	mv "$P/start" "$P/late"
	mv "$P/events" "$P/all"
	printf '@THEN@' | tee "$P/start" >"$P/events"
	echo '{"status":"running"}' >"$P/result"
	peer
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$P/clock.so" "$REPO/tests/fault/clock.c" -ldl
	FAULT_CLOCK=$P/clock LD_PRELOAD=$P/clock.so start_process "$P/follower" awcp-invite -q -r ws=. -e "$URL" x
	wait_until grep -q 'POST start' "$P/log"
	echo 86400 >"$P/clock"
	mv "$P/late" "$P/start.then"
	wait_until grep -q 'event=start' "$AWCP_HOME/log/delivery.log"
	mv "$P/all" "$P/events.then"
	wait_until gone "$STARTED"
	assert_equal "$(state)" completed
}

@test "a recorded failure is an error with its code" {
	body 05-invite-accept-fail invite
	body 07-start-fail start
	body 06-events-task-failed events
	peer
	run awcp-invite -e "$URL" x
	assert_failure 1
	assert_output --partial 'exit 3: boom'
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" TASK_FAILED
}

@test "a recorded refusal is told with its hint" {
	body 08-invite-declined-ttl invite
	peer
	run awcp-invite -e "$URL" x
	assert_failure 69
	assert_output --partial 'exceeds maximum'
	assert_output --partial 'Request a shorter TTL'
	assert_equal "$(state)" error
}

@test "an executor that does not promise the sandbox that -S demands is sent nothing" {
	happy
	peer
	run awcp-invite -q -r ws=. -S bwrap,no-network -e "$URL" x
	assert_failure 69
	assert_output --partial 'allowNetwork false'
	assert_equal "$(cat "$P/log")" $'POST invite\nPOST cancel'
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" DECLINED
	run awcp-invite -q -r ws=. -S bwrap -e "$URL" 'append'
	assert_success
}

@test "a lease that is shorter than was asked for is told, and used" {
	happy
	sed -i 's/"maxTtlSeconds":[0-9]*/"maxTtlSeconds":7/' "$P/invite"
	peer
	run awcp-invite -r ws=. -t 60 -e "$URL" x
	assert_success
	assert_output --partial 'shorter than was asked for: 7 s'
	run awcp-list -a -j
	assert_success
	run jq -e '(.activeLease.expiresAt | sub("\\.[0-9]+Z"; "Z") | fromdate) - now | . > 0 and . <= 7' \
		"$AWCP_HOME"/delegations/dlg_*/record.json
	assert_success
}

@test "a recorded staged delegation leaves the directory alone" {
	body 09-invite-staged invite
	body 11-start-staged start
	body 10-events-staged events
	body 12-ack-staged ack
	peer
	run awcp-invite -q -m staged -r ws=. -e "$URL" x
	assert_success
	[ ! -e new ]
	run awcp-snapshot list "$(awcp-list -aj | jq -r .id)"
	assert_output --partial pending
}

@test "a stream that replays only the end is completed from /result" {
	happy
	jq -r .response.body "$FIX/02-events-happy.json" | sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' >"$BATS_TEST_TMPDIR/all"
	head -n 2 "$BATS_TEST_TMPDIR/all" >"$P/events.1"
	grep '"type":"done"' "$BATS_TEST_TMPDIR/all" | sed 's/,"snapshotIds".*/}/' >"$P/events.2"
	printf '\n' >>"$P/events.2"
	grep '"type":"snapshot"' "$BATS_TEST_TMPDIR/all" | sed 's/^data: //' |
		jq -c '{status:"completed",completedAt:.timestamp,summary,highlights,snapshotBase64}' >"$P/result"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_success
	assert_equal "$(tail -n 1 a.txt)" two
	grep -q 'GET result' "$P/log"
}

# late_result: the stream breaks when the task runs; then only its end is replayed, without ids.
late_result() {
	happy
	body 02-events-happy whole
	head -n 2 "$P/whole" >"$P/events.1"
	printf 'data: {"delegationId":"@ID@","type":"done","summary":"fin"}\n\n' >"$P/events"
	grep '"type":"snapshot"' "$P/whole" | sed 's/^data: //' |
		jq -c '{status:"completed",summary,snapshotId,snapshotBase64}' >"$P/good"
}

asked() { [ "$(grep -c 'GET result' "$P/log")" -ge "$1" ]; }

# What may be said at /result that is no result.
NO_RESULT=(
	'HTTP/1.1 502 X\r\nContent-Type: application/json\r\n\r\n{"error":"bad gateway"}'
	'HTTP/1.1 502 X\r\nContent-Type: text/html\r\n\r\n<html>bad gateway</html>'
	'HTTP/1.1 500 X\r\nContent-Type: application/json\r\n\r\n{"status":"completed","summary":"x"}'
	'HTTP/1.1 404 X\r\nContent-Type: application/json\r\n\r\n{"error":"Not found"}'
	'HTTP/1.1 200 X\r\nContent-Type: text/html\r\n\r\n<html>hello</html>'
	'HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\n{"status":"completed","snapshotBase64":"UEsD'
	'{"status":"completed","snapshotBase64":"UEsD'
	'{"status":"running"}'
	'{"status":"not_applicable","reason":"another transport"}'
	'{"status":"completed","summary":"x","snapshotId":"snap_1"}'
	'{"status":"completed","summary":"x","snapshotBase64":""}'
	'{"ok":true}'
	'[]'
)

# invite_with_status file: the exit status goes there.
invite_with_status() {
	local status=0
	awcp-invite -q -m staged -r ws=. -t 2 -e "$URL" x || status=$?
	echo $status >"$1"
}

@test "without a result, or the word that there is none, nothing is completed or acknowledged" {
	for i in "${!NO_RESULT[@]}"; do
		P=$BATS_TEST_TMPDIR/peer.$i
		mkdir "$P"
		late_result
		# shellcheck disable=SC2059 # it is one
		printf "${NO_RESULT[i]}" >"$P/result"
		peer
		start_process "$P/said" invite_with_status "$P/status"
	done
	for i in "${!NO_RESULT[@]}"; do
		P=$BATS_TEST_TMPDIR/peer.$i
		wait_until test -s "$P/status"
		echo "# ${NO_RESULT[i]}: $(cat "$P/said")"
		assert_equal "$(cat "$P/status")" 75
		asked 3
		run ! grep ack "$P/log"
		id=$(head -n 1 "$P/said")
		assert_equal "$(jq -r .state "$AWCP_HOME/delegations/$id/record.json")" running
		# It was there all the time.
		cp "$P/good" "$P/result"
		URL=$(jq -r .peerUrl "$AWCP_HOME/delegations/$id/record.json")
		if [ $((i % 2)) = 0 ]; then
			run awcp-watch -q "$id"
		else
			run awcp-invite -q -R "$id"
		fi
		assert_success
		assert_equal "$(jq -r '.state, .snapshots[0].status' "$AWCP_HOME/delegations/$id/record.json")" $'completed\npending'
		assert_equal "$(grep -c ack "$P/log")" 1
	done
}

@test "a result that cannot be fetched at once is asked for again, and one that there is not is none" {
	late_result
	printf 'HTTP/1.1 503 X\r\n\r\n' >"$P/result"
	peer
	start_process "$P/said" awcp-invite -q -r ws=. -e "$URL" x
	wait_until asked 2
	run ! grep ack "$P/log"
	mv "$P/good" "$P/result"
	wait_until gone "$STARTED"
	assert_equal "$(state)" completed
	assert_equal "$(tail -n 1 a.txt)" two
	printf '{"status":"completed","summary":"nothing to do"}' >"$P/result"
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_success
	assert_equal "$(grep -c ack "$P/log")" 2
	printf '{"status":"error"}' >"$P/result" # and without a reason it is an error, too
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 1
	assert_equal "$(grep -c ack "$P/log")" 2
}

@test "an executor that forgot the delegation is an error, and nothing is changed" {
	happy
	jq -r .response.body "$FIX/02-events-happy.json" | sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' | head -n 2 >"$P/events"
	peer
	run awcp-invite -r ws=. -e "$URL" x
	assert_failure 69
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" SSE_FAILED
	[ -e gone.txt ]
}

@test "a recorded stream for an unknown id ends it" {
	happy
	body 14-events-unknown-id events
	peer
	run awcp-invite -e "$URL" x
	assert_failure 69
	assert_output --partial 'not found'
}

# answer NN-name file: the recorded answer, status and all.
answer() {
	jq -j '.response | "HTTP/1.1 \(.status) X\r\nContent-Type: \(if .body[:1] == "<" then "text/html" else "application/json" end)\r\n\r\n\(.body)"' "$FIX/$1.json" >"$P/$2"
}

# cut_off: the stream of the happy one breaks when the task runs.
cut_off() {
	happy
	body 02-events-happy whole
	head -n 2 "$P/whole" >"$P/events"
}

@test "recorded: a result that says error, or running and then an error on the stream, is one" {
	cut_off
	answer 25-result-error result
	peer
	run awcp-invite -r ws=. -e "$URL" x
	assert_failure 1
	assert_output --partial 'Checksum mismatch'
	answer 23-result-running result
	mv "$P/events" "$P/events.2"
	body 26-events-replayed-error events.3
	run awcp-invite -r ws=. -e "$URL" x
	assert_failure 1
	assert_output --partial 'Checksum mismatch'
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" $'TASK_FAILED\nTASK_FAILED'
}

@test "recorded: a result that is not found, and a cancel of what is not known, are understood" {
	cut_off
	answer 15-result-unknown-id result
	answer 17-cancel-unknown-id cancel
	peer
	run awcp-invite -r ws=. -e "$URL" x
	assert_failure 69
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" SSE_FAILED
	printf '@NEVER@' >"$P/events.3"
	id=$(awcp-invite -b -q -r ws=. -e "$URL" x)
	run awcp-cancel "$id"
	assert_success
	assert_equal "$(awcp-show -j "$id" | jq -r .state)" cancelled
}

@test "recorded: an INVITE or START that is refused by status is told in the words of the answer" {
	happy
	answer 18-start-unknown-id start
	printf ': hello\n\n@NEVER@' >"$P/events"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 69
	assert_output --partial 'Unknown delegation for START'
	assert_equal "${#lines[@]}" 2 # the id, and one line
	answer 20-unknown-type invite
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 69
	assert_output --partial 'Unexpected message type: BOGUS'
	answer 21-bad-json invite
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure
	assert_output --partial 'answered 400'
	assert_equal "${#lines[@]}" 2
}

@test "an executor that answers HTML is named as such" {
	printf 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>hello</html>' >"$P/invite"
	peer
	run awcp-invite -e "$URL" x
	assert_failure 69
	assert_output --partial 'text/html'
	assert_output --partial '/awcp'
}

@test "an executor that closes early, and one that is not there" {
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{' >"$P/invite"
	peer
	run awcp-invite -q -e "$URL" x
	assert_failure 69
	assert_equal "${#lines[@]}" 2
	stop_all
	run awcp-invite -q -e "$URL" x
	assert_failure 69
	assert_output --partial 'is the executor running'
}

@test "an executor that never answers is given up after AWCP_TIMEOUT" {
	printf '@NEVER@' >"$P/invite"
	peer
	SECONDS=0
	AWCP_TIMEOUT=1 run awcp-invite -q -e "$URL" x
	assert_failure 69
	[ $SECONDS -lt 8 ]
	assert_equal "$(state)" error
}

@test "so is one that never answers START, and one that never answers the ack is not waited for" {
	happy
	export AWCP_TIMEOUT=1
	printf '@NEVER@' >"$P/ack"
	peer
	run awcp-invite -r ws=. -e "$URL" x
	assert_success
	assert_output --partial 'could not be told'
	printf '@NEVER@' >"$P/start"
	printf ': hello\n\n@NEVER@' >"$P/events"
	SECONDS=0
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 69
	[ $SECONDS -lt 30 ]
	run tail -n 1 "$P/log"
	assert_output 'POST cancel' # it may have arrived
}

@test "a redirect is not followed: it is told where it leads" {
	printf 'HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/other\r\nContent-Length: 0\r\n\r\n' >"$P/invite"
	peer
	run awcp-invite -q -e "$URL" x
	assert_failure 69
	assert_output --partial 'http://127.0.0.1:1/other'
	assert_equal "$(grep -c . "$P/log")" 1
}

@test "what an executor that keeps no names and links cannot be sent is named before INVITE, by -n too" {
	happy
	peer
	touch 'back\slash' $'not\xff utf8' $'new\nline'
	ln -s nowhere dangling
	run awcp-invite -r ws=. -e "$URL" x
	assert_failure 65
	for name in 'back\slash has a backslash' 'dangling is a link' 'not'; do
		assert_output --partial "ws/$name"
	done
	refute_output --partial 'ws/new'
	run --separate-stderr awcp-invite -nr ws=. -e "$URL"
	assert_failure 65
	[[ $stderr == *'ws/back\slash has'* && $stderr == *'ws/dangling is'* ]]
	run grep POST "$P/log"
	assert_output ''
	rm 'back\slash' $'not\xff utf8' dangling
	awcp-invite -q -m discard -r ws=. -e "$URL" x
}

@test "ACCEPT may count in fractions, and say no more than it must" {
	happy
	for edit in 's/"retentionMs":[0-9]*/"retentionMs":1000.5/; s/"maxTtlSeconds":[0-9]*/"maxTtlSeconds":3599.9/' \
		's/,"retentionMs":[0-9]*//; s/,"executorConstraints":.*/}/' 's/"retentionMs":[0-9]*/"retentionMs":1e300/'; do
		body 01-invite-accept invite
		sed -i "$edit" "$P/invite"
		rm -f "$P"/port "$P"/events.seen* "$P/started"
		peer
		run awcp-invite -q -m discard -r ws=. -e "$URL" x
		assert_success
		stop_all
	done
}

@test "ACCEPT for another id, of another version, or of wrong types is refused" {
	for edit in 's/@ID@/dlg_other/' 's/"version":"1"/"version":"2"/' 's/"ACCEPT"/"START"/' \
		's/"retentionMs":[0-9]*/"retentionMs":"long"/' 's/"maxTtlSeconds":[0-9]*/"maxTtlSeconds":-1/'; do
		body 01-invite-accept invite
		sed -i "$edit" "$P/invite"
		rm -f "$P/port"
		peer
		run awcp-invite -q -e "$URL" x
		assert_failure 76
		stop_all
	done
}

@test "an endless event is cut off, and nothing is left half done" {
	happy
	printf 'data: {"delegationId":"@ID@","type":"status","message":"@ENDLESS@' >"$P/events"
	peer
	run awcp-invite -q -e "$URL" x
	assert_failure 65
	assert_equal "$(state)" error
}

@test "an endless snapshot is cut off at AWCP_MAX_SNAPSHOT" {
	happy
	printf 'data: {"delegationId":"@ID@","type":"snapshot","snapshotId":"snap_1","snapshotBase64":"@ENDLESS@' >"$P/events"
	peer
	AWCP_MAX_SNAPSHOT=4M run awcp-invite -q -e "$URL" x
	assert_failure 65
	assert_output --partial AWCP_MAX_SNAPSHOT
	run find "$AWCP_HOME/delegations" -name 'data*'
	assert_output ''
}

@test "a snapshot that is broken base64, or no archive, changes nothing" {
	for bad in '!!!!' 'AAAA' 'UEsDBAoAAAAAALVIdF0'; do
		happy
		sed -i -E "s#\"snapshotBase64\":\"[^\"]*\"#\"snapshotBase64\":\"$bad\"#" "$P/events"
		rm -f "$P"/port "$P"/events.seen* "$P/started"
		peer
		run awcp-invite -q -r ws=. -e "$URL" x
		assert_failure 65
		[ -e gone.txt ]
		stop_all
	done
	run find "$AWCP_HOME/delegations" -name '*.part'
	assert_output ''
}

@test "a START that is refused ends the delegation with the reason" {
	happy
	printf '@NEVER@' >"$P/events"
	printf 'HTTP/1.1 413 Payload Too Large\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nbig!' >"$P/start"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 65
	assert_output --partial 'HTTP 413'
	assert_output --partial 'leave files out'
	grep -q 'POST cancel' "$P/log"
}

@test "snapshotId from the network cannot lead out of the state" {
	happy
	sed -i 's/snap_9d63c84b9ac9/..\/..\/evil/g' "$P/events"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_failure 76
	run find "$AWCP_HOME" -name 'evil*'
	assert_output ''
}

@test "a delegation expires here when its lease has ended and the executor says nothing" {
	happy
	printf 'data: {"delegationId":"@ID@","type":"status","status":"running","timestamp":"2026-01-01T00:00:00.000Z"}\n\n@NEVER@' >"$P/events"
	printf '{"status":"running"}' >"$P/result"
	peer
	SECONDS=0
	run awcp-invite -q -r ws=. -t 1 -e "$URL" x
	assert_failure 1
	[ $SECONDS -lt 8 ]
	assert_equal "$(state)" expired
	assert_equal "$(awcp-list -a -j | jq -r .error.code)" EXPIRED
}

@test "of several snapshots the recommended one is applied, and the others wait" {
	happy
	# The recorded one, and then another that is less good.
	sed -n 's/^data: //p' "$P/events" >"$P/recorded"
	for edit in 'select(.status == "running")' \
		'select(.type == "snapshot") | .snapshotId = "snap_1" | .recommended = true' \
		'select(.type == "snapshot") | .snapshotId = "snap_2" | .recommended = false' \
		'select(.type == "done") | .snapshotIds = ["snap_1", "snap_2"] | .recommendedSnapshotId = "snap_1"'; do
		jq -r "$edit | \"data: \" + tojson + \"\\n\"" "$P/recorded"
	done >"$P/several"
	mv "$P/several" "$P/events"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_success
	assert_equal "$(tail -n 1 a.txt)" two
	id=$(awcp-list -aj | jq -r .id)
	run awcp-watch -q "$id"
	assert_success
	run awcp-snapshot list -j "$id"
	assert_line --partial '"id":"snap_2"'
	run jq -c '[.snapshots[] | [.id, .status]], .appliedSnapshotId' "$AWCP_HOME/delegations/$id/record.json"
	assert_output $'[["snap_1","applied"],["snap_2","pending"]]\n"snap_1"'
}

@test "of more snapshots than AWCP_KEEP_SNAPSHOTS the oldest that nobody recommends makes way" {
	happy
	sed -n 's/^data: //p' "$P/events" >"$P/recorded"
	for id in snap_1 snap_2 snap_3; do
		jq -r 'select(.type == "snapshot") | .snapshotId = "'$id'" | .recommended = false | "data: " + tojson + "\n"' \
			"$P/recorded"
	done >"$P/several"
	jq -r 'select(.type == "done") | .recommendedSnapshotId = "snap_3" | "data: " + tojson + "\n"' "$P/recorded" >>"$P/several"
	mv "$P/several" "$P/events"
	peer
	AWCP_KEEP_SNAPSHOTS=2 run awcp-invite -q -m staged -r ws=. -e "$URL" x
	assert_success
	run jq -c '[.snapshots[] | [.id, .status]], .snapshotPolicy.maxSnapshots' "$AWCP_HOME/delegations/$output/record.json"
	assert_output $'[["snap_1","discarded"],["snap_2","pending"],["snap_3","pending"]]\n2'
	run ls "$AWCP_HOME/delegations"/dlg_*/snapshots
	refute_output --partial snap_1
}

@test "what a killed awcp-invite did not hand over is begun again by awcp-watch" {
	happy
	printf '@NEVER@' >"$P/invite"
	peer
	start_process "$P/first" awcp-invite -q -r ws=. -e "$URL" x
	wait_until grep -q 'POST invite' "$P/log"
	stop_process "$STARTED" KILL
	body 01-invite-accept invite
	run awcp-watch -q "$(awcp-list -j | jq -r .id)"
	assert_success
	assert_equal "$(tail -n 1 a.txt)" two
}

@test "a follower goes on after the executor was away" {
	happy
	printf 'data: {"delegationId":"@ID@","type":"status","status":"running","timestamp":"2026-01-01T00:00:00.000Z"}\n\n' >"$P/events.1"
	printf '{"status":"running"}' >"$P/result"
	peer
	run awcp-invite -q -r ws=. -e "$URL" x
	assert_success
	assert_equal "$(tail -n 1 a.txt)" two
	grep -q 'GET events after 0' "$P/log"
}
