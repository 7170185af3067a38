#!/usr/bin/env bash
# run.sh directory target... - fuzz each for FUZZ_SECONDS (60), from its corpus; what breaks one is
# left in the directory.  FUZZ_KEEP=yes puts what was learnt back into the corpus, minimised.
set -u
cd "$(dirname "$0")/../.." || exit 1
out=$1 bad=0
shift
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1
for target; do
	learnt=$(mktemp -d)
	if "$out/$target" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=512 -timeout=10 \
		-max_len=16384 -artifact_prefix="$out/$target-" -print_final_stats=1 \
		"$learnt" "tests/fuzz/corpus/$target" >"$out/$target.log" 2>&1; then
		awk -v t="$target" '/number_of_executed_units/ { n = $2 } /cov: / { c = $0 }
			END { sub(/.*cov: /, "", c); sub(/ .*/, "", c)
				print "ok - " t ": " n " inputs, " c " edges" }' "$out/$target.log"
	else
		echo "not ok - $target"
		tail -n 40 "$out/$target.log"
		bad=1
	fi
	if [ "${FUZZ_KEEP:-no}" = yes ]; then
		least=$(mktemp -d)
		"$out/$target" -merge=1 -max_len=4096 "$least" "tests/fuzz/corpus/$target" \
			"$learnt" >>"$out/$target.log" 2>&1 &&
			rm -f "tests/fuzz/corpus/$target"/* && cp "$least"/* "tests/fuzz/corpus/$target"
		rm -rf "$least"
	fi
	rm -rf "$learnt"
done
exit $bad
