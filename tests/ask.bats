#!/usr/bin/env bats
# Questions: a task asks with awcp-ask, a person answers with awcp-answer or over HTTP.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031,SC2153,SC2154 # a test's variables are its own

load helper
load worker

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	start_server -A none -D "$BATS_RUN_TMPDIR" -Q # no command: each test brings its own worker
	find_sandbox
	FENCE=$SANDBOX
	SANDBOX=none
	export SANDBOX FENCE
}

teardown_file()
{
	stop_all
}

setup()
{
	Q=q$BATS_TEST_NUMBER
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
}

teardown()
{
	[ -z "${WORKER-}" ] || stop_process "$WORKER"
	rm -rf "$AWCP_HOME/queue/default"
}

# begin prompt [option of awcp-run...]: a worker runs it as a task of queue $Q; sets T.
begin()
{
	T=$(awcp-queue put -q "$Q" -- "$1")
	shift
	start_worker -q "$Q" "$@" -- sh
}

# of filter: jq on the task.
of()
{
	awcp-queue show -j "$T" | jq -rc "$1"
}

is()
{
	[ "$(of .state)" = "$1" ]
}

# asked id: the question is open.
asked()
{
	[ -n "$(awcp-answer -j "$T" | jq -r "select(.id == \"$1\") | .id")" ]
}

# at_end: waits for it; sets STATE_AT_END and SUMMARY.
at_end()
{
	run awcp-queue wait "$T"
	STATE_AT_END=$(of .state) SUMMARY=$(of '.result.summary // ""')
}

@test "a task asks, a person answers, and the answer is on its stdout" {
	begin 'a=$(awcp-ask "which colour?"); echo "got $a"'
	wait_until asked q1
	is waiting_answer
	run awcp-answer
	assert_output --regexp "^$T +q1 +user_input +which colour\?$"
	run awcp-answer "$T" 'dark  blue'
	assert_success
	refute_output
	at_end
	assert_equal "$SUMMARY" 'got dark  blue'
	assert_equal "$(of '.questions[0] | [.id, .type, .text, .outcome, .answer]')" \
		'["q1","user_input","which colour?","answered","dark  blue"]'
	run awcp-answer
	refute_output
}

@test "it does so in a sandbox without a network, where the state is not to be seen" {
	SANDBOX=$FENCE need_sandbox
	T=$(awcp-queue put -q "$Q" 'go on?')
	start_worker -q "$Q" -S bwrap,no-network -- sh -c 'ls queue; awcp-ask -t command_approval'
	wait_until asked q1
	assert_equal "$(awcp-answer -j "$T" | jq -c '[.text, .options, .task]')" \
		"[\"go on?\",[\"yes\",\"no\"],\"$T\"]"
	awcp-answer "$T" yes
	at_end
	assert_equal "$SUMMARY" yes
}

@test "options are kept to, and an empty answer is the default" {
	begin 'awcp-ask -o red -o "dark green" -d red "which?"; awcp-ask -o a -d b x; echo $?'
	wait_until asked q1
	run awcp-answer "$T" blue
	assert_failure 65
	assert_output --partial 'one of: red, dark green'
	run awcp-answer "$T" q1 'dark green '
	assert_failure 65
	asked q1
	awcp-answer "$T" ''
	at_end
	assert_equal "$SUMMARY" $'red\n65'
}

@test "silence is the default, or exit 75" {
	begin 'awcp-ask -w 1 -d blue a; awcp-ask -w 1 b; echo $?'
	at_end
	assert_equal "$SUMMARY" $'blue\n75'
	assert_equal "$(of '[.questions[].outcome]')" '["default","timed_out"]'
	run awcp-answer "$T" q2 late
	assert_failure 1
	assert_output --partial 'is over: timed_out'
}

@test "only the first answer counts, and there must be a question" {
	begin 'awcp-ask one; awcp-ask two; sleep 60'
	wait_until asked q1
	awcp-answer "$T" q1 first
	run awcp-answer "$T" q1 second
	assert_failure 1
	assert_output --partial "$T: question q1 is over: answered"
	wait_until asked q2
	run awcp-answer "$T" q7 x
	assert_failure 66
	run awcp-answer "$Q.99" x
	assert_failure 66
	run awcp-answer nowhere.1 x
	assert_failure 66
	awcp-answer "$T" x
	wait_until is running
	run awcp-answer "$T" x
	assert_failure 66
	assert_output --partial "$T: no question is open"
	awcp-queue cancel "$T"
	run awcp-answer "$T" q2 x
	assert_failure 1
	assert_equal "$(of '[.questions[].answer]')" '["first","x"]'
}

@test "several processes of a task ask at once, each hears its own answer" {
	begin 'for i in 1 2 3; do (echo "$i $(awcp-ask -o $i -o no "$i?")") & sleep 0.2; done; wait'
	wait_until asked q3
	run awcp-answer "$T" no
	assert_failure 64
	assert_output --partial 'say which is answered: q1 q2 q3'
	for q in q2 q3 q1; do
		is waiting_answer
		awcp-answer "$T" "$q" "${q#q}"
	done
	at_end
	assert_equal "$(sort <<<"$SUMMARY")" $'1 1\n2 2\n3 3'
}

@test "a task that is cancelled, or stopped at its timeout, asks no more" {
	begin 'awcp-ask why'
	wait_until asked q1
	awcp-queue cancel "$T"
	run awcp-answer "$T" q1 because
	assert_failure 1
	run awcp-answer
	refute_output
	T=$(awcp-queue put -q "$Q" --timeout 1 'awcp-ask -w 2 -d on "go on?"; sleep 60')
	wait_until asked q1
	at_end
	assert_equal "$STATE_AT_END" timed_out
	# The time that a person was waited for is not the task's.
	assert_equal "$(of '.questions[0].outcome')" default
}

@test "who gives up asking is not waited for" {
	begin 'timeout 0.3 awcp-ask what; echo $?; awcp-ask then'
	wait_until asked q2
	assert_equal "$(of '.questions[0].outcome')" withdrawn
	run awcp-answer "$T" q1 x
	assert_failure 1
	awcp-answer "$T" so
	at_end
	assert_equal "$SUMMARY" $'124\nso'
}

@test "after kill -9 of the worker the task asks again, and the old question is over" {
	begin 'awcp-ask "attempt?"'
	wait_until asked q1
	stop_process "$WORKER" KILL
	start_worker -q "$Q" -- sh
	wait_until asked q2
	run awcp-answer "$T" q1 old
	assert_failure 1
	assert_output --partial 'q1'
	awcp-answer "$T" q2 new
	at_end
	assert_equal "$SUMMARY" new
}

@test "an answer that was given as the worker died is not taken for that of the next attempt" {
	begin 'awcp-ask a; awcp-ask b'
	wait_until asked q1
	kill -STOP "$(pgrep -P "$WORKER")"
	awcp-answer "$T" secret
	kill -9 "$(pgrep -P "$WORKER")"
	wait_until asked q2
	assert_equal "$(of '.questions[1].text')" a
	is waiting_answer
}

@test "a secret answer is written nowhere" {
	begin 'awcp-ask -s "password?" | sha256sum; awcp-ask next'
	wait_until asked q1
	echo 'open sesame' | awcp-answer "$T" q1 -
	wait_until asked q2
	run grep -rl 'open sesame' "$AWCP_HOME/queue"
	refute_output
	awcp-answer "$T" x
	at_end
	assert_equal "${SUMMARY%%  -*}" "$(echo 'open sesame' | sha256sum | cut -d' ' -f1)"
	assert_equal "$(of '.questions[0] | [.secret, .outcome, .answer]')" '[true,"answered",null]'
	# One that nobody hears is gone with the attempt.
	T=$(awcp-queue put -q "$Q" 'awcp-ask -s "password?"')
	wait_until asked q1
	kill -STOP "$(pgrep -P "$WORKER")"
	awcp-answer "$T" 'open sesame'
	awcp-queue cancel "$T"
	kill -CONT "$(pgrep -P "$WORKER")"
	run grep -rl 'open sesame' "$AWCP_HOME/queue"
	refute_output
}

@test "what drives a terminal is dropped, what is too long is refused" {
	printf '#!/bin/sh\nawcp-ask "$(printf "a\\033[31mb\\007\\342\\200\\256c\\nd")"; head -c 5000 /dev/zero | tr "\\0" x | awcp-ask; echo $?; awcp-ask " "; echo $?
		awcp-ask -t nonsense x; echo $?; awcp-ask -o a -o a x; echo $?' >"$BATS_TEST_TMPDIR/script"
	begin "$(cat "$BATS_TEST_TMPDIR/script")"
	wait_until asked q1
	assert_equal "$(of '.questions[0].text')" $'abc\nd'
	run awcp-answer "$T" "$(head -c 5000 /dev/zero | tr '\0' x)"
	assert_failure 65
	awcp-answer "$T" $'x\e[2Jy\n'
	at_end
	assert_equal "$SUMMARY" $'xy\n65\n65\n65\n65'
	assert_equal "$(of .asked)" 1
}

@test "outside of a task there is nobody to ask" {
	run awcp-ask x
	assert_failure 69
	assert_output --partial AWCP_ASK
	AWCP_ASK=$BATS_TEST_TMPDIR/none run awcp-ask x
	assert_failure 69
	run awcp-ask -z x
	assert_failure 64
	for wrong in 'a b c d' "$Q.1 q1" "$Q.1 that is"; do
		# shellcheck disable=SC2086 # words
		run awcp-answer $wrong
		assert_failure 64
	done
}

@test "any program may ask, with a line on the socket; nonsense is told, and hurts nobody" {
	begin 'perl -MSocket -e '\''
		socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; $d = $ENV{AWCP_ASK}; $d =~ s,/ask$,,; chdir $d;
		connect($s, sockaddr_un("ask")) or die $!; syswrite $s, "$ARGV[0]\n"; print <$s>'\'' "nonsense"
		echo; awcp-ask -j still | jq -r .answer'
	wait_until asked q1
	awcp-answer "$T" fine
	at_end
	assert_equal "$(head -n 1 <<<"$SUMMARY" | jq -r .code)" BAD_MESSAGE
	assert_equal "$(tail -n 1 <<<"$SUMMARY")" fine
}

# --- delegations

# lent_asked id: the delegator knows the question.
lent_asked()
{
	[ -n "$(awcp-answer -j "$ID" | jq -r "select(.id == \"$1\") | .id")" ]
}

@test "a delegated task asks its delegator, who answers over the delegation" {
	start_worker -- sh
	start_process "$BATS_TEST_TMPDIR/invite.log" awcp-invite -e "$URL" -r "ws=$WS" \
		-- 'awcp-ask -t command_approval "rm it?" >answer; awcp-ask "is that all?"'
	invite=$STARTED
	wait_until grep -q awcp-answer "$BATS_TEST_TMPDIR/invite.log"
	ID=$(grep -o 'dlg_[0-9a-f]*' "$BATS_TEST_TMPDIR/invite.log" | head -n 1)
	STATE=$AWCP_HOME/assignments/$ID
	run grep -v '^dlg' "$BATS_TEST_TMPDIR/invite.log"
	assert_output "awcp-invite: the task asks (q1):
  rm it?
  answer: awcp-answer $ID q1 yes|no"
	# What a peer without questions sees is a line of progress.
	assert_event '.type == "status" and .status == "progress" and .message == "question q1: rm it?"'
	run awcp-answer "$ID"
	assert_line --regexp "^$ID q1 command_approval asked "
	assert_line 'rm it?'
	assert_line 'answer: [yes, no]'
	run awcp-show "$ID"
	assert_line --regexp '^questions +q1 rm it\?$'
	run awcp-answer "$ID" maybe
	assert_failure 65
	assert_output --partial 'one of: yes, no'
	awcp-answer "$ID" yes
	run awcp-answer "$ID" q1 no
	assert_failure 1
	assert_output --partial 'is over: answered'
	wait_until lent_asked q2
	awcp-answer "$ID" yes
	wait_until gone "$invite"
	assert_equal "$(cat "$WS/answer")" yes
	run awcp-answer "$ID" q1 yes
	assert_failure 1
	refute [ "$(awcp-show -j "$ID" | jq .questions)" != null ]
}

@test "its operator may answer, too, and the delegator hears that it is over" {
	start_worker -- sh
	lender=$HOME/lender # as on a machine of its own
	ID=$(AWCP_HOME=$lender awcp-invite -bq -e "$URL" -r "ws=$WS" -- 'awcp-ask one; awcp-ask two')
	AWCP_HOME=$lender start_process "$BATS_TEST_TMPDIR/watch.log" awcp-watch "$ID"
	watch=$STARTED
	AWCP_HOME=$lender wait_until lent_asked q1
	T=$(awcp-queue list -j | jq -r .id)
	run awcp-answer "$ID"
	assert_line --regexp "^$T q1 "
	awcp-answer "$ID" mine
	AWCP_HOME=$lender wait_until lent_asked q2
	run awcp-answer "$T" q1 again
	assert_failure 1
	AWCP_HOME=$lender run lent_asked q1
	assert_failure
	AWCP_HOME=$lender awcp-answer "$ID" yours
	wait_until gone "$watch"
	assert_equal "$(AWCP_HOME=$lender awcp-show -j "$ID" | jq -r .result.summary)" $'mine\nyours'
	run cat "$BATS_TEST_TMPDIR/watch.log"
	assert_output --partial 'progress question q1 is over (answered): mine'
}

@test "a delegation's lease does not wait for an answer" {
	start_worker -- sh
	lend 'awcp-ask still?' -t 1
	run awcp-watch "$ID"
	assert_failure 1
	run awcp-answer "$ID" q1 yes
	assert_failure 1
	assert_event '.type == "error" and .code == "EXPIRED"'
}

@test "a resumed delegation goes on counting its questions" {
	start_worker -- sh
	lend 'awcp-ask which run'
	wait_until event '.question.id == "q1"'
	# The same id once more, from an INVITE and a START, as a delegator does that lost track.
	jq -c .invite "$STATE/record.json" >"$BATS_TEST_TMPDIR/invite"
	(cd "$BATS_TEST_TMPDIR" && bsdtar -c --format zip -f ws.zip ws)
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/invite"
	jq -cn --arg id "$ID" --arg sha "$(sha256sum <"$BATS_TEST_TMPDIR/ws.zip" | cut -d' ' -f1)" \
		--arg data "$(base64 -w0 "$BATS_TEST_TMPDIR/ws.zip")" \
		--arg until "$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%S.000Z)" '{version: "1",
		type: "START", delegationId: $id, lease: {expiresAt: $until, accessMode: "rw"},
		transportHandle: {transport: "archive", workspaceBase64: $data, checksum: $sha}}' \
		>"$BATS_TEST_TMPDIR/start"
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/start"
	wait_until event '.question.id == "q2"'
	request POST "/awcp/tasks/$ID/answer" -d '{"question": "q1", "answer": "x"}'
	assert_refused 404 NOT_FOUND
	request POST "/awcp/tasks/$ID/answer" -d '{"answer": "second"}'
	assert_status 200
	wait_until summary
	assert_equal "$(summary)" second
}

@test "awcp-delegator passes answers on, and an answer that is refused changes nothing" {
	start_worker -- sh
	# It goes on when the second answer was refused: what has ended is soon forgotten.
	request POST /delegate -d "$(jq -cn --arg url "$URL" --arg ws "$WS" --arg go "$BATS_TEST_TMPDIR/go" '{
		executorUrl: $url,
		environment: {resources: [{name: "ws", type: "fs", mode: "rw", source: $ws}]},
		task: {description: "d", prompt: "awcp-ask -o 1 -o 2 number; until [ -e \($go) ]; do sleep 0.05; done"}}')"
	assert_status 200
	ID=$(jq -r .delegationId "$BODY")
	STATE=$AWCP_HOME/assignments/$ID
	wait_until lent_asked q1
	request GET "/delegation/$ID"
	assert_json '.questions[0] | .id == "q1" and .options == ["1", "2"]'
	request POST "/delegation/$ID/answer" -d '{"question": "q1", "answer": "3"}'
	assert_refused 400 BAD_DATA
	request POST "/delegation/$ID/answer" -d '{"question": "../q1", "answer": "1"}'
	assert_status 400
	request POST "/delegation/$ID/answer" -d '{"question": "q1", "answer": "2"}'
	assert_status 200
	request POST "/delegation/$ID/answer" -d '{"question": "q1", "answer": "1"}'
	assert_refused 400 BAD_STATE
	touch "$BATS_TEST_TMPDIR/go"
	wait_until eval '[ "$(awcp-show -j "$ID" | jq -r .state)" = completed ]'
	assert_equal "$(awcp-show -j "$ID" | jq -r .result.summary)" 2
}

