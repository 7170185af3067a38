#!/usr/bin/env bash
# run.sh - everything at once, for long, with what goes wrong on real machines.
#
#	SOAK_MINUTES=10 tests/soak/run.sh [build]
#
# An executor and the one it works for, each with a state of its own, workers, lenders, clients of
# queues, and awcp-reap every few seconds for both.  Meanwhile processes are killed, at a random
# moment or at a random change to the file system; tasks are cancelled, hang, die and outlive their
# lease; writes fail for want of space, and as root the disk, which is a small one, is really full
# for a while; and the clock steps.  In the end every record has ended in a
# way that it explains, nothing is left over, and who was there all the time is as small as after the
# first tenth.  Then only awcp-reap runs, and what remains is what retention says.
# shellcheck disable=SC2317 # what is called by its name in a variable
set -u
cd "$(dirname "$0")/../.." || exit
# A disk of our own is mounted where nobody else sees it.
if [ "$(id -u)" -eq 0 ] && [ -z "${SOAK_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
	SOAK_MOUNTS=yes exec unshare -m --propagation private "$PWD/tests/soak/run.sh" "$@"
fi
top=$PWD build=${1:-$PWD/build}
PATH=$build/bin:$PATH
minutes=${SOAK_MINUTES:-10}
seconds=$(awk -v m="$minutes" 'BEGIN { print int(m * 60) }')
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-soak.XXXXXX")
disk=$work/disk
executor=$disk/executor lender=$disk/lender
clock=$work/clock
export SOAK_SEEN=$work/seen

# small_disk: mount one, of a real file system if that can be had here.
small_disk() {
	[ -n "${SOAK_MOUNTS-}" ] || return 0
	truncate -s 256M "$work/image"
	{ /sbin/mkfs.ext4 -q -N 100000 "$work/image" && mount -o loop "$work/image" "$disk"; } 2>/dev/null ||
		mount -t tmpfs -o size=256M,mode=700 soak "$disk" || unset SOAK_MOUNTS
}

mkdir -p "$work/seen" "$work/log" "$disk"
small_disk
mkdir -p "$disk/ws" "$executor" "$lender"
chmod 700 "$executor" "$lender"
echo 0 >"$clock"
for name in fault clock; do
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$work/$name.so" "tests/fault/$name.c" -ldl || exit
done
unset FAULT
export FAULT_CLOCK=$clock LD_PRELOAD=$work/fault.so:$work/clock.so AWCP_CONFIG=none AWCP_SANDBOX=none \
	AWCP_AUTH=none AWCP_TIMEOUT=5 AWCP_START_WITHIN=10 AWCP_RETENTION=60 AWCP_TASK_RETENTION=60 \
	AWCP_FOLLOW_AFTER=3 AWCP_LEFTOVER_AGE=10 AWCP_CLOCK_DOUBT=3 AWCP_UNDO_RETENTION=20 AWCP_MIN_FREE=1M
kinds='-k leases -k queue -k retention -k followers -k applies -k breakers -k orphans -k peers -k readers -k space'

# --- what runs until it is told to stop

running() { [ ! -e "$work/stop" ]; }
chance() { [ $((RANDOM % $1)) -eq 0 ]; }
one_of() { shift $((RANDOM % $#)) && echo "$1"; }
nap() { sleep "$((RANDOM % $1)).$((RANDOM % 10))"; }
count() { echo "$1" >>"$work/counts"; }

# A fault that the next program may meet: mostly none, else death or a full disk at some change.
fault() {
	case $((RANDOM % 10)) in
	0 | 1) echo "FAULT=kill:$((RANDOM % 60 + 1))" ;;
	2) echo "FAULT=28:$((RANDOM % 60 + 1))" ;;
	*) echo FAULT= ;;
	esac
}

free_port() {
	local port=$((20000 + RANDOM % 12000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# serve name port [option...]: sets $! to its pid when it listens.
serve() {
	local log=$work/log/$1 port=$2
	shift 2
	: >"$log"
	AWCP_HOME=$executor awcp-serve -l "127.0.0.1:$port" -A none -S none "$@" >>"$log" 2>&1 &
	until grep -q 'listening on' "$log" || ! kill -0 $! 2>/dev/null; do sleep 0.05; done
}

# An executor that is killed again and again.
victim() {
	while running; do
		export "$(fault)"
		serve victim "$victim_port"
		nap 12
		kill -9 $! 2>/dev/null && count server-killed
		wait $! 2>/dev/null
		unset FAULT
		# Its port is free when awcp-reap has been there.
		for _ in $(seq 100); do
			[ -e "$executor/serve-$victim_port" ] || break
			running || break
			sleep 0.2
		done
	done
}

# A worker that is killed again and again, or told to stop.
worker() {
	while running; do
		env "$(fault)" AWCP_HOME="$executor" awcp-run -c 3 --cooldown 2s --window 10s -q default -q jobs -S none -- "$top/tests/soak/agent.sh" \
			>>"$work/log/worker" 2>&1 &
		nap 12
		kill "-$(one_of KILL TERM)" $! 2>/dev/null && count worker-stopped
		wait $! 2>/dev/null
	done
}

prompt() { echo "$(one_of work work work work fail later hang crowd die) $RANDOM"; }

workspace() {
	ws=$disk/ws/$1-$2
	mkdir -p "$ws/d"
	echo one >"$ws/a" && echo two >"$ws/b" && echo three >"$ws/d/c"
}

# Take, refuse or undo what came back to ${id}, with a fault or without.
settle() {
	chance 3 && return
	env "$(fault)" awcp-snapshot "$(one_of apply apply discard)" "$id" && chance 3 &&
		env "$(fault)" awcp-snapshot undo "$id"
	count settled
}

lend() {
	local name=$1 i=0 id
	export AWCP_HOME=$lender
	while running; do
		i=$((i + 1))
		workspace "$name" "$i"
		set -- -q -e "http://127.0.0.1:$(one_of "$steady_port" "$steady_port" "$victim_port")/awcp" \
			-r "ws=$ws" -m "$(one_of auto auto staged discard)" -t "$(one_of 2 4 8)" "$(prompt)"
		count lent
		case $((RANDOM % 6)) in
		0)
			id=$(env "$(fault)" awcp-invite -b "$@") # and nobody here follows it
			[ -z "$id" ] || ! chance 2 || { nap 2 && awcp-cancel "$id" && count cancelled; }
			;;
		1)
			awcp-invite "$@" &
			nap 3
			kill -9 $! && count lender-killed
			wait $!
			;;
		*)
			id=$(env "$(fault)" awcp-invite "$@")
			[ -z "$id" ] || settle
			;;
		esac
	done >>"$work/log/$name" 2>&1
}

# The same for a program that speaks HTTP.
ask_over_http() {
	local name=$1 i=0 url=http://127.0.0.1:$steady_port
	while running; do
		i=$((i + 1))
		workspace "$name" "$i"
		id=$(curl -sS -m 20 -H 'Content-Type: application/json' "$url/delegate" --data "$(jq -cn \
			--arg u "$url/awcp" --arg s "$ws" --arg p "$(prompt)" --arg m "$(one_of auto staged)" '
			{executorUrl: $u, environment: {resources: [{name: "ws", type: "fs", source: $s, mode: "rw"}]},
			task: {description: "soak", prompt: $p}, ttlSeconds: 4, snapshotMode: $m}')" | jq -r .delegationId)
		count lent-over-http
		nap 3
		! chance 4 || curl -sS -m 20 -X DELETE "$url/delegation/$id"
	done >>"$work/log/$name" 2>&1
}

# Puts tasks of all sorts, takes some itself, and forgets some of those.
queue_client() {
	local name=$1 last='' claim
	export AWCP_HOME=$executor
	while running; do
		queue=$(one_of jobs hands hands)
		set -- -q "$queue" --timeout 5s
		! chance 4 || set -- "$@" --after 2s
		! chance 4 || set -- "$@" --retries 1 --backoff 1s
		! chance 4 || [ -z "$last" ] || set -- "$@" -w "$last"
		last=$(env "$(fault)" awcp-queue put "$@" "$(prompt)")
		count put
		! chance 8 || [ -z "$last" ] || awcp-queue "$(one_of cancel pause retry)" "$last"
		claim=$(env "$(fault)" awcp-queue take -j -q hands --lease 2 | jq -r .claim)
		if [ -n "$claim" ]; then
			case $((RANDOM % 6)) in
			0) count forgotten ;;
			1) awcp-queue limit --after 1s "$claim" ;;
			2) awcp-queue fail -m soak "$claim" ;;
			*) env "$(fault)" awcp-queue "done" "$claim" ;;
			esac
		fi
		sleep 0.2
	done >>"$work/log/$name" 2>&1
}

