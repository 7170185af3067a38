# The worker: awcp-run with commands of all kinds, on delegations made by awcp-invite.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper
load message
load worker

setup_file()
{
	own_home
	start_server -A none # no command: each test brings its own worker
	find_sandbox
}

teardown_file()
{
	stop_all
}

setup()
{
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	echo one >"$WS/a.txt"
}

teardown()
{
	[ -z "${WORKER-}" ] || stop_process "$WORKER"
	rm -rf "$AWCP_HOME/queue/default"
}

# Send the INVITE in file invite once more, and a START with what is in ${WS} now.
resume()
{
	local zip=$BATS_TEST_TMPDIR/ws.zip
	rm -f "$zip"
	(cd "$BATS_TEST_TMPDIR" && bsdtar -c --format zip -f "$zip" ws)
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/invite"
	assert_json '.type == "ACCEPT"'
	base64 -w0 "$zip" >"$zip.b64"
	jq -cn --arg id "$ID" --arg sha "$(sha256sum <"$zip" | cut -d' ' -f1)" --rawfile data "$zip.b64" \
		--arg until "$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%S.000Z)" '{version: "1",
		type: "START", delegationId: $id, lease: {expiresAt: $until, accessMode: "rw"},
		transportHandle: {transport: "archive", workspaceBase64: $data, checksum: $sha}}' \
		>"$BATS_TEST_TMPDIR/start"
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/start"
	assert_json '.ok == true'
}

# --- what the command finds

@test "the command finds the prompt on stdin, its place and five variables" {
	lend 'say this' -d 'a description'
	AWCP_HIDDEN=x AWCP_TASK_ENV='OTHER,MY_*' OTHER=kept MY_KEY=1 SSH_AUTH_SOCK=/x TOKEN=y LC_TIME=C \
		work -- sh -c 'cat >prompt; pwd >pwd; env >env'
	assert_success
	assert_equal "$(result_file ws/prompt)" 'say this'
	assert_equal "$(result_file ws/pwd)" "$STATE/work/ws"
	run result_file ws/env
	assert_line "AWCP_ID=$ID"
	assert_line "AWCP_WORKSPACE=$STATE/work"
	assert_line 'AWCP_DESCRIPTION=a description'
	assert_line --partial AWCP_RESULT=
	assert_line "AWCP_ASK=$STATE/report/ask"
	assert_line OTHER=kept
	assert_line MY_KEY=1
	assert_line LC_TIME=C
	assert_equal "$(grep -c ^AWCP_ <<<"$output")" 5
	# Whatever else this environment has, it is not told.
	run bash -c 'sed "s/=.*//" <<<"$1" | grep -vE "^(AWCP_.*|OTHER|MY_KEY|LC_.*)$"' - "$output"
	for name in $output; do
		case $name in
		PATH | HOME | USER | LOGNAME | SHELL | TERM | LANG | LANGUAGE | TZ | TMPDIR | PWD | OLDPWD | SHLVL | _) ;;
		*) fail "the command knows $name" ;;
		esac
	done
}

@test "it starts in the first writable resource, else the only one, else above all" {
	mkdir "$BATS_TEST_TMPDIR/more"
	lend pwd -r "more=$BATS_TEST_TMPDIR/more"
	work && assert_equal "$(summary)" "$STATE/work/ws"
	ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS:ro" -r "more=$BATS_TEST_TMPDIR/more" pwd)
	STATE=$AWCP_HOME/assignments/$ID
	work && assert_equal "$(summary)" "$STATE/work/more"
	ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS:ro" pwd)
	STATE=$AWCP_HOME/assignments/$ID
	work && assert_equal "$(summary)" "$STATE/work/ws"
	ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS:ro" -r "more=$BATS_TEST_TMPDIR/more:ro" pwd)
	STATE=$AWCP_HOME/assignments/$ID
	work && assert_equal "$(summary)" "$STATE/work"
}

