# The sandbox: its words, what each keeps a task from, and what the executor says of it.
# shellcheck disable=SC2016 # what is quoted is for the worker's shell
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper
load worker

setup_file()
{
	own_home
	start_server -A none
	find_sandbox
}

teardown_file()
{
	stop_all
}

setup()
{
	[ "$SANDBOX" = bwrap ] || skip 'bubblewrap does not work here'
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	echo one >"$WS/a.txt"
}

teardown()
{
	[ -z "${WORKER-}" ] || stop_process "$WORKER"
	rm -rf "$AWCP_HOME/queue/default"
}

# confine words: as work, in bwrap with these words.
confine()
{
	SANDBOX=bwrap,$1 work
}

assert_failed()
{
	assert_event ".type == \"error\" and .code == \"TASK_FAILED\" and (.message | test(\"$1\"))"
}

# --- what each word does

@test "without a word the network is there, with no-network only a loopback" {
	lend 'cat /proc/net/dev | wc -l; ls /run | wc -l'
	work
	before=$(summary)
	lend 'tail -n +3 /proc/net/dev | sed "s/:.*//;s/ //g"; ls /run | wc -l; touch /run/x 2>/dev/null || echo ro'
	confine no-network
	assert_equal "$(summary)" $'lo\n0\nro'
	[ "$before" != "$(summary)" ]
}

@test "with no-network a server of this machine cannot be reached" {
	lend "curl -sS -m 5 '$URL/status' || echo cut off"
	confine no-network
	assert_equal "$(summary)" 'cut off'
}

# listen path: somebody else's service there, who is told of nobody but what connects.
listen()
{
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die;
		chmod 0777, $ARGV[0]; while (my $c = $s->accept) { print $c "reached\n" }' "$1" 3>&- &
	note_started $!
	wait_until [ -S "$1" ]
}

@test "with no-network no socket outside can be reached, wherever it lies and whenever it came" {
	places=$(mktemp -d /var/tmp/awcp-XXXXXX)
	chmod 755 "$places"
	listen "$places/here"
	[ ! -w /opt ] || shown=$(mktemp -d /opt/awcp-XXXXXX)
	[ -z "${shown-}" ] || { chmod 755 "$shown" && listen "$shown/system"; }
	cat >"$BATS_TEST_TMPDIR/agent" <<-'A'
		#!/usr/bin/perl
		use IO::Socket::UNIX; use Socket;
		sub reach { my $s = IO::Socket::UNIX->new(Peer => $_[0]); $s && <$s> || "no\n" }
		my ($here, $later, $system) = split ' ', <STDIN>;
		sleep 2; # until the later one is there
		print reach($here), reach($later), reach($system), reach("\0awcp-test-$ENV{AWCP_ID}");
		IO::Socket::UNIX->new(Local => '/tmp/own', Listen => 1) or print "none of its own\n";
		print socket(my $v, 40, SOCK_STREAM, 0) ? "vsock\n" : "no vsock\n";
	A
	chmod 755 "$BATS_TEST_TMPDIR/agent"
	lend "$places/here $places/later ${shown:-/none}/system"
	SANDBOX=bwrap,no-network start_worker -1 -- "$BATS_TEST_TMPDIR/agent"
	wait_until event '.type == "status" and .status == "running"' >/dev/null
	listen "$places/later"
	wait "$WORKER" || true
	rm -rf "$places" ${shown:+"$shown"}
	assert_equal "$(summary)" $'no\nno\nno\nno\nno vsock'
}

