#!/usr/bin/env bats
# Each program killed right before and right after each entry that it makes (a rename, a line of a
# journal: see fault/fault.c), alone, and all of them at once at each entry of the whole.  Then what was
# killed is started again, and the delegation is followed to its end.
#
# Of all those points (224 when this was written), every AWCP_FAULT_STRIDE-th (8th) is tried; for all:
#	AWCP_FAULT_STRIDE=1 bats tests/crash.bats
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2015,SC2016,SC2164 # wrong does not return; inner shells; bats stops at a failed cd

# bats file_tags=plain
load helper

setup_file()
{
	own_home
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	LIBRARY=$BATS_FILE_TMPDIR/fault.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$LIBRARY" "$REPO/tests/fault/fault.c" -ldl
	export LIBRARY
}

setup()
{
	HERE=$BATS_TEST_TMPDIR POINTS=0
	COUNT=$HERE/count
	# Tells that it runs, and changes the workspace.
	printf 'echo run >>%s/runs; cat a >>b; echo "$(cat)" >>a' "$HERE" >"$HERE/work"
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT/awcp
}

teardown()
{
	[ "$POINTS" -eq 0 ] || echo "# $POINTS points" >&3
	stop_all
}

# with_fault fault program-or-"": sets FAULTY, what comes before a command that is to have it.
with_fault()
{
	FAULTY=(env LD_PRELOAD="$LIBRARY" FAULT="$1" FAULT_ENTRIES="$COUNT" ${2:+FAULT_PROGRAM="$2"})
}

entries()
{
	od -An -td8 "$COUNT" | tr -d ' '
}

