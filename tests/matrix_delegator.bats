#!/usr/bin/env bats
# Every state of a delegation with everything that local programs ask of awcp-delegator, and that an
# executor (peer.pl) tells: what is answered, which state follows, and that nothing else changes.
# matrix.bash tells how to read the table.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2034,SC2153 # matrix.bash reads some, and sets others

# bats file_tags=plain
load helper
load matrix

# Whether a snapshot was taken is no state of the machine, but decides what may be asked for: in
# "completed" one is pending.  Above the empty line are requests (as "-other" of another token, as
# "-nobody" of none), below it what the executor says.  "said" means that it did; "-" that nobody
# listens to that then: "follow" shows that a follower that comes again, to one that has ended, asks
# for nothing.  "gone": the directory is when ACCEPT comes; "lost": the executor is.
DELEGATION='
delegation                                             created=created  invited=invited accepted=accepted started=started running=running completed=completed      applied=completed discarded=completed error=error                  cancelled=cancelled        expired=expired
get             -                                      200/created      200/invited     200/accepted      200/started     200/running     200/completed            "                 "                   200/error                    200/cancelled              200/error
get-other       -                                      404/NOT_FOUND    "               "                 "               "               "                        "                 "                   "                            "                          "
get-nobody      -                                      401/AUTH_FAILED  "               "                 "               "               "                        "                 "                   "                            "                          "
list            -                                      200/listed       "               "                 "               "               "                        "                 "                   "                            "                          "
list-other      -                                      200/unlisted     "               "                 "               "               "                        "                 "                   "                            "                          "
events          -                                      200/open         "               "                 "               200/status,open 200/status,snapshot,done "                 "                   200/status,error:TASK_FAILED 200/status,error:CANCELLED 200/status,error:EXPIRED
events-other    -                                      404/NOT_FOUND    "               "                 "               "               "                        "                 "                   "                            "                          "
events-nobody   -                                      401/AUTH_FAILED  "               "                 "               "               "                        "                 "                   "                            "                          "
snapshots       -                                      200/[]           "               "                 "               "               200/[pending]            200/[applied]     200/[discarded]     200/[]                       "                          "
snapshots-other -                                      404/NOT_FOUND    "               "                 "               "               "                        "                 "                   "                            "                          "
delegate        -                                      200/delegated    "               "                 "               "               "                        "                 "                   "                            "                          "
delete          CANCEL                                 200/ok>cancelled "               "                 "               "               400/BAD_STATE            "                 "                   "                            200/ok                     400/BAD_STATE
delete-other    -                                      400/NOT_FOUND    "               "                 "               "               "                        "                 "                   "                            "                          "
delete-nobody   -                                      401/AUTH_FAILED  "               "                 "               "               "                        "                 "                   "                            "                          "
apply           -                                      400/NOT_FOUND    "               "                 "               "               200/ok>completed         400/BAD_STATE     "                   400/NOT_FOUND                "                          "
apply-other     -                                      400/NOT_FOUND    "               "                 "               "               "                        "                 "                   "                            "                          "
discard         -                                      400/NOT_FOUND    "               "                 "               "               200/ok>completed         400/BAD_STATE     200/ok              400/NOT_FOUND                "                          "
discard-nobody  -                                      401/AUTH_FAILED  "               "                 "               "               "                        "                 "                   "                            "                          "

