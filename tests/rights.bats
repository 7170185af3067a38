#!/usr/bin/env bats
# What a token may do, and what it can take: each route of each program asks for a right, and nothing
# goes on with a token that is not valid any more.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own; start_server sets PORT

load helper

setup_file()
{
	own_home
	export AWCP_AUTH_FAILURES=0 AWCP_KEEPALIVE=60
	mkdir "$HOME/root"
	start_server -Q -D "$HOME/root"
}

teardown_file()
{
	stop_all
}

# routes: "program method path asks" of each route that the programs have.
routes()
{
	local program
	for program in "$REPO"/cgi/awcp-*.c; do
		sed -n "s|^    {\"\([A-Z]*\)\", \"\([^\"]*\)\", \(.*\), [a-z_]*},$|$(basename "$program" .c) \1 \2 \3|p" "$program"
	done
}

# where program path: its path below the server's address.
where()
{
	local path=${2/:id/q1}
	path=${path/:id/1}
	case $1:$path in
	awcp-executor:/metrics | awcp-executor:/.well-known/*) echo "$path" ;;
	awcp-executor:/) echo /awcp ;;
	awcp-executor:*) echo "/awcp$path" ;;
	*) echo "$path" ;;
	esac
}

# statuses [token]: "status method path asks" of each route, with a body that nobody takes.
statuses()
{
	local program method path asks calls=() header=()
	[ -z "${1-}" ] || header=(-H "Authorization: Bearer $1")
	while read -r program method path asks; do
		calls+=(${calls[@]+--next} -sS -o /dev/null -X "$method" -w "%{http_code} $method $path $asks\n"
			--max-time 1 "${header[@]}" -H 'Content-Type: application/json'
			"${URL%/awcp}$(where "$program" "$path")")
		[ "$method" != POST ] || calls+=(--data-binary '{"type":"START","version":"1","delegationId":"q1"}')
	done < <(routes)
	curl "${calls[@]}" 2>"$BATS_TEST_TMPDIR/late" || [ $? -eq 28 ] # an event stream has no end
}

@test "every route of every program asks for a right" {
	# What is no row of such a table is no route, and a table is all that a program has.
	for program in "$REPO"/cgi/awcp-*.c; do
		assert_equal "$(grep -c '^    {"[A-Z]*", ' "$program")" "$(routes | grep -c "^$(basename "$program" .c) ")"
		grep -q 'return http_main("awcp-[a-z]*", routes, ' "$program"
	done
	run grep -c ROUTE_PUBLIC <(routes)
	assert_output 3 # the cards and /health: who adds one says so here

	run statuses
	assert_success
	# Where the message or the id may be the credential, one that is neither may be refused as that.
	run grep -v -e '^401 ' -e '^400 .*ROUTE_[BM]' <<<"$output"
	assert_equal "$(grep -vc ROUTE_PUBLIC <<<"$output")" 0

	token=$(awcp-token add --rights enrol nobody)
	run statuses "$token"
	run grep -v '^403 ' <<<"$output"
	assert_equal "$(grep -vc ROUTE_PUBLIC <<<"$output")" 0
}

@test "a right is good for its routes and for no other" {
	for right in invite lend work put read admin; do
		token=$(awcp-token add --rights "$right" "only-$right")
		run statuses "$token"
		while read -r status method path asks; do
			case " $asks " in
			*ROUTE_PUBLIC*) continue ;;
			*" RIGHT_${right^^} "*) [ "$status" != 403 ] && [ "$status" != 401 ] ;;
			*) [ "$status" = 403 ] ;;
			esac || fail "$right: $status for $method $path, which asks for $asks"
		done <<<"$output"
	done
}

@test "a token that lets somebody in to the executor does not lend" {
	token=$(awcp-token add plain)
	request POST /delegate -H "Authorization: Bearer $token" --data-binary '{}'
	assert_refused 403 DECLINED
	assert_json '.error | test("lend")'
	awcp-token set --rights lend plain
	request POST /delegate -H "Authorization: Bearer $token" --data-binary '{}'
	assert_refused 400 BAD_MESSAGE
	# That of this account may, as always.
	request GET /delegations -H "Authorization: Bearer $(jq -r .token "$AWCP_HOME/peers/serve-$PORT")"
	assert_status 200
	run awcp-token list
	assert_line --regexp '^plain .* rights=lend$'
	run awcp-token set plain
	assert_failure 64
	run awcp-token set --rights fly plain
	assert_failure 64
}

# said file: something came after the head.
said()
{
	grep -q '^data:' "$1"
}

@test "what is open ends within a second when the token is removed, expires or loses its right" {
	gone=$(awcp-token add gone) less=$(awcp-token add less) late=$(awcp-token add -x 3 late)
	J='Content-Type: application/json' QUEUE=${URL%/awcp}/queue
	curl -sS -o /dev/null -H "Authorization: Bearer $gone" -H "$J" "$QUEUE/s/tasks" -d '{"payload":"x"}'
	local n=0 pids=()
	for token in "$gone" "$less" "$late"; do
		for path in s/events "empty/claim?wait=60"; do
			method=GET
			[ "$path" = s/events ] || method=POST
			start_process "$BATS_TEST_TMPDIR/out$((n += 1))" curl -sSN -m 30 -X "$method" -H "$J" \
				-H "Authorization: Bearer $token" -w '%{http_code}' "$QUEUE/$path"
			pids+=("$STARTED")
		done
	done
	sleep 0.5
	awcp-token rm gone
	awcp-token set --rights put less
	# Whoever comes with it before that is noticed must not make it go unnoticed.
	request POST /queue/s/tasks -H "Authorization: Bearer $less" --data-binary '{"payload":"y"}'
	assert_status 201
	for pid in "${pids[@]:0:4}"; do
		WAIT=2 wait_until gone "$pid"
	done
	for pid in "${pids[@]:4}"; do # until it expires
		WAIT=5 wait_until gone "$pid"
	done
	for n in 1 3 5; do # a stream breaks off, and says nothing that could be taken for news
		run ! said "$BATS_TEST_TMPDIR/out$n"
	done
	grep -q 'AUTH_FAILED.*401$' "$BATS_TEST_TMPDIR/out2"
	grep -q 'DECLINED.*403$' "$BATS_TEST_TMPDIR/out4"
	grep -q 'AUTH_FAILED.*401$' "$BATS_TEST_TMPDIR/out6"
}

LONG=0123456789abcdef0123456789abcdef

@test "an id that came with a token is good for as long as that" {
	token=$(awcp-token add peer)
	post "$(jq -nc --arg id "dlg_$LONG" --arg t "$token" '{version: "1", type: "INVITE", delegationId: $id,
		task: {description: "d", prompt: "p"}, lease: {ttlSeconds: 60, accessMode: "rw"}, retentionMs: 1000,
		environment: {resources: [{name: "w", type: "fs", mode: "rw"}]},
		auth: {type: "bearer", credential: $t}}')"
	assert_json '.type == "ACCEPT"'
	request GET "/awcp/tasks/dlg_$LONG/result"
	assert_status 200
	start_process "$BATS_TEST_TMPDIR/events" curl -sSN -m 30 "$URL/tasks/dlg_$LONG/events"
	stream=$STARTED
	sleep 0.3
	run ! gone "$stream"
	awcp-token rm peer
	WAIT=2 wait_until gone "$stream"
	run ! said "$BATS_TEST_TMPDIR/events" # an error would be the end of the delegation
	request GET "/awcp/tasks/dlg_$LONG/result"
	assert_refused 401 AUTH_FAILED
}

@test "a tenant of several tokens, and what one token may have open" {
	J='Content-Type: application/json'
	boss=$(awcp-token add --rights put,read -l tasks=2 -l streams=1 boss)
	hand=$(awcp-token add --rights work --tenant boss hand)
	for n in 1 2; do
		request POST /queue/t/tasks -H "Authorization: Bearer $boss" --data-binary "{\"payload\":$n}"
		assert_status 201
	done
	request POST /queue/u/tasks -H "Authorization: Bearer $boss" --data-binary '{"payload":3}'
	assert_refused 429 RATE_LIMITED
	request POST /queue/t/claim -H "Authorization: Bearer $hand" --data-binary '{}'
	assert_json '.payload == 1 and .tenant == "boss" and .attempts[-1].worker == "hand"'
	request POST /queue/t/tasks/1/finish -H "Authorization: Bearer $hand" --data-binary '{"attempt":1}'
	assert_status 200
	again()
	{
		request POST /queue/u/tasks -H "Authorization: Bearer $boss" --data-binary '{"payload":3}'
		[ "$STATUS" = 201 ]
	}
	wait_until again
	start_process "$BATS_TEST_TMPDIR/one" curl -sSN -m 30 -H "Authorization: Bearer $boss" \
		"${URL%/awcp}/queue/t/events"
	wait_until grep -q events "$BATS_TEST_TMPDIR/one"
	request GET /queue/t/events -H "Authorization: Bearer $boss"
	assert_refused 429 RATE_LIMITED
	stop_process "$STARTED"
	# An output that is followed keeps its request open.
	one=$(awcp-token add -l connections=1 one)
	request POST /queue/v/tasks -H "Authorization: Bearer $one" --data-binary '{"payload":1}'
	assert_status 201
	start_process "$BATS_TEST_TMPDIR/two" curl -sSN -m 30 -H "Authorization: Bearer $one" \
		"${URL%/awcp}/queue/v/tasks/1/output?follow=1"
	refused()
	{
		request GET /queue/v/tasks -H "Authorization: Bearer $one"
		[ "$STATUS" = 429 ]
	}
	wait_until refused
	request GET /queue/v/tasks -H "Authorization: Bearer $boss" # others are not held up
	assert_status 200
	stop_process "$STARTED"
}

@test "no tenant has the last quarter of the places for delegations" {
	export AWCP_HOME=$HOME/places AWCP_MAX_ACTIVE=8
	bob=$(awcp-token add bob) alice=$(awcp-token add alice)
	# invite token id: sets STATUS to the type of the answer.
	invite()
	{
		local text
		text=$(jq -nc --arg id "$2" '{version: "1", type: "INVITE", delegationId: $id,
			task: {description: "d", prompt: "p"}, lease: {ttlSeconds: 60, accessMode: "rw"},
			retentionMs: 1000, environment: {resources: [{name: "w", type: "fs", mode: "rw"}]}}')
		STATUS=$(REQUEST_METHOD=POST PATH_INFO=/ CONTENT_TYPE=application/json CONTENT_LENGTH=${#text} \
			HTTP_AUTHORIZATION="Bearer $1" "$EXECUTOR" <<<"$text" | sed '1,/^.$/d' | jq -r .type)
	}
	for n in 1 2 3 4 5 6; do
		invite "$bob" "dlg_bob$n"
		assert_equal "$STATUS" ACCEPT
	done
	invite "$bob" dlg_bob7
	assert_equal "$STATUS" ERROR
	for n in 1 2; do
		invite "$alice" "dlg_alice$n"
		assert_equal "$STATUS" ACCEPT
	done
	invite "$alice" dlg_alice3
	assert_equal "$STATUS" ERROR
}

@test "what comes in by HTTP leaves free what the operator wants to stay so" {
	export AWCP_AUTH=none
	send() # program path body [variable=value...]
	{
		printf %s "$3" >"$BATS_TEST_TMPDIR/sent"
		size=$(stat -c %s "$BATS_TEST_TMPDIR/sent")
		run env "${@:4}" REQUEST_METHOD=POST PATH_INFO="$2" CONTENT_TYPE=application/json CONTENT_LENGTH="$size" \
			"$BUILD/libexec/awcp/$1" <"$BATS_TEST_TMPDIR/sent"
	}
	full=AWCP_MIN_FREE=9000T
	send awcp-queued /queue/f/tasks '{"payload":1}' $full
	assert_line --partial 'Status: 507'
	send awcp-queued /queue/f/tasks '{"payload":1}'
	assert_line --partial 'Status: 201'
	send awcp-queued /queue/f/claim '{}' $full
	assert_line --partial 'Status: 507'
	send awcp-queued /queue/f/claim '{}'
	assert_line --partial 'Status: 200'
	send awcp-queued /queue/f/tasks/1/ask '{"attempt":1,"type":"user_input","text":"x"}' $full
	assert_line --partial 'Status: 507'
	send awcp-executor / "$(jq -nc '{version: "1", type: "INVITE", delegationId: "dlg_full",
		task: {description: "d", prompt: "p"}, lease: {ttlSeconds: 60, accessMode: "rw"}, retentionMs: 1000,
		environment: {resources: [{name: "w", type: "fs", mode: "rw"}]}}')"
	assert_output --partial ACCEPT
	send awcp-executor / "$(jq -nc '{version: "1", type: "START", delegationId: "dlg_full",
		lease: {expiresAt: (now + 50 | todate), accessMode: "rw"},
		transportHandle: {transport: "archive", checksum: "x", workspaceBase64: "AAAA"}}')" $full
	assert_line --partial 'Status: 507'
	send awcp-queued /queue/f/tasks/1/beat '{"attempt":1,"progress":"so far"}' $full
	assert_line --partial 'Status: 200'
	run awcp-queue show f.1
	refute_output --partial 'so far'
	send awcp-queued /queue/f/tasks/1/finish '{"attempt":1}' $full # what ends work always may
	assert_line --partial 'Status: 200'
	# Whoever adds a route by which something comes in says whether it adds to what is kept.
	run bash -c "$(declare -f routes); REPO=$REPO routes | grep -v ' GET ' | grep -v ROUTE_ADDS | cut -d' ' -f2,3"
	assert_output "$(printf '%s\n' 'DELETE /delegation/:id' 'POST /delegation/:id/answer' \
		'POST /delegation/:id/snapshots/:id/apply' 'POST /delegation/:id/snapshots/:id/discard' \
		'POST /' 'POST /tasks/:id/ack' 'POST /tasks/:id/answer' 'POST /cancel/:id' \
		'POST /queue/:id/tasks/:id/beat' 'POST /queue/:id/tasks/:id/finish' 'POST /queue/:id/tasks/:id/fail' \
		'POST /queue/:id/tasks/:id/return' 'POST /queue/:id/tasks/:id/limit' 'POST /queue/:id/tasks/:id/hear' \
		'POST /queue/:id/tasks/:id/answer' 'POST /queue/:id/tasks/:id/cancel')"
	mkdir -p "$HOME/root/a"
	order='{"executorUrl":"http://127.0.0.1:9/awcp","task":{"prompt":"x"},
		"environment":{"resources":[{"name":"a","source":"'$HOME/root/a'"}]}}'
	send awcp-delegator /delegate "$order" "AWCP_ROOTS=$HOME/root" $full
	assert_line --partial 'Status: 507'
	# Nor does what a task prints take it.
	awcp-queue put -q g x >/dev/null
	env $full awcp-run -1 -q g -S none -- sh -c 'echo lots; echo of; echo it'
	run awcp-queue output g.1
	assert_output '[cut: the disk is nearly full]'
}

@test "the token that is kept for a program of this account goes to no other at its port" {
	[ "$(id -u)" -eq 0 ] || skip 'only root can be another account'
	port=$(free_port) url=http://127.0.0.1:$port/awcp
	mkdir -p "$HOME/ws"
	awcp-token add -p "$url" "serve-$port"
	# shellcheck disable=SC2016 # the script's own variables
	start_process "$BATS_TEST_TMPDIR/loot" setpriv --reuid=65534 --regid=65534 --clear-groups \
		perl -MIO::Socket::INET -e '$| = 1; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
			LocalPort => shift, Listen => 5, ReuseAddr => 1) or die; print "ready\n";
			while (my $c = $s->accept) { while (<$c>) { print } }' "$port"
	wait_until grep -q ready "$BATS_TEST_TMPDIR/loot"
	run awcp-invite -q -e "$url" -r "ws=$HOME/ws" hello
	assert_failure 69
	assert_output --partial 'another account (uid 65534)'
	assert_equal "$(cat "$BATS_TEST_TMPDIR/loot")" ready # not a byte
	# A token that is given goes where it is told.
	jq -r .token "$AWCP_HOME/peers/serve-$port" >"$BATS_TEST_TMPDIR/token"
	chmod 600 "$BATS_TEST_TMPDIR/token"
	AWCP_TIMEOUT=1 run awcp-invite -q -T "$BATS_TEST_TMPDIR/token" -e "$url" -r "ws=$HOME/ws" hello
	grep -q 'Authorization: Bearer awcp_' "$BATS_TEST_TMPDIR/loot"
}
