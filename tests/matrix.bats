#!/usr/bin/env bats
# Every state of an assignment with everything that can come to it over HTTP: what is answered, which
# state follows, and that nothing else changes.  The table is the protocol's; matrix.bash tells how to
# read it.  A state, an event or a transition of lib/fsm that it lacks is a failure.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2034,SC2153 # matrix.bash reads some, and sets others

# bats file_tags=plain
load helper
load matrix

# "active" waits on the queue, "running" has a worker.  Answers are HTTP statuses with
# the code, the type or the status in the body; of a stream its events, with "open" if it goes on.
# As "-other" another token asks, as "-nobody" none.  "late": START with a lease that has ended;
# "work" and "fail": a worker takes the task (or what a crash left of it on the queue), and its
# command succeeds or fails; "lease": it runs until its lease ends.
ASSIGNMENT='
assignment                   none=none           pending=pending             active=active   running=active  completed=completed      error=error
invite        RECEIVE_INVITE 200/ACCEPT>pending  "                           "               "               "                        "
invite-other  -              200/ACCEPT>pending  200/DECLINED                "               "               "                        "
invite-nobody -              200/AUTH_FAILED     "                           "               "               "                        "
invite-bad    -              400/BAD_MESSAGE     "                           "               "               "                        "
invite-long   -              200/DECLINED        "                           "               "               "                        "
start         RECEIVE_START  404/NOT_FOUND       200/ok>active               409/BAD_STATE   "               "                        "
start-other   -              404/NOT_FOUND       "                           "               "               "                        "
start-nobody  -              401/AUTH_FAILED     "                           "               "               "                        "
start-bad     -              404/NOT_FOUND       400/BAD_MESSAGE             409/BAD_STATE   "               "                        "
start-sum     TASK_FAIL      404/NOT_FOUND       400/CHECKSUM_MISMATCH>error 409/BAD_STATE   "               "                        "
start-late    TASK_FAIL      404/NOT_FOUND       410/START_EXPIRED>error     409/BAD_STATE   "               "                        "
error         RECEIVE_ERROR  404/NOT_FOUND       200/ok>error                "               "               409/BAD_STATE            "
error-other   -              404/NOT_FOUND       "                           "               "               "                        "
error-nobody  -              401/AUTH_FAILED     "                           "               "               "                        "
cancel        CANCEL         404/NOT_FOUND       200/cancelled>error         "               "               409/BAD_STATE            "
cancel-other  -              404/NOT_FOUND       "                           "               "               "                        "
cancel-nobody -              401/AUTH_FAILED     "                           "               "               "                        "
accept        -              400/BAD_MESSAGE     "                           "               "               "                        "
events        -              200/error:NOT_FOUND 200/open                    "               200/status,open 200/done                 200/error:TASK_FAILED
events-all    -              200/error:NOT_FOUND 200/open                    "               200/status,open 200/status,snapshot,done 200/status,error:TASK_FAILED
events-other  -              200/error:NOT_FOUND "                           "               "               "                        "
events-nobody -              401/AUTH_FAILED     "                           "               "               "                        "
result        -              404/not_found       200/running                 "               "               200/completed            200/error
result-other  -              404/not_found       "                           "               "               "                        "
result-nobody -              401/AUTH_FAILED     "                           "               "               "                        "
ack           -              200/ok              "                           "               "               200/ok>none              "
ack-other     -              200/ok              "                           "               "               "                        "
ack-nobody    -              401/AUTH_FAILED     "                           "               "               "                        "
status        -              200/unlisted        "                           200/listed      "               200/unlisted             "
status-other  -              200/unlisted        "                           "               "               "                        "
work          TASK_COMPLETE  dropped             "                           ended>completed "               dropped                  "
fail          TASK_FAIL      dropped             "                           ended>error     "               dropped                  "
lease         TASK_FAIL      -                   "                           ended>error     "               -                        "
'

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	export AWCP_AUTH_FAILURES=0 # there are many here
	make_fsm
	start_server
	MINE=$(awcp-token add mine)
	OTHER=$(awcp-token add other)
	export MINE OTHER
}

teardown_file()
{
	stop_all
}