# A new state, a new workspace, nothing counted.
fresh()
{
	export AWCP_HOME=$HERE/state
	rm -rf "$AWCP_HOME" "$HERE/ws" "$HERE/runs" "$HERE"/*.log "$HERE/id"
	mkdir -p "$HERE/ws"
	echo one >"$HERE/ws/a"
	head -c 8 /dev/zero >"$COUNT"
	: >"$HERE/runs"
	ID=
}

# --- all at once

# The whole, in a pid namespace of its own, whose end is the end of all.
whole()
{
	local outside
	outside=$(readlink /proc/self/ns/pid)
	export FAULT_ALL=$outside
	with_fault "$1" ''
	"${FAULTY[@]}" bwrap --dev-bind / / --unshare-pid --proc /proc --die-with-parent bash -c '
		awcp-serve -l "127.0.0.1:$2" -A none -S none -- sh "$1/work" >"$1/serve.log" 2>&1 &
		until grep -qs listening "$1/serve.log"; do sleep 0.01; done
		cd "$1/ws" && awcp-invite -q -e "$3" text >"$1/id" 2>"$1/invite.log"' \
		- "$HERE" "$PORT" "$URL" 3>&- || true
	unset FAULT_ALL
}

# --- alone

# keep log command...: started again whenever it ends.
keep()
{
	local log=$1
	shift
	# shellcheck disable=SC2016 # the inner shell's variables
	start_process "$log" bash -c 'trap "kill \$child; wait; exit" TERM
		while :; do "$@" & child=$!; wait "$child"; sleep 0.01; done' - "$@"
}

# stack fault program: nginx, the web programs and a worker, each by itself, with the library.
stack()
{
	local run=$HERE/run user=''
	[ "$(id -u)" -ne 0 ] || user='user root;'
	rm -rf "$run"
	mkdir "$run"
	with_fault "$@"
	sed -e 's|^@DELEGATOR@||' -e '/^@QUEUE@/d' -e '/^@TOKEN@/d' -e "s|@USER@|$user|" -e "s|@LISTEN@|127.0.0.1:$PORT|" \
		-e 's|@SOCKET@|executor.sock|' -e 's|@FILES@|1024|' -e 's|@CONNECTIONS@|512|' \
		"$BUILD/share/awcp/nginx.conf.in" >"$run/nginx.conf"
	export AWCP_AUTH=none AWCP_ROOTS=$HERE/ws
	cd "$run" # the sockets are looked for there
	start_process "$run/nginx.log" nginx -e stderr -p "$run/" -c nginx.conf -g 'daemon off;'
	keep "$run/executor.log" "${FAULTY[@]}" spawn-fcgi -n -s "$run/executor.sock" -M 0600 -- \
		"$EXECUTOR"
	keep "$run/delegator.log" "${FAULTY[@]}" spawn-fcgi -n -s "$run/delegator.sock" -M 0600 -- \
		"$BUILD/libexec/awcp/awcp-delegator"
	WEB=$STARTED
	keep "$run/worker.log" "${FAULTY[@]}" awcp-run -S none -- sh "$HERE/work"
	wait_until test -s "$run/nginx.pid"
	wait_until test -S "$run/executor.sock"
	wait_until test -S "$run/delegator.sock"
}

# lend program: something is lent, by way of the program if it does such things.
lend()
{
	cd "$HERE/ws"
	case $1 in
	awcp-watch)
		awcp-invite -bq -e "$URL" text >"$HERE/id" 2>"$HERE/invite.log" || true
		[ ! -s "$HERE/id" ] || "${FAULTY[@]}" awcp-watch -q "$(cat "$HERE/id")" \
			>"$HERE/watch.log" 2>&1 || true
		;;
	awcp-delegator)
		curl -s -m 5 -H 'Content-Type: application/json' "${URL%/awcp}/delegate" -d '{
			"executorUrl": "'"$URL"'", "task": {"description": "x", "prompt": "text"},
			"environment": {"resources": [{"name": "ws", "type": "fs", "mode": "rw",
			"source": "'"$HERE/ws"'"}]}}' | jq -r '.delegationId // empty' >"$HERE/id" || true
		find_id
		[ -z "$ID" ] || follow_up
		;;
	*) "${FAULTY[@]}" awcp-invite -q -e "$URL" text >"$HERE/id" 2>"$HERE/invite.log" || true ;;
	esac
	cd "$HERE"
}

# Its follower is there before POST is answered.
unfollowed()
{
	! pgrep -f "^awcp-delegator follow $ID" >/dev/null
}

# Nobody waits for what awcp-delegator starts, so this does.  Another web program takes up what has lost
# its follower at once, the one that is there when it looks.
follow_up()
{
	local web
	wait_until unfollowed
	case $(record .state) in
	completed | error) return ;;
	esac
	web=$(pgrep -P "$WEB")
	kill "$web"
	wait_until gone "$web"
	wait_until ended || wrong 'not taken up'
	wait_until unfollowed
}

ended()
{
	[[ $(record .state) =~ completed|error ]]
}

# --- what must be true afterwards

find_id()
{
	ID=$(cat "$HERE/id" 2>/dev/null || true) # none if all was killed before something was lent
	[ -n "$ID" ] || ID=$(awcp-list -aj | jq -r .id)
}

record()
{
	jq -r "$1" "$AWCP_HOME/delegations/$ID/record.json"
}

no_task()
{
	! awcp-queue list 2>/dev/null | grep -q .
}

# Followed to its end by whoever is to; and the worker sees that its task is over.
finish()
{
	find_id
	[ -n "$ID" ] || return 0
	case $(record .state) in
	created | invited | accepted) awcp-invite -q -R "$ID" >/dev/null 2>"$HERE/finish.log" || true ;;
	*) awcp-watch -q "$ID" 2>"$HERE/finish.log" || true ;;
	esac
	wait_until no_task || true # left says which
}

old()
{
	[ "$(cat "$HERE/ws/a")" = one ] && [ ! -e "$HERE/ws/b" ]
}

new()
{
	[ "$(cat "$HERE/ws/a")" = $'one\ntext' ] && [ "$(cat "$HERE/ws/b")" = one ]
}

wrong()
{
	fail "$POINT: $1
$(cat "$HERE/runs" "$HERE/finish.log" "$HERE/invite.log" 2>/dev/null)
$(cat "$AWCP_HOME"/*s/*/record.json "$AWCP_HOME"/*s/*/events.ndjson 2>/dev/null)
$(find "$AWCP_HOME" "$HERE/ws" | sort)"
}

