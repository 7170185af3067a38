#!/usr/bin/env bash
# demo.sh - delegate a real source tree on loopback and show the change that comes back.
#
# The tree is this repository's own, without the fuzzing corpus, exported to a temporary directory.
# The worker runs a program over it: by default one that takes trailing white space away and writes a
# report; with AGENT='cmd …' the caller's own, which finds the prompt on its stdin and the tree in its
# working directory.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
PATH=$top/build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-demo.XXXXXX")
export AWCP_HOME=$work/state AWCP_CONFIG=none
server=
# shellcheck disable=SC2317 # called by the trap
stop() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	[ -z "$server" ] || wait "$server" 2>/dev/null || :
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

mkdir "$work/project"
if git -C "$top" rev-parse -q --verify HEAD >/dev/null 2>&1; then
	git -C "$top" archive HEAD -- . ':!tests/fuzz/corpus' | tar -x -C "$work/project"
else
	tar -c --exclude=./build --exclude=./.git . | tar -x -C "$work/project"
fi
# Something for the worker to do: lines that end in blanks.
sed -i '5s/$/   /' "$work/project/LICENSE"
sed -i '5s/$/	 /' "$work/project/Makefile"

cat >"$work/tidy" <<'AGENT'
#!/bin/sh
# A worker's program: takes trailing blanks away and reports how many lines it mended.
set -eu
prompt=$(cat)
echo "asked to: $prompt"
count=0
for file in $(grep -rlI '[[:blank:]]$' . | sort); do
	lines=$(grep -c '[[:blank:]]$' "$file")
	sed -i 's/[[:blank:]]*$//' "$file"
	echo "$file: $lines" >>TIDY-REPORT.txt
	echo "mended $file"
	count=$((count + lines))
done
printf '{"summary":"mended %s lines","highlights":["TIDY-REPORT.txt"]}' "$count" >"$AWCP_RESULT"
AGENT
chmod +x "$work/tidy"
agent=${AGENT:-$work/tidy}

sandbox=bwrap
if ! bwrap --ro-bind / / --unshare-pid --dev /dev --proc /proc true 2>/dev/null; then
	echo "demo: bubblewrap cannot make a sandbox on this machine; running without one" >&2
	sandbox=none
fi
port=10200
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
	port=$((port + 1))
done
url=http://127.0.0.1:$port/awcp

echo "\$ awcp-serve -l 127.0.0.1:$port -S $sandbox -- $agent &"
# shellcheck disable=SC2086 # the caller's command line has words
awcp-serve -l "127.0.0.1:$port" -S "$sandbox" -- $agent 2>"$work/serve.log" &
server=$!
for _ in $(seq 100); do
	grep -q 'listening on' "$work/serve.log" && break
	kill -0 "$server" 2>/dev/null || {
		cat "$work/serve.log" >&2
		exit 1
	}
	sleep 0.1
done
cat "$work/serve.log" >&2

cd "$work/project"
echo '$ cd project; awcp-invite -v -e '"$url"' "take trailing white space away"'
status=0
id=$(awcp-invite -v -e "$url" "take trailing white space away") || status=$?
echo "$id"
echo "\$ awcp-show ${id%"${id#????????}"}"
awcp-show "$id"
echo "\$ awcp-snapshot diff ${id%"${id#????????}"}"
awcp-snapshot diff "$id"
exit "$status"
