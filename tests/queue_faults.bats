#!/usr/bin/env bats
# The queue with a kill, a full disk or a broken one at every change to the file system: what was
# acknowledged is there, nothing is lost, nobody has what another has, and the index is right.

# bats file_tags=plain
load helper

setup_file() {
	FAULT_LIBRARY=$BATS_FILE_TMPDIR/fault.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$FAULT_LIBRARY" "$REPO/tests/fault/fault.c" -ldl
	export FAULT_LIBRARY
}

setup() {
	own_home
	cd "$BATS_TEST_TMPDIR"
}

# q.2 to q.4 wait for one another, q.1 is first; q.5 and q.6 may run.
base() {
	awcp-queue put -q q -p 9 --retries 2 first
	for i in 1 2 3; do awcp-queue put -q q -w "q.$i" "after $i"; done
	awcp-queue put -q q -k key fifth
	awcp-queue put -q q sixth
	[ "${1-}" != taken ] || awcp-queue take -q q
}

tasks() { awcp-queue list -q q -j -s all --limit 0; }
# state task: as one word
state() { awcp-queue show -j "$1" | jq -r .state; }

# with_fault fault command...: the exit status goes to $died.
with_fault() {
	died=0
	FAULT=$1 FAULT_CALLS=$BATS_TEST_TMPDIR/calls LD_PRELOAD=$FAULT_LIBRARY "${@:2}" \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" <"$BATS_TEST_TMPDIR/in" || died=$?
} 2>/dev/null # the shell tells who was killed

# at_every_change check command...: with each fault at each change; check is called after it, with
# the first numbers of what is there in $had.
at_every_change() {
	local check=$1 fault calls i
	shift
	rm -rf saved
	cp -a "$AWCP_HOME" saved
	had=$(tasks | wc -l)
	with_fault 28:0 "$@"
	assert_equal "$died" 0
	calls=$(cat calls)
	[ "$calls" -gt 3 ]
	for fault in kill disk; do
		for ((i = 1; i <= calls; i += FAULT_STRIDE)); do
			rm -rf "$AWCP_HOME"
			cp -a saved "$AWCP_HOME"
			with_fault "$fault:$i" "$@"
			where="$fault at change $i of $calls: exit $died, $(cat out err | tr '\n' ' ')"
			case $fault in
			kill) [ "$died" -eq 137 ] || fail "not killed: $where" ;;
			*) [ "$died" -lt 126 ] || fail "died of a signal: $where" ;;
			esac
			[ $fault = kill ] || [ "$died" -eq 0 ] || [ -s err ] || fail "no word: $where"
			$check
			awcp-queue check -q q >checked 2>&1 || fail "$(cat checked): $where"
			[ ! -s checked ] || fail "$(cat checked): $where"
		done
	done
}

# Each id that was printed is there; of what was to be put the first ones are, if not all.
put_or_not() {
	for id in $(cat out); do
		awcp-queue show "$id" >/dev/null || fail "$id is lost: $where"
	done
	awcp-queue put -q q -k later later >later || fail "nothing can be put: $where"
	[ "$(awcp-queue put -q q -k later later)" = "$(cat later)" ] || fail "put twice: $where"
	now=$(tasks | wc -l)
	((now > had && now <= had + $(wc -l <in) + 1)) || fail "$now of $had: $where"
	((died != 0 || now == had + $(wc -l <in) + 1)) || fail "it was said to be put: $where"
	[ "$(tasks | jq -r .number | uniq | wc -l)" = "$now" ] || fail "a number twice: $where"
	[ "$(awcp-queue put -q q -k key fifth)" = q.5 ] || fail "the key is lost: $where"
}

@test "put killed, full or broken at any change: what was printed is there, and nothing twice" {
	base >/dev/null
	echo one >in
	at_every_change put_or_not awcp-queue put -q q
}

