#!/usr/bin/env bats
# What is logged and counted: lifecycle.log, delivery.log, awcp-log and GET /metrics.

load helper

setup() { own_home; }
teardown() { stop_all; }


# A delegation that ends well, on both sides here; sets ID.
delegate()
{
	mkdir -p "$HOME/ws"
	echo one >"$HOME/ws/a"
	start_server -A none -S none -- sh -c "${1-echo two >a}"
	ID=$(awcp-invite -q -e "$URL" -r "ws=$HOME/ws" go) || true
}

@test "a delegation leaves every state and every step in the logs, in order, on both sides" {
	delegate
	run awcp-log -j "$ID"
	assert_success
	printf '%s\n' "$output" >"$HOME/all"
	run jq -r 'select(.event == "delegation") | (.from // "-") + " " + .to' "$HOME/all"
	assert_output $'- created\ncreated invited\ninvited accepted\naccepted started\nstarted running\nrunning completed'
	run jq -r 'select(.event == "assignment") | (.from // "-") + " " + .to' "$HOME/all"
	assert_output $'- pending\npending active\nactive completed\ncompleted removed'
	run jq -r 'select(.event == "snapshot") | (.from // "-") + " " + .to' "$HOME/all"
	assert_output $'- pending\npending applied'
	for side in delegator executor; do
		run jq -r --arg side $side 'select(.side == $side and .outcome == "OK") | .event' "$HOME/all"
		for step in invite start events ack; do
			assert_line $step
		done
	done
	run jq -r 'select(.event == "start" and .side == "executor") |
		(.in | tonumber) > 100 and (.ms | tonumber) >= 0 and .http == "200"' "$HOME/all"
	assert_output true
	run jq -rs 'map(.time) | . == sort and length > 15' "$HOME/all"
	assert_output true
	run jq -rs 'all(.by | test("^awcp-[a-z]+\\[[0-9]+\\]$"))' "$HOME/all"
	assert_output true
	run awcp-log "${ID:0:12}"
	assert_success
	assert_equal "${#lines[@]}" "$(wc -l <"$HOME/all")"
	run awcp-log dlg_nothing
	assert_failure 66
}

@test "a secret in what a command prints reaches no log, no event, no record and no summary" {
	key="gh""p_$(head -c 27 /dev/urandom | base64 | tr +/ ab)"
	delegate "echo PASS""WORD=hunter2hunter; echo key $key; echo and $key >&2;
		printf '{\"summary\":\"it is $key\"}' >\"\$AWCP_RESULT\"; echo $key >a"
	run cat "$HOME/ws/a"
	assert_output "$key"
	run grep -rlE -e "$key" -e hunter2 --exclude-dir=serve-* \
		"$AWCP_HOME/log" "$AWCP_HOME/delegations" "$AWCP_HOME/assignments"
	assert_output ''
	run awcp-show -j "$ID"
	assert_output --partial '"summary":"it is ***"'
	grep -q '\*\*\*' "$AWCP_HOME/delegations/$ID/events.ndjson"
}

@test "tasks are logged, those that were put together in one line that each is found in" {
	jq -nc 'range(500) | {payload: .}' | awcp-queue put -j - >/dev/null
	run awcp-log default.77
	assert_success
	assert_output --regexp 'event=task id=default.1 last=default.500 to=pending by=awcp-queue'
	claim=$(awcp-queue take -j | jq -r .claim)
	awcp-queue fail -m 'no luck, token: 0123456789abcdef0123' --last "$claim"
	run awcp-log default.1
	assert_line --regexp 'from=pending to=running attempt=1 worker='
	assert_line --partial 'from=running to=failed attempt=1'
	assert_line --partial 'no luck, token: ***'
	run awcp-log default.501
	assert_failure 66
}

# The file of expressions that awcp.conf(5) shows.
example_expressions()
{
	sed -n "/^\\$ cat .*secrets/,/^> END/p" "$REPO/man/awcp.conf.5" |
		sed -e 1d -e '/^> END/d' -e "s/^> //" -e 's/\\e/\\/g'
}

