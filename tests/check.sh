#!/usr/bin/env bash
# check.sh - every test, against the plain build and against one with ASan and UBSan, two at a time
# for each processor.  Ends with "N passed, N failed"; exit 1 if any failed.  Files with the tag
# "plain" are left out with the sanitizers, and loops over faults try every twelfth, unless ALL is set.
#
#	check.sh job build test	runs one test and prints what is to be known of it (used by itself)
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 # the programs that the tests compare with read names by the locale
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1

# Count the TAP lines of one test program, and show what is not ok.
job() {
	local build=$1 test=$2 log status ok bad began=$SECONDS cpu TIMEFORMAT='%U %S'
	export BUILD=$PWD/$build
	log=$(mktemp)
	case $test in
	# One that hangs has failed.
	*.bats) set -- timeout -k 10 "${ALL:+3}600" bats --tap ${AWCP_CHECK_TAGS:+--filter-tags "$AWCP_CHECK_TAGS"} "$test" ;;
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

if [ "${1-}" = job ]; then
	job "$2" "$3"
	exit 0
fi

AWCP_CHECK_COUNTS=$(mktemp)
export AWCP_CHECK_COUNTS
trap 'rm -f "$AWCP_CHECK_COUNTS"' EXIT

# The longest first, so that none is waited for alone at the end.
jobs_of() {
	local build=$1 test
	for test in $(wc -l tests/*.bats | sort -rn | awk '$2 != "total" {print $2}') "$build"/unit/*_test; do
		printf '%s\0%s\0' "$build" "$test"
	done
}
run_all() {
	xargs -0 -n 2 -P $((2 * $(nproc))) "$0" job # many wait for a clock
}

[ -z "${ALL-}" ] || export AWCP_FAULT_STRIDE=1
jobs_of build | run_all
if make --no-print-directory B=build/sanitized OPT='-O1 -g' HARDEN=-fPIE -j "$(nproc)" \
	SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined' \
	all unit >build/sanitized.log 2>&1; then
	# A sanitizer has nothing to say of what is about size, time, or other programs than ours.
	[ -n "${ALL-}" ] || export AWCP_CHECK_TAGS='!plain'
	jobs_of build/sanitized | run_all
else
	tail -n 40 build/sanitized.log
	echo "0 1" >>"$AWCP_CHECK_COUNTS"
fi
awk '{ok += $1; bad += $2} END {printf "%d passed, %d failed\n", ok, bad; exit bad > 0}' "$AWCP_CHECK_COUNTS"