@test "put with a key, and again" {
	base >/dev/null
	echo one >in
	once() {
		put_or_not
		first=$(awcp-queue put -q q -k mine <in) || fail "not put again: $where"
		[ ! -s out ] || [ "$first" = "$(cat out)" ] || fail "put twice: $where"
		[ "$(tasks | jq -r 'select(.key == "mine") | .id')" = "$first" ] || fail "twice: $where"
	}
	at_every_change once awcp-queue put -q q -k mine
}

@test "put of a batch, with keys and dependencies" {
	base >/dev/null
	cat >in <<-'J'
		{"payload": "a"}
		{"payload": "b", "key": "b", "dependsOn": ["q.7", "q.1"]}
		{"payload": "c", "lane": "l", "dependsOn": ["q.8"]}
	J
	whole() {
		put_or_not
		# Whatever is there of it is as it was asked for.
		tasks | jq -es 'all(.[]; .payload == {"q.7": "a", "q.8": "b", "q.9": "c"}[.id] or
			.number < 7 or .key == "later")' >/dev/null || fail "not as asked for: $where"
	}
	at_every_change whole awcp-queue put -q q -j -
}

@test "the first put of all: the queue is there and whole, or can be made again" {
	echo one >in
	base >/dev/null
	fresh() {
		for id in $(cat out); do awcp-queue show "$id" >/dev/null || fail "lost: $where"; done
		awcp-queue put -q new again >again || fail "nothing can be put: $where"
		awcp-queue check -q new || fail "wrong: $where"
		! awcp-queue list -q new | grep -c . | grep -v '^[12]$' || fail "too many: $where"
	}
	at_every_change fresh awcp-queue put -q new
}

@test "take: never two claims, and none is lost" {
	base >/dev/null
	: >in
	once() {
		# A claim that nobody heard of lapses like any other.
		[ -s out ] || [ "$died" -ne 0 ] || fail "nothing was taken: $where"
		find "$AWCP_HOME/queue/q/running" -type f -exec touch -d @1 {} + # every lease is over
		for _ in 1 2 3 4; do awcp-queue take -q q || break; done >taken
		[ "$(cut -d . -f 1,2 taken | sort | tr '\n' ' ')" = 'q.1 q.5 q.6 ' ] ||
			fail "taken: $(tr '\n' ' ' <taken): $where"
		! cat out taken | sort | uniq -d | grep . || fail "a claim twice: $where"
	}
	at_every_change once awcp-queue take -q q
	held() {
		for _ in 1 2 3 4; do awcp-queue take -q q || break; done >taken
		! cat out taken | cut -d . -f 1,2 | sort | uniq -d | grep . || fail "taken twice: $where"
	}
	rm -rf "$AWCP_HOME"
	cp -a saved "$AWCP_HOME"
	at_every_change held awcp-queue take -q q
}

# What q.1's end leads to has happened, too.
settled() {
	case $1 in
	completed) assert_equal "$where: $(state q.2) $(state q.3) $(state q.4)" "$where: pending waiting waiting" ;;
	cancelled) assert_equal "$where: $(state q.2) $(state q.3) $(state q.4)" "$where: blocked blocked blocked" ;;
	*) assert_equal "$where: $(state q.2) $(state q.3) $(state q.4)" "$where: waiting waiting waiting" ;;
	esac
}

# ended state before after: the task is as before or after; after if that was said.
ended() {
	awcp-queue put -q q next >/dev/null || fail "nothing can be put: $where"
	now=$(state q.1)
	case $now in
	"$2") ;;
	"$1") [ "$died" -ne 0 ] || fail "it was said to be $2, and is $1: $where" ;;
	*) fail "it is $now: $where" ;;
	esac
	settled "$now"
	assert_equal "$(tasks | wc -l)" "$((had + 1))"
}

@test "done, on which others wait" {
	base taken >/dev/null
	: >in
	completed() {
		ended running completed
		[ "$now" = completed ] || awcp-queue done q.1.1 || fail "it cannot end: $where"
		[ "$(state q.2)" = pending ] || fail "and leads to nothing: $where"
	}
	at_every_change completed awcp-queue done q.1.1
}