follow          SEND_INVITE                            said>invited     BUSY            "                 "               "               ok                       "                 "                   TASK_FAILED                  CANCELLED                  EXPIRED
accept          RECEIVE_ACCEPT                         -                said>accepted   -                 "               "               "                        "                 "                   "                            "                          "
accept-other-id RECEIVE_ERROR                          -                said>error      -                 "               "               "                        "                 "                   "                            "                          "
decline         RECEIVE_ERROR                          -                said>error      -                 "               "               "                        "                 "                   "                            "                          "
gone            RECEIVE_ACCEPT,SEND_ERROR              -                said>error      -                 "               "               "                        "                 "                   "                            "                          "
lost            SEND_ERROR                             -                said>error      "                 -               "               "                        "                 "                   "                            "                          "
ok              SEND_START                             -                "               said>started      -               "               "                        "                 "                   "                            "                          "
refuse          RECEIVE_ERROR                          -                "               said>error        -               "               "                        "                 "                   "                            "                          "
refuse-expired  EXPIRE                                 -                said>expired    "                 -               "               "                        "                 "                   "                            "                          "
status          SEND_START,SETUP_COMPLETE              -                "               said>running      "               "               -                        "                 "                   "                            "                          "
done            SEND_START,SETUP_COMPLETE,RECEIVE_DONE -                "               said>completed    "               "               -                        "                 "                   "                            "                          "
error           SEND_START,RECEIVE_ERROR               -                "               said>error        "               "               -                        "                 "                   "                            "                          "
cancelled       SEND_START,CANCEL                      -                "               said>cancelled    "               "               -                        "                 "                   "                            "                          "
expired         SEND_START,SETUP_COMPLETE,EXPIRE       -                "               said>expired      "               "               -                        "                 "                   "                            "                          "
other-id        SEND_START,RECEIVE_ERROR               -                "               "                 said>error      "               -                        "                 "                   "                            "                          "
'

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	export AWCP_AUTH_FAILURES=0 # there are many here
	export AWCP_TIMEOUT=10
	make_fsm
	export ROOT=$HOME/projects
	mkdir "$ROOT"
	start_server -D "$ROOT"
	MINE=$(awcp-token add --rights lend,read mine)
	OTHER=$(awcp-token add --rights lend,read other)
	export MINE OTHER
	FIX=$FIXTURES/awcp-v1
	export FIX
	body 09-invite-staged >"$BATS_FILE_TMPDIR/accept"
	body 10-events-staged >"$BATS_FILE_TMPDIR/events"
}

teardown_file()
{
	stop_all
}

setup()
{
	PAIRS=0 NUMBER=0 PEER='' HOLDER='' ANSWERS=$BATS_TEST_TMPDIR
	read_table "$DELEGATION"
}

teardown()
{
	[ "$PAIRS" -eq 0 ] || echo "# $PAIRS pairs" >&3
	leave
}

# body fixture: the recorded answer, with the delegation's id as a placeholder.
body()
{
	jq -r .response.body "$FIX/$1.json" | sed -E 's/dlg_[0-9a-f]{32}/@ID@/g'
}

# The workspace as it was when the fixtures were recorded.
make_workspace()
{
	mkdir -p "$WS/.git" "$WS/empty" "$WS/sub/deep"
	printf 'ref\n' >"$WS/.git/HEAD"
	printf 'hi\n' >"$WS/.hidden"
	printf 'hello\none\n' >"$WS/a.txt"
	printf 'bye\n' >"$WS/gone.txt"
}

# say event: a line of the executor's stream.
say()
{
	case $1 in
	status) printf 'data: {"delegationId":"@ID@","type":"status","status":"running","message":"x"}\n\n' ;;
	done) grep -A1 'data.*"type":"snapshot"\|data.*"type":"done"' "$BATS_FILE_TMPDIR/events" | grep -v ^-- ;;
	other-id) printf 'data: {"delegationId":"dlg_other","type":"status","status":"running"}\n\n' ;;
	*)
		printf 'data: {"delegationId":"@ID@","type":"error","code":"%s","message":"x"}\n\n' \
			"$(code_of "$1")"
		;;
	esac
}

code_of()
{
	case $1 in
	error) echo TASK_FAILED ;;
	*) echo "${1^^}" ;;
	esac
}

# What is of the delegation before is not followed any more.
leave()
{
	[ -z "$HOLDER" ] || stop_process "$HOLDER"
	[ -z "$PEER" ] || stop_process "$PEER" # its followers will not see it again
	[ -z "${ID-}" ] || kill_follower
	PEER='' HOLDER=''
}

kill_follower()
{
	local pid
	for pid in $(pgrep -f "^awcp-delegator follow $ID"); do
		kill -KILL "$pid"
		wait_until gone "$pid"
	done
	rm -f "$AWCP_HOME/delegations/.open/$ID" # nor by the next one
}

