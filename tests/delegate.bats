#!/usr/bin/env bats
# The main job: awcp-invite, awcp-watch, awcp-cancel, awcp-list and awcp-show against awcp-serve.
# The worker's program is sh, so that the prompt says what it does.

load helper

setup_file() {
	own_home
	bwrap --ro-bind / / --unshare-pid --dev /dev --proc /proc true 2>/dev/null || SANDBOX='-S none'
	# shellcheck disable=SC2086 # an option and its value, or nothing
	start_server ${SANDBOX:-} -c 4 -- sh -e
	export SERVED_HOME=$AWCP_HOME
}

teardown_file() { stop_all; }

setup() {
	WS=$BATS_TEST_TMPDIR/ws
	mkdir -p "$WS/sub"
	echo one >"$WS/a.txt"
	echo two >"$WS/sub/b.txt"
	printf '#!/bin/sh\necho hi\n' >"$WS/run.sh"
	chmod 755 "$WS/run.sh"
	ln -s a.txt "$WS/link"
	cd "$WS"
}

state() { awcp-show -j "$1" | jq -r .state; }

@test "a delegation changes, adds and deletes files, and prints its id" {
	run --separate-stderr awcp-invite -e "$URL" 'echo more >>a.txt; rm sub/b.txt; mkdir new; echo n >new/n; echo did it'
	assert_success
	[[ $output =~ ^dlg_[0-9a-f]{32}$ ]]
	assert_equal "$(cat a.txt)" $'one\nmore'
	[ ! -e sub/b.txt ]
	assert_equal "$(cat new/n)" n
	assert_equal "$(stat -c %a new new/n | xargs)" '755 644'
	assert_equal "$(stat -c %a run.sh)" 755
	assert_equal "$(readlink link)" a.txt
	assert_equal "$(state "$output")" completed
	assert_equal "$(awcp-show -j "$output" | jq -r .result.summary)" 'did it'
	[ ! -e .awcp ]
}

@test "what the worker makes executable or a link comes back so" {
	run awcp-invite -q -e "$URL" 'chmod 755 a.txt; ln -s sub/b.txt l2; rm link; ln -s run.sh link'
	assert_success
	assert_equal "$(stat -c %a a.txt)" 755
	assert_equal "$(readlink l2)" sub/b.txt
	assert_equal "$(readlink link)" run.sh
}

@test "a summary of several lines is one line in a list, and lines under each other in awcp-show" {
	id=$(awcp-invite -b -e "$URL" 'echo one; echo two')
	run awcp-watch "$id"
	assert_line --partial 'done one two'
	run awcp-show "$id"
	assert_line 'summary      one'
	assert_line '             two'
	run awcp-snapshot list "$id"
	assert_line --partial ' one two'
}

@test "a task that fails gives exit status 1, its reason, and leaves the directory alone" {
	before=$(find . -type f -exec sha256sum {} + | sort)
	run --separate-stderr awcp-invite -e "$URL" 'echo x >a.txt; echo it broke >&2; exit 3'
	assert_failure 1
	[[ $stderr == *'exit 3: it broke'* ]]
	assert_equal "$(find . -type f -exec sha256sum {} + | sort)" "$before"
	assert_equal "$(state "$output")" error
}

@test "staged keeps the snapshot until awcp-snapshot takes it" {
	id=$(awcp-invite -q -m staged -e "$URL" 'echo staged >a.txt')
	assert_equal "$(cat a.txt)" one
	run awcp-snapshot diff "$id"
	assert_success
	assert_output --partial '+staged'
	awcp-snapshot apply "$id"
	assert_equal "$(cat a.txt)" staged
	assert_equal "$(awcp-show -j "$id" | jq -r '.snapshots[0].status')" applied
}

@test "discard drops what comes back" {
	id=$(awcp-invite -q -m discard -e "$URL" 'echo gone >a.txt')
	assert_equal "$(cat a.txt)" one
	assert_equal "$(awcp-show -j "$id" | jq -r '.snapshots[0].status')" discarded
	run find "$AWCP_HOME/delegations/$id" -name 'data*'
	assert_output ''
}

@test "the prompt is read from stdin, resources have names and modes, awcp-watch follows" {
	mkdir code fixtures
	echo foo >code/x
	echo data >fixtures/d
	run --separate-stderr bash -c "echo 'sed -i s/foo/bar/ x; cat ../data/d' |
		awcp-invite -b -e $URL -r code=code -r data=fixtures:ro -m staged | xargs awcp-watch"
	assert_success
	assert_line --partial 'done'
	id=$(awcp-list -a -j | jq -r 'select(.environment.resources[0].name == "code") | .id' | tail -n 1)
	run awcp-snapshot diff "$id"
	assert_output --partial 'code/x'
	assert_output --partial '+bar'
}