@test "a prompt that nobody reads is no failure" {
	head -c 700000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/prompt"
	ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS" -f "$BATS_TEST_TMPDIR/prompt")
	STATE=$AWCP_HOME/assignments/$ID
	work -- true
	assert_success
	assert_equal "$(summary)" 'done'
}

@test "no descriptor goes along but the three" {
	lend 'ls /proc/self/fd | wc -l' # the fourth is ls's own
	work
	assert_equal "$(summary)" 4
}

@test "a program named by a relative path is the operator's, never the workspace's" {
	SANDBOX=none
	printf '#!/bin/sh\necho right\n' >"$BATS_TEST_TMPDIR/agent"
	printf '#!/bin/sh\necho wrong\n' >"$WS/agent"
	chmod 755 "$BATS_TEST_TMPDIR/agent" "$WS/agent"
	lend x
	cd "$BATS_TEST_TMPDIR"
	work -- ./agent
	assert_equal "$(summary)" right
}

# --- how it ends

@test "the summary is what AWCP_RESULT says" {
	lend 'echo "{\"summary\":\"all well\",\"highlights\":[\"one\",2,\"three\"]}" >"$AWCP_RESULT"; echo no'
	work
	assert_event '.type == "done" and .summary == "all well" and .highlights == ["one", "three"]'
}

@test "an AWCP_RESULT that cannot be used is passed over" {
	for write in 'echo "{" >"$AWCP_RESULT"' 'echo "{\"summary\":7}" >"$AWCP_RESULT"' \
		'mkfifo "$AWCP_RESULT"' 'ln -s /etc/passwd "$AWCP_RESULT"' \
		'head -c 100000 /dev/zero >"$AWCP_RESULT"' 'mkdir "$AWCP_RESULT"'; do
		lend "$write; echo fine"
		work
		assert_success
		assert_equal "$(summary)" fine
	done
}

@test "else the summary is the last 20 lines of stdout, else done" {
	lend 'seq 100; echo; seq 7 >&2'
	work
	assert_equal "$(summary)" "$(seq 81 100)"
	lend true
	work
	assert_equal "$(summary)" 'done'
}

@test "another exit status fails the task with the last line of stderr" {
	lend 'echo first >&2; printf "\033[31mit \001broke\033[0m\n\n" >&2; exit 3'
	work
	assert_success # of the worker
	assert_event '.type == "error" and .code == "TASK_FAILED" and .message == "exit 3: it broke"'
	assert_output --partial 'exit 3: it broke'
}

@test "a command that dies of a signal has failed" {
	lend 'kill -9 $$'
	work
	assert_event '.code == "TASK_FAILED" and .message == "killed by signal 9"'
}

@test "exit status 75 puts the task off, to be run again; the delegator is told" {
	lend 'echo changed >a.txt; exit 75'
	work --cooldown 1
	assert_failure 75
	assert_event '.status == "progress" and (.message | startswith("put off"))'
	assert_equal "$(awcp-queue list -q default -s rate_limited | wc -l)" 1
	wait_until awcp-run -1 -S "$SANDBOX" -- cat a.txt
	assert_equal "$(summary)" one
}

@test "a process that the command leaves behind is stopped and holds nothing up" {
	sleep=$(unique_sleep)
	for SANDBOX in none "$SANDBOX"; do
		lend "setsid $sleep & ($sleep &) ; echo fine"
		work
		assert_equal "$(summary)" fine
		wait_until no_such_process "$sleep"
	done
}

@test "a link that leads out of the workspace is not sent back, the rest is" {
	lend 'ln -s /etc/passwd out; ln -s nowhere none; ln -s a.txt in; echo two >a.txt'
	work
	assert_success
	assert_equal "$(result_file ws/a.txt)" two
	run bsdtar -xOf "$STATE/result.archive" .awcp/manifest
	refute_line --partial ws/out
	assert_line --regexp '^l .* ws/in	a.txt$'
	assert_event '.status == "progress" and (.message | contains("ws/out is a link that leads out"))'
}

