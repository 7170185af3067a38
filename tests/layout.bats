#!/usr/bin/env bats
# The layout of the state directory: a new one is noted, another one is refused.

load helper

setup()
{
	own_home
	export AWCP_SANDBOX=none # it is not asked about here
}

# The state that the first released version left: one delegation applied, one that waits to be
# applied, one that both sides had in hand when the machine went down, and two queued tasks.
old_state()
{
	rm -rf "$AWCP_HOME"
	tar -xJf "$FIXTURES/state-1.tar.xz" -C "$HOME" 2>/dev/null # some of it is due in its future
}

# Everything in the state that is not new in this layout.
contents()
{
	(cd "$AWCP_HOME" && find . -type f ! -path './due/*' ! -path './log/*' ! -name version \
		-exec sha256sum {} + | sort -k 2)
}

@test "a new state directory says which layout it has, and that is not written again" {
	awcp-list
	assert_equal "$(cat "$AWCP_HOME/version")" 2
	before=$(stat -c %i "$AWCP_HOME/version")
	awcp-queue put hello
	assert_equal "$(stat -c %i "$AWCP_HOME/version")" "$before"
}

@test "hooks that were there before the first command do not make it an old one" {
	mkdir -p "$AWCP_HOME/hooks"
	awcp-list
	assert [ -s "$AWCP_HOME/version" ]
}

@test "of many who make it at once none takes it for an old one" {
	seq 30 | xargs -P 10 -I{} sh -c 'awcp-queue put -q q{} hello >/dev/null || exit 255'
	assert_equal "$(cat "$AWCP_HOME/version")" 2
	run find "$AWCP_HOME" -maxdepth 1 -type f
	assert_output "$AWCP_HOME/version"
}

@test "a newer layout is refused by every program" {
	mkdir -m 700 "$AWCP_HOME"
	echo 999 >"$AWCP_HOME/version"
	for program in awcp-list 'awcp-queue list' 'awcp-token list' 'awcp-run -1 -- true' \
		"$BUILD/libexec/awcp/awcp-queued" "$EXECUTOR" "$BUILD/libexec/awcp/awcp-delegator" \
		awcp-serve; do
		# shellcheck disable=SC2086 # a command with its arguments
		REQUEST_METHOD=GET run $program </dev/null
		assert_equal "$program $status" "$program 78"
		assert_line --partial "the state directory $AWCP_HOME has layout 999, and this version of awcp knows"
	done
	run ls "$AWCP_HOME"
	assert_output version
}

@test "a number that is none is an error, too" {
	awcp-list
	for text in '' x 0 -1 '1x' 99999999999; do
		printf '%s\n' "$text" >"$AWCP_HOME/version"
		run awcp-list
		assert_equal "$status" 78
		assert_output --partial 'does not hold a number'
	done
}

@test "an older layout is refused, with what to do, and left as it was" {
	old_state
	contents >"$HOME/before"
	for program in 'awcp-list -a' 'awcp-queue list -q bulk' awcp-reap; do
		# shellcheck disable=SC2086 # a command with its arguments
		run $program
		assert_equal "$program $status" "$program 78"
		assert_output --partial 'layout 1, which is older than 2; stop what uses it, then awcp-doctor -u'
	done
	run awcp-doctor
	assert_equal "$status" 1
	assert_line --regexp '^bad +state .*awcp-doctor -u'
	contents >"$HOME/after"
	run diff "$HOME/before" "$HOME/after"
	assert_success
	assert [ ! -e "$AWCP_HOME/version" ]
}

@test "awcp-doctor -u brings it up to date, loses nothing, and says when records are due" {
	old_state
	contents >"$HOME/before"
	run awcp-doctor -qu
	assert_line 'awcp-doctor: the state has layout 2 now: note in due/ that every record is to be looked at'
	assert_equal "$(cat "$AWCP_HOME/version")" 2
	contents >"$HOME/after"
	run diff "$HOME/before" "$HOME/after"
	assert_success
	run find "$AWCP_HOME/due" -name '*:dlg_*'
	assert_equal "${#lines[@]}" 4
	run awcp-list -a -j
	assert_equal "${#lines[@]}" 3
	run awcp-queue list -q bulk
	assert_line --partial first
	grep 'event=upgraded from=1 to=2' "$AWCP_HOME/log/lifecycle.log"
	# Nothing remains to be done, and what is due is what the records say.
	run awcp-doctor -qu
	refute_output --partial layout
	run awcp-reap -n
	assert_success
}