@test "a watcher may read the id before awcp-invite has begun" {
	for _ in 1 2 3; do
		run bash -c "awcp-invite -q -b -e $URL 'echo x >a.txt' | awcp-watch -"
		assert_success
		assert_equal "$(cat a.txt)" x
	done
}

@test "-o ro takes nothing back, whatever the executor does" {
	run awcp-invite -q -o ro -e "$URL" 'echo x >a.txt || true; echo y >new || true'
	assert_success
	assert_equal "$(cat a.txt)" one
	[ ! -e new ]
}

@test "an edit made meanwhile is a conflict: nothing changes, the path is named, exit 1" {
	id=$(awcp-invite -q -b -e "$URL" 'echo theirs >a.txt; echo theirs >sub/b.txt')
	echo ours >a.txt
	run --separate-stderr awcp-watch "$id"
	assert_failure 1
	[[ $stderr == *a.txt* ]]
	assert_equal "$(cat a.txt)" ours
	assert_equal "$(cat sub/b.txt)" two
	assert_equal "$(awcp-show -j "$id" | jq -r '.snapshots[0].status')" pending
	assert_equal "$(state "$id")" completed
}

@test "awcp-cancel stops the task, and the follower says cancelled" {
	id=$(awcp-invite -q -b -e "$URL" 'sleep 600')
	awcp-cancel -r 'changed my mind' "$id"
	assert_equal "$(state "$id")" cancelled
	run awcp-watch "$id"
	assert_failure 1
	assert_output --partial 'changed my mind'
	run awcp-cancel "$id"
	assert_success
	assert_output ''
}

@test "a follower that is killed is picked up by awcp-watch" {
	awcp-invite -q -e "$URL" "while [ ! -e '$BATS_TEST_TMPDIR/no' ] && [ \$((n=n+1)) -lt 100 ]; do sleep 0.1; done; echo late >a.txt" >"$BATS_TEST_TMPDIR/id" 3>&- &
	pid=$!
	wait_until test -s "$BATS_TEST_TMPDIR/id"
	id=$(cat "$BATS_TEST_TMPDIR/id")
	wait_until bash -c "awcp-show -j $id | jq -e '.state == \"running\"'"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	touch "$BATS_TEST_TMPDIR/no"
	run awcp-watch "$id"
	assert_success
	assert_equal "$(cat a.txt)" late
}

@test "two followers of one delegation both see the end, and it is applied once" {
	id=$(awcp-invite -q -b -e "$URL" 'sleep 0.5; echo x >>a.txt')
	awcp-watch "$id" >"$BATS_TEST_TMPDIR/first" 3>&- &
	run awcp-watch "$id"
	assert_success
	wait $!
	assert_equal "$(cat a.txt)" $'one\nx'
}

@test "awcp-list shows what is unfinished, -a all, -s by state" {
	done=$(awcp-invite -q -e "$URL" true)
	open=$(awcp-invite -q -b -e "$URL" 'sleep 600')
	run awcp-list
	assert_output --partial "$open"
	refute_output --partial "$done"
	run awcp-list -s completed
	assert_output --partial "$done"
	refute_output --partial "$open"
	run awcp-list -j
	jq -e . <<<"${lines[0]}"
	awcp-cancel "$open"
}

@test "-n lists what would be sent and sends nothing" {
	run --separate-stderr awcp-invite -n -x '*.sh' -x sub
	assert_success
	assert_line --partial 'a.txt'
	refute_line --partial 'run.sh'
	refute_line --partial 'b.txt'
	assert_equal "${#lines[@]}" 3
}

@test "-n names all that the same without it refuses, and ends as it does" {
	mkdir bin
	ln -s /usr/bin/perl bin/perl
	ln -s /usr/bin/env bin/env
	ln -s nowhere bin/none # this executor keeps it
	head -c 2000 /dev/zero >large
	touch .env
	before=$(awcp-list -aj | wc -l)
	AWCP_MAX_FILE_BYTES=1000 run awcp-invite -e "$URL" true
	assert_failure 77
	assert_output --partial '.env looks like a secret, and 3 more, which awcp-invite -n names'
	assert_equal "${#lines[@]}" 1
	AWCP_MAX_FILE_BYTES=1000 run --separate-stderr awcp-invite -n
	assert_failure 77
	for path in bin/perl bin/env large .env; do
		[[ $stderr == *"$path"* ]] || fail "$path is not named"
	done
	[[ $stderr != *bin/none* ]]
	assert_equal "$(awcp-list -aj | wc -l)" "$before"
	run awcp-invite -n -r a=. -r a=sub
	assert_failure 64
}

