# worker.bash - what the tests of awcp-run share: delegations that wait, and workers to take them.
#
#	load helper
#	load worker
#	setup_file() { own_home; start_server -A none; find_sandbox; }
#	setup() { WS=$BATS_TEST_TMPDIR/ws; … }	# the directory that lend lends
# shellcheck shell=bash
# shellcheck disable=SC2030,SC2031,SC2034 # a test's variables are its own

# find_sandbox: sets SANDBOX to what works here.
find_sandbox()
{
	SANDBOX=none
	! bwrap --ro-bind / / --unshare-pid --proc /proc --dev /dev true 2>/dev/null || SANDBOX=bwrap
	export SANDBOX
}

# lend prompt [option...]: sets ID; the task waits.
lend()
{
	local prompt=$1
	shift
	ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS" "$@" -- "$prompt")
	STATE=$AWCP_HOME/assignments/$ID
}

# work [option...] [-- command...]: run one task, by default what the prompt says.
work()
{
	case " $* " in
	*' -- '*) run awcp-run -1v -S "$SANDBOX" "$@" ;;
	*) run awcp-run -1v -S "$SANDBOX" "$@" -- sh ;;
	esac
}

# start_worker [option...] -- command...: in the background; sets WORKER.
start_worker()
{
	start_process "$BATS_TEST_TMPDIR/worker.log" awcp-run -v --grace 0 -S "$SANDBOX" "$@"
	WORKER=$STARTED
}

# event filter: of what the delegator was told, the first that fits.
event()
{
	jq -cse "map(select($1)) | .[0] // empty" "$STATE/events.ndjson" 2>/dev/null
}

assert_event()
{
	event "$1" >/dev/null || fail "no $1 in $(cat "$STATE/events.ndjson")"
}

summary()
{
	local done
	done=$(event '.type == "done"') && jq -r .summary <<<"$done"
}

result_file()
{
	bsdtar -xOf "$STATE/result.archive" "$1"
}

need_sandbox()
{
	[ "$SANDBOX" = bwrap ] || skip 'bubblewrap does not work here'
}

no_such_process()
{
	! pgrep -fx "$1" >/dev/null
}

# A command line of sleep that nothing else on this machine has.
unique_sleep()
{
	echo "sleep 9$RANDOM.$RANDOM"
}
