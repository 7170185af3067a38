#!/usr/bin/env bats
# The executor's disk is full, of bytes or of inodes: what was half made goes, what is finished waits,
# what must be recorded is, and it goes on by itself when there is space again.

# shellcheck disable=SC2016 # the variables are those of an inner shell
# bats file_tags=plain
load helper

setup()
{
	own_home
	export AWCP_MIN_FREE=0
	cd "$BATS_TEST_TMPDIR"
}

teardown()
{
	stop_all
}

# on_disk options script: runs it with the state of an executor on a file system of its own, "$DISK".
on_disk()
{
	export DISK=$BATS_TEST_TMPDIR/disk REPO EXECUTOR
	mkdir -p "$DISK"
	set -- -m "$@"
	unshare -m true 2>/dev/null || set -- -rm "${@:2}"
	unshare "$1" true 2>/dev/null || skip 'no mount namespace may be made'
	{
		declare -f free_port wait_until note_started start_time start_process stop_process gone \
			stop_all listening start_server request fail
		echo 'trap stop_all EXIT'
		echo "$3"
	} >script
	export BATS_TEST_TMPDIR BATS_FILE_TMPDIR AWCP_TEST_PORTS PORTS_A_FILE
	unshare "$1" bash -c 'mount -t tmpfs -o "$0" tmpfs "$DISK" || exit 99
		. ./script' "$2" || { [ $? -ne 99 ] || skip 'no tmpfs may be mounted'; false; }
}

FULL='
	say() { echo "$*"; exit 1; }
	AWCP_HOME=$DISK/home start_server -A none -S none -- sh
	mkdir ws && cd ws && echo x >small
	free() { df --output="$1" "$DISK" | tail -n 1; }
	# lend prompt...: its exit status to $rc, how long it took to $took
	lend() {
		local began=$(date +%s)
		rc=0
		AWCP_HOME=$HOME/mine timeout 90 awcp-invite -q -t 60s -e "$URL" "$@" >../id 2>../said || rc=$?
		took=$(($(date +%s) - began))
	}
'

@test "no space to unpack: it ends soon, leaves nothing, and the next one is served" {
	for disk in size=20M size=64M,nr_inodes=400; do
		rm -rf ws "$HOME/mine"
		on_disk $disk "$FULL"'
			if [ "$(free iavail)" -gt 10000 ]; then
				head -c 9900000 /dev/urandom >big
			else
				for i in $(seq 600); do echo $i >f$i; done
			fi
			before="$(free avail) $(free iavail)"
			lend "echo y >>small"
			[ $rc -ne 0 ] && [ $took -lt 40 ] || say "exit $rc after $took s: $(cat ../said)"
			grep -q "No space left.*disk is full" ../said || say "$(cat ../said)"
			find . -mindepth 1 ! -name small -delete
			lend "echo z >>small"
			[ $rc -eq 0 ] && grep -q z small || say "the next one: exit $rc: $(cat ../said)"
			[ -z "$(find "$DISK" -name work -o -name received.manifest)" ] || say "$(find "$DISK")"
			[ "$(free iavail)" -gt $((${before#* } - 30)) ] || say "inodes: $before, now $(free iavail)"
			AWCP_MIN_FREE=0 AWCP_HOME=$DISK/home awcp-doctor | grep "disk.*MB and.*inodes are free" || exit
			grep -c "tried again\|cannot write" "$SERVER_LOG" | grep -qx 0 || say "$(cat "$SERVER_LOG")"'
	done
}

@test "no space for the result: the work waits for it" {
	on_disk size=24M "$FULL"'
		AWCP_HOME=$HOME/mine start_process ../said awcp-invite -q -t 60 -e "$URL" \
			"head -c 9000000 /dev/urandom >big; echo done >>small; sleep 1"
		until grep -sq done "$DISK"/home/assignments/dlg_*/work/ws/small; do sleep 0.01; done
		head -c 24M /dev/zero >"$DISK/other" 2>/dev/null
		WAIT=15 wait_until grep -q "waits for space" "$SERVER_LOG" || say "it does not wait: $(cat ../said)"
		rm "$DISK/other"
		wait $STARTED || say "exit $?: $(cat ../said "$SERVER_LOG")"
		[ "$(grep -c done small)" = 1 ] && [ "$(stat -c %s big)" = 9000000 ] || say "$(cat ../said)"'
}

@test "not a byte and not an inode is left: an end is recorded all the same" {
	for disk in size=24M size=64M,nr_inodes=300; do
		rm -rf ws "$HOME/mine"
		on_disk $disk "$FULL"'
			nap="sleep 60.$RANDOM$RANDOM"
			lend -b "$nap"
			id=$(cat ../id)
			wait_until grep -q running "$DISK/home/assignments/$id/events.ndjson"
			for i in $(seq 400); do : >"$DISK/n$i"; done 2>/dev/null
			head -c 64M /dev/zero >"$DISK/n1" 2>/dev/null
			AWCP_HOME=$DISK/home awcp-doctor | grep "disk.*no \(inodes\|MB\) are free" || say "doctor is silent"
			curl -sS -X POST "$URL/cancel/$id" -H "Content-Type: application/json" >../said
			grep -q "\"cancelled\":true" ../said || say "$(cat ../said)"
			grep -q "\"state\":\"error\"" "$DISK/home/assignments/$id/record.json" || exit
			curl -sS -m 10 "$URL/tasks/$id/events" | grep -q CANCELLED || say "the stream does not tell"
			wait_until eval "! pgrep -fx \"$nap\" >/dev/null" || exit
			rm -f "$DISK"/n*
			# What was used is reserved again.
			wait_until eval "[ \$(ls \"$DISK/home/reserve\" | wc -l) -gt 8 ]" || say "$(ls "$DISK/home/reserve")"
			lend "echo z >>small"
			[ $rc -eq 0 ] || say "exit $rc: $(cat ../said)"'
	done
}
