# helper.bash - what the bats files share: where the programs are, a state directory of their own,
# and an executor on a free port.
#
#	load helper
#	setup() { own_home; }
#	setup_file() { own_home; start_server -A none; }	# one server for the whole file
#	teardown_file() { stop_all; }
#
# Everything that start_server and start_process start is stopped by stop_all, by its pid.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$REPO/build}
PATH=$BUILD/bin:$PATH
EXECUTOR=$BUILD/libexec/awcp/awcp-executor
FIXTURES=$REPO/tests/fixtures
export PATH EXECUTOR FIXTURES
unset AWCP_AUTH AWCP_SANDBOX XDG_STATE_HOME XDG_CONFIG_HOME
export AWCP_CONFIG=none # what is set on this machine does not count here

# The same language, and a tenth of the time to start: the tests ask for JSON some thousand times.
! command -v gojq >/dev/null || jq() { gojq "$@"; }

# The tests that kill a program, or break the disk under it, at any change try every eighth;
# all of them with AWCP_FAULT_STRIDE=1, as make check-all has it.
export FAULT_STRIDE=${AWCP_FAULT_STRIDE:-8}

# Is everything to be tested, however long it takes?
is_everything()
{
	[ "$FAULT_STRIDE" -eq 1 ]
}

# A state directory and an account's directory that nobody else uses: the test's own, or in
# setup_file the file's.
own_home()
{
	export HOME=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/account
	export AWCP_HOME=$HOME/state
	mkdir -p "$HOME"
}

# wait_until command...: until it succeeds, at most 30 s (or $WAIT).
wait_until()
{
	local until=$((SECONDS + ${WAIT:-30})) pause=10
	until "$@"; do
		if [ $SECONDS -ge $until ]; then
			echo "waited in vain for: $*" >&2
			return 1
		fi
		sleep 0.0$pause
		pause=$((pause < 80 ? pause + 10 : 80)) # what lasts is not looked at all the time
	done
}

# Print a port of 127.0.0.1 that nobody has.  Each test file takes its own from a range of its own, so
# that two at a time do not both find one free: AWCP_TEST_PORTS is the first of PORTS_A_FILE.
PORTS_A_FILE=100
AWCP_TEST_PORTS=${AWCP_TEST_PORTS:-$((10240 + RANDOM % 220 * PORTS_A_FILE))}
export AWCP_TEST_PORTS

free_port()
{
	local port n taken=${BATS_FILE_TMPDIR:-$BATS_RUN_TMPDIR}/ports
	for ((n = 0; n < PORTS_A_FILE; n++)); do
		echo >>"$taken" # a line a port, so that the next one is another
		port=$((AWCP_TEST_PORTS + $(wc -l <"$taken") % PORTS_A_FILE))
		if spawn-fcgi -n -a 127.0.0.1 -p $port -- /bin/sh -c : >/dev/null 2>&1 </dev/null; then
			echo $port
			return
		fi
	done
	echo "no port of the $PORTS_A_FILE from $AWCP_TEST_PORTS is free" >&2
	return 1
}