@test "with no-exec the command is the only program, whatever it tries" {
	cat >"$BATS_TEST_TMPDIR/agent" <<-'A'
		#!/usr/bin/perl
		# The prompt is the number of execveat(2) on this machine.
		use POSIX;
		chomp(my $execveat = <STDIN>);
		my @tries = (
			[execve => sub { exec '/bin/true' }],
			[loader => sub { exec glob('/lib*/ld-linux-*.so.*'), '/bin/true' }],
			[itself => sub { exec '/proc/self/exe', '-e', '1' }],
			[execveat => sub {
				open my $file, '<', '/bin/true';
				syscall $execveat, fileno $file, my $empty = '', 0, 0, 0x1000;
			}],
		);
		for my $try (@tries) {
			my $pid = fork;
			$pid or $try->[1]->(), POSIX::_exit($! == EPERM ? 7 : 8);
			waitpid $pid, 0;
			print $try->[0], ' ', $? >> 8, "\n";
		}
		open my $file, '>', 'a.txt';
		print $file "changed\n";
	A
	chmod 755 "$BATS_TEST_TMPDIR/agent"
	case $(uname -m) in
	x86_64) lend 322 ;;
	*) lend 281 ;;
	esac
	SANDBOX=bwrap,no-exec work -- "$BATS_TEST_TMPDIR/agent"
	assert_equal "$(summary)" $'execve 7\nloader 7\nitself 7\nexecveat 7'
	awcp-watch -q "$ID"
	assert_equal "$(cat "$WS/a.txt")" changed
}

@test "memory= limits a process" {
	lend 'dd if=/dev/zero bs=300M count=1 2>/dev/null | wc -c; echo over' # all in one piece
	confine memory=64M
	assert_equal "$(summary)" $'0\nover'
}

# without_groups command...: where no control group can be made.
without_groups()
{
	if [ "$(id -u)" -eq 0 ]; then
		unshare -m sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh "$@"
	else
		"$@"
	fi
}

@test "memory= limits all processes together, shared or not, and files in memory" {
	sleep=$(unique_sleep)
	holds=(
		"hold() { all=\$(head -c 50000000 /dev/zero | tr '\\0' x); $sleep; echo \$all >/dev/null; }
			hold & hold & hold & hold & wait"
		"head -c 150000000 /dev/zero >/tmp/more; exec $sleep"
		# a file without a name, in memory
		'exec perl -e "open my \$f, q(+>&=), syscall(\$ARGV[0], my \$n = q(x), 0) or die;
			print \$f q(x) x 1000000 for 1..150; \$f->flush; sleep 60" $([ "$(uname -m)" = x86_64 ] && echo 319 || echo 279)'
	)
	for hold in "${holds[@]}"; do
		for way in '' without_groups; do
			lend "$hold"
			# shellcheck disable=SC2086 # a word or none
			run $way awcp-run -1v -S bwrap,memory=128M -- sh
			assert_failed 'its processes use more memory than the 128 MiB'
		done
	done
	no_such_process "$sleep"
	[ -z "$(find /sys/fs/cgroup -name 'awcp-task-*' 2>/dev/null)" ]
}

@test "runtimes that reserve much start under a memory limit" {
	command -v java >/dev/null || skip 'there is no java'
	lend 'java -version 2>&1 | wc -l'
	confine memory=512M
	[ "$(summary)" -ge 2 ]
}

@test "cpu= limits a process, and all that a task runs after each other" {
	lend 'while :; do :; done'
	confine cpu=1
	assert_failed 'CPU time'
	lend 'while :; do timeout 0.3 sh -c "while :; do :; done"; done'
	confine cpu=1
	assert_failed 'it has used 1 s of CPU time'
}

@test "file= limits the size of a file" {
	lend 'exec head -c 3000000 /dev/zero >big'
	confine file=1M
	assert_failed 'a file that grew too large'
}

@test "disk= limits the growth of the work directory, and only its growth" {
	head -c 3000000 /dev/urandom >"$WS/there"
	lend 'head -c 1000000 /dev/urandom >more; sleep 1.2; echo fine'
	confine disk=2M
	assert_equal "$(summary)" fine
	lend 'mkdir -p d/e; while :; do i=$((i + 1)); head -c 100000 /dev/urandom >d/e/$i; sleep 0.01; done'
	confine disk=2M
	assert_failed 'its directory has grown by [0-9]+ MiB, more than the 2 MiB'
}