@test "what cannot come back is not deleted here, and is named; the rest is taken" {
	echo precious >config
	echo precious >pipe
	mkdir -p d/e
	echo precious >d/e/f
	run --separate-stderr awcp-invite -q -e "$URL" \
		'rm -r config pipe d; ln -s /etc/hostname config; mkfifo pipe; ln -s / d; echo x >a.txt; rm sub/b.txt'
	assert_equal "$status" 0
	assert_equal "$(cat config pipe d/e/f)" $'precious\nprecious\nprecious'
	assert_equal "$(cat a.txt)" x
	[ ! -e sub/b.txt ]
	id=$output
	run awcp-snapshot show "$id"
	for path in config pipe d; do
		assert_line --partial "stays: $(basename "$PWD")/$path is"
	done
	assert_line --regexp '1 changed, 1 deleted'
	jq -e '.snapshots[0].metadata.withheld | length == 3' "$AWCP_HOME/delegations/$id/record.json"
}

@test "excluded paths are not sent, not touched and not deleted" {
	run awcp-invite -q -x '*.sh' -e "$URL" 'test ! -e run.sh; echo x >a.txt; echo evil >run.sh'
	assert_success
	assert_equal "$(cat a.txt)" x
	assert_equal "$(head -n 1 run.sh)" '#!/bin/sh'
}

@test "admission refuses what is too large or sensitive before anything is sent" {
	echo secret >.env
	run awcp-invite -e "$URL" true
	assert_failure 77
	assert_output --partial .env
	rm .env
	AWCP_MAX_FILES=2 run awcp-invite -e "$URL" true
	assert_failure 65
	assert_output --partial AWCP_MAX_FILES
	AWCP_MAX_BYTES=5 run awcp-invite -e "$URL" true
	assert_failure 65
	AWCP_MAX_BYTES=lots run awcp-invite -e "$URL" true
	assert_failure 78
}

@test "a stranger is refused, a token in a file is taken" {
	AWCP_HOME=$BATS_TEST_TMPDIR/other run awcp-invite -e "$URL" true
	assert_failure 77
	assert_output --partial '-T'
	awcp-token add guest >"$BATS_TEST_TMPDIR/token"
	AWCP_HOME=$BATS_TEST_TMPDIR/other run awcp-invite -T "$BATS_TEST_TMPDIR/token" -e "$URL" true
	assert_failure 77
	assert_output --partial 'others may read'
	chmod 600 "$BATS_TEST_TMPDIR/token"
	AWCP_HOME=$BATS_TEST_TMPDIR/other run awcp-invite -q -T "$BATS_TEST_TMPDIR/token" -e "$URL" 'echo x >a.txt'
	assert_success
	assert_equal "$(cat a.txt)" x
	awcp-token rm guest
}

@test "a delegation is only its owner's" {
	awcp-token add thief >"$BATS_TEST_TMPDIR/token"
	chmod 600 "$BATS_TEST_TMPDIR/token"
	id=$(awcp-invite -q -b -e "$URL" 'sleep 600')
	run curl -s -X POST -H "Authorization: Bearer $(cat "$BATS_TEST_TMPDIR/token")" "$URL/cancel/$id"
	refute_output --partial '"ok":true'
	assert_equal "$(state "$id")" running || assert_equal "$(state "$id")" started
	awcp-cancel "$id"
	awcp-token rm thief
}

