# awcp-serve: what it starts, what it says, and that it leaves nothing behind.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own; STATUS is request's

load helper

setup()
{
	own_home
}

teardown()
{
	stop_all
}

# The processes below awcp-serve that are no shell of its own.
programs()
{
	pgrep -P "$(pgrep -d, -P "$SERVER_PID")" -a | grep -vE ' (sleep [0-9.]+|.*awcp-reap)$'
}

@test "it says where it listens when it does, and answers" {
	start_server -A none
	run cat "$SERVER_LOG"
	assert_output "awcp-serve: listening on $URL"
	request GET /awcp/status
	assert_status 200
}

@test "it makes a token for this account, which awcp-invite finds by the address" {
	start_server
	run cat "$SERVER_LOG"
	assert_output "awcp-serve: listening on $URL"
	run jq -r .url "$AWCP_HOME/peers/serve-$PORT"
	assert_output "$URL"
	token=$(jq -r .token "$AWCP_HOME/peers/serve-$PORT")
	request GET /awcp/status -H "Authorization: Bearer $token"
	assert_status 200
	request GET /awcp/status
	assert_refused 401 AUTH_FAILED
}

@test "told to stop, it stops everything and leaves nothing in the way" {
	start_server -A none -S none -- cat
	run programs
	assert_line --partial awcp-executor
	assert_line --partial nginx
	assert_line --partial awcp-run
	below=$(programs | cut -d' ' -f1)
	stop_process "$SERVER_PID"
	for pid in $below; do
		gone "$pid"
	done
	[ ! -e "$AWCP_HOME/serve-$PORT" ]
}

@test "told to stop at any moment and again, it still stops everything" {
	for i in $(seq 12); do
		start_server -A none -S none -- cat
		below=$(programs | cut -d' ' -f1)
		kill "$SERVER_PID"
		for _ in $(seq $((i * 10))); do :; done
		kill "$SERVER_PID" || :
		wait_until gone "$SERVER_PID"
		for pid in $below; do
			gone "$pid"
		done
		[ ! -e "$AWCP_HOME/serve-$PORT" ]
	done
}

@test "it starts again after it was killed" {
	start_server -A none
	below=$(programs | cut -d' ' -f1)
	# While it lives, nobody takes what it runs for a leftover.
	run awcp-serve -A none -l "127.0.0.1:$PORT"
	assert_failure 69
	for pid in $below; do kill -0 "$pid"; done
	stop_process "$SERVER_PID" KILL
	for pid in $below; do kill -0 "$pid"; done # they go on, until there is another
	SERVER_LOG=$AWCP_HOME.again
	start_process "$SERVER_LOG" awcp-serve -A none -l "127.0.0.1:$PORT"
	SERVER_PID=$STARTED
	wait_until listening
	request GET /awcp/status
	assert_status 200
	for pid in $below; do wait_until gone "$pid"; done
}

@test "it ends when a program did and that cannot even be noted, as on a full disk" {
	mkdir "$HOME/bin"
	printf '#!/bin/sh\nln -s /nowhere/at/all first\nexit 3\n' >"$HOME/bin/nginx"
	chmod +x "$HOME/bin/nginx"
	PATH=$HOME/bin:$PATH run timeout 20 awcp-serve -l "127.0.0.1:$(free_port)" -A none
	assert_failure 70
	assert_line --partial 'something ended (status unknown); stopping'
}

@test "told to stop, it stops also what it has lost sight of" {
	start_server -A none -S none -- true
	below=$(programs | cut -d' ' -f1)
	mapfile -t between < <(pgrep -P "$SERVER_PID")
	kill -9 "${between[@]}" # at once: the end of one ends the others
	stop_process "$SERVER_PID"
	for pid in $below; do wait_until gone "$pid"; done
	[ ! -e "$AWCP_HOME/serve-$PORT" ]
}

# What there is of a program, but for the processes in $OLD.
another()
{
	NEW=$(programs | sed -n "s/ .*$1.*//p" | head -1)
	[ -n "$NEW" ] && [[ " $OLD " != *" $NEW "* ]]
}

answers()
{
	request GET /awcp/status
	[ "$STATUS" = 200 ]
}

@test "a program that dies is started again, and it is said" {
	start_server -A none -Q -S none -- cat
	OLD=$(programs | cut -d' ' -f1 | paste -sd' ')
	# Of nginx the others must not keep the port.
	for name in awcp-executor awcp-queued nginx awcp-run; do
		another_of=$(programs | sed -n "s/ .*$name.*//p" | head -1)
		kill -9 "$another_of"
	done
	for name in awcp-executor awcp-queued nginx awcp-run; do
		wait_until another $name
		run grep -c "awcp-serve: $name ended (status 137); it is started again in 1 s" "$SERVER_LOG"
		assert_output 1
	done
	wait_until answers
	# The next time it takes longer.
	kill -9 "$(programs | sed -n 's/ .*awcp-executor.*//p')"
	wait_until grep -q 'awcp-executor ended (status 137); it is started again in 2 s' "$SERVER_LOG"
	stop_process "$SERVER_PID"
	run pgrep -f "serve-$PORT/"
	assert_failure
	[ ! -e "$AWCP_HOME/serve-$PORT" ]
}

