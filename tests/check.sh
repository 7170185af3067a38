#!/usr/bin/env bash
# check.sh - every test, against the plain build and against one with ASan and UBSan, three at a time
# for each processor.  Ends with "N passed, N failed"; exit 1 if any failed.
#
# What is tagged "scale", and has nothing new to say to a sanitizer, is left out with them, and loops
# over faults take longer strides; with ALL set everything is done, and on the disk.
#
#	check.sh job build test	runs one test and prints what is to be known of it (used by itself)
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 # the programs that the tests compare with read names by the locale
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_release_to_os_interval_ms=-1
export UBSAN_OPTIONS=print_stacktrace=1

# Count the TAP lines of one test program, and show what is not ok.
job() {
	local build=$1 test=$2 log status ok bad began=$SECONDS cpu tags='' TIMEFORMAT='%U %S'
	export BUILD=$PWD/$build
	if [ -n "${ALL-}" ]; then
		export AWCP_FAULT_STRIDE=1
	elif [ "$build" != build ]; then
		export AWCP_FAULT_STRIDE=16
		tags='!scale'
	fi
	log=$(mktemp)
	case $test in
	# One that hangs has failed.
	*.bats) set -- timeout -k 10 "${ALL:+3}600" bats --tap ${tags:+--filter-tags "$tags"} "$test" ;;
	*) set -- "$test" ;;
	esac
	cpu=$({ time "$@" >"$log" 2>&1 </dev/null; } 2>&1)
	status=$?
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	[ "$status" -eq 0 ] || [ "$bad" -ne 0 ] || bad=1
	{
		printf '%-40s %5d ok %3d failed %4d s, %3.0f of the processor\n' \
			"${build#build}${build:+ }$(basename "$test")" "$ok" "$bad" $((SECONDS - began)) \
			"$(echo "$cpu" | awk '{print $1 + $2}')"
		[ "$bad" -eq 0 ] || grep -v '^ok ' "$log" | head -n 200
	} | sed 's,^/,,;s,^ ,,'
	echo "$ok $bad" >>"$AWCP_CHECK_COUNTS"
	rm -f "$log"
}

# The longest first, so that none is waited for alone at the end.
jobs_of() {
	local build=$1 test
	for test in "$build"/unit/*_test $(wc -l tests/*.bats | sort -rn | awk '$2 != "total" {print $2}'); do
		printf '%s\0%s\0' "$build" "$test"
	done
}

# The sanitizers are linked in: programs start in a third of the time then, and the tests may load
# libraries of their own before.  They are built beside the tests of the plain build.
all_jobs() {
	jobs_of build
	if nice make --no-print-directory B=build/sanitized OPT='-O1 -g' HARDEN=-fPIE -j "$(nproc)" \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined -static-libasan -static-libubsan' \
		all unit >build/sanitized.log 2>&1; then
		jobs_of build/sanitized
	else
		tail -n 40 build/sanitized.log >&2
		echo "0 1" >>"$AWCP_CHECK_COUNTS"
	fi
}

run_all() {
	all_jobs | xargs -0 -n 2 -P $((3 * $(nproc))) "$0" job # many wait for a clock
}

case ${1-} in
job)
	job "$2" "$3"
	exit
	;;
in-memory)
	mount -t tmpfs -o mode=1777,size=50% awcp "$2" && TMPDIR=$2 run_all
	exit
	;;
esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export AWCP_CHECK_COUNTS=$dir/counts
mkdir "$dir/memory"
# A kill loses nothing that was written, so the tests need not wait for a disk if there can be a file
# system in memory that nobody else sees.
if [ -z "${ALL-}" ] && awk '/^MemAvailable/ {exit $2 < 8e6}' /proc/meminfo &&
	unshare -m mount -t tmpfs awcp "$dir/memory" 2>/dev/null; then
	unshare -m "$0" in-memory "$dir/memory"
else
	run_all
fi
awk '{ok += $1; bad += $2} END {printf "%d passed, %d failed\n", ok, bad; exit bad > 0}' "$AWCP_CHECK_COUNTS"
