#!/usr/bin/env bash
# lint.sh - what tools can see: format, static analysis, shell, manual pages.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
step() {
	local title=$1 log
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1; then
		echo "ok - $title"
	else
		echo "not ok - $title"
		head -n 60 "$log"
		bad=$((bad + 1))
	fi
	rm -f "$log"
}

mapfile -t sources < <(git ls-files '*.c')
mapfile -t headers < <(git ls-files '*.h')
mapfile -t shells < <(git ls-files | while read -r f; do
	case $f in *.bats) continue ;; esac
	head -n 1 "$f" 2>/dev/null | grep -qE '^#!.*(/sh|bash)' && echo "$f"
done)
mapfile -t pages < <(git ls-files 'man/*.[1-8]')

step 'clang-format agrees' clang-format --dry-run --Werror "${sources[@]}" "${headers[@]}"
step 'every include leads down' tests/floors.sh
step 'gcc -Werror builds everything' make --no-print-directory all unit
step 'no file needs one that needs it' tests/circles.sh
step 'cppcheck finds nothing' cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
	--enable=warning,performance,portability --suppress=missingIncludeSystem \
	--suppress=checkersReport -D_GNU_SOURCE -DAWCP_VERSION='"lint"' -Ilib -Ibin -Icgi bin lib cgi
checks='-*,bugprone-*,clang-analyzer-*'
for off in bugprone-easily-swappable-parameters bugprone-reserved-identifier \
	bugprone-assignment-in-if-condition bugprone-branch-clone bugprone-narrowing-conversions \
	bugprone-not-null-terminated-result \
	bugprone-implicit-widening-of-multiplication-result \
	clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
	clang-analyzer-security.insecureAPI.strcpy clang-analyzer-valist.Uninitialized; do
	checks=$checks,-$off
done
# shellcheck disable=SC2016 # the inner shell's variables
tidy() {
	printf '%s\0' "${sources[@]}" | xargs -0 -n 4 -P "$(nproc)" sh -c '
		checks=$1
		shift
		clang-tidy --quiet --warnings-as-errors="*" --checks="$checks" "$@" -- -std=c11 \
			-D_GNU_SOURCE -DAWCP_VERSION=\"lint\" -Ilib -Ibin -Icgi -Itests/unit 2>/dev/null' \
		sh "$checks"
}
step 'clang-tidy finds nothing' tidy
step 'shellcheck finds nothing' shellcheck "${shells[@]}"
step 'mandoc finds nothing' mandoc -Tlint -W warning "${pages[@]}"
[ "$bad" -eq 0 ]