@test "the operator has secrets of his own kept out, and an expression that is wrong stops all" {
	example_expressions >"$HOME/secrets"
	export AWCP_REDACT=$HOME/secrets
	awcp-queue put -q q work >/dev/null
	claim=$(awcp-queue take -q q)
	awcp-queue fail -m 'CUST-12345678, CUST-1, shop key ABCDEF123456' --last "$claim"
	run awcp-log q.1
	assert_line --partial '***, CUST-1, shop key ***'
	echo "bad(" >>"$AWCP_REDACT"
	run -78 awcp-list
	assert_output --partial "awcp-list: $AWCP_REDACT:4: missing closing parenthesis"
	run -1 awcp-doctor
	assert_line --regexp "^bad   settings    $AWCP_REDACT:4: missing closing"
	assert_line --regexp "^ok    pcre2 "
}

@test "logs are rotated, a few are kept, and awcp-log reads through all of them" {
	export AWCP_LOG_BYTES=500 AWCP_LOG_KEEP=20
	for i in {1..30}; do
		awcp-token add "t$i" >/dev/null
	done
	assert [ -s "$AWCP_HOME/log/lifecycle.log.3" ]
	run awcp-log -j
	assert_success
	assert_equal "$(printf '%s\n' "$output" | jq -r .id)" "$(seq -f t%g 30)"
	AWCP_HOME=$HOME/other AWCP_LOG_KEEP=2
	for i in {1..30}; do
		awcp-token add "t$i" >/dev/null
	done
	run ls "$AWCP_HOME/log"
	assert_output $'lifecycle.log\nlifecycle.log.1\nlifecycle.log.2'
}

@test "awcp-log -f goes on over a log that is rotated, and loses nothing" {
	export AWCP_LOG_BYTES=500 AWCP_LOG_KEEP=20
	awcp-token add t0 >/dev/null
	start_process "$HOME/followed" awcp-log -fj
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		awcp-token add "t$i" >/dev/null
	done
	wait_until grep -q '"id":"t20"' "$HOME/followed"
	run jq -r .id "$HOME/followed"
	assert_output "$(seq -f t%g 0 20)"
	[ -s "$AWCP_HOME/log/lifecycle.log.2" ] || fail "nothing was rotated"
}

@test "nothing hangs or fails for its log: a pipe in its place, a lock held, no directory, a full disk" {
	export AWCP_LOG_BYTES=10
	mkdir -p "$AWCP_HOME/log"
	chmod 700 "$AWCP_HOME"
	mkfifo "$AWCP_HOME/log/lifecycle.log" "$AWCP_HOME/log/.lock"
	timeout 5 awcp-token add one
	rm "$AWCP_HOME/log/"*log "$AWCP_HOME/log/.lock"
	timeout 5 awcp-token add two
	flock "$AWCP_HOME/log/.lock" timeout 5 awcp-token add three
	rm -r "$AWCP_HOME/log"
	: >"$AWCP_HOME/log"
	timeout 5 awcp-token add four
	rm "$AWCP_HOME/log"
	mkdir "$AWCP_HOME/log"
	ln -s /dev/full "$AWCP_HOME/log/lifecycle.log"
	timeout 5 awcp-token add five
	run awcp-token list
	assert_equal "${#lines[@]}" 5
}

@test "logs go to the journal or to syslog if asked, and an unknown place is refused" {
	command -v bwrap >/dev/null && bwrap --dev-bind / / true 2>/dev/null || skip "no bwrap here"
	mkdir "$HOME/dev" "$HOME/run"
	perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, sockaddr_un($ARGV[0])) or die;
		$| = 1; while (recv(S, $m, 65536, 0) || 1) { print "$m\n" }' "$HOME/run/socket" >"$HOME/got" 3>&- &
	note_started $!
	wait_until test -S "$HOME/run/socket"
	inside=(bwrap --dev-bind / / --dev /dev --tmpfs /run --bind "$HOME" "$HOME")
	AWCP_LOG=journal "${inside[@]}" --dir /run/systemd/journal \
		--bind "$HOME/run/socket" /run/systemd/journal/socket awcp-token add one
	wait_until grep -q '^AWCP_ID=one$' "$HOME/got"
	grep -q '^MESSAGE=time=.* event=token id=one to=valid why=added by=awcp-token' "$HOME/got"
	grep -q '^SYSLOG_IDENTIFIER=awcp$' "$HOME/got"
	AWCP_LOG=syslog "${inside[@]}" --bind "$HOME/run/socket" /dev/log awcp-token add two
	wait_until grep -qE '^<30>... .. ..:..:.. awcp\[[0-9]+\]: time=.* event=token id=two' "$HOME/got"
	AWCP_LOG=journal awcp-token add three # nobody listens
	assert [ ! -e "$AWCP_HOME/log/lifecycle.log" ]
	AWCP_LOG=journal run awcp-log
	assert_failure 66
	assert_output --partial 'journalctl -t awcp'
	AWCP_LOG=printer run awcp-token add four
	assert_failure 78
	assert_equal "${#lines[@]}" 1
}

