#!/usr/bin/env bats
# awcp-doctor: what is well, what is not, and what to do about it.

load helper

setup()
{
	own_home
	export AWCP_MIN_FREE=1M
}

teardown()
{
	stop_all
}

# finds grade check text advice: awcp-doctor has a finding like this (extended regular expressions).
finds()
{
	run awcp-doctor -j
	echo "$output" | jq -se --arg g "$1" --arg c "$2" --arg t "$3" --arg a "$4" \
		'any(.grade == $g and .check == $c and (.text | test($t)) and (.advice | test($a)))' \
		>/dev/null || fail "no $*: $output"
}

@test "on a machine where all is well nothing is bad, a line a check, and nothing is changed" {
	awcp-token add alice
	awcp-reap
	find "$AWCP_HOME" | sort >"$HOME/before"
	AWCP_SANDBOX=none run awcp-doctor
	assert_success
	assert_line --regexp "^ok    state       $AWCP_HOME, layout 2\$"
	assert_line --regexp '^ok    nginx       /'
	assert_line --regexp '^ok    web server  '
	assert_line --regexp '^ok    reap        awcp-reap ran [0-9]+ s ago$'
	assert_line --regexp '^warn  sandbox     tasks run without one'
	find "$AWCP_HOME" ! -name tmp | sort >"$HOME/after"
	run diff "$HOME/before" "$HOME/after"
	assert_success
	AWCP_SANDBOX=none run awcp-doctor -q
	refute_output --partial ok
}

@test "where it is started from does not matter, nor does it leave anything there" {
	awcp-list
	mkdir "$HOME/closed"
	chmod 500 "$HOME/closed"
	cd "$HOME/closed"
	finds ok 'web server' . ''
	run ls -A
	assert_output ''
}

@test "without a state there is nothing wrong, and none is made" {
	AWCP_SANDBOX=none run awcp-doctor
	assert_success
	assert_line --partial 'is not there yet'
	assert [ ! -e "$AWCP_HOME" ]
}

@test "wrong settings are found" {
	echo 'max-tll = 1' >"$HOME/conf"
	AWCP_CONFIG=$HOME/conf finds bad settings 'conf:1: there is no setting max-tll' awcp-config
	assert_equal "$status" 1
	AWCP_MAX_TTL=soon finds bad settings 'AWCP_MAX_TTL: not a span of time: soon' 15m
	AWCP_MAX_TLL=1 finds warn settings 'nothing reads AWCP_MAX_TLL' awcp-config
	AWCP_SESSION_RETENTION=1d finds warn settings 'AWCP_SESSION_RETENTION is called AWCP_READER_RETENTION now' 'still works'
}

@test "a program that is missing is found, with the package that has it" {
	mkdir "$HOME/bin"
	for program in git bwrap nginx; do
		ln -s "$(PATH=$PATH:/usr/sbin command -v $program)" "$HOME/bin/"
	done
	run env PATH="$HOME/bin" "$BUILD/bin/awcp-doctor"
	assert_line --regexp '^warn  spawn-fcgi  it is not installed; .*apt-get install spawn-fcgi'
}

@test "a sandbox that does not work is found" {
	AWCP_SANDBOX=bwrap,nonsense finds bad sandbox nonsense ''
	mkdir "$HOME/bin"
	printf '#!/bin/sh\necho no namespaces here >&2\nexit 1\n' >"$HOME/bin/bwrap"
	chmod 755 "$HOME/bin/bwrap"
	PATH=$HOME/bin:$PATH finds bad sandbox 'no namespaces here' 'install bubblewrap'
}

