# The power fails: of the state nothing is left but what was synced.  What an executor answered with
# ACCEPT, ok or done is among it, and with what is left one can go on.

# bats file_tags=plain
load helper

setup_file()
{
	own_home
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$BATS_FILE_TMPDIR/power.so" "$REPO/tests/fault/power.c" -ldl
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$BATS_FILE_TMPDIR/fault.so" "$REPO/tests/fault/fault.c" -ldl
	cp "$(command -v sync)" "$BATS_FILE_TMPDIR/awcp-sync"
}

teardown_file() { stop_all; }

setup()
{
	own_home
	cd "$BATS_TEST_TMPDIR"
	export POWER=$PWD/power
	mkdir "$POWER"
}

# Runs a command of which is noted what it makes durable.
with_power()
{
	LD_PRELOAD=$BATS_FILE_TMPDIR/fault.so:$BATS_FILE_TMPDIR/power.so "$@"
}

# rebuild known directory: what is left of it.
rebuild()
{
	local type known name
	[ -e "$POWER/$1.names" ] || return 0
	while read -r type known name; do
		case $type in
		d) mkdir "$2/$name" && rebuild "$known" "$2/$name" ;;
		*) if [ -e "$POWER/$known" ]; then cp "$POWER/$known" "$2/$name"; else : >"$2/$name"; fi ;;
		esac
	done <"$POWER/$1.names"
}

# The power fails, and comes back.
power_cut()
{
	local root
	root=$(stat -c '%i-%.9W' "$AWCP_HOME" | sed 's/\.0*\([0-9]\)/.\1/')
	[ -e "$POWER/$root.names" ] || fail "the state directory itself was never synced: $root"
	mkdir -m 700 after
	rebuild "$root" after
	rm -rf "$AWCP_HOME" "$POWER"
	mv after "$AWCP_HOME"
	mkdir "$POWER"
	# What is there now is on the disk.
	find "$AWCP_HOME" -print0 | LD_PRELOAD=$BATS_FILE_TMPDIR/power.so xargs -0 "$BATS_FILE_TMPDIR/awcp-sync"
}

# cgi file [fault]: one message to the executor as plain CGI; prints the answer.
cgi()
{
	FAULT=${2-} with_power env REQUEST_METHOD=POST SCRIPT_NAME=/awcp CONTENT_LENGTH="$(stat -c %s "$1")" \
		FAULT_CALLS="$BATS_TEST_TMPDIR/calls" CONTENT_TYPE=application/json AWCP_AUTH=none \
		"$EXECUTOR" <"$1" || true
}

messages()
{
	jq -cj ".request.body | fromjson | .delegationId = \"$1\"" "$FIXTURES/awcp-v1/01-invite-accept.json" >invite
	jq -cj ".request.body | fromjson | .delegationId = \"$1\" | .lease.expiresAt = \"2099-01-01T00:00:00.000Z\"" \
		"$FIXTURES/awcp-v1/03-start.json" >start
}

state() { awcp-show -j "$1" | jq -r .state; }

@test "what was accepted, started and done is there when the power comes back" {
	messages dlg_kept
	run cgi invite
	assert_output --partial '"ACCEPT"'
	power_cut
	assert_equal "$(state dlg_kept)" pending
	run cgi start
	assert_output --partial '"ok":true'
	power_cut
	assert_equal "$(state dlg_kept)" active
	with_power awcp-run -1 -S none -- sh -c 'echo changed >changed'
	assert_equal "$(state dlg_kept)" completed
	sum=$(sha256sum <"$AWCP_HOME/assignments/dlg_kept/result.archive")
	power_cut
	assert_equal "$(state dlg_kept)" completed
	assert_equal "$(sha256sum <"$AWCP_HOME/assignments/dlg_kept/result.archive")" "$sum"
	assert_equal "$(tail -n 1 "$AWCP_HOME/assignments/dlg_kept/events.ndjson" | jq -r .type)" done
	# That the queue's task has ended is not; whoever takes it again sees it.
	awcp-run -1 -S none -- touch "$PWD/again"
	[ ! -e again ]
	awcp-queue list -s completed | grep -q .
}

@test "of many INVITEs at once each that was accepted is there when the power comes back" {
	local i
	export LD_PRELOAD=$BATS_FILE_TMPDIR/power.so
	start_server -A none -S none
	unset LD_PRELOAD
	for i in $(seq 40); do
		messages "dlg_many$i"
		mv invite "invite.$i"
		printf 'next\nurl = %s\noutput = answer.%s\ndata-binary = @invite.%s\nheader = "Content-Type: application/json"\n' \
			"$URL" "$i" "$i"
	done | tail -n +2 >requests
	curl -sZ --parallel-max 16 -K requests
	stop_process "$SERVER_PID"
	assert_equal "$(cat answer.* | grep -o '"ACCEPT"' | wc -l)" 40
	power_cut
	assert_equal "$(awcp-list -aj assignments | jq -r .state | sort | uniq -c | xargs)" '40 pending'
}

@test "the power fails at any change of INVITE and START: both can be sent again" {
	local i answer cut message
	declare -A changes
	messages dlg_first
	for cut in invite start; do
		cgi $cut 28:0 >/dev/null
		changes[$cut]=$(cat calls)
	done
	for cut in invite start; do
		for ((i = 1; i <= changes[$cut]; i += FAULT_STRIDE)); do
			messages "dlg_$cut$i"
			[ $cut = invite ] || cgi invite >/dev/null
			cgi $cut "kill:$i" >/dev/null 2>&1
			power_cut
			for message in invite start; do
				answer=$(cgi $message)
				[[ $answer == *ACCEPT* || $answer == *'"ok":true'* ]] || fail "at $i of $cut: $message: $answer"
			done
		done
	done
	assert_equal "$(awcp-queue check 2>&1)" ''
}