# reap home [option...]
reap() {
	local home=$1
	shift
	AWCP_HOME=$home awcp-reap -j "$@" >>"$work/reaped" 2>>"$work/log/reap"
}

reaper() {
	while [ ! -e "$work/stop-reaping" ]; do
		for home in "$executor" "$lender"; do
			running && export "$(fault)"
			# shellcheck disable=SC2086 # words
			if chance 3; then
				reap "$home" $kinds
			elif running && chance 20; then
				AWCP_MIN_FREE=1000T reap "$home" -k space
			else
				reap "$home"
			fi
			unset FAULT
		done
		sleep 1
	done
}

stepper() {
	while running; do
		sleep 4
		chance 2 && echo $((RANDOM % 41 - 20)) >"$clock" && count clock-stepped
	done
	echo 0 >"$clock"
}

# The disk is full for a moment, if it is ours alone.
filler() {
	while [ -n "${SOAK_MOUNTS-}" ] && nap 15 && running; do
		dd if=/dev/zero of="$disk/filler" bs=64k 2>/dev/null
		count disk-full
		nap 3
		rm -f "$disk/filler"
	done
}

# --- what is measured

# The processes that are there all the time: "pid name kB descriptors".
measure() {
	local pid
	for pid in "$steady_worker" $(for p in /proc/[0-9]*; do
		[ "$(readlink "$p/cwd")" != "$executor/serve-$steady_port" ] || echo "${p#/proc/}"
	done); do
		case $(cat "/proc/$pid/comm" 2>/dev/null) in
		nginx | awcp-*) ;;
		*) continue ;; # a follower: it comes and goes
		esac
		echo "$pid $(cat "/proc/$pid/comm") $(awk '/VmRSS/ { print $2 }' "/proc/$pid/status") $(find "/proc/$pid/fd" -mindepth 1 2>/dev/null | wc -l)"
	done | sort -un
}