@test "disk= counts what lies beside the work directory, and what was removed and is still open" {
	lend 'head -c 3000000 /dev/urandom >"$(dirname "$AWCP_RESULT")/more"'
	confine disk=2M
	assert_failed 'its directory has grown'
	lend 'exec 3>gone; rm gone; head -c 3000000 /dev/urandom >&3; sleep 10'
	confine disk=2M
	assert_failed 'its directory has grown'
}

@test "disk= cannot be evaded by nesting" {
	lend 'i=0; while [ $i -lt 200 ]; do mkdir d && cd d; i=$((i + 1)); done; sleep 5'
	confine disk=20M
	assert_failed 'nested more than 128 deep'
}

@test "tmp= limits /tmp and /dev/shm, which are the task's own" {
	lend 'for d in /tmp /dev/shm; do head -c 3000000 /dev/zero >$d/own-of-$AWCP_ID; stat -c %s $d/own*; done
		touch /dev/x 2>/dev/null || echo ro'
	confine tmp=1M
	assert_equal "$(summary)" $'1048576\n1048576\nro'
	[ ! -e "/tmp/own-of-$ID" ]
}

@test "processes= limits processes, whoever the worker is" {
	lend 'for i in $(seq 50); do sleep 1 & done; wait'
	confine processes=20
	assert_failed 'ork'
	lend 'for i in $(seq 10); do sleep 0.1 & done; wait; echo fine'
	confine processes=20
	assert_equal "$(summary)" fine
}