@test "to a delegator that keeps no links goes all that it sent, and what links lead to" {
	mkdir -p "$BATS_TEST_TMPDIR/z/ws/.awcp" "$BATS_TEST_TMPDIR/z/ws/real"
	(
		cd "$BATS_TEST_TMPDIR/z"
		echo own >ws/.awcp/notes
		echo in >ws/real/file
		echo precious >ws/config
		echo precious >$'ws/tab\there'
		bsdtar -cf "$BATS_TEST_TMPDIR/zip" --format zip ws
	)
	jq -cn --rawfile b <(base64 -w0 "$BATS_TEST_TMPDIR/zip") \
		--arg sum "$(sha256sum <"$BATS_TEST_TMPDIR/zip" | cut -c1-64)" '{b: $b, sum: $sum}' >"$BATS_TEST_TMPDIR/handle"
	accepted '' dlg_plain '.task.prompt = "ln -s real link; rm config; ln -s /etc/hostname config; mkfifo pipe; echo x >new"'
	say '' POST /awcp "$(start dlg_plain ".transportHandle.workspaceBase64 = $(jq .b "$BATS_TEST_TMPDIR/handle") |
		.transportHandle.checksum = $(jq .sum "$BATS_TEST_TMPDIR/handle")")"
	assert_status 200
	STATE=$AWCP_HOME/assignments/dlg_plain
	work
	assert_success
	assert_equal "$(result_file ws/.awcp/notes)$(result_file ws/link/file)$(result_file ws/config)" owninprecious
	run bsdtar -tf "$STATE/result.archive"
	assert_line ws/new
	refute_line --partial pipe
	assert_event '.type == "snapshot" and (.metadata.withheld | length) == 2'
	# Who takes a name without the flag for one of code page 437 would not find it.
	bsdtar -xOf "$STATE/result.archive" $'ws/tab\there' | grep -q precious
}

@test "a link in the place of a resource fails the task" {
	lend 'cd ..; mv ws old && ln -s /etc ws'
	work
	assert_event '.code == "TASK_FAILED" and (.message | contains("resource ws"))'
	[ ! -e "$STATE/result.archive" ]
}

@test "an ended task leaves no workspace behind" {
	lend 'mkdir -p d/e && chmod 0 d'
	work
	lend 'exit 1'
	work
	run ls "$STATE"
	refute_line work
	refute_line report
	refute_line workspace.archive
	run find "$AWCP_HOME/tmp" "$AWCP_HOME/queue/default/running" -mindepth 1
	assert_output ''
}

# --- what it says

@test "output.log has both streams in whole lines, up to the limit, and a note" {
	lend 'echo out; echo err >&2; printf unfinished'
	work
	run sort "$STATE/output.log"
	assert_output $'err\nout\nunfinished'
	lend 'seq 1000000'
	AWCP_MAX_OUTPUT=1000 work
	[ "$(stat -c %s "$STATE/output.log")" -le 1100 ]
	run tail -n 2 "$STATE/output.log"
	assert_line --index 0 --regexp '^[0-9]+$'
	assert_line --index 1 --partial 'longer than 1000 bytes'
	assert_equal "$(summary | tail -n 1)" 1000000
}

@test "lines of stdout are progress: of a burst the last, few a second" {
	lend 'seq 100000; echo the end'
	work
	assert_event '.status == "progress" and .message == "the end"'
	[ "$(grep -c '"progress"' "$STATE/events.ndjson")" -lt 20 ]
}

@test "progress is clean text of at most 1 KiB" {
	lend 'printf "10%%\r\033[1m100%%\033]0;title\007 a\302\233b\377\n"; sleep 0.3
		head -c 5000 /dev/zero | tr "\0" x; echo'
	work
	assert_event '.status == "progress" and .message == "100% ab\ufffd"'
	assert_event '.status == "progress" and (.message | length == 1024 and test("^x+$"))'
}

