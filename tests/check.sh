#!/usr/bin/env bash
# check.sh - every test, against the plain build and against one with ASan and UBSan.
# Ends with "N passed, N failed"; exit 1 if any failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export LC_ALL=C.UTF-8 # the programs that the tests compare with read names by the locale
passed=0 failed=0
failures=

# Count the TAP lines of one test program, and show what is not ok.
run() {
	local title=$1 log status
	shift
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null
	status=$?
	local ok bad
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	printf '%-44s %5d ok %3d failed\n' "$title" "$ok" "$bad"
	if [ "$bad" -ne 0 ]; then
		failures="$failures $title"
		grep -v '^ok ' "$log" | head -n 200
	fi
	rm -f "$log"
}

suite() {
	local build=$1 label=$2 test
	export BUILD=$PWD/$build
	for test in "$build"/unit/*_test; do
		run "$label$(basename "$test")" "$test"
	done
	for test in tests/*.bats; do
		run "$label$(basename "$test")" bats --tap "$test"
	done
}

suite build ''
if [ "${AWCP_CHECK_SANITIZED:-yes}" = yes ]; then
	if make --no-print-directory B=build/sanitized OPT='-O1 -g' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined' HARDEN=-fPIE \
		all unit >build/sanitized.log 2>&1; then
		export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
		suite build/sanitized 'sanitized: '
	else
		tail -n 40 build/sanitized.log
		failed=$((failed + 1)) failures="$failures sanitized-build"
	fi
fi
[ -z "$failures" ] || echo "failed in:$failures"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