@test "killed at any change, it is old or new, and the next -u finishes it" {
	local library=$BATS_TEST_TMPDIR/fault.so calls=$BATS_TEST_TMPDIR/calls i n
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$library" "$REPO/tests/fault/fault.c" -ldl
	old_state
	FAULT=28:0 FAULT_CALLS=$calls LD_PRELOAD=$library awcp-doctor -qu || true
	n=$(cat "$calls")
	[ "$n" -gt 4 ]
	for ((i = 1; i <= n; i++)); do
		for fault in kill disk; do
			old_state
			FAULT=$fault:$i LD_PRELOAD=$library awcp-doctor -qu >/dev/null 2>&1 || true
			[ ! -e "$AWCP_HOME/version" ] || [ "$(cat "$AWCP_HOME/version")" = 2 ]
			awcp-doctor -qu >/dev/null 2>&1 || true
			[ "$(cat "$AWCP_HOME/version")" = 2 ]
			# On a full disk the index stays incomplete, which awcp-reap makes good.
			[ "$fault" = disk ] || [ "$(find "$AWCP_HOME/due" -name '*:dlg_*' | wc -l)" -ge 4 ] ||
				fail "$fault at $i"
		done
	done
}

@test "while somebody is at work it is not touched" {
	old_state
	lock=$(find "$AWCP_HOME/assignments" -name run.lock)
	assert [ -n "$lock" ]
	exec 7<"$lock"
	flock 7
	run awcp-doctor -u
	assert_equal "$status" 75
	assert_output --partial 'somebody is at work in assignments'
	assert [ ! -e "$AWCP_HOME/version" ]
	exec 7<&-
}

# --- what the version wrote that was before lib/ had folders

# say_all: what the programs tell of the state, as JSON.
say_all()
{
	local id q
	awcp-list -aj delegations
	awcp-list -aj assignments
	awcp-token list -j
	for id in $(awcp-list -aj delegations | jq -r .id | sort); do
		awcp-show -j "$id"
		awcp-snapshot list -j "$id"
	done
	for id in $(awcp-list -aj delegations | jq -r 'select(.state == "completed") | .id' | sort); do
		awcp-snapshot show -j "$id" "$(awcp-snapshot list -j "$id" | jq -r .id)"
		awcp-snapshot diff "$id" "$(awcp-snapshot list -j "$id" | jq -r .id)"
	done
	for q in bulk limited asks dying; do
		awcp-queue list -j -q $q -s all --limit 0
		awcp-queue list -j -q $q --since 0
		awcp-queue check -q $q
	done
	awcp-queue list -q bulk -s all --reader ann -j
	awcp-answer -j
}

# The state of state-2.tar.xz, whose directory was /tmp/awcp-state-2; it has the files that were lent.
unpack_state_2()
{
	tar -xJf "$FIXTURES/state-2.tar.xz" -C "$HOME" 2>/dev/null # some of it is due in its future
	grep -rlZ /tmp/awcp-state-2 "$AWCP_HOME" "$HOME/said" | xargs -0 sed -i "s,/tmp/awcp-state-2,$HOME,g"
	mkdir -p "$HOME/ws"
	printf 'changed\n' >"$HOME/ws/a"
	printf 'two\n' >"$HOME/ws/b"
}

# See fixtures/state-2.sh: delegations and assignments of several states, of which one was in hand when
# the machine went down, snapshots, queues, readers, a question, tokens, a peer, a breaker.
@test "what an earlier version wrote is read as that version read it" {
	unpack_state_2
	assert_equal "$(cat "$AWCP_HOME/version")" 2
	# Of what it said was in hand two tasks have lost their workers meanwhile, with a question; the
	# lease of the other has not ended.
	touch -d '1 day' "$AWCP_HOME/queue/bulk/running/1"
	sed -i -e '/"id":"\(asks\|dying\)\.1".*"payload":/ s/"state":"\(running\|waiting_answer\)"/"state":"lapsed"/' \
		-e '/"task":"asks.1"/d' "$HOME/said"
	say_all >"$HOME/now"
	run diff "$HOME/said" "$HOME/now"
	assert_success
}

# at time command...: run at that time.
at()
{
	echo $(($(date -u -d "$1" +%s) - $(date +%s))) >"$FAULT_CLOCK"
	LD_PRELOAD=$HOME/clock.so "${@:2}"
}

@test "and what it began goes on" {
	local id
	unpack_state_2
	export FAULT_CLOCK=$HOME/clock AWCP_CLOCK_DOUBT=0
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$HOME/clock.so" "$REPO/tests/fault/clock.c" -ldl
	# That it was stopped for a while is from its breaker.
	run at 2026-11-28T23:55Z awcp-run -1 -q dying -S none -- true
	assert_failure 75
	assert_output --partial 'queue dying is stopped until'
	id=$(awcp-list -j assignments | jq -r .id)
	at 2026-11-29T02:00Z awcp-reap
	assert_equal "$(jq -r '.state + " " + .error.code' "$AWCP_HOME/assignments/$id/record.json")" 'error EXPIRED'
	assert_equal "$(awcp-queue put -q bulk -k key first)" bulk.1
	awcp-queue resume bulk.5
	at 2026-11-29T02:00Z awcp-run -1 -q bulk -S none -- true
	awcp-queue check -q bulk
}