# What is left that should not be.  What a killed process had not given its name yet is to be reaped.
left()
{
	{
		find "$AWCP_HOME"/queue/*/running/ "$AWCP_HOME/tmp/" -mindepth 1 -maxdepth 1
		awcp-queue list
		awcp-queue check 2>&1
		find "$AWCP_HOME" -name incoming -o -name 'apply*' -o -name undone
		find "$HERE/ws" -name '.awcp*'
	} 2>/dev/null | grep -v 'there is no queue' | grep -vE '/(\.new-|receive-|work-|removed-)[^/]*$'
}

check()
{
	local journal=$AWCP_HOME/delegations/$ID/events.ndjson a runs told
	runs=$(wc -l <"$HERE/runs")
	if [ -z "$ID" ]; then
		old && [ "$runs" -eq 0 ] || wrong 'nothing was lent, and something is done'
		return
	fi
	case $(record .state) in
	completed) new || wrong 'completed, and the directory is not as it should be' ;;
	error) old && [ -n "$(record .error.message)" ] || wrong 'failed, and the directory is changed' ;;
	*) wrong 'not finished' ;;
	esac
	[ "$(jq -r .type "$journal" | grep -cE '^(done|error)$')" -eq 1 ] &&
		[ "$(tail -n 1 "$journal" | jq -r .type)" = "$(record '{completed: "done"}[.state] // .state')" ] ||
		wrong 'the end is not told once'
	told=$(grep -c '"status":"running"' "$journal" || true)
	[ "$(record .state)" = completed ] || echo "# $POINT: $(record .error.message)" >&3
	# An attempt may be killed before it runs.  Of one that was completed while the stream was lost
	# only the end is told.
	[ "$(record .state)" != completed ] || [ "$told" -gt 0 ] || told=1
	[ "$runs" -le "$told" ] || wrong "$runs runs, of which $told are told"
	for a in "$AWCP_HOME"/assignments/*/; do
		[ -e "$a/record.json" ] || continue # made, and not recorded
		# Whose ACCEPT never arrived waits for its START until that is late.
		[ "$(record .state)" != error ] || [ "$(jq -r .state "$a/record.json")" != pending ] || continue
		[ "$(jq -r .type "$a/events.ndjson" | grep -cE '^(done|error)$')" = 1 ] ||
			wrong 'an assignment has not ended once'
	done
	run left
	[ -z "$output" ] || wrong "left: $output"
}

# due: this point is one of those that are tried.
due()
{
	POINTS=$((POINTS + 1))
	[ $((POINTS % FAULT_STRIDE)) -eq 0 ]
}

@test "all killed at once, at each entry" {
	local n when total
	bwrap --dev-bind / / --unshare-pid --proc /proc true || skip 'bubblewrap does not work here'
	fresh
	whole none:0
	POINT=none
	find_id
	check
	[ "$(record .state)" = completed ] || wrong 'without a fault it is not completed'
	total=$(entries)
	[ "$total" -gt 30 ]
	for ((n = 1; n <= total; n++)); do
		for when in before after; do
			due || continue
			POINT="all $when $n"
			fresh
			whole "$when:$n"
			[ "$(entries)" -ge "$n" ] || wrong 'nothing was killed'
			rm -f "$HERE/serve.log"
			start_process "$HERE/serve.log" awcp-serve -l "127.0.0.1:$PORT" -A none -S none -- \
				sh "$HERE/work"
			wait_until grep -qs listening "$HERE/serve.log"
			finish
			stop_process "$STARTED"
			check
		done
	done
}

# each_alone program least: at each entry of the program, of which there are at least so many.
each_alone()
{
	local n when total
	fresh
	stack none:0 "$1"
	lend "$1"
	stop_all
	POINT=none
	find_id
	check
	[ "$(record .state)" = completed ] || wrong 'without a fault it is not completed'
	total=$(entries)
	[ "$total" -ge "$2" ] || fail "$1 makes $total entries only"
	for ((n = 1; n <= total; n++)); do
		for when in before after; do
			due || continue
			POINT="$1 $when $n"
			fresh
			stack "$when:$n" "$1"
			lend "$1"
			finish
			stop_all
			check
		done
	done
}

@test "awcp-executor killed at each entry" { each_alone awcp-executor 4; }
@test "awcp-run killed at each entry" { each_alone awcp-run 6; }
@test "awcp-invite killed at each entry" { each_alone awcp-invite 10; }
@test "awcp-watch killed at each entry" { each_alone awcp-watch 4; }
@test "awcp-delegator killed at each entry" { each_alone awcp-delegator 10; }