@test "a program that cannot be started ends it, with 70" {
	run timeout 20 awcp-serve -l "127.0.0.1:$(free_port)" -A none -S none -c 99999 -- cat
	assert_equal "$status" 70
	assert_line --partial 'awcp-serve: awcp-run ended'
}

# All processes below awcp-serve, and itself.
everything()
{
	local p
	for p in $(pgrep -P "$1"); do everything "$p"; done
	echo "$1"
}

@test "told to stop together with all that it started it ends with 0, and complains of nothing" {
	for way in group group top bottom; do
		PORT=$(free_port) SERVER_LOG=$HOME/$way
		start_process "$SERVER_LOG" setsid awcp-serve -l "127.0.0.1:$PORT" -A none -S none -- cat
		SERVER_PID=$STARTED
		wait_until listening
		mapfile -t all < <(everything "$SERVER_PID")
		case $way in
		group) kill -- "-$SERVER_PID" ;;
		bottom) kill "${all[@]}" 2>/dev/null || : ;;
		top) mapfile -t all < <(printf '%s\n' "${all[@]}" | tac) && kill "${all[@]}" 2>/dev/null || : ;;
		esac
		wait "$SERVER_PID"
		run cat "$SERVER_LOG"
		assert_output "awcp-serve: listening on http://127.0.0.1:$PORT/awcp"
		for pid in "${all[@]}"; do gone "$pid"; done
	done
}

@test "on all addresses of IPv6 it listens on those of IPv4, too" {
	[ -e /proc/net/if_inet6 ] || skip 'there is no IPv6'
	PORT=$(free_port) SERVER_LOG=$HOME/log
	start_process "$SERVER_LOG" awcp-serve -l "[::]:$PORT" -S none -- sh
	SERVER_PID=$STARTED
	wait_until listening
	for host in 127.0.0.1 '[::1]'; do
		URL=http://$host:$PORT/awcp
		request GET /healthz
		assert_status 200
	done
	# The same machine by another name has the same token, and no other machine gets it.
	mkdir "$HOME/tree"
	cd "$HOME/tree"
	echo one >a
	timeout 30 awcp-invite -q -e "HTTP://LocalHost:$PORT/awcp" 'echo two >>a'
	assert_equal "$(paste -sd, a)" one,two
	run awcp-show -j "$(awcp-list -a -j | jq -r .id | head -1)"
	assert_output --partial "http://127.0.0.1:$PORT/awcp"
}

@test "a port that is taken is told, with 69" {
	start_server -A none
	run awcp-serve -A none -l "127.0.0.1:$PORT"
	assert_equal "$status" 69
	assert_output --partial "port $PORT of 127.0.0.1 is taken"
	request GET /awcp/status
	assert_status 200
}

@test "an address that is not ours is told, with 73" {
	run awcp-serve -A none -l 192.0.2.1:10200
	assert_equal "$status" 73
	assert_output --partial 'cannot listen at 192.0.2.1:10200'
}

@test "wrong usage is told, with 64" {
	for arguments in '-l 10200' '-l x:1' '-l 127.0.0.1:0' '-l 127.0.0.1:99999999' \
		'-l 127.0.0.1:70000' '-l ::1:10200' '-l [::1:10200' '-l 1:]:10200' '-A maybe' '-c 0' \
		'-c x' -z -l; do
		# shellcheck disable=SC2086 # options
		run awcp-serve $arguments
		assert_equal "$status" 64
		assert_output --partial 'awcp-serve: '
	done
	run awcp-serve -h
	assert_success
	assert_output --partial 'usage: awcp-serve'
	run awcp-serve -V
	assert_success
	assert_output --partial 'awcp-serve '
}

@test "a state directory that others may write to is refused before anything is started" {
	mkdir -p "$AWCP_HOME"
	chmod 777 "$AWCP_HOME"
	run awcp-serve -A none -l "127.0.0.1:$(free_port)"
	assert_equal "$status" 77
	assert_output --partial 'others may write'
}

@test "the path of the state may be longer than that of a socket" {
	AWCP_HOME=$HOME/$(printf 'long%.0s' {1..40})/state
	start_server -A none
	request GET /awcp/status
	assert_status 200
}

@test "awcp runs awcp-NAME, lists what there is, and knows no other" {
	run awcp
	assert_success
	assert_line --partial serve
	assert_equal "$output" "$(awcp help)"
	assert_equal "$output" "$(awcp -h)"
	run awcp serve -h
	assert_success
	assert_output --partial 'usage: awcp-serve'
	mkdir "$HOME/bin"
	printf '#!/bin/sh\necho "extra: $*"\n' >"$HOME/bin/awcp-extra"
	chmod 755 "$HOME/bin/awcp-extra"
	PATH=$PATH:$HOME/bin run awcp extra 'a b' c
	assert_output 'extra: a b c'
	run awcp nothing
	assert_equal "$status" 64
	run awcp help nothing
	assert_equal "$status" 64
	run awcp ../x
	assert_equal "$status" 64
}

@test "it has what is due done by itself, and its end ends that" {
	awcp-queue put -q q slow
	awcp-queue take -q q --lease 1s
	sleep 1.1
	start_server -A none
	wait_until grep -q '"state":"pending".*"deaths":1' "$AWCP_HOME"/queue/q/journal/*
	stop_process "$SERVER_PID"
	run pgrep -f "$HOME"
	assert_output ''
}