setup()
{
	PAIRS=0 NUMBER=0 WORKER='' ANSWERS=$BATS_TEST_TMPDIR
	read_table "$ASSIGNMENT"
	read -r SUM ARCHIVE < <(jq -r '.request.body | fromjson.transportHandle |
		.checksum + " " + .workspaceBase64' "$FIXTURES/awcp-v1/03-start.json")
}

teardown()
{
	[ "$PAIRS" -eq 0 ] || echo "# $PAIRS pairs" >&3
}

# lease_end seconds: as START has it.
lease_end()
{
	date -u -d "+$1 seconds" +%Y-%m-%dT%H:%M:%S.%3NZ
}

# message type [archive's sum] [lease's end]
message()
{
	case $1 in
	INVITE)
		printf '{"version":"1","type":"INVITE","delegationId":"%s","task":{"description":"test",' "$ID"
		printf '"prompt":"x"},"lease":{"ttlSeconds":%s,"accessMode":"rw"},' "${2-60}"
		printf '"retentionMs":60000,"environment":{"resources":[{"name":"ws","type":"fs",'
		printf '"mode":"rw"}]}}'
		;;
	START)
		printf '{"version":"1","type":"START","delegationId":"%s","lease":{"expiresAt":"%s",' "$ID" "$3"
		printf '"accessMode":"rw"},"transportHandle":{"transport":"archive","workspaceBase64":'
		printf '"%s","checksum":"%s"}}' "$ARCHIVE" "$2"
		;;
	ERROR)
		printf '{"version":"1","type":"ERROR","delegationId":"%s","code":"TASK_FAILED",' "$ID"
		printf '"message":"given up"}'
		;;
	*) printf '{"version":"1","type":"%s","delegationId":"%s"}' "$1" "$ID" ;;
	esac
}

# post token message...
post_as()
{
	local token=$1
	shift
	message "$@" >"$ANSWERS/message"
	ask "$token" POST /awcp --data-binary "@$ANSWERS/message"
}

enter()
{
	end_worker
	rm -rf "$AWCP_HOME/queue/default"
	NUMBER=$((NUMBER + 1))
	ID=$(printf 'dlg_%s%029d' "$BATS_TEST_NUMBER" "$NUMBER")
	DIR=$AWCP_HOME/assignments/$ID
	[ "$1" != none ] || return 0
	post_as "$MINE" INVITE
	[ "$1" != pending ] || return 0
	post_as "$MINE" START "$SUM" "$(lease_end "${LEASE-60}")"
	assert_equal "$(word)" ok
	case $1 in
	running)
		rm -f "$ANSWERS/gate"
		mkfifo "$ANSWERS/gate"
		start_process "$ANSWERS/worker" awcp-run -1v -S none -- \
			sh -c "read -r how <'$ANSWERS/gate'; exit \"\$how\""
		WORKER=$STARTED
		wait_until grep -qs '"running"' "$DIR/events.ndjson"
		;;
	completed) awcp-run -1 -S none -- true ;;
	error) awcp-run -1 -S none -- false ;;
	esac
}

worker_ended()
{
	gone "$WORKER"
}

# The worker's task is no longer wanted, or has ended.
end_worker()
{
	[ -n "$WORKER" ] || return 0
	[ "$(look)" != active ] || ask "$MINE" POST "/awcp/cancel/$ID"
	wait_until worker_ended
	WORKER=
}

# take_task command...: by a worker, from the queue.  If this assignment has no task there, it is
# given what a crash may leave.
take_task()
{
	awcp-queue list 2>/dev/null | grep -q . ||
		jq -cn --arg id "$ID" '{payload: {assignment: $id, run: 1}}' | awcp-queue put -j - >/dev/null
	awcp-run -1v -S none -- "$@" >"$ANSWERS/worker" 2>&1 || true
	worker_word
}

worker_word()
{
	TOLD=$(sed -n '$ { s/.*no longer wanted.*/dropped/p; t; s/.*/ended/p; }' "$ANSWERS/worker")
}

# pass_gate status: the command of the running task ends with it.
pass_gate()
{
	echo "$1" >"$ANSWERS/gate"
	wait_until worker_ended
	worker_word
}