in_state()
{
	grep -qs "\"state\":\"$1\"" "$DIR/record.json"
}

asked_for()
{
	grep -q "$1" "$P/log"
}

nobody_follows()
{
	flock -n "$DIR/follow.lock" true
}

followed()
{
	! nobody_follows
}

order()
{
	printf '{"executorUrl":"%s","environment":{"resources":[{"name":"ws","type":"fs",' "$1"
	printf '"source":"%s","mode":"rw"}]},"task":{"description":"x","prompt":"x"},' "$WS"
	printf '"snapshotMode":"staged"}'
}

# enter situation: with an executor of its own, which says what leads there.
enter()
{
	leave
	NUMBER=$((NUMBER + 1))
	P=$ANSWERS/peer-$NUMBER WS=$ROOT/$BATS_TEST_NUMBER-$NUMBER
	mkdir "$P"
	make_workspace
	echo '{"ok":true,"cancelled":true}' | tee "$P/start" "$P/ack" >"$P/cancel"
	cp "$BATS_FILE_TMPDIR/accept" "$P/invite"
	case $1 in
	created | invited) printf '@THEN@' | tee "$P/invite" "$P/start" >"$P/events" ;;
	accepted) printf '@THEN@' | tee "$P/start" >"$P/events" ;;
	started) printf '@THEN@' >"$P/events" ;;
	running | cancelled) { say status; printf '@THEN@'; } >"$P/events" ;;
	completed | applied | discarded) { say status; say 'done'; } >"$P/events" ;;
	*) { say status; say "$1"; } >"$P/events" ;;
	esac
	start_process "$P/out" "$REPO/tests/peer.pl" "$P"
	PEER=$STARTED
	wait_until test -s "$P/port"
	ask "$MINE" POST /delegate -d "$(order "http://127.0.0.1:$(cat "$P/port")/awcp")"
	ID=$(jq -er .delegationId "$ANSWERS/body")
	DIR=$AWCP_HOME/delegations/$ID SNAP=snap_000000000000
	arrive "$1"
}

arrive()
{
	case $1 in
	created)
		# As if its follower had been killed before anything.
		wait_until asked_for invite
		kill_follower
		sed -i 's/"state":"invited"/"state":"created"/' "$DIR/record.json"
		start_process "$P/holder" flock -F "$DIR/follow.lock" tail -f /dev/null
		HOLDER=$STARTED
		wait_until followed
		;;
	invited) wait_until asked_for invite ;;
	accepted) wait_until asked_for start ;;
	cancelled)
		wait_until in_state running
		send delete
		;;
	esac
	settle "${STATE_OF[$1]}"
	[ "${STATE_OF[$1]}" != completed ] || SNAP=$(jq -r '.snapshots[0].id' "$DIR/record.json")
	case $1 in
	applied) send apply ;;
	discarded) send discard ;;
	esac
}

# The executor goes on with what it says: answer-or-stream [content]
go_on()
{
	cat >"$P/$1.new"
	mv "$P/$1.new" "$P/$1.then"
}

send()
{
	local token=$MINE
	case $1 in
	*-other) token=$OTHER ;;
	*-nobody) token= ;;
	esac
	TOLD='' STATUS=''
	case $1 in
	get*) ask "$token" GET "/delegation/$ID" ;;
	list*) ask "$token" GET /delegations ;;
	events*) PATIENCE=0.2 ask "$token" GET "/delegation/$ID/events" ;;
	snapshots*) ask "$token" GET "/delegation/$ID/snapshots" ;;
	delegate) ask "$token" POST /delegate -d "$(order http://127.0.0.1:1/awcp)" ;;
	delete*) ask "$token" DELETE "/delegation/$ID" ;;
	apply* | discard*) ask "$token" POST "/delegation/$ID/snapshots/$SNAP/${1%-*}" ;;
	follow) follow_again ;;
	accept) go_on invite <"$BATS_FILE_TMPDIR/accept" ;;
	accept-other-id) sed 's/@ID@/dlg_other/g' "$BATS_FILE_TMPDIR/accept" | go_on invite ;;
	decline)
		echo '{"version":"1","type":"ERROR","delegationId":"@ID@","code":"DECLINED","message":"x"}' |
			go_on invite
		;;
	gone)
		rm -r "$WS"
		go_on invite <"$BATS_FILE_TMPDIR/accept"
		;;
	lost)
		stop_process "$PEER"
		PEER=
		;;
	ok) echo '{"ok":true}' | go_on start ;;
	refuse)
		printf 'HTTP/1.1 410 Gone\r\nContent-Length: 24\r\n\r\n{"code":"START_EXPIRED"}' | go_on start
		;;
	refuse-expired)
		echo '{"version":"1","type":"ERROR","delegationId":"@ID@","code":"EXPIRED","message":"x"}' |
			tee >(go_on start) | go_on invite
		;;
	status) { say status; printf '@NEVER@'; } | go_on events ;;
	*)
		say "$1" | go_on events
		echo '{"ok":true}' | go_on start # it does not say the end before that
		;;
	esac
	[ -n "$TOLD" ] || TOLD=${STATUS:+$STATUS/$(word)}
	TOLD=${TOLD:-said}
}