@test "fail with a retry left" {
	base taken >/dev/null
	: >in
	failed() {
		ended running waiting
		[ "$now" = waiting ] || awcp-queue fail q.1.1 || fail "it cannot end: $where"
		[ "$(awcp-queue show -j q.1 | jq .failures)" = 1 ] || fail "not counted once: $where"
	}
	at_every_change failed awcp-queue fail q.1.1
}

@test "beat with progress: the claim holds, whatever is said of it" {
	base taken >/dev/null
	: >in
	beaten() {
		ended running running
		[ "$died" -ne 0 ] || [ "$(awcp-queue show -j q.1 | jq -r .progress)" = half ] ||
			fail "it is not told: $where"
		awcp-queue done q.1.1 || fail "the claim is lost: $where"
		settled completed
	}
	at_every_change beaten awcp-queue beat -m half q.1.1
}

@test "cancel of a task that others depend on" {
	base taken >/dev/null
	: >in
	cancelled() {
		ended running cancelled
		[ "$now" = cancelled ] || awcp-queue cancel q.1 || fail "it cannot be cancelled: $where"
		settled cancelled
		! awcp-queue done q.1.1 2>err || fail "its worker finished it: $where"
	}
	at_every_change cancelled awcp-queue cancel q.1
}

# ask body: as a worker elsewhere does.
ask() {
	printf %s "$1" | AWCP_AUTH=none REQUEST_METHOD=POST CONTENT_LENGTH=${#1} CONTENT_TYPE=application/json \
		PATH_INFO=/queue/q/tasks/1/${2-ask} "$BUILD/libexec/awcp/awcp-queued" | sed '1,/^\r$/d'
}

@test "answer to a question: it was given or not, is heard once, and no secret is left" {
	: >in
	given() {
		awcp-queue put -q q next >/dev/null || fail "nothing can be put: $where"
		heard=$(ask '{"attempt": 1, "question": "q1"}' hear | jq -r .answer)
		case $heard in
		yes) [ "$(state q.1)" = running ] || fail "still waiting: $where" ;;
		null) [ "$died" -ne 0 ] || fail "it was said to be given: $where"
			awcp-answer q.1 no || fail "it cannot be answered: $where"
			heard=$(ask '{"attempt": 1, "question": "q1"}' hear | jq -r .answer)
			[ "$heard" = no ] || fail "heard $heard: $where" ;;
		*) fail "heard $heard: $where" ;;
		esac
		! awcp-answer q.1 q1 again 2>err || fail "answered twice: $where"
		awcp-queue done q.1.1 || fail "it cannot end: $where"
		[ -z "$(ls "$AWCP_HOME/queue/q/answers" 2>err)" ] || fail "a secret is left: $where"
	}
	base taken >/dev/null
	ask '{"attempt": 1, "text": "may I?", "secret": true}'
	at_every_change given awcp-answer q.1 yes
}

@test "retire: what goes on is there, what is gone is gone, and it ends the same" {
	base taken >/dev/null
	awcp-queue done q.1.1
	awcp-queue cancel q.5 # whose key is free when it is forgotten
	mkdir -p "$AWCP_HOME/queue/q/jobs/1/work" "$AWCP_HOME/queue/q/jobs/2"
	: >in
	as_it_was() {
		tasks | jq -es 'map(select(.state != "completed" and .state != "cancelled") |
			[.id, .state, .payload, .dependsOn]) == [
				["q.2", "pending", "after 1", ["q.1"]],
				["q.3", "waiting", "after 2", ["q.2"]],
				["q.4", "waiting", "after 3", ["q.3"]],
				["q.6", "pending", "sixth", null]]' >/dev/null || fail "$(tasks): $where"
		[ "$(tasks | jq -r .number | sort | uniq -d)" = '' ] || fail "twice: $where"
	}
	retired() {
		as_it_was
		rm -f "$AWCP_HOME/queue/q/head" # so that all must be in the journal
		as_it_was
		awcp-queue retire -q q --older 0 >again || fail "not again: $where"
		as_it_was
		[ "$(tasks | wc -l)" = 4 ] || fail "not all are gone: $(tasks): $where"
		[ "$(ls "$AWCP_HOME/queue/q/jobs")" = 2 ] || fail "a job is left: $where"
		[ "$(ls "$AWCP_HOME/queue/q/journal" | wc -l)" = 1 ] || fail "a segment is left: $where"
		[ "$(awcp-queue put -q q -k key other)" = q.7 ] || fail "not the next number: $where"
	}
	at_every_change retired awcp-queue retire -q q --older 0
}