send()
{
	local token=$MINE
	case $1 in
	*-other) token=$OTHER ;;
	*-nobody) token= ;;
	esac
	TOLD=
	case $1 in
	work) if [ -n "$WORKER" ]; then pass_gate 0; else take_task true; fi ;;
	fail) if [ -n "$WORKER" ]; then pass_gate 3; else take_task false; fi ;;
	lease)
		LEASE=1 enter "$SITUATION"
		if [ -n "$WORKER" ]; then
			wait_until worker_ended
			worker_word
		else
			sleep 1 # the lease is the event
			take_task true
			# The executor itself may have been first.
			[ "$SITUATION $TOLD" != "active dropped" ] || TOLD=ended
		fi
		;;
	invite-bad) post_as "$token" INVITE 0 ;;
	invite-long) post_as "$token" INVITE 1000000 ;;
	invite*) post_as "$token" INVITE ;;
	start-bad) post_as "$token" START "$SUM" tomorrow ;;
	start-sum) post_as "$token" START "${SUM/e/f}" "$(lease_end 60)" ;;
	start-late) post_as "$token" START "$SUM" "$(lease_end -1)" ;;
	start*) post_as "$token" START "$SUM" "$(lease_end 60)" ;;
	error*) post_as "$token" ERROR ;;
	accept*) post_as "$token" ACCEPT ;;
	cancel*) ask "$token" POST "/awcp/cancel/$ID" ;;
	events-all) PATIENCE=0.2 ask "$token" GET "/awcp/tasks/$ID/events" -H 'Last-Event-ID: 0' ;;
	events*) PATIENCE=0.2 ask "$token" GET "/awcp/tasks/$ID/events" ;;
	result*) ask "$token" GET "/awcp/tasks/$ID/result" ;;
	ack*) ask "$token" POST "/awcp/tasks/$ID/ack" ;;
	status*)
		sleep 0.1 # the answer is kept for that long
		ask "$token" GET /awcp/status
		;;
	*) fail "what is $1?" ;;
	esac
	[ -n "$TOLD" ] || TOLD=$STATUS/$(word)
}

settle()
{
	[ -z "$WORKER" ] || [ "$1" = active ] || end_worker
}

look()
{
	[ -e "$DIR" ] || { echo none; return; }
	sed -E 's/.*"state": ?"([a-z]+)".*/\1/' "$DIR/record.json"
}

everything()
{
	cat "$DIR/record.json" "$DIR/events.ndjson" 2>/dev/null || true
	awcp-queue list -s pending 2>/dev/null || true
}

# The end is told once, at the end of the journal, and as the record has it.
legal()
{
	[ -e "$DIR" ] || return 0
	touch "$ANSWERS/none"
	jq -es '.[0] as $r | .[1:] as $j | {completed: "done", error: "error"}[$r.state] as $told |
		[$j[] | select(.type == "done" or .type == "error")] as $ends |
		if $told == null then
			$ends == [] and $r.error == null and $r.result == null and $r.completedAt == null
		else
			($ends | length) == 1 and $j[-1].type == $told and $r.completedAt != null and
			(($r.error == null) == ($told == "done")) and (($r.result != null) == ($told == "done")) and
			$j[-1].code == $r.error.code
		end' "$DIR/record.json" \
		"$([ -e "$DIR/events.ndjson" ] && echo "$DIR/events.ndjson" || echo "$ANSWERS/none")" \
		>/dev/null || fail "$PAIR: $(cat "$DIR/record.json" "$DIR/events.ndjson")"
}

# drive_assignment situation
drive_assignment()
{
	SITUATION=$1
	drive "$1"
	end_worker
}

@test "the table of the executor is that of lib/fsm" {
	assert_table_is_whole
}

@test "executor: none" { drive_assignment none; }
@test "executor: pending" { drive_assignment pending; }
@test "executor: active, on the queue" { drive_assignment active; }
@test "executor: active, running" { drive_assignment running; }
@test "executor: completed" { drive_assignment completed; }
@test "executor: error" { drive_assignment error; }

# A worker whose command has ended stands still; meanwhile the assignment changes; the worker goes on.
@test "executor: a worker that is late changes nothing" {
	local how stopped
	for how in cancel error invite 'cancel ack' 'invite start' 'cancel invite start'; do
		PAIR="late after $how"
		enter active
		# shellcheck disable=SC2016 # the command's parent is who tells how it ended
		start_process "$ANSWERS/worker" awcp-run -1v -S none -- sh -c 'kill -STOP "$PPID"'
		WORKER=$STARTED
		wait_until grep -qs '"running"' "$DIR/events.ndjson"
		stopped=$(pgrep -P "$WORKER")
		wait_until grep -q '^State:.*stopped' "/proc/$stopped/status"
		for event in $how; do
			send "$event"
			assert_equal "${TOLD%/*}" 200
		done
		before=$(everything)
		kill -CONT "$stopped"
		wait_until worker_ended
		WORKER=
		[ "$(everything)" = "$before" ] ||
			fail "$PAIR changed something: $(diff <(echo "$before") <(everything))"
		legal
		PAIRS=$((PAIRS + 1))
		[[ $how != *start ]] || take_task true
		[[ $how != *start ]] || assert_equal "$(look)" completed
	done
}