# --- how it is stopped

@test "cancel stops the command and what it detached" {
	sleep=$(unique_sleep)
	for SANDBOX in none "$SANDBOX"; do
		start_worker -- sh
		lend "setsid sh -c '$sleep & wait' & echo begun; exec sleep 60"
		wait_until event '.message == "begun"'
		wait_until pgrep -fx "$sleep"
		awcp-cancel "$ID" || curl -sS -X POST "$URL/cancel/$ID"
		wait_until no_such_process "$sleep"
		wait_until grep -q cancelled "$BATS_TEST_TMPDIR/worker.log"
		stop_process "$WORKER"
	done
}

@test "the command gets TERM first, in the sandbox too" {
	start_worker -- sh
	lend 'trap "echo got it; exit 0" TERM; echo begun; while :; do sleep 0.01; done'
	wait_until event '.message == "begun"'
	curl -sS -X POST "$URL/cancel/$ID"
	wait_until grep -q cancelled "$BATS_TEST_TMPDIR/worker.log"
	run cat "$STATE/output.log"
	assert_line 'got it'
}

@test "a resume of a running task stops it, and the new run begins from what came with it" {
	sleep=$(unique_sleep)
	start_worker -c 2 -- sh
	lend "cat a.txt; echo begun; [ ! -e slow ] || $sleep"
	WAIT=20 wait_until summary
	# The same id again, with another workspace, while the one before still runs.
	jq -c '.invite' "$STATE/record.json" >"$BATS_TEST_TMPDIR/invite"
	touch "$WS/slow"
	resume
	wait_until pgrep -fx "$sleep"
	rm "$WS/slow"
	echo two >"$WS/a.txt"
	resume
	wait_until no_such_process "$sleep"
	wait_until summary
	assert_equal "$(summary)" $'two\nbegun'
}

@test "when the lease ends the command is stopped and the task has expired" {
	lend 'sleep 60' -t 1
	work
	assert_success
	assert_event '.type == "error" and .code == "EXPIRED"'
}

@test "a lease that ended while the task waited is not begun" {
	lend 'echo never' -t 1
	sleep 1.1 # the lease is the event
	work
	assert_event '.type == "error" and .code == "EXPIRED"'
	[ ! -e "$STATE/output.log" ]
}

@test "a task that was cancelled while it waited is passed over" {
	lend 'echo never'
	curl -sS -X POST "$URL/cancel/$ID"
	work
	assert_success
	[ ! -e "$STATE/output.log" ]
}

@test "a worker that gets TERM takes no more, and what runs may end" {
	go=$BATS_TEST_TMPDIR/go
	mkfifo "$go"
	SANDBOX=none
	start_worker --grace 1h -- sh
	lend "echo begun; read -r word <'$go'; echo finished"
	wait_until event '.message == "begun"'
	kill "$WORKER"
	wait_until grep -q 'may go on for 3600 s' "$BATS_TEST_TMPDIR/worker.log"
	first=$STATE
	lend 'echo second'
	echo now >"$go"
	wait "$WORKER"
	assert_equal "$(STATE=$first summary)" $'begun\nfinished'
	[ ! -e "$STATE/output.log" ] # of the second
}

@test "at the second TERM it hands its task back and ends well, and so when its time is over" {
	sleep=$(unique_sleep)
	for grace in 1h 1; do
		start_worker --grace $grace -- sh
		lend "echo begun; $sleep"
		wait_until event '.message == "begun"'
		kill "$WORKER"
		wait_until grep -q 'may go on for' "$BATS_TEST_TMPDIR/worker.log"
		[ $grace = 1 ] || kill "$WORKER"
		wait "$WORKER"
		no_such_process "$sleep"
		work -- sh -c 'echo again'
		assert_equal "$(summary)" again
	done
}

