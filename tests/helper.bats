#!/usr/bin/env bats
# What all tests stand on: helper.bash stops what it started and nobody else, and gives each file ports
# of its own.

# bats file_tags=plain
load helper

come_round()
{
	start_process /dev/null true
	wait "$STARTED" || true
	sleep 0.02 # a process's beginning is known to a hundredth of a second
	echo $((STARTED - 1)) >/proc/sys/kernel/ns_last_pid
	sleep 60 & # not one of ours
	stranger=$!
	[ "$stranger" -eq "$STARTED" ] || exit 77
	gone "$STARTED"
	stop_all
	kill "$stranger"
}

@test "a process that has the pid of one that ended is let alone" {
	unshare -pf --mount-proc true 2>/dev/null || skip 'only root can choose a pid'
	export BATS_FILE_TMPDIR=$BATS_TEST_TMPDIR
	export -f come_round start_process note_started start_time gone stop_process stop_all wait_until
	# The next pid can be chosen in a namespace of its own.
	run unshare -pf --mount-proc bash -ec come_round
	[ "$status" -ne 77 ] || skip 'somebody else took the pid'
	assert_success
}

@test "what was started is stopped, and found to be gone" {
	start_process /dev/null sleep 60
	first=$STARTED
	start_process /dev/null sleep 60
	run gone "$first"
	assert_failure
	stop_all
	gone "$first"
	gone "$STARTED"
}

@test "each port is another one, from the file's own range" {
	for ((i = 0; i < 5; i++)); do
		free_port
	done >"$BATS_TEST_TMPDIR/ports"
	assert_equal "$(sort -u "$BATS_TEST_TMPDIR/ports" | wc -l)" 5
	run awk -v from="$AWCP_TEST_PORTS" '$1 < from || $1 >= from + 100' "$BATS_TEST_TMPDIR/ports"
	assert_output ''
}
