#!/usr/bin/env bats
# A full disk and a kill at every change to the file system, on both sides of a delegation.  What was
# acknowledged is not lost, what was not can be done again, and the directory is old or new.

# bats file_tags=plain
load helper

setup_file() {
	own_home
	FAULT_LIBRARY=$BATS_FILE_TMPDIR/fault.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$FAULT_LIBRARY" "$REPO/tests/fault/fault.c" -ldl
	export FAULT_LIBRARY
	start_server -S none -c 2 -- sh -e
}

teardown_file() { stop_all; }

setup() {
	WS=$BATS_TEST_TMPDIR/ws
	mkdir -p "$WS"
	cd "$WS"
	fresh
}

# The workspace as it is before, and after.
fresh() {
	rm -rf ./* .awcp
	echo one >a
	echo two >b
}
is_old() { [ "$(cat a)" = one ] && [ "$(cat b)" = two ] && [ ! -e c ]; }
is_new() { [ "$(cat a)" = changed ] && [ ! -e b ] && [ "$(cat c)" = new ]; }
PROMPT='echo changed >a; rm b; echo new >c'

# with_fault fault command...: the exit status goes to $died.
with_fault() {
	died=0
	FAULT=$1 FAULT_CALLS=$BATS_TEST_TMPDIR/calls LD_PRELOAD=$FAULT_LIBRARY "${@:2}" \
		>"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || died=$?
}
# How many changes the command makes when all goes well.
changes() {
	rm -f "$BATS_TEST_TMPDIR/calls"
	with_fault 28:0 "$@"
	assert_equal "$died" 0
	cat "$BATS_TEST_TMPDIR/calls"
}

@test "awcp-invite killed at any change: the directory is old or new, and the delegation is finished" {
	n=$(changes awcp-invite -q -e "$URL" "$PROMPT")
	is_new
	for ((i = 1; i <= n + 2; i += FAULT_STRIDE)); do
		fresh
		with_fault "kill:$i" awcp-invite -q -e "$URL" "$PROMPT"
		is_old || is_new || { [ "$died" -ne 0 ] && awcp-list >/dev/null; } || fail "torn at $i"
		id=$(cat "$BATS_TEST_TMPDIR/out")
		[ -n "$id" ] || id=$(awcp-list -j | jq -r .id | tail -n 1)
		if [ -z "$id" ]; then
			is_old || fail "killed at change $i, before there was a record, and the directory differs"
			continue
		fi
		case $(awcp-show -j "$id" | jq -r .state) in
		error) is_old || fail "ended in error at change $i, and the directory differs" ;;
		*)
			awcp-invite -q -R "$id" >/dev/null 2>"$BATS_TEST_TMPDIR/err" ||
				fail "killed at change $i, and not finished: $(cat "$BATS_TEST_TMPDIR/err")"
			is_new || fail "killed at change $i: finished, but the directory is not new"
			;;
		esac
	done
}

@test "awcp-invite on a disk that is full at any change: an error, no torn directory, nothing lost" {
	n=$(changes awcp-invite -q -e "$URL" "$PROMPT")
	for ((i = 1; i <= n + 2; i += FAULT_STRIDE)); do
		fresh
		with_fault "disk:$i" awcp-invite -q -e "$URL" "$PROMPT"
		[ "$died" -lt 126 ] || fail "died of signal at change $i: $died $(cat "$BATS_TEST_TMPDIR/err")"
		id=$(cat "$BATS_TEST_TMPDIR/out")
		if [ "$died" -ne 0 ]; then
			[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -ge 1 ] || fail "no word of the failure at $i"
		fi
		[ -n "$id" ] || { is_old || fail "changed without an id at $i"; continue; }
		case $(awcp-show -j "$id" | jq -r .state) in
		error | cancelled) is_old || fail "ended in error at change $i, and the directory differs" ;;
		*)
			awcp-invite -q -R "$id" >/dev/null 2>"$BATS_TEST_TMPDIR/err" ||
				fail "full at change $i, and not finished: $(cat "$BATS_TEST_TMPDIR/err")"
			is_new || fail "full at change $i: finished, but the directory is not new"
			;;
		esac
	done
}

# cgi method path file [fault]: one request to the executor as plain CGI; prints the answer.
cgi() {
	env REQUEST_METHOD="$1" SCRIPT_NAME=/awcp PATH_INFO="$2" CONTENT_LENGTH="$(stat -c %s "$3")" \
		CONTENT_TYPE=application/json AWCP_AUTH=none \
		${4:+FAULT="$4" FAULT_CALLS="$BATS_TEST_TMPDIR/calls" LD_PRELOAD="$FAULT_LIBRARY"} \
		"$EXECUTOR" <"$3" || true
}

messages() {
	id=$1
	jq -cj ".request.body | fromjson | .delegationId = \"$id\"" "$FIXTURES/awcp-v1/01-invite-accept.json" >invite
	jq -cj ".request.body | fromjson | .delegationId = \"$id\" | .lease.expiresAt = \"2099-01-01T00:00:00.000Z\"" \
		"$FIXTURES/awcp-v1/03-start.json" >start
}

@test "the executor killed or full at any change of INVITE and START: both can be sent again, the task is there once" {
	export AWCP_HOME=$BATS_TEST_TMPDIR/state
	cd "$BATS_TEST_TMPDIR"
	messages dlg_count
	cgi POST '' invite 28:0 >/dev/null
	invites=$(cat calls)
	cgi POST '' start 28:0 >/dev/null
	starts=$(cat calls)
	[ "$invites" -gt 3 ]
	[ "$starts" -gt 5 ]
	for fault in disk kill; do
		for ((i = 1; i <= invites; i += FAULT_STRIDE)); do
			messages "dlg_${fault}_i$i"
			cgi POST '' invite "$fault:$i" >/dev/null 2>&1
			run cgi POST '' invite
			assert_output --partial '"ACCEPT"'
			run cgi POST '' start
			assert_output --partial '"ok":true'
		done
		for ((i = 1; i <= starts; i += FAULT_STRIDE)); do
			messages "dlg_${fault}_s$i"
			cgi POST '' invite >/dev/null
			answer=$(cgi POST '' start "$fault:$i" 2>/dev/null)
			if [[ $answer != *'"ok":true'* ]]; then
				# Not acknowledged: invite again (a resume) and start again.
				run cgi POST '' invite
				assert_output --partial '"ACCEPT"'
				run cgi POST '' start
				assert_output --partial '"ok":true'
			fi
		done
		# A kill leaves files that no record owns, a full disk does not.
		[ $fault = kill ] || assert_equal "$(find "$AWCP_HOME" -name '.new-*' -o -name 'receive-*')" ''
	done
	# Every acknowledged delegation is run, and each ends once.
	ids=$(awcp-list -j assignments | jq -r .id)
	for _ in $(seq 2000); do
		awcp-run -1 -S none -- true 2>/dev/null || break
	done
	for id in $ids; do
		assert_equal "$id $(awcp-show -j "$id" | jq -r .state)" "$id completed"
		assert_equal "$(grep -c '"type":"done"' "$AWCP_HOME/assignments/$id/events.ndjson")" 1
	done
	assert_equal "$(awcp-queue list)" ''
	assert_equal "$(awcp-queue check 2>&1)" ''
}