@test "the index made anew, killed or on a broken disk at any change" {
	base taken >/dev/null
	rm "$AWCP_HOME/queue/q/head"
	: >in
	again() {
		[ "$(tasks | jq -r .state | tr '\n' ' ')" = 'running waiting waiting waiting pending pending ' ] ||
			fail "not as it was: $where"
	}
	at_every_change again awcp-queue list -q q
}

# A state directory on a disk of its own; "${1}" is a shell's command.
on_small_disk() {
	mkdir -p "$BATS_TEST_TMPDIR/disk"
	unshare -m true 2>/dev/null && set -- -m "$@" || set -- -rm "$@"
	unshare "$1" true 2>/dev/null || skip 'no mount namespace may be made'
	unshare "$1" bash -c 'mount -t tmpfs -o size=8m tmpfs "$0" || exit 99
		export AWCP_HOME=$0/state claims=$0.claims
		'"$2" "$BATS_TEST_TMPDIR/disk" || {
		status=$?
		[ $status -ne 99 ] || skip 'no tmpfs may be mounted'
		fail "it ended with $status"
	}
}

@test "a full disk: new tasks are refused, workers take and finish" {
	on_small_disk '
		head -c 3m /dev/zero >"$0/other"
		awcp-queue put first >/dev/null || exit
		for _ in $(seq 60); do awcp-queue put -k "k$_" "task $_" >/dev/null || exit; done
		yes "{\"payload\": 1}" | head -n 2000 | awcp-queue put -j - >/dev/null || exit
		head -c 100000 /dev/zero | tr "\0" x >big
		for _ in $(seq 200); do awcp-queue put <big >/dev/null 2>err || break; done
		for _ in $(seq 50); do
			yes "{\"payload\": 2}" | head -n 200 | awcp-queue put -j - >/dev/null 2>err || break
		done
		for _ in $(seq 2000); do awcp-queue put small >/dev/null 2>err || break; done
		awcp-queue put small 2>err && { echo "it was not refused"; exit 1; }
		[ $? -eq 73 ] || { echo "exit $?"; exit 1; }
		grep "No space left" err || exit
		head -c 8m /dev/zero >"$0/rest" 2>/dev/null # not a byte is left
		awcp-queue put small 2>>err && { echo "it was put"; exit 1; }
		[ $? -eq 73 ] || { echo "exit $?"; exit 1; }
		before=$(awcp-queue stats -j | jq .version)
		for _ in $(seq 40); do
			claim=$(awcp-queue take) || { echo "no task: $?"; exit 1; }
			awcp-queue beat "$claim" && awcp-queue done "$claim" || exit
		done
		[ "$(awcp-queue stats -j | jq ".version - $before, .states.completed" | xargs)" = "80 40" ] ||
			{ awcp-queue stats; exit 1; }
		[ -z "$(awcp-queue check 2>&1)" ] || { awcp-queue check; exit 1; }
		# Who claims without end is stopped in time to finish all that was claimed.
		while claim=$(awcp-queue take 2>err); do echo "$claim"; done >/dev/shm/claims.$$
		[ -s err ] && grep "No space left" err || { echo "nothing stopped it"; exit 1; }
		[ "$(wc -l </dev/shm/claims.$$)" -gt 50 ] || { echo "too early"; exit 1; }
		awcp-queue done - </dev/shm/claims.$$ || exit
		rm -f /dev/shm/claims.$$
		rm "$0/other" && awcp-queue put small || exit
		awcp-queue check'
}