@test "a configuration that nginx does not take is found, with its words" {
	awcp-list
	mkdir -p "$HOME/there/bin" "$HOME/there/share/awcp"
	cp "$BUILD/bin/awcp-doctor" "$HOME/there/bin/"
	sed 's/keepalive_timeout/keepalife_timeout/' "$BUILD/share/awcp/nginx.conf.in" \
		>"$HOME/there/share/awcp/nginx.conf.in"
	run "$HOME/there/bin/awcp-doctor"
	assert_failure 1
	assert_line --regexp '^bad   web server  nginx does not take .*keepalife_timeout'
	assert_line --regexp '^bad   sockets     .*libexec/awcp/awcp-executor: No such file'
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

@test "tokens that others may read, that expired, or that soon will are found" {
	awcp-token add -x 1 alice
	awcp-token add -x 2d bob
	awcp-token add -x 30d carol
	chmod 644 "$AWCP_HOME"/tokens/*
	finds bad tokens 'tokens/[0-9a-f]+ may be read by others' 'chmod 600'
	chmod 600 "$AWCP_HOME"/tokens/*
	wait_until finds warn tokens 'alice expired at' 'awcp-token rm alice'
	finds warn tokens 'bob expires at' ''
	refute_output --partial carol
	refute_output --partial awcp_
	AWCP_ROOTS=$HOME finds warn tokens 'no token may lend' 'awcp-token set --rights'
	awcp-token set --rights lend,read carol
	AWCP_ROOTS=$HOME finds ok tokens 'that of carol may also lend' ''
	refute_output --partial 'no token may lend'
}

@test "a full disk, a clock that was put back, and damage are found" {
	awcp-list
	AWCP_MIN_FREE=1000000G finds bad disk 'less than the' AWCP_MIN_FREE
	touch -d '+2 hours' "$AWCP_HOME/version"
	finds bad clock '(119|120) min newer' timedatectl
	mkdir -p "$AWCP_HOME/corrupt"
	: >"$AWCP_HOME/corrupt/x"
	finds warn damage '1 file in .*/corrupt' 'disk'
}

@test "that awcp-reap does not run is found" {
	awcp-list
	finds warn reap 'never run' crontab
	awcp-reap
	touch -d '-1 hour' "$AWCP_HOME/due/.state"
	finds warn reap '(60|61) min ago' 'awcp-reap.timer'
}

@test "a delegation that nobody follows, and a server that was killed, are found" {
	start_server -A none -S none
	finds ok sockets '1, and all answer' ''
	mkdir "$HOME/ws"
	id=$(awcp-invite -b -q -e "$URL" -r "$HOME/ws" "nobody works here")
	finds warn followers 'nobody follows 1 delegation$' awcp-watch
	stop_all
	mkdir -p "$AWCP_HOME/serve-1"
	finds warn sockets 'serve-1/executor.sock: awcp-serve was killed' awcp-reap
}

@test "a profile that is stopped is found, and what the file system cannot do" {
	mkdir -p "$AWCP_HOME/guards"
	jq -n --arg t "$(date -u -d '+10 min' +%Y-%m-%dT%H:%M:%SZ)" \
		'{kind: "profile", name: "agent", until: $t, stopped: true, why: "it died 5 times"}' \
		>"$AWCP_HOME/guards/profile.agent"
	finds warn work 'profile agent is stopped: it gets no work until .*it died 5 times' 'awcp-run --clear agent'
	awcp-run --clear agent
	finds ok work 'nothing is stopped' ''
	gcc -shared -fPIC -D_GNU_SOURCE -o "$HOME/no_links.so" -x c - <<-'C'
		#include <errno.h>
		int symlinkat(const char *t, int d, const char *n) { (void)t; (void)d; (void)n; errno = ENOSYS; return -1; }
		int mkfifoat(int d, const char *n, unsigned m) { (void)d; (void)n; (void)m; errno = EPERM; return -1; }
	C
	LD_PRELOAD=$HOME/no_links.so finds bad state 'will not do: it has no symbolic links, FIFOs$' ext4
	LD_PRELOAD=$HOME/no_links.so run -74 awcp-queue put -k k x
	assert_output --partial 'must have symbolic links'
}
