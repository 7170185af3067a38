#!/usr/bin/env bash
# queue.sh - what the queue costs, beside nq, task-spooler, beanstalkd and, where it is installed,
# PostgreSQL in this one run.
#
#	queue.sh [build]
#
# A row ends with the target that it is held against, where it has one.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-$PWD/build}
PATH=$build/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-bench.XXXXXX")
export AWCP_CONFIG=none AWCP_HOME=$work/state TS_SOCKET=$work/tsp TMPDIR=$work NQDIR=$work/nq
mkdir "$work/nq" "$work/flushed" "$work/relaxed"
declare -a started=()
stop() {
	tsp -K 2>/dev/null || :
	[ ! -f "$work/pg/data/postmaster.pid" ] || kill "$(head -n 1 "$work/pg/data/postmaster.pid")" || :
	for pid in "${started[@]}"; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

row() { printf '%-52s %10s  %s\n' "$1" "$2" "$3"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
# How many a second: $1 of them, in the microseconds that the command takes.
rate() {
	local n=$1 a b
	shift
	a=${EPOCHREALTIME/./}
	"$@" >/dev/null
	b=${EPOCHREALTIME/./}
	echo $((n * 1000000 / (b - a)))
}
# The median of three.
three() {
	for _ in 1 2 3; do "$@"; done | sort -n | sed -n 2p
}
# Milliseconds that a command takes, the median of $1 runs.
median() {
	local n=$1 i a b
	shift
	for ((i = 0; i < n; i++)); do
		a=${EPOCHREALTIME/./}
		"$@" >/dev/null
		b=${EPOCHREALTIME/./}
		echo $((b - a))
	done | sort -n | sed -n "$(((n + 1) / 2))p" | awk '{printf "%.3f", $1 / 1000}'
}
four() {
	local pids=()
	for _ in 1 2 3 4; do
		"$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
}

gcc -O2 -D_GNU_SOURCE -Ilib -o "$work/queue" tests/bench/queue.c "$build/libawcp.a" -ljansson
queue=$work/queue
free_port() {
	local port=$((20000 + RANDOM % 12000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}
# beanstalk directory option...: sets port.
beanstalk() {
	port=$(free_port)
	beanstalkd -l 127.0.0.1 -p "$port" -b "$@" 2>>"$work/log" &
	started+=($!)
	until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.02; done
}
beanstalk "$work/flushed" -f0
flushed=$port
beanstalk "$work/relaxed" -F
relaxed=$port

# Batches: ours is durable every 4096 tasks, theirs at every job (-f0) or at leisure (-F).
some=20000
ours_put() { rate "$some" "$queue" put "batch" "$some"; }
their_put() { rate "$2" "$queue" tube "$1" "$2"; }
ours=$(three ours_put)
theirs=$(their_put "$flushed" 2000)
row "put in batches, tasks/s, durable" "$(ratio "$ours" "$theirs")" "beanstalkd -f0, 64 on the way ($ours to $theirs; at least 1)"
theirs=$(three their_put "$relaxed" "$some")
row 'the same' "$(ratio "$ours" "$theirs")" "beanstalkd -F, which is not durable ($ours to $theirs)"
jq -nc "range($some) | {payload: {n: .}}" >"$work/lines"
put_lines() { awcp-queue put -q lines -j - <"$work/lines"; }
row 'the same by the command, from lines' "$(ratio "$(rate "$some" put_lines)" "$theirs")" 'beanstalkd -F'

# Four processes take and finish; every finish is durable.
each=3000
ours=$(rate $((4 * each)) four "$queue" work batch "$each")
theirs=$(rate $((4 * each)) four "$queue" serve "$relaxed" "$each")
row 'take and finish, tasks/s by four processes' "$(ratio "$ours" 2000)" "2000 ($ours; at least 1)"
row 'the same' "$(ratio "$ours" "$theirs")" "reserve and delete, beanstalkd -F ($theirs)"
theirs=$(rate 2000 four "$queue" serve "$flushed" 500)
row 'the same' "$(ratio "$ours" "$theirs")" "beanstalkd -f0 ($theirs)"
# What PostgreSQL does with the same, where it is installed: two transactions, the second durable.
postgres() {
	local tool=$1
	shift
	if [ "$(id -u)" -eq 0 ]; then
		(cd "$work" && runuser -u postgres -- "$bin/$tool" "$@")
	else
		"$bin/$tool" "$@"
	fi
}
bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
if [ -n "$bin" ]; then
	mkdir "$work/pg"
	chmod 711 "$work"
	[ "$(id -u)" -ne 0 ] || chown postgres "$work/pg"
	postgres initdb -D "$work/pg/data" -A trust >/dev/null
	postgres pg_ctl -D "$work/pg/data" -w -l "$work/pg/log" \
		-o "-k $work/pg -c listen_addresses=''" start >/dev/null
	cat >"$work/pg/take" <<-'SQL'
		UPDATE task SET state = 'running' WHERE id = (SELECT id FROM task WHERE state = 'pending'
			ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id \gset
		UPDATE task SET state = 'completed' WHERE id = :id;
	SQL
	postgres psql -q -h "$work/pg" postgres <<-SQL
		CREATE TABLE task (id bigserial PRIMARY KEY, priority int DEFAULT 0,
			state text DEFAULT 'pending', payload jsonb);
		CREATE INDEX ON task (priority DESC, id) WHERE state = 'pending';
		INSERT INTO task (payload) SELECT jsonb_build_object('n', i) FROM generate_series(1, 200000) i;
	SQL
	theirs=$(postgres pgbench -n -h "$work/pg" -c 4 -j 2 -T 5 -f "$work/pg/take" postgres 2>>"$work/log" |
		awk '/^tps/ {print int($3)}')
	postgres pg_ctl -D "$work/pg/data" -m immediate stop >/dev/null
	row 'the same' "$(ratio "$ours" "$theirs")" "PostgreSQL, SKIP LOCKED ($theirs)"
fi
loop() {
	local claim i
	for ((i = 0; i < 150; i++)); do
		claim=$(awcp-queue take -q batch)
		awcp-queue "done" "$claim"
	done
}
ours=$(rate 600 four loop)
nqs() { for _ in $(seq 100); do nq -q true; done; }
theirs=$(rate 100 nqs)
row 'the same by commands in a shell, tasks/s' "$(ratio "$ours" "$theirs")" "nq true, which is put and run ($ours to $theirs)"

# One put as a process.
put_one() { awcp-queue put -q one prompt; }
put_nq() { nq -q true; }
put_tsp() { tsp -n true; }
put_tsp
true_ms=$(median 101 /bin/true)
fsync_ms=$("$queue" sync "$work/file" 101 | awk '{print $1 / 1000}')
budget=$(awk -v t="$true_ms" -v f="$fsync_ms" 'BEGIN {print 2 * t + f}')
one_ms=$(median 101 put_one)
row 'one put, a whole process' "$(ratio "$one_ms" "$budget")" "2 x /bin/true + an fsync ($one_ms ms to 2 x $true_ms + $fsync_ms ms; at most 1)"
nq_ms=$(median 101 put_nq)
tsp_ms=$(median 101 put_tsp)
row 'the same' "$(ratio "$one_ms" "$nq_ms")" "nq true ($nq_ms ms), which is not durable"
row 'the same' "$(ratio "$one_ms" "$tsp_ms")" "tsp true ($tsp_ms ms), which is not durable"

# looks name what: three rows, against the targets in milliseconds.
looks() {
	local what bound us
	for what in take:5 list:10 stats:50; do
		bound=${what#*:}
		what=${what%:*}
		us=$("$queue" "$what" "$1" 101)
		row "$what, $2" "$(ratio "$us" $((bound * 1000)))" "$bound ms ($us us; at most 1)"
		[ "$3" = 0 ] || row 'the same' "$(ratio "$us" "${before[$what]}")" "without those that are finished"
		before[$what]=$us
	done
	us=$(median 21 command_take "$1")
	row "take by the command, $2" "$(ratio "$us" 5)" "5 ms ($us ms; at most 1)"
}
command_take() { awcp-queue take -q "$1"; }
declare -A before=()
million=${BENCH_QUEUE:-1000000}
"$queue" put waiting "$million"
looks waiting "$million waiting" 0
# The same number was finished before them.
for _ in $(seq 20); do
	"$queue" put finished "$((million / 20))"
	four "$queue" work finished "$((million / 80))"
done
"$queue" put finished "$million"
looks finished "$million waiting behind as many finished" 1