@test "one damaged queue stops no other, and is named" {
	damages=('echo { >config.json' 'echo "{\"width\": -1}" >config.json' 'rm -r journal; echo x >journal'
		'rm -rf head; mkdir head' 'rm -r running; ln -s /tmp running' 'rm head; echo "[" >retired'
		'cd ..; rm -r bad; echo x >bad')
	for damage in "${damages[@]}"; do
		rm -rf "$AWCP_HOME/queue"
		for q in bad good; do awcp-queue put -q $q "$q"; done
		(cd "$AWCP_HOME/queue/bad" && eval "$damage")
		run -78 awcp-queue stats
		assert_line 'good  pending 1'
		assert_line --regexp '^awcp-queue stats: .*bad'
		run -78 awcp-queue list -q bad
		run -78 awcp-answer
		run awcp-doctor
		assert_line --regexp '^bad +queues +.*bad'
		run -0 awcp-run -1 -q bad -q good -S none -- true
		assert_equal "$(awcp-queue show -j good.1 | jq -r .state)" completed
		run -78 awcp-run -1 -q bad -S none -- true
		run awcp-reap
		assert_output --partial bad
	done
}

# web path body: what awcp-queued makes of it, as a command; the body is in the file in.
web() {
	printf %s "$2" >in
	WEB=(env AWCP_AUTH=none REQUEST_METHOD=POST CONTENT_TYPE=application/json CONTENT_LENGTH=${#2}
		"PATH_INFO=$1" "$BUILD/libexec/awcp/awcp-queued")
}

# said filter: of its answer, if there was one that says that it was done.
said() {
	! head -n 1 out | grep -q '^Status: [345]' || return 0
	sed '1,/^\r*$/d' out | jq -r "$1" 2>/dev/null
}

# bats test_tags=all
@test "awcp-queued killed, full or broken at any change: what was answered is true, and nothing twice" {
	base >/dev/null
	web /queue/q/tasks '{"payload": "by http", "key": "web"}'
	once() {
		told=$(said .id)
		awcp-queue put -q q next >/dev/null || fail "nothing can be put: $where"
		[ -z "$told" ] || [ "$(state "$told")" = pending ] || fail "$told was said to be put: $where"
		again=$(awcp-queue put -q q -k web 'by http') || fail "not put again: $where"
		[ -z "$told" ] || [ "$told" = "$again" ] || fail "put twice: $where"
		[ "$(tasks | jq -r 'select(.key == "web") | .id')" = "$again" ] || fail "twice: $where"
	}
	at_every_change once "${WEB[@]}"
	rm -rf "$AWCP_HOME"
	cp -a saved "$AWCP_HOME"
	web /queue/q/claim '{}'
	held() {
		told=$(said '.id // empty')
		for _ in 1 2 3 4; do awcp-queue take -q q || break; done | cut -d . -f 1,2 >taken
		[ -z "$told" ] || ! grep -qxF "$told" taken || fail "$told has two claims: $where"
		[ -z "$told" ] || [ "$(state "$told")" = running ] || fail "$told is not claimed: $where"
	}
	at_every_change held "${WEB[@]}"
	rm -rf "$AWCP_HOME"
	base taken >/dev/null
	web /queue/q/tasks/1/finish '{"attempt": 1}'
	over() {
		told=$(said .ok)
		awcp-queue put -q q next >/dev/null || fail "nothing can be put: $where"
		now=$(state q.1)
		[ -z "$told" ] || [ "$now" = completed ] || fail "it was said to be over, and is $now: $where"
		[ "$now" = completed ] || awcp-queue done q.1.1 || fail "it cannot end: $where"
		[ "$(state q.2)" = pending ] || fail "and leads to nothing: $where"
	}
	at_every_change over "${WEB[@]}"
}