# A strict reader of Prometheus text 0.0.4: prints what is wrong.
check_metrics()
{
	awk '
	function bad(why) { print FNR ": " why ": " $0; exit 1 }
	/^# HELP / { if ($3 in help) bad("second HELP"); help[$3]; next }
	/^# TYPE / {
		if (!($3 in help) || $3 in type || $4 !~ /^(counter|gauge|histogram)$/) bad("TYPE")
		type[$3] = $4; current = $3; next
	}
	{
		if (!match($0, /^[a-zA-Z_:][a-zA-Z0-9_:]*/)) bad("name")
		name = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1); base = name
		if (type[current] == "histogram") sub(/_(bucket|sum|count)$/, "", base)
		if (base != current) bad("not under its TYPE")
		if (type[current] == "counter" && name !~ /_total$/) bad("a counter without _total")
		if (rest !~ /^(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9]+(\.[0-9]+)?$/) bad("sample")
		key = name rest; sub(/ .*/, "", key)
		if (key in seen) bad("twice")
		seen[key]
		value = $NF
		if (name ~ /_bucket$/) { if (value < last[base]) bad("not cumulative"); last[base] = value }
		if (name ~ /_count$/ && type[base] == "histogram" && value != last[base]) bad("count")
	}
	END { if (NR == 0) print "empty" }' "$1"
}

@test "GET /metrics is Prometheus text, for operators only, and counts what happened" {
	token=$(awcp-token add prometheus)
	awcp-token add alice >"$HOME/alice"
	chmod 600 "$HOME/alice"
	mkdir -p "$HOME/ws"
	echo one >"$HOME/ws/a"
	awcp-queue put -q later wait >/dev/null
	AWCP_OPERATORS=prometheus start_server -S none -- sh -c 'echo two >a'
	awcp-invite -q -T "$HOME/alice" -e "$URL" -r "ws=$HOME/ws" go
	AWCP_MAX_BYTES=1 run awcp-invite -q -T "$HOME/alice" -e "$URL" -r "ws=$HOME/ws" go
	assert_failure
	request GET /metrics
	assert_refused 401 AUTH_FAILED
	request GET /metrics -H "Authorization: Bearer $(cat "$HOME/alice")"
	assert_refused 403 DECLINED
	request GET /awcp/metrics -H "Authorization: Bearer $token"
	assert_status 200
	grep -qi '^content-type: text/plain; version=0.0.4' "$HEAD"
	run check_metrics "$BODY"
	assert_output ''
	if command -v promtool >/dev/null; then
		run promtool check metrics <"$BODY"
		assert_success
		assert_output ''
	fi
	for line in 'awcp_delegations_entered_total{state="completed"} 1' \
		'awcp_assignments_entered_total{state="active"} 1' \
		'awcp_deliveries_total{step="invite",outcome="OK"} 2' \
		'awcp_tasks{queue="later",state="pending"} 1' \
		'awcp_start_delay_seconds_count 1' 'awcp_task_run_seconds_count 1' \
		'awcp_delegation_seconds_count 1' 'awcp_open_streams 0'; do
		grep -qxF "$line" "$BODY" || fail "no $line: $(cat "$BODY")"
	done
	grep -qE '^awcp_errors_total\{where="http",code="AUTH_FAILED"\} [2-9]$' "$BODY"
	grep -qE '^awcp_queue_oldest_seconds\{queue="later"\} [0-9]' "$BODY"
	before=$(grep -c . "$BODY")
	request GET /metrics -H "Authorization: Bearer $token"
	assert_status 200
	assert_equal "$(grep -c . "$BODY")" "$before"
	run env REQUEST_METHOD=GET PATH_INFO=/metrics AWCP_AUTH=none "$EXECUTOR"
	assert_success
	assert_output --partial 'awcp_tasks{queue="later",state="pending"} 1'
}