failures=0
bad() {
	echo "not ok: $*"
	failures=$((failures + 1))
}

# nothing what command...: it prints nothing.
nothing() {
	local what=$1 text
	shift
	text=$("$@" 2>&1)
	[ -z "$text" ] || bad "$what: $(echo "$text" | head -n 8)"
}

# Which records have not ended, or do not say how?
unexplained() {
	local dir
	for dir in "$executor"/assignments/*/ "$executor"/delegations/*/ "$lender"/delegations/*/; do
		[ -e "$dir" ] || continue # gone meanwhile
		jq -r --arg last "$(tail -n 1 "$dir/events.ndjson" 2>/dev/null | jq -r .type)" 'select((
			(.state == "completed" and $last == "done" and .result != null) or
			((.state | IN("error", "cancelled", "expired")) and (.error.code | length > 0) and
			(.error.message | length > 0) and $last == "error")) | not) |
			.id + " " + .state + " " + $last + " " + (.error | tostring)' "$dir/record.json" 2>&1 || [ ! -e "$dir" ]
	done | grep -v 'Could not open file'
}

unfinished() {
	local q
	find "$executor"/*/.open "$lender"/*/.open -type f 2>/dev/null
	for q in "$executor"/queue/*/; do
		AWCP_HOME=$executor awcp-queue list -q "$(basename "$q")" 2>/dev/null
	done
}