# start_time pid: sets START_TIME, by which a process differs from a later one with the same pid.
# Fails if there is none, or nothing of it but a status that nobody has asked for.
start_time()
{
	local stat
	{ read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null || [ -n "$stat" ] || return 1
	read -r -a stat <<<"${stat##*) }" # after the name, which may have anything in it
	[ "${stat[0]}" != Z ] || return 1
	START_TIME=${stat[19]}
}

# gone pid: it has ended.  The number may be another's by now: pids come round in less than a minute
# when many tests run.
# How long, in ms, processes have waited for a processor since the machine started; 0 where the kernel
# does not say.
stalled_ms()
{
	awk '/^some/ {sub("total=", "", $NF); n = $NF} END {printf "%d", n / 1000}' /proc/pressure/cpu 2>/dev/null ||
		echo 0
}

now_ms()
{
	date +%s%3N
}

# The time from here on is what assert_took looks at.
start_clock()
{
	CLOCK_BEGUN=$(now_ms) CLOCK_STALLED=$(stalled_ms)
}

# assert_took less ceiling: what start_clock began took less than ${less} ms, not counting the time in
# which somebody waited for a processor, and in any case less than ${ceiling} ms.
assert_took()
{
	local took=$(($(now_ms) - CLOCK_BEGUN)) stalled=$(($(stalled_ms) - CLOCK_STALLED))
	[ $((took - stalled)) -lt "$1" ] && [ $took -lt "$2" ] ||
		fail "took $took ms, for $stalled of which somebody waited for a processor"
}

gone()
{
	local started=
	start_time "$1" || return 0
	{ read -r -d '' started <"$BATS_FILE_TMPDIR/started"; } 2>/dev/null || :
	started=$'\n'$started
	[[ $started == *$'\n'"$1 "* ]] || return 1
	started=${started##*$'\n'"$1 "} # the last one that had this number
	[ "${started%%$'\n'*}" != "$START_TIME" ]
}

# note_started pid: stop_all will stop it.
note_started()
{
	start_time "$1" || START_TIME=ended
	echo "$1 $START_TIME" >>"$BATS_FILE_TMPDIR/started"
}

# start_process log command...: in the background, output to the log; sets STARTED to its pid.
start_process()
{
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null 3>&- &
	STARTED=$!
	note_started $STARTED
}

# stop_process pid [signal]: and wait for its end.
stop_process()
{
	! gone "$1" || return 0
	kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || true
	wait_until gone "$1"
}

# Stop everything that was started in this file, the last first.
stop_all()
{
	local pid
	[ -f "$BATS_FILE_TMPDIR/started" ] || return 0
	for pid in $(tac "$BATS_FILE_TMPDIR/started" | cut -d' ' -f1); do
		stop_process "$pid"
	done
	rm -f "$BATS_FILE_TMPDIR/started"
}

listening()
{
	gone "$SERVER_PID" || grep -q 'listening on' "$SERVER_LOG"
}

# start_server [option...] [-- command...]: awcp-serve on a free port.  Sets PORT, URL (with /awcp),
# SERVER_PID and SERVER_LOG.
start_server()
{
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT/awcp
	SERVER_LOG=$HOME/server-$PORT.log
	start_process "$SERVER_LOG" awcp-serve -l "127.0.0.1:$PORT" "$@"
	SERVER_PID=$STARTED
	export PORT URL SERVER_PID SERVER_LOG
	wait_until listening
	if gone "$SERVER_PID"; then
		cat "$SERVER_LOG" >&2
		return 1
	fi
}

# request method path [curl option...]: sets STATUS, HEAD (a file) and BODY (a file).
request()
{
	local method=$1 path=$2
	shift 2
	HEAD=$BATS_TEST_TMPDIR/head BODY=$BATS_TEST_TMPDIR/body
	STATUS=$(curl -sS --max-time 30 -X "$method" -D "$HEAD" -o "$BODY" -w '%{http_code}' \
		-H 'Content-Type: application/json' "$@" "${URL%/awcp}$path") || true
	[ -f "$BODY" ] || : >"$BODY"
}

# post file-or-text [curl option...]: POST a message to the executor.
post()
{
	local message=$1
	shift
	printf %s "$message" >"$BATS_TEST_TMPDIR/message"
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/message" "$@"
}

# assert_status n: what the last request was answered with; shows the body if not.
assert_status()
{
	[ "$STATUS" = "$1" ] || fail "HTTP $STATUS, not $1: $(head -c 2000 "$BODY")"
}

# assert_json filter: jq says true of the last answer.
assert_json()
{
	jq -e "$1" "$BODY" >/dev/null || fail "not $1: $(head -c 2000 "$BODY")"
}

# assert_refused status code: {error, code, hint} and nothing else.
assert_refused()
{
	assert_status "$1"
	assert_json ".code == \"$2\" and (.error | type == \"string\" and length > 0) and
		(.hint | type == \"string\")"
}

# assert_peak pid kilobytes: what the process ever had resident; not asked of a sanitizer's build.
assert_peak()
{
	case $BUILD in */sanitized) return ;; esac
	run awk -v most="$2" '/VmHWM/ { print ($2 <= most ? "fine" : $2 " kB") }' "/proc/$1/status"
	assert_output fine
}

# help_of program: what it says with -h, and each of its commands, if it lists some.
help_of()
{
	local program=$BUILD/bin/$1 command
	"$program" -h
	for command in $("$program" -h | sed -n '/^usage: [^ ]* <command>/,$s/^  \([a-z]*\) .*/\1/p'); do
		"$program" "$command" -h
	done
}