@test "no secret is in any file of the delegation or the assignment" {
	token=$(jq -r .token "$AWCP_HOME"/peers/*)
	awcp-invite -q -e "$URL" 'echo x >a.txt'
	run grep -rl "$token" "$AWCP_HOME/delegations" "$AWCP_HOME/assignments" "$AWCP_HOME/queue"
	assert_output ''
}

@test "names of any bytes survive the way there and back" {
	printf x >$'new\nline'
	printf y >$'\xff\xfe'
	printf z >'ünï cödé'
	mkdir empty
	run awcp-invite -q -e "$URL" 'for f in *; do [ -d "$f" ] || [ -L "$f" ] || printf + >>"$f"; done'
	assert_success
	assert_equal "$(cat $'new\nline')" x+
	assert_equal "$(cat $'\xff\xfe')" y+
	assert_equal "$(cat 'ünï cödé')" z+
	[ -d empty ]
}

@test "bad operands are refused with 64, 66 or 77 and one line" {
	run awcp-invite -e "$URL" -m maybe true
	assert_failure 64
	run awcp-invite -e ftp://x/awcp true
	assert_failure 64
	run awcp-invite -e "$URL" -r /no/such/dir true
	assert_failure 66
	run awcp-invite -e "$URL" -r ..=. true
	assert_failure 64
	run awcp-invite -e "$URL" -r .awcp=. true
	assert_failure 64
	run awcp-invite -e "$URL" -r "$(printf 'n%.0s' {1..256})=." true
	assert_failure 64
	run awcp-invite -e "$URL" -r $'a\nb=.' true
	assert_failure 64
	assert_equal "${#lines[@]}" 1
	run awcp-invite -e "$URL" -r a=. -r a=sub true
	assert_failure 64
	run bash -c "head -c 100000000 /dev/zero | tr '\\0' x | awcp-invite -e $URL"
	assert_failure 65
	run awcp-invite -e "$URL" -f /dev/null
	assert_failure 64
	run awcp-invite -e "$URL" ''
	assert_failure 64
	run awcp-show ../x
	assert_failure 64
	run awcp-show dlg_none
	assert_failure 66
	run awcp-watch dlg_none
	assert_failure 66
}

@test "a state directory that is not ours is refused" {
	mkdir "$BATS_TEST_TMPDIR/open"
	chmod 777 "$BATS_TEST_TMPDIR/open"
	AWCP_HOME=$BATS_TEST_TMPDIR/open run awcp-list
	assert_failure 77
}

@test "a delegation longer than the executor gives is declined" {
	run awcp-invite -e "$URL" -t 2d true
	assert_failure 69
	assert_output --partial 3600
}

@test "nothing is left in tmp, and acknowledged work is gone from the executor" {
	id=$(awcp-invite -q -e "$URL" 'echo x >a.txt')
	wait_until test ! -e "$AWCP_HOME/assignments/$id"
	run find "$AWCP_HOME/tmp" "$AWCP_HOME/queue/default/running" -type f
	assert_output ''
}

@test "-R hands a delegation over again, as it was sent, when the executor has lost it" {
	own_home
	start_server -A none # and nobody who works
	id=$(awcp-invite -bq -e "$URL" 'cat a.txt >seen; echo done')
	rm -r "$AWCP_HOME/assignments/$id" "$AWCP_HOME/queue/default"
	echo later >a.txt
	start_process "$BATS_TEST_TMPDIR/worker" awcp-run -S none -- sh -e
	run --separate-stderr awcp-invite -R "$id"
	assert_success
	assert_output "$id"
	[[ $stderr == *'handing it over again'* ]]
	assert_equal "$(cat seen)" one
	assert_equal "$(cat a.txt)" later
	run jq -r '.state, (.restarts | length)' "$AWCP_HOME/delegations/$id/record.json"
	assert_output $'completed\n1'
	# What is known there is only followed.
	id=$(awcp-invite -bq -e "$URL" 'echo again')
	run --separate-stderr awcp-invite -R "$id"
	assert_success
	[[ $stderr != *'handing it over again'* ]]
}

@test "text that is not UTF-8 is refused, and none of its bytes replaced" {
	printf 'edit latin\351.txt\n' >"$BATS_TEST_TMPDIR/prompt"
	for how in "-f $BATS_TEST_TMPDIR/prompt" "-d $(printf '\351') x" "$(printf 'caf\351')"; do
		# shellcheck disable=SC2086 # words
		run -65 awcp-invite -q -e "$URL" $how
		assert_output --partial 'not text in UTF-8'
	done
	AWCP_ASK=/nonexistent run -65 awcp-ask <"$BATS_TEST_TMPDIR/prompt"
	assert_output --partial 'not text in UTF-8'
	AWCP_ASK=/nonexistent run -64 awcp-ask -o "$(printf '\351')" x
	run -64 awcp-answer default.1 "$(printf '\351')"
	# A description that is cut is so between two characters.
	id=$(awcp-invite -bq -e "$URL" "$(printf '%199s' '' | tr ' ' x)éé")
	assert_equal "$(awcp-show -j "$id" | jq -r '.task.description | length')" 199
}