leftovers() {
	(cd "$disk" && find executor lender \( -path '*/tmp/*' -o -path '*/corrupt/*' -o -path '*/assignments/*/work' \
		-o -path '*/assignments/*/report' -o -path '*/jobs/*/work' -o -path '*/running/*' -o -name '.new-*' \
		-o -name 'serve-*' -o -path '*/snapshots/incoming' -o -name plan -o -name rollback \) -prune -print)
	find "$disk/ws" -path '*/.awcp/*' -prune -print
}

processes() { pgrep -af "$work|^sleep 600$" | grep -v "soak/run.sh" || :; }

cleanup() {
	touch "$work/stop" "$work/stop-reaping"
	# shellcheck disable=SC2046 # words
	kill $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	if [ -n "${SOAK_KEEP-}" ] && [ -n "${SOAK_MOUNTS-}" ]; then
		rm -f "$disk/filler"
		mkdir -p "$work/kept" && cp -a "$disk/." "$work/kept" # the mount goes with us
	fi
	[ -z "${SOAK_MOUNTS-}" ] || umount "$disk"
	[ -n "${SOAK_KEEP-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- the soak

steady_port=$(free_port)
serve steady "$steady_port" -Q -D "$disk/ws"
server=$!
victim_port=$(free_port)
AWCP_HOME=$executor awcp-run -c 4 --cooldown 2s --window 10s -q default -q jobs -S none -- "$top/tests/soak/agent.sh" >>"$work/log/steady-worker" 2>&1 &
steady_worker=$!
reaper 2>>"$work/log/killed" &
reaper=$!
loops=()
for loop in victim worker worker stepper filler 'lend a' 'lend b' 'lend c' 'ask_over_http d' 'queue_client e' 'queue_client f'; do
	$loop 2>>"$work/log/killed" &
	loops+=($!)
done
warm=$((seconds / 10 > 60 ? 60 : seconds / 10 > 5 ? seconds / 10 : 5))
sleep "$warm"
before=$(measure)
sleep $((seconds - warm > 0 ? seconds - warm : 0))
after=$(measure)
touch "$work/stop"
wait "${loops[@]}" 2>/dev/null
echo 0 >"$clock"

# What is under way comes to its end; nobody does anything but the worker and awcp-reap.
until=$((SECONDS + 150))
while [ -n "$(unfinished)" ] && [ $SECONDS -lt $until ]; do
	AWCP_HOME=$executor awcp-queue list -q hands -j --limit 0 2>/dev/null | jq -r 'select(.state == "paused") | .id' |
		AWCP_HOME=$executor xargs -r awcp-queue cancel >/dev/null
	AWCP_HOME=$executor awcp-queue list -q jobs -j --limit 0 2>/dev/null | jq -r 'select(.state == "paused") | .id' |
		AWCP_HOME=$executor xargs -r awcp-queue cancel >/dev/null
	while claim=$(AWCP_HOME=$executor awcp-queue take -j -q hands 2>/dev/null | jq -r .claim) && [ -n "$claim" ]; do
		AWCP_HOME=$executor awcp-queue "done" "$claim"
	done
	sleep 1
done
nothing 'unfinished work' unfinished
nothing 'a record without an explained end' unexplained
for q in jobs hands default; do
	AWCP_HOME=$executor awcp-queue check -q "$q" >>"$work/log/check" 2>&1 || bad "queue $q: $(tail -n 3 "$work/log/check")"
done

# As much as then?  A little more memory is what an allocator keeps.
while read -r pid name size files; do
	read -r _ _ size2 files2 < <(echo "$after" | grep "^$pid ") || { bad "$name died"; continue; }
	[ "$size2" -le $((size + size / 4 + 2048)) ] || bad "$name grew from $size kB to $size2"
	[ "$files2" -le $((files + 16)) ] || bad "$name had $files descriptors, then $files2"
done <<<"$before"

kill "$steady_worker" "$server"
wait "$steady_worker" "$server" 2>/dev/null

# --- only awcp-reap, and time

snapshot_waits() { jq -e '[.snapshots[] | select(.status == "pending")] | length > 0' "$1" >/dev/null; }
due_to_stay() {
	for record in "$lender"/delegations/*/record.json "$executor"/delegations/*/record.json; do
		[ ! -e "$record" ] || ! snapshot_waits "$record" || dirname "$record"
	done | sort
}
what_is_there() { find "$executor"/assignments "$executor"/delegations "$lender"/delegations -mindepth 1 -maxdepth 1 ! -name '.*' | sort; }
# kept_until: "directory time" of each record, in seconds; what waits for a person is kept for good.
kept_until() {
	for record in "$executor"/{assignments,delegations}/*/record.json "$lender"/delegations/*/record.json; do
		[ ! -e "$record" ] || echo "$(dirname "$record") $(jq '
			if any(.snapshots[]?; .status == "pending") then 1e12 else
			(.completedAt // .updatedAt | sub("\\.[0-9]+Z"; "Z") | fromdate) + .retentionMs / 1000 end | floor' "$record")"
	done
}
tasks() { for q in jobs hands default; do AWCP_HOME=$executor awcp-queue list -q "$q" -s all --limit 0; done; }
sleep 3
touch "$work/stop-reaping"
wait "$reaper"
stay=$(due_to_stay)

# Some are over and some are not: those go, and only those.
echo 30 >"$clock"
kept_until >"$work/kept-until"
for _ in $(seq 20); do
	for home in "$executor" "$lender"; do
		# shellcheck disable=SC2086 # words
		AWCP_CLOCK_DOUBT=0 reap "$home" $kinds
	done
	at=$(($(date +%s) + 30))
	overstayed=$(kept_until | awk -v at=$((at - 3)) '$2 <= at { print $1 }')
	[ -n "$overstayed" ] || break
	sleep 1
done
[ -z "$overstayed" ] || bad "still there after its time: $(echo "$overstayed" | head -n 8)"
# shellcheck disable=SC2317 # called by nothing
gone_before() { awk -v at=$((at + 1)) '$2 > at { print $1 }' "$work/kept-until" | while read -r dir; do [ -e "$dir" ] || echo "$dir"; done; }
nothing 'gone before its time' gone_before
partly="$(awk -v at="$at" '$2 <= at' "$work/kept-until" | wc -l) of $(wc -l <"$work/kept-until") records"

echo 150 >"$clock" # further than anything is kept
for _ in $(seq 20); do
	for home in "$executor" "$lender"; do
		# shellcheck disable=SC2086 # words
		AWCP_CLOCK_DOUBT=0 reap "$home" $kinds
	done
	[ "$(what_is_there)" != "$stay" ] || [ -n "$(leftovers)$(tasks)" ] || break
	sleep 1
done
[ "$(what_is_there)" = "$stay" ] || bad "what remains: $(diff <(echo "$stay") <(what_is_there) | head -n 8)"
nothing 'tasks that remain' tasks
nothing 'left over' leftovers
nothing 'still runs' processes

echo "of what ended, the time of $partly was over first, and they went"
echo "in $minutes minutes:"
sort "$work/counts" | uniq -c
echo "reaped:"
jq -r '.kind + " " + .action' "$work/reaped" 2>/dev/null | sort | uniq -c
echo "$after" | while read -r pid name size files; do
	echo "$before" | grep "^$pid " | { read -r _ _ size1 files1 && echo "  $name: $size1 to $size kB, $files1 to $files descriptors"; }
done
[ "$failures" -eq 0 ] || SOAK_KEEP=yes
[ "$failures" -eq 0 ] || echo "$failures failed; see $work"
[ "$failures" -eq 0 ] && echo "the soak passed"
exit $((failures > 0))