@test "what a terminal interrupts is the worker, not its tasks" {
	SANDBOX=none
	lend 'ps -o pgid= -p $PPID; echo begun'
	start_worker -- sh
	wait_until summary
	[ "$(summary | head -n 1)" -ne "$(ps -o pgid= -p "$WORKER")" ]
}

@test "after kill -9 of the worker the next one begins anew, from what was received" {
	sleep=$(unique_sleep)
	start_worker -- sh
	lend "echo changed >a.txt; echo begun; $sleep"
	wait_until event '.message == "begun"'
	stop_process "$WORKER" KILL
	wait_until no_such_process "$sleep"
	start_worker -- cat a.txt
	wait_until summary
	assert_equal "$(summary)" one
}

@test "after kill -9 of a task's process the worker takes the task again" {
	sleep=$(unique_sleep)
	for SANDBOX in none "$SANDBOX"; do
		rm -f "$WS/../second"
		start_worker -- sh -c "[ \"\$(cat again 2>/dev/null)\" ] || { echo begun; setsid $sleep; }"
		lend x
		wait_until event '.message == "begun"'
		wait_until pgrep -fx "$sleep"
		kill -9 "$(pgrep -P "$WORKER")"
		wait_until grep -q 'killed by signal 9' "$BATS_TEST_TMPDIR/worker.log"
		wait_until eval '[ "$(grep -c "begun" "$STATE/events.ndjson")" -ge 2 ]'
		wait_until eval '[ "$(pgrep -fcx "$sleep")" -eq 1 ]'
		stop_process "$WORKER"
		rm -rf "$AWCP_HOME/queue/default"
	done
}

@test "a process is given one task after the other, and is not kept for long without" {
	local states=()
	SANDBOX=none
	for _ in 1 2 3; do # all of them wait, so that however slow this is there is always a next one
		lend x
		states+=("$STATE")
	done
	start_worker -- sh -c 'echo $PPID'
	for STATE in "${states[@]}"; do
		wait_until summary
		summary >>"$BATS_TEST_TMPDIR/processes"
	done
	run uniq -c "$BATS_TEST_TMPDIR/processes"
	assert_output --regexp '^ *3 [0-9]+$'
	# It is killed while it waits, if that is not over yet: nobody minds.
	! pid=$(pgrep -P "$WORKER") || kill -9 "$pid"
	lend x
	wait_until summary
	refute [ "$(summary)" = "$(tail -n 1 "$BATS_TEST_TMPDIR/processes")" ]
	wait_until eval '! pgrep -P "$WORKER"'
	run cat "$BATS_TEST_TMPDIR/worker.log"
	refute_output --partial killed
}

# --- the sandbox

@test "in the sandbox only the workspace can be written" {
	need_sandbox
	lend 'touch ok /tmp/ok && echo x >"$AWCP_RESULT"; for f in / /etc /var/tmp ../.. "$AWCP_WORKSPACE/.."; do
		touch "$f/escaped" 2>/dev/null && echo "wrote in $f"; done; touch "$HOME/ok"; rm -f "$AWCP_RESULT"'
	work
	assert_equal "$(summary)" 'done'
	[ ! -e /tmp/ok ] && [ ! -e "$HOME/ok" ]
}

@test "in the sandbox a resource lent read-only is read-only" {
	need_sandbox
	mkdir "$BATS_TEST_TMPDIR/data"
	echo d >"$BATS_TEST_TMPDIR/data/d"
	lend 'echo x >../data/d || rm ../data/d || mv ../data ../other || cat ../data/d' \
		-r "data=$BATS_TEST_TMPDIR/data:ro"
	work
	assert_equal "$(summary)" d
}

