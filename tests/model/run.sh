#!/usr/bin/env bash
# run.sh - search the models for broken promises; and see that a protocol which lacks something is
# found out.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-model.XXXXXX")
trap 'rm -rf "$work"' EXIT
bad=0

# search name option...: prints how many errors there are, and how many states.
search() {
	local name=$1
	shift
	mkdir "$work/$name"
	(
		cd "$work/$name"
		spin "$@" -a "$OLDPWD/claims.pml" >spin.log || { cat spin.log >&2; exit 1; }
		gcc -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
		./pan -m1000000 >pan.log
		grep -q '^error: max search depth' pan.log && { echo 'not searched to the end' >&2; exit 1; }
		sed -n 's/.* errors: \([0-9]*\)$/\1/p; s/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | tac | paste -sd ' '
	)
}

said() { printf '%s - %s\n' "$@"; }
read -r states errors < <(search claims)
if [ "$errors" = 0 ]; then
	said ok "the protocol keeps its promises ($states states)"
else
	said 'not ok' 'the protocol keeps its promises'
	(cd "$work/claims" && ./pan -r 2>&1 | tail -n 30)
	bad=1
fi
for lack in NO_LOCK NO_FENCE NO_SYNC NO_CLAIM_SYNC NO_CATCH_UP NO_RESTORE; do
	read -r states errors < <(search "$lack" "-D$lack")
	if [ "$errors" -gt 0 ]; then
		said ok "without it promises are broken: $lack"
	else
		said 'not ok' "without it promises are broken: $lack ($states states)"
		bad=1
	fi
done
exit $bad
