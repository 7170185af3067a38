# awcp-serve: what it starts, what it says, and that it leaves nothing behind.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

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
	pgrep -P "$(pgrep -d, -P "$SERVER_PID")" -a
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

@test "when the first process of nginx is killed, the others do not keep the port" {
	start_server -A none
	kill -9 "$(cat "$AWCP_HOME/serve-$PORT/nginx.pid")"
	wait "$SERVER_PID" || true
	run pgrep -f "serve-$PORT/"
	assert_failure
	start_process "$AWCP_HOME.again" awcp-serve -A none -l "127.0.0.1:$PORT"
	SERVER_PID=$STARTED SERVER_LOG=$AWCP_HOME.again
	wait_until listening
	request GET /awcp/status
	assert_status 200
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

@test "when one of its programs ends it says which, stops the others and ends with 70" {
	for name in awcp-executor nginx awcp-run; do
		start_server -A none -S none -- cat
		kill "$(programs | sed -n "s/ .*$name.*//p" | head -1)"
		status=0
		wait "$SERVER_PID" || status=$?
		assert_equal "$status" 70
		run cat "$SERVER_LOG"
		assert_line --partial "awcp-serve: $name ended"
		[ ! -e "$AWCP_HOME/serve-$PORT" ]
	done
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
	for arguments in '-l 10200' '-l x:1' '-l 127.0.0.1:0' '-l 127.0.0.1:99999999' '-A maybe' '-c 0' \
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