@test "in the sandbox the state directory, keys and other processes are not there" {
	need_sandbox
	mkdir -p "$HOME/.ssh" "$HOME/.config/awcp"
	echo key >"$HOME/.ssh/id_ed25519"
	echo secret >"$HOME/.netrc"
	lend "cd '$AWCP_HOME' && find . -name '*.json' -o -name '*.archive' -o -name tokens -o -name queue
		ls '$HOME/.ssh'; cat '$HOME/.netrc'; kill -0 $$ 2>/dev/null && echo process; true"
	work
	assert_equal "$(summary)" 'done'
}

@test "a program in a hidden place is visible if the operator names it" {
	need_sandbox
	printf '#!/bin/sh\necho here\n' >"$BATS_TEST_TMPDIR/agent"
	chmod 755 "$BATS_TEST_TMPDIR/agent"
	lend x
	work -- "$BATS_TEST_TMPDIR/agent"
	assert_equal "$(summary)" here
}

@test "where the sandbox does not work the worker does not start" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\necho "bwrap: no permission" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/bin/bwrap"
	chmod 755 "$BATS_TEST_TMPDIR/bin/bwrap"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run awcp-run -1 -- true
	assert_failure 78
	assert_output --partial 'bwrap: no permission'
	assert_output --partial -- '-S none'
}

# --- the worker itself

@test "more tasks at once than there may be open files for are refused, or the limit is raised" {
	run bash -c 'ulimit -n 200; awcp-run -1 -c 100 -S none -- true'
	assert_failure 78
	assert_output --partial '100 tasks at once need 260 open files, and the limit is 200'
	run bash -c 'ulimit -Sn 200; awcp-run -1 -c 100 -S none -- true'
	assert_failure 75
}

@test "-1 with nothing to do ends with 75" {
	run awcp-run -1 -S none -- true
	assert_failure 75
	assert_output --partial 'no task is waiting'
}

@test "a START begins to run within 20 ms on an idle worker" {
	start_worker -- true
	wait_until test -e "/proc/$WORKER"
	best=1000
	for _ in {1..40}; do # others may have the processor now and then
		[ "$best" -gt 20 ] || break
		lend x
		wait_until summary
		ms=$(jq -n --arg a "$(jq -r .startedAt "$STATE/record.json")" \
			--arg b "$(event '.status == "running"' | jq -r .timestamp)" \
			'def ms: (.[:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);
			($b | ms) - ($a | ms)') || fail "$(cat "$STATE/record.json" "$STATE/events.ndjson")"
		[ "$ms" -ge "$best" ] || best=$ms
	done
	[ "$best" -le 20 ] || fail "$best ms"
}

@test "-c 2 runs two tasks side by side" {
	SANDBOX=none
	meet=$BATS_TEST_TMPDIR/meet
	mkfifo "$meet"
	start_worker -c 2 -- sh
	lend "cat '$meet'"
	first=$STATE
	lend "echo hello >'$meet'; echo sent"
	wait_until summary
	STATE=$first
	wait_until summary
	assert_equal "$(summary)" hello
}

@test "neither the worker nor a task's process needs more than 16 MiB" {
	head -c 40000000 /dev/urandom >"$WS/big"
	start_worker -- sh
	lend 'seq 200000; sha256sum big >sum; echo begun; while :; do sleep 0.1; done'
	wait_until event '.message == "begun"'
	assert_peak "$WORKER" 16384
	assert_peak "$(pgrep -P "$WORKER")" 16384
}

@test "a wrong command line is told with 64, a missing program or a bad limit with 78" {
	for options in '' '-c 0 -- true' '-c x -- true' '-S wall -- true' '-q a/b -- true' '-z -- true' \
		'-R perhaps -- true' '--limited ( -- true' '--cooldown soon -- true' '--deaths -1 -- true' \
		'--grace x -- true' '--profiles x' '--clear'; do
		# shellcheck disable=SC2086 # words
		run awcp-run $options
		assert_failure 64
		assert_output --partial awcp-run:
	done
	run awcp-run -- /no/such/program
	assert_failure 78
	AWCP_MAX_OUTPUT=lots run awcp-run -S none -- true
	assert_failure 78
}
