#!/usr/bin/env bash
# run.sh - what delegating costs, as ratios between programs measured in this one run.
#
# Absolute times say more about the machine than about the programs, so every figure is divided by
# that of a peer that does the nearest thing: a spawned /bin/true, a tar pipe, nginx with a file.
set -eu
cd "$(dirname "$0")/../.."
top=$PWD
PATH=$top/build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-bench.XXXXXX")
export AWCP_CONFIG=none AWCP_HOME=$work/state AWCP_MAX_BYTES=4G AWCP_MAX_FILES=200000 AWCP_MAX_FILE_BYTES=4G
declare -a started=()
stop() {
	for pid in "${started[@]}"; do
		kill "$pid" 2>/dev/null || :
	done
	wait 2>/dev/null || :
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

row() { printf '%-52s %10s  %s\n' "$1" "$2" "$3"; }
# Milliseconds that a command takes, the median of $1 runs.
median() {
	local n=$1 i a b
	shift
	for ((i = 0; i < n; i++)); do
		a=${EPOCHREALTIME/./}
		"$@" >/dev/null 2>>"$work/log"
		b=${EPOCHREALTIME/./}
		echo $((b - a))
	done | sort -n | sed -n "$(((n + 1) / 2))p" | awk '{printf "%.3f", $1 / 1000}'
}
rate() { wrk -t 1 -c 16 -d 5s "$@" | awk '/Requests\/sec/ {print $2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
free_port() {
	local port=$((20000 + RANDOM % 12000)) # below those that clients are given
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}
# serve [option...] -- command...
serve() {
	: >"$work/serve.log"
	awcp-serve -l "127.0.0.1:$port" -S none "$@" 2>"$work/serve.log" &
	started+=($!)
	until grep -q 'listening on' "$work/serve.log"; do
		kill -0 "${started[-1]}" || { cat "$work/serve.log" >&2; exit 1; }
		sleep 0.05
	done
}

# Between these two the memory of programs with these names is watched.
sample_peaks() {
	"$work/peak" "$@" >"$work/peaks" &
	sampler=$!
	started+=("$sampler")
}
end_peaks() {
	kill "$sampler"
	wait "$sampler" 2>/dev/null || :
}
rows_of_peaks() {
	local name peak
	while read -r name peak; do
		row "peak memory of $name in that run" "$(awk -v k="$peak" 'BEGIN {printf "%.1f", k / 1024}')" 'MiB'
	done <"$work/peaks"
}

gcc -O2 -o "$work/peak" -D_GNU_SOURCE tests/bench/peak.c
port=$(free_port)
url=http://127.0.0.1:$port/awcp
cat >"$work/agent" <<'A'
#!/bin/sh
read -r prompt
if [ "$prompt" != edit ]; then
	echo done >>result.txt
	exit
fi
for i in 0 1 2 3 4 5 6 7 8 9; do echo edited >"d$i/f5"; done
A
chmod +x "$work/agent"
serve -- "$work/agent"
printf '%-52s %10s  %s\n' 'what' 'ratio' 'of'

# One file, whole processes.
mkdir "$work/one"
echo hello >"$work/one/hello.txt"
true_ms=$(median 101 /bin/true)
one_ms=$(median 21 awcp-invite -q -e "$url" -r "ws=$work/one" go)
row 'delegate a one-file workspace, whole process' "$(ratio "$one_ms" "$true_ms")" "/bin/true spawned ($one_ms ms to $true_ms ms)"

# Many at once, on a server and a state of their own.  Before anything is removed: some file systems
# are slow to make files where many were removed a moment ago.
export AWCP_HOME=$work/busy AWCP_MAX_ACTIVE=100000
quiet_url=$url
port=$(free_port)
url=http://127.0.0.1:$port/awcp
gcc -O2 -static -o "$work/quick" tests/bench/agent.c
serve -c 8 -- "$work/quick"
busy=${started[-1]}
token=$(jq -r .token "$AWCP_HOME"/peers/*)
executor=$(pgrep -P "$(pgrep -d, -P "${started[-1]}")" awcp-executor)
nginx=$(cat "$AWCP_HOME/serve-$port/nginx.pid")

# An INVITE is answered when it is on the disk.
cat >"$work/invite.lua" <<'L'
local made = 0
function request()
	made = made + 1
	local id = string.format('dlg_%08x%024x', os.time(), made)
	return wrk.format('POST', nil, nil, '{"version":"1","type":"INVITE","delegationId":"' .. id ..
		'","task":{"description":"bench","prompt":"go"},"lease":{"ttlSeconds":600,"accessMode":"rw"},' ..
		'"retentionMs":600000,"environment":{"resources":[{"name":"ws","type":"fs","mode":"rw"}]},' ..
		'"requirements":{"transport":"archive"}}')
end
L
gcc -O2 -o "$work/durable" -D_GNU_SOURCE tests/bench/durable.c
mkdir "$work/records"
file_rate=$("$work/durable" "$work/records" 3)
invite_rate=$(rate -d 3s -s "$work/invite.lua" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$url")
row 'durable INVITEs, 16 connections' "$(ratio "$invite_rate" "$file_rate")" "files made durable by one thread ($invite_rate to $file_rate a second; the budget is 1,500)"

at_once() {
	local pids=()
	for i in $(seq 200); do
		mkdir -p "$work/ones/$i"
		cp "$work/one/hello.txt" "$work/ones/$i"
	done
	many_began=${EPOCHREALTIME/./}
	for i in $(seq 200); do
		awcp-invite -q -e "$url" -r "ws=$work/ones/$i" go >/dev/null 2>>"$work/log" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || :; done
	many_ended=${EPOCHREALTIME/./}
}
at_once
returned=$(find "$work/ones" -name result.txt | wc -l)
many_ms=$(((many_ended - many_began) / 1000))
row "200 one-file delegations at once, -c 8 ($returned came back)" "$(ratio "$many_ms" 6200)" "200 times 31 ms, the recorded time of one ($many_ms ms)"

# The same, without what 200 processes cost on the delegator's side.
gcc -O2 -o "$work/swarm" -D_GNU_SOURCE -pthread tests/bench/swarm.c
mkdir "$work/zipped"
cp -r "$work/one" "$work/zipped/ws"
bsdtar -c --format zip -f "$work/one.zip" -C "$work/zipped" ws
base64 -w 0 "$work/one.zip" >"$work/one.base64"
swarm() {
	"$work/swarm" 200 127.0.0.1 "$port" "$work/one.base64" "$(sha256sum <"$work/one.zip" | cut -d ' ' -f 1)" \
		"Authorization: Bearer $token"
}
swarm_ms=$(for _ in 1 2 3; do swarm; done | sort -n -k 3 | sed -n '2s/.* //p')
row 'the same from one process' "$(ratio "$swarm_ms" 6200)" "200 times 31 ms ($swarm_ms ms)"

# Open event streams: as many as the limit on open files allows, for nginx has two connections
# for each in processes that share them unevenly, and the executor keeps 2048 for the rest.
gcc -O2 -o "$work/streams" -D_GNU_SOURCE tests/bench/streams.c
streams=10000
files=$(ulimit -Hn)
[ "$files" = unlimited ] || for most in $((files - 2100)) $((files * $(nproc) * 3 / 10)); do
	[ "$streams" -le "$most" ] || streams=$most
done
[ "$streams" -eq 10000 ] || told=" (the limit on open files is $files)"
for id in $(find "$AWCP_HOME/assignments" -maxdepth 1 -name 'dlg_*' | sort | tail -n 100); do
	echo "/awcp/tasks/${id##*/}/events $id/events.ndjson"
done >"$work/list"
# Of the processes, in MiB; what they share counts once.
memory() {
	for pid in "$executor" "$nginx" $(pgrep -P "$nginx"); do cat "/proc/$pid/smaps_rollup"; done |
		awk '/^Pss:/ {kb += $2} END {printf "%.1f", kb / 1024}'
}
quiet_rate=$(rate -H "Authorization: Bearer $token" "$url/status")
mkfifo "$work/orders"
"$work/streams" "$streams" 127.0.0.1 "$port" "$work/list" "Authorization: Bearer $token" \
	<"$work/orders" >"$work/seen" &
client=$!
started+=("$client")
exec 6>"$work/orders"
# The last word of the client's ${1}th line; it may end early.
said() {
	until [ -e "$work/seen" ] && [ "$(wc -l <"$work/seen")" -ge "$1" ]; do
		kill -0 "$client" 2>/dev/null || { echo "bench: not all streams opened, or saw an event" >&2; exit 1; }
		sleep 0.05
	done
	sed -n "$1s/.* //p" "$work/seen"
}
said 1 >/dev/null
row "memory of executor and nginx, $streams open streams${told-}" "$(ratio "$(memory)" 512)" "512 MiB ($(memory) MiB)"
open_rate=$(rate -H "Authorization: Bearer $token" "$url/status")
row 'GET /status meanwhile' "$(ratio "$open_rate" "$quiet_rate")" "without streams ($open_rate to $quiet_rate)"
reach_ms=$(for n in 2 3 4; do
	echo >&6
	said "$n"
done | sort -n | sed -n 2p)
row "an event to each of them, of $(wc -l <"$work/list") assignments" "$(ratio "$reach_ms" 1000)" "a second ($reach_ms ms)"
exec 6>&-
kill "$busy" # it has been as large as its streams
wait "$busy" || :
export AWCP_HOME=$work/state
url=$quiet_url

# 1 GiB in 10,000 files, half of it compressible.
mkdir "$work/big"
for d in $(seq 0 99); do
	mkdir "$work/big/d$d"
	head -c 5400000 /dev/urandom | split -b 108000 -a 3 - "$work/big/d$d/random-"
	yes "a line of text in file number $d of the tree" | head -c 5400000 | split -b 108000 -a 3 - "$work/big/d$d/text-"
done
files=$(find "$work/big" -type f | wc -l)
bytes=$(du -sb "$work/big" | cut -f 1)
sync
# In turn, so that both meet the same machine.  Nothing is removed in between, for some file
# systems are slow to make files anew where many were removed a moment ago.
tar_once() { bsdtar -c -f - -C "$work/big" . | bsdtar -x -f - -C "$copy"; }
invite_big() { awcp-invite -q -e "$url" -r "ws=$work/big" go; }
sample_peaks awcp- nginx
for i in 1 2 3; do
	copy=$work/copy.$i
	mkdir "$copy"
	rm -f "$work/big/result.txt"
	sync # neither writes what the other left in memory
	median 1 tar_once >>"$work/copies"
	echo >>"$work/copies"
	sync
	median 1 invite_big >>"$work/delegations"
	echo >>"$work/delegations"
done
copy_ms=$(sort -n "$work/copies" | sed -n 2p)
big_ms=$(sort -n "$work/delegations" | sed -n 2p)
end_peaks
[ -f "$work/big/result.txt" ] || { echo "bench: the big workspace did not come back" >&2; cat "$work/log" >&2; exit 1; }
row "delegate $((bytes >> 20)) MiB in $files files, there and back" "$(ratio "$big_ms" "$copy_ms")" "bsdtar -c | bsdtar -x ($big_ms ms to $copy_ms ms)"

rows_of_peaks
rm -rf "$work"/copy.*

# The same files, packed and unpacked.
rm -f "$work/big/result.txt"
ours_pack() { awcp-snapshot pack "$work/big" >"$work/ours"; }
theirs_pack() { bsdtar -c --format zip --options zip:compression=store -f "$work/theirs" -C "$work/big" .; }
ours_unpack() { rm -rf "$work/copy"; awcp-snapshot unpack "$work/copy" <"$work/theirs"; }
theirs_unpack() { rm -rf "$work/copy"; mkdir "$work/copy"; bsdtar -x -f "$work/theirs" -C "$work/copy"; }
theirs_ms=$(median 3 theirs_pack)
ours_ms=$(median 3 ours_pack)
row "pack them" "$(ratio "$ours_ms" "$theirs_ms")" "bsdtar -c --format zip, stored ($ours_ms ms to $theirs_ms ms)"
theirs_ms=$(median 3 theirs_unpack)
ours_ms=$(median 3 ours_unpack)
row "unpack that ZIP" "$(ratio "$ours_ms" "$theirs_ms")" "bsdtar -x ($ours_ms ms to $theirs_ms ms)"
rm -rf "$work/copy" "$work/ours" "$work/theirs" "$work/big"

# A tree of many files of which ten come back changed.  What was applied is undone, to be
# applied again.
mkdir "$work/many"
for d in $(seq 0 999); do
	mkdir "$work/many/d$d"
	for f in $(seq 0 99); do echo "file $f of $d" >"$work/many/d$d/f$f"; done
done
in_git() { git --git-dir="$work/git" --work-tree="$work/many" -c user.name=a -c user.email=a@b "$@"; }
in_git init -q
in_git add -A
in_git commit -q -m many
many=$(awcp-invite -q -m staged -e "$url" -r "ws=$work/many" edit)
in_git status >/dev/null
status_ms=$(median 5 in_git status)
sample_peaks awcp-
apply_ms=$(for _ in 1 2 3 4 5; do
	median 1 awcp-snapshot apply "$many"
	echo
	awcp-snapshot undo "$many" >/dev/null 2>>"$work/log"
done | sort -n | sed -n 3p)
end_peaks
row 'apply 10 changed files in a tree of 100,000' "$(ratio "$apply_ms" "$status_ms")" "git status on the same tree ($apply_ms ms to $status_ms ms)"
rows_of_peaks
rm -rf "$work/many" "$work/git"

# Small requests.
token=$(jq -r .token "$AWCP_HOME"/peers/*)
file_port=$(free_port)
mkdir -p "$work/nginx/html"
curl -sf -H "Authorization: Bearer $token" "$url/status" >"$work/nginx/html/status"
user=$([ "$(id -u)" -ne 0 ] || echo 'user root;')
cat >"$work/nginx/nginx.conf" <<N
$user
worker_processes auto;
daemon off;
pid $work/nginx/pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $work/nginx/b; fastcgi_temp_path $work/nginx/f; proxy_temp_path $work/nginx/p;
	scgi_temp_path $work/nginx/s; uwsgi_temp_path $work/nginx/u;
	server { listen 127.0.0.1:$file_port; root $work/nginx/html; }
}
N
nginx -p "$work/nginx" -c "$work/nginx/nginx.conf" 2>>"$work/log" &
started+=($!)
until curl -sf "http://127.0.0.1:$file_port/status" >/dev/null; do sleep 0.05; done
file_rate=$(rate "http://127.0.0.1:$file_port/status")
status_rate=$(rate -H "Authorization: Bearer $token" "$url/status")
row 'GET /status through nginx and FastCGI, requests/s' "$(ratio "$status_rate" "$file_rate")" "the same bytes as a file of nginx ($status_rate to $file_rate)"

# awcp-reap among many records, of which 1000 are due (REAP_RECORDS=1000000 for as many as there may
# be), and beside it rm, which removes a copy of each of them.
records=${REAP_RECORDS:-100000}
gcc -O2 -D_GNU_SOURCE -Ilib -o "$work/make-records" tests/bench/records.c build/libawcp.a -ljansson
export AWCP_HOME=$work/many
awcp-reap
"$work/make-records" "$records" 0
copies=$(for ((i = 0; i < 1000; i++)); do printf "$AWCP_HOME/assignments/copy_%031x " $((i * 2654435761)); done)
: >"$work/reaps"
for i in 1 2 3 4 5; do
	# Those that were removed before, and are due now.
	for ((k = 0; k < 1000 && i == 1; k++)); do printf "$AWCP_HOME/assignments/dlg_%032x\0" $((k * 2654435761)); done | xargs -0r rm -rf
	"$work/make-records" 1000 1000
	sync
	# shellcheck disable=SC2086 # words
	if [ $((i % 2)) -eq 0 ]; then
		reap_ms=$(median 1 awcp-reap) rm_ms=$(median 1 rm -rf $copies)
	else
		rm_ms=$(median 1 rm -rf $copies) reap_ms=$(median 1 awcp-reap)
	fi
	echo "$reap_ms $rm_ms" >>"$work/reaps"
done
read -r more_ms reap_ms rm_ms < <(awk '{ print $1 - $2, $0 }' "$work/reaps" | sort -n | sed -n 3p)
idle_ms=$(median 50 awcp-reap)
row "reap 1000 of $records records" "$(ratio "$reap_ms" "$rm_ms")" "rm -rf of as many ($reap_ms to $rm_ms ms)"
row 'beyond that' "$(ratio "$more_ms" 100)" "100 ms ($more_ms ms)"
row 'reap with nothing due' "$(ratio "$idle_ms" 5)" "5 ms ($idle_ms ms)"

# The queue.
"$top/tests/bench/queue.sh"