# Another follower.  It says why it ends; one that has something to do is not waited for.
follow_again()
{
	local log=$P/log.before follower=$BUILD/libexec/awcp/awcp-delegator
	if [ -n "$HOLDER" ]; then
		stop_process "$HOLDER"
		HOLDER=
		# Its name is what kill_follower looks for.
		start_process "$P/follower" bash -c 'exec -a awcp-delegator "$@"' - "$follower" follow "$ID"
		return
	fi
	cp "$P/log" "$log"
	TOLD=$("$follower" follow "$ID" 2>/dev/null | jq -r .code)
	TOLD=${TOLD:-ok}
	cmp "$P/log" "$log"
}

settle()
{
	wait_until in_state "$1" || fail "$PAIR: $(cat "$DIR/record.json" "$P/log" "$P/follower" "$DIR/follow.log")"
	case $1 in
	completed | error | expired) wait_until nobody_follows ;;
	cancelled)
		[ -z "$HOLDER" ] || stop_process "$HOLDER"
		HOLDER=
		# What the executor still says, as one does that was told, or was too late to be told.
		cp "$BATS_FILE_TMPDIR/accept" "$P/invite.then"
		echo '{"ok":true}' >"$P/start.then"
		say cancelled | go_on events
		wait_until nobody_follows
		;;
	esac
}

look()
{
	sed -E 's/.*"state": ?"([a-z]+)".*/\1/' "$DIR/record.json"
}

everything()
{
	cat "$DIR/record.json" "$DIR/events.ndjson" 2>/dev/null || true
	find "$DIR/snapshots" "$WS" -type f -exec cksum {} + 2>/dev/null || true
}

# One outcome, told once and as the record has it.
legal()
{
	touch "$DIR/events.ndjson"
	jq -es '.[0] as $r | .[1:] as $j | [$j[] | select(.type == "done" or .type == "error")] as $ends |
		if $r.state == "completed" then
			($ends | length) == 1 and $j[-1].type == "done" and $r.result != null and $r.error == null
		elif $r.state | IN("error", "cancelled", "expired") then
			($ends | length) == 1 and $j[-1].type == "error" and $r.result == null and
			$j[-1].code == $r.error.code
		else
			$ends == [] and $r.error == null and $r.result == null
		end' "$DIR/record.json" "$DIR/events.ndjson" >/dev/null ||
		fail "$PAIR: $(cat "$DIR/record.json" "$DIR/events.ndjson")"
}

@test "the table of the delegator is that of lib/fsm" {
	assert_table_is_whole
}

@test "delegator: created" { drive created; }
@test "delegator: invited" { drive invited; }
@test "delegator: accepted" { drive accepted; }
@test "delegator: started" { drive started; }
@test "delegator: running" { drive running; }
@test "delegator: completed, a snapshot waits" { drive completed; }
@test "delegator: completed and applied" { drive applied; }
@test "delegator: completed and discarded" { drive discarded; }
@test "delegator: error" { drive error; }
@test "delegator: cancelled" { drive cancelled; }
@test "delegator: expired" { drive expired; }
