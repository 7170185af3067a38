#!/usr/bin/env bash
# check.sh [test...] - these tests (NAME_test or tests/NAME.bats), or all, three at a time for each
# processor.  Ends with "N passed, N failed"; exit 1 if any failed.  A test file that leaves a process or
# a file behind has failed.
#
# All of them: each once, against a build with ASan and UBSan, or, where it is tagged "plain" because it
# is about scale, faults or what is installed, against the plain build.  Those that are named: against
# both, but for what has nothing to say to a sanitizer.  What is tagged "all" is left out, and loops over
# faults take long strides.  With ALL set everything is done, against both builds, and on the disk.
#
#	check.sh job number build test	runs one test and prints what is to be known of it (used by itself)
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 # the programs that the tests compare with read names by the locale
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_release_to_os_interval_ms=-1
export UBSAN_OPTIONS=print_stacktrace=1

# The processes of job $1, by what they have inherited.
processes_of() {
	grep -lzsx "AWCP_CHECK_JOB=$1" /proc/[0-9]*/environ | cut -d/ -f3
}

# left_behind job directory: prints what a test left there and in the process table, once what was
# stopped has had time to end; and removes it.
left_behind() {
	local pid n
	for ((n = 0; n < 50; n++)); do
		[ -n "$(processes_of "$1")" ] || break
		sleep 0.1
	done
	for pid in $(processes_of "$1"); do
		echo "left behind: process $pid, $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		kill -KILL "$pid"
	done
	find "$2" -mindepth 1 -maxdepth 1 -printf 'left behind: %p\n'
	rm -rf "$2"
}

# Count the TAP lines of one test program, and show what is not ok.
job() {
	local number=$1 build=$2 test=$3 log status ok bad left began=$SECONDS cpu tags='!all' TIMEFORMAT='%U %S'
	export BUILD=$PWD/$build
	if [ -n "${ALL-}" ]; then
		export AWCP_FAULT_STRIDE=1
		tags=
	elif [ "$build" != build ]; then
		export AWCP_FAULT_STRIDE=32 AWCP_TEST_QUICK=1
		tags='!all,!plain'
	elif [ -n "${ONCE-}" ]; then
		tags='!all,plain'
	fi
	log=$AWCP_CHECK_DIR/$number.log
	case $test in
	# One that hangs has failed.
	*.bats) set -- timeout -k 10 "${ALL:+3}600" bats --tap ${tags:+--filter-tags "$tags"} "$test" ;;
	*) set -- "$build/unit/$test" ;;
	esac
	export TMPDIR=$TMPDIR/$number AWCP_CHECK_JOB=$AWCP_CHECK_DIR/$number
	# Ports of its own; another run of this beside it most likely has others.
	export AWCP_TEST_PORTS=$((10240 + (number + AWCP_CHECK_RUN) % 220 * 100))
	rm -rf "$TMPDIR" && mkdir "$TMPDIR"
	cpu=$({ time "$@" >"$log" 2>&1 </dev/null; } 2>&1)
	status=$?
	left=$(env -u AWCP_CHECK_JOB "$0" left "$AWCP_CHECK_JOB" "$TMPDIR")
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	[ "$status" -eq 0 ] || [ "$bad" -ne 0 ] || bad=1
	[ -z "$left" ] || bad=$((bad + 1))
	{
		printf '%-40s %5d ok %3d failed %4d s, %3.0f of the processor\n' \
			"${build#build}${build:+ }$(basename "$test")" "$ok" "$bad" $((SECONDS - began)) \
			"$(echo "$cpu" | awk '{print $1 + $2}')"
		[ "$bad" -eq 0 ] || grep -v '^ok ' "$log" | head -n 200
		[ -z "$left" ] || echo "$left"
	} | sed 's,^/,,;s,^ ,,'
	echo "$ok $bad" >>"$AWCP_CHECK_DIR/counts"
}

# Those first that take longest, so that none is waited for alone at the end.
slow='crash power faults matrix_delegator reap queue_http run lease'

all_tests() {
	local name
	for name in $slow; do
		echo "tests/$name.bats"
	done
	wc -l tests/*.bats | sort -rn | awk -v slow=" $slow " '{ name = $2; gsub(/^tests\/|\.bats$/, "", name) }
		$2 != "total" && !index(slow, " " name " ") { print $2 }'
	for name in tests/unit/*_test.c; do
		basename "$name" .c
	done
	for name in tests/fuzz/*.c; do
		case $name in */replay.c) ;; *) echo "fuzz_$(basename "$name" .c)_test" ;; esac
	done
}

# The sanitizers are linked in: programs start in a third of the time then, and the tests may load
# libraries of their own before.  They are built beside the tests of the plain build.
sanitized() {
	nice make --no-print-directory B=build/sanitized OPT='-Og -g1' HARDEN=-fPIE -j "$(nproc)" \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined -static-libasan -static-libubsan' \
		"$@" >build/sanitized.log 2>&1 && return
	tail -n 40 build/sanitized.log >&2
	echo "0 1" >>"$AWCP_CHECK_DIR/counts"
	return 1
}

# Has test $2 anything to do against build $1?
is_for() {
	[ -z "${ALL-}" ] || return 0
	case $1:$2 in
	build:*_test) [ -z "${ONCE-}" ] ;;
	build:*) [ -z "${ONCE-}" ] || grep -q '^# bats .*tags=plain' "$2" ;;
	*:*.bats) ! grep -q '^# bats file_tags=plain' "$2" ;;
	esac
}

all_jobs() {
	local number=0 build test goals=
	for test; do
		case $test in
		*.bats) goals="all build/sanitized/hammer $goals" ;;
		*) goals="$goals build/sanitized/unit/$test" ;;
		esac
	done
	for build in build build/sanitized; do
		# shellcheck disable=SC2086 # a list
		[ $build = build ] || sanitized $goals || return
		for test; do
			! is_for $build "$test" || printf '%d\0%s\0%s\0' $((number += 1)) "$build" "$test"
		done
	done
}

run_all() {
	all_jobs "$@" | xargs -0 -n 3 -P $((3 * $(nproc))) "$0" job # many wait for a clock
}

case ${1-} in
job)
	job "$2" "$3" "$4"
	exit
	;;
left)
	left_behind "$2" "$3"
	exit
	;;
in-memory)
	mount -t tmpfs -o mode=1777,size=50% awcp "$2" && TMPDIR=$2 run_all "${@:3}"
	exit
	;;
esac
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # words
	set -- $(all_tests)
	export ONCE=1
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export AWCP_CHECK_DIR=$dir AWCP_CHECK_RUN=$((RANDOM % 220))
chmod 711 "$dir" # some tests are of another account, too
mkdir "$dir/memory"
# A kill loses nothing that was written, so the tests need not wait for a disk if there can be a file
# system in memory that nobody else sees.
if [ -z "${ALL-}" ] && awk '/^MemAvailable/ {exit $2 < 8e6}' /proc/meminfo &&
	unshare -m mount -t tmpfs awcp "$dir/memory" 2>/dev/null; then
	unshare -m "$0" in-memory "$dir/memory" "$@"
else
	TMPDIR=$dir/memory run_all "$@"
fi
awk '{ok += $1; bad += $2} END {printf "%d passed, %d failed\n", ok, bad; exit bad > 0}' "$dir/counts"