# --- over HTTP

@test "a worker elsewhere asks, and hears the answer" {
	request POST "/queue/$Q/tasks" -d '{"payload": "p"}'
	T=$Q.1
	request POST "/queue/$Q/claim"
	assert_json '.attempt == 1'
	request POST "/queue/$Q/tasks/1/ask" -d '{"attempt": 1, "text": "so?", "options": ["a", "b"]}'
	assert_json '.id == "q1" and .type == "user_input"'
	is waiting_answer
	request POST "/queue/$Q/tasks/1/beat" -d '{"attempt": 1}'
	assert_status 200
	request POST "/queue/$Q/tasks/1/hear" -d '{"attempt": 1, "question": "q1"}'
	assert_json '. == {id: "q1"}'
	request POST "/queue/$Q/tasks/1/answer" -d '{"answer": "c"}'
	assert_refused 400 BAD_DATA
	request POST "/queue/$Q/tasks/1/answer" -d '{"question": "q1", "answer": "b"}'
	assert_json '.ok == true'
	request POST "/queue/$Q/tasks/1/answer" -d '{"question": "q1", "answer": "a"}'
	assert_refused 409 BAD_STATE
	request POST "/queue/$Q/tasks/1/answer" -d '{"answer": "a"}'
	assert_refused 404 NOT_FOUND
	request POST "/queue/$Q/tasks/1/hear" -d '{"attempt": 1, "question": "q1"}'
	assert_json '.outcome == "answered" and .answer == "b"'
	is running
	request POST "/queue/$Q/tasks/1/ask" -d '{"attempt": 2, "text": "x"}'
	assert_refused 409 BAD_STATE
	request POST "/queue/$Q/tasks/1/ask" -d '{"attempt": 1, "text": ""}'
	assert_refused 400 BAD_DATA
	for _ in 2 3 4 5 6 7 8 9; do
		request POST "/queue/$Q/tasks/1/ask" -d '{"attempt": 1, "text": "x"}'
		assert_status 200
	done
	request POST "/queue/$Q/tasks/1/ask" -d '{"attempt": 1, "text": "x"}'
	assert_refused 503 BUSY
	request POST "/queue/$Q/tasks/1/finish" -d '{"attempt": 1}'
	assert_status 200
	request POST "/queue/$Q/tasks/1/answer" -d '{"question": "q2", "answer": "x"}'
	assert_refused 409 BAD_STATE
}