@test "a task is nobody who may do anything to this machine" {
	cat >"$BATS_TEST_TMPDIR/agent" <<-'A'
		#!/usr/bin/perl
		use POSIX;
		print "root\n" if $< == 0 || $> == 0 || $( == 0;
		print "a group of root\n" if grep { $_ == 0 } split ' ', $(;
		for (qw(/proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sysrq-trigger)) {
			print "may write $_\n" if open my $f, '>', $_;
		}
		my ($add, $control) = `uname -m` =~ /x86_64/ ? (248, 250) : (217, 219);
		my ($type, $name, $value) = ('user', 'awcp-test', 'x');
		print "adds keys\n" if syscall($add, $type, $name, $value, 1, -4) >= 0 || $! != ENOSYS;
		print "has keys\n" if syscall($control, 0, -4, 0) >= 0 || $! != ENOSYS;
		print "a capability\n" if `grep CapEff /proc/self/status` !~ /\t0+$/;
		mkdir 'made'; chmod 0700, 'made'; link 'a.txt', 'made/b.txt'; symlink '../a.txt', 'made/l';
		open my $f, '>>', 'a.txt'; print $f "two\n"; close $f;
		open $f, '>', 'unreadable'; close $f; chmod 0200, 'unreadable';
		print -w '/tmp' && -w '/dev/shm' && -w $ENV{AWCP_WORKSPACE} ? "at work\n" : "cannot work\n";
	A
	chmod 755 "$BATS_TEST_TMPDIR/agent"
	mkdir "$WS/private"
	echo key >"$WS/private/f"
	chmod 700 "$WS/private"
	chmod 600 "$WS/private/f"
	lend x
	SANDBOX=bwrap work -- "$BATS_TEST_TMPDIR/agent"
	assert_equal "$(summary)" 'at work'
	awcp-watch -q "$ID"
	assert_equal "$(cat "$WS/made/b.txt")" $'one\ntwo'
	[ -e "$WS/unreadable" ] || [ "$(id -u)" -ne 0 ]
	assert_equal "$(stat -c %U "$WS/made" "$WS/private/f" | sort -u)" "$(id -un)"
	[ ! -e "$STATE/work" ]
}

@test "root's closed directories are empty for a task, and what is named is there" {
	[ "$(id -u)" -eq 0 ] || skip 'not root'
	closed=$(mktemp -d /var/tmp/awcp-XXXXXX)
	mkdir "$closed/there"
	echo shown >"$closed/there/f"
	echo secret >"$closed/s"
	chmod 700 "$closed"
	printf '#!/bin/sh\ncat %s/there/f; ls %s; cd; ls\n' "$closed" "$closed" >"$closed/agent"
	chmod 755 "$closed/agent"
	export AWCP_HOME=$closed/home HOME=$closed
	awcp-queue put -q jobs x >/dev/null
	run awcp-run -1v -q jobs -S "bwrap,show=$closed/there" -- "$closed/agent"
	run cat "$closed"/home/queue/jobs/jobs/*/output.log
	chmod 700 "$closed/agent"
	private=$(awcp-run -1 -q jobs -- "$closed/agent" 2>&1) || private="$? $private"
	rm -rf "$closed"
	assert_output $'shown\nagent\nhome\nthere\nagent\nhome\nthere'
	[[ $private == 78*'may not be run by everybody'* ]]
}

@test "root in the sandbox cannot undo it" {
	lend 'grep CapEff /proc/self/status; mount -o remount,rw / 2>/dev/null && echo undone; true'
	work
	assert_equal "$(summary)" $'CapEff:\t0000000000000000'
}

@test "there is one place where a command is run for a task, and that is fenced" {
	run grep -rlE '\b(process_start|sandbox_command|environment_make)\(' --include='*.c' \
		"$REPO/lib/worker" "$REPO/lib/queue" "$REPO/lib/assignment" "$REPO/bin" "$REPO/cgi"
	assert_output "$REPO/lib/worker/execution.c"
	run grep -rlE '\b(exec[lv]p?e?|posix_spawnp?|system|popen)\(' --include='*.c' "$REPO/lib/worker"
	assert_output ''
}

# --- read-only resources

@test "a resource lent read-only does not come back, changed or not" {
	mkdir "$BATS_TEST_TMPDIR/data"
	echo d >"$BATS_TEST_TMPDIR/data/d"
	for SANDBOX in none bwrap; do
		lend 'echo x >../data/d; rm -f ../data/d; echo two >a.txt' -m staged \
			-r "data=$BATS_TEST_TMPDIR/data:ro"
		work
		run bsdtar -tf "$STATE/result.archive"
		assert_line ws/a.txt
		refute_output --partial data
		awcp-watch -q "$ID"
		run awcp-snapshot show "$ID"
		refute_output --partial data/
		awcp-snapshot discard "$ID"
	done
}

@test "if all that was lent is read-only, the result is empty and is taken" {
	for option in -o\ ro ''; do
		# shellcheck disable=SC2086 # words
		ID=$(awcp-invite -bq -e "$URL" -r "ws=$WS:ro" $option 'cat a.txt')
		STATE=$AWCP_HOME/assignments/$ID
		work
		assert_equal "$(summary)" one
		run awcp-watch -q "$ID"
		assert_success
		assert_equal "$(cat "$WS/a.txt")" one
	done
}

# --- what is said of it

@test "a sandbox that makes no sense is told at the start" {
	for words in wall 'bwrap,' bwrap,x bwrap,memory bwrap,memory=0 bwrap,memory=1X bwrap,cpu=-1 \
		bwrap,processes=2M none,no-network bwrap,no-network=1 bwrap,memory=99999999999999999999; do
		run awcp-run -1 -S "$words" -- true
		assert_failure 64
		AWCP_SANDBOX=$words REQUEST_METHOD=GET PATH_INFO=/status run "$EXECUTOR"
		assert_failure 78
		assert_output --partial AWCP_SANDBOX
	done
}

@test "what does not work on this machine is told at the start" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\ncase "$*" in *--unshare-net*) echo "bwrap: no network" >&2; exit 1; esac\n' \
		>"$BATS_TEST_TMPDIR/bin/bwrap"
	chmod 755 "$BATS_TEST_TMPDIR/bin/bwrap"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run awcp-run -1 -S bwrap -- true
	assert_failure 75
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run awcp-run -1 -S bwrap,no-network -- true
	assert_failure 78
	assert_output --partial 'bwrap: no network'
}

# invite_as_cgi sandbox requirements: what the executor answers, with this sandbox.
invite_as_cgi()
{
	local message
	message=$(jq -cn --argjson demand "$2" --arg id "dlg_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" '{
		version: "1", type: "INVITE", delegationId: $id, task: {description: "d", prompt: "p"},
		lease: {ttlSeconds: 60, accessMode: "rw"}, retentionMs: 1000,
		environment: {resources: [{name: "ws", type: "fs", mode: "rw"}]},
		requirements: {transport: "archive", sandbox: $demand}}')
	ANSWER=$(printf %s "$message" | AWCP_AUTH=none AWCP_SANDBOX=$1 REQUEST_METHOD=POST PATH_INFO=/ \
		CONTENT_TYPE=application/json CONTENT_LENGTH=${#message} "$EXECUTOR" | sed '1,/^\r*$/d')
}

assert_answer()
{
	jq -e "$1" <<<"$ANSWER" >/dev/null || fail "not $1: $ANSWER"
}

@test "the executor announces what is enforced" {
	invite_as_cgi none null
	assert_answer '.executorConstraints.sandboxProfile == {cwdOnly: false, allowNetwork: true, allowExec: true}'
	invite_as_cgi bwrap '{}'
	assert_answer '.executorConstraints.sandboxProfile == {cwdOnly: true, allowNetwork: true, allowExec: true}'
	invite_as_cgi bwrap,memory=1G,no-network null
	assert_answer '.executorConstraints.sandboxProfile == {cwdOnly: true, allowNetwork: false, allowExec: true}'
	invite_as_cgi bwrap,no-exec null
	assert_answer '.executorConstraints.sandboxProfile == {cwdOnly: true, allowNetwork: true, allowExec: false}'
}

@test "an INVITE that demands a narrower sandbox is declined, one that fits is taken" {
	for case in 'none {"cwdOnly":true}' 'bwrap {"allowNetwork":false}' 'none {"allowNetwork":false}' \
		'bwrap,no-network {"allowExec":false}'; do
		invite_as_cgi "${case%% *}" "${case#* }"
		assert_answer '.type == "ERROR" and .code == "DECLINED" and (.hint | length > 0)'
	done
	for case in 'none {"cwdOnly":false}' 'bwrap {"allowNetwork":true,"allowExec":true,"cwdOnly":true}' \
		'bwrap,no-network {"allowNetwork":false,"cwdOnly":true,"other":1}' 'bwrap,no-exec {"allowExec":false}'; do
		invite_as_cgi "${case%% *}" "${case#* }"
		assert_answer '.type == "ACCEPT"'
	done
	for demand in 7 '"none"' '{"allowNetwork":"no"}' '[]'; do
		invite_as_cgi bwrap "$demand"
		assert_answer '.code == "BAD_MESSAGE"'
	done
}

@test "awcp-invite -S goes only where the sandbox is kept" {
	start_server -A none -S none
	run awcp-invite -bq -e "$URL" -r "ws=$WS" -S bwrap,no-network go
	assert_failure 69
	assert_output --partial 'not confined to their workspace'
	[ -z "$(find "$AWCP_HOME/assignments" -name workspace.archive)" ]
	stop_process "$SERVER_PID"
	start_server -A none -S bwrap,no-network -- cat
	awcp-invite -q -e "$URL" -r "ws=$WS" -S bwrap,no-network go
	run awcp-invite -bq -e "$URL" -r "ws=$WS" -S bwrap,no-exec go
	assert_failure 69
	assert_output --partial 'not kept from executing'
	for demand in none bwrap,memory=1G bwrap,tmp=2G jail; do
		run awcp-invite -bq -e "$URL" -r "ws=$WS" -S $demand go
		assert_failure 64
	done
}

@test "what a delegation demanded is kept by the worker, whatever the executor says" {
	AWCP_SANDBOX=bwrap,no-network start_server -A none
	lend go -S bwrap,no-network
	SANDBOX=bwrap work
	assert_event '.type == "error" and .code == "SETUP_FAILED" and (.message | test("not kept off the network"))'
}
