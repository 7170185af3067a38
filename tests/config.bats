#!/usr/bin/env bats
# Settings: files, environment, and which of them is in force.

load helper

setup()
{
	own_home
	unset AWCP_CONFIG
	mkdir -p "$HOME/.config/awcp" "$HOME/ws"
	cd "$HOME/ws"
	FILE=$HOME/.config/awcp/config
}

teardown()
{
	stop_all
}

# write line...: the account's file.
write()
{
	printf '%s\n' "$@" >"$FILE"
	chmod 600 "$FILE"
}

# refused status text: awcp-list refuses to run and says this.
refused()
{
	run awcp-list
	assert_equal "$status" "$1"
	assert_output --partial "awcp-list: $2"
}

# Run a command with $HOME/etc in the place of /etc.
with_etc()
{
	bwrap --dev-bind / / --bind "$HOME/etc" /etc -- "$@"
}

@test "without files every setting has its default" {
	run awcp-config max-ttl AWCP_MAX_ARCHIVE home executor
	assert_success
	assert_line -n 0 1h
	assert_line -n 1 16G
	assert_line -n 2 "$AWCP_HOME"
	assert_line -n 3 ''
}

@test "a file sets what the environment does not, and awcp-config says where it comes from" {
	write '# for this account' '' '  max-ttl=2h # longer' 'keepalive = 5' 'executor = http://build/#1'
	run awcp-config
	assert_line --regexp "^max-ttl = 7200 +# $FILE:3\$"
	assert_line --regexp "^keepalive = 5 +# $FILE:4\$"
	assert_line --regexp "^executor = http://build/#1 +# $FILE:5\$"
	assert_line --regexp '^max-active = 256 +# default$'
	AWCP_MAX_TTL=60 run awcp config -j max-ttl keepalive timeout
	assert_line --partial '"key":"max-ttl","variable":"AWCP_MAX_TTL","kind":"span","default":"1h","value":"60","source":"environment"'
	assert_line --partial '"source":"file"'
	assert_line --partial "\"file\":\"$FILE\",\"line\":4"
	assert_line --partial '"source":"default"'
}

@test "what awcp-config prints is a configuration file that says the same" {
	write 'max-ttl = 2h' 'sensitive = allow' 'roots = ~:/tmp' 'operators = a b'
	awcp-config >"$HOME/before"
	AWCP_CONFIG=$HOME/before awcp-config | sed 's/  *#.*//' >"$HOME/once"
	sed 's/  *#.*//' "$HOME/once" >"$HOME/again"
	AWCP_CONFIG=$HOME/again awcp-config | sed 's/  *#.*//' >"$HOME/twice"
	run diff "$HOME/once" "$HOME/twice"
	assert_success
	assert_equal "$(AWCP_CONFIG=$HOME/before awcp-config roots)" "$HOME:/tmp"
	assert_equal "$(awcp-config roots)" "$HOME:/tmp"
}

@test "a program goes by the file, and an option goes before it" {
	write 'home = ~/elsewhere' 'executor = http://127.0.0.1:9/nobody'
	unset AWCP_HOME
	awcp-token add alice
	assert [ -d "$HOME/elsewhere/tokens" ]
	run awcp-invite "hello"
	assert_equal "$status" 69
	assert_output --partial 'cannot reach http://127.0.0.1:9:'
	run awcp-invite -e http://127.0.0.1:8/other "hello"
	assert_output --partial 'cannot reach http://127.0.0.1:8:'
}

@test "an executor goes by the file" {
	write 'max-ttl = 1m' 'auth = none' 'sandbox = none'
	start_server
	request GET /awcp/status
	assert_status 200
	run awcp-invite -t 2m -e "$URL" -r "$HOME" "hello"
	assert_equal "$status" 69
	assert_output --partial 'a lease of 120 s is longer than is given here'
}

@test "a span in the environment may have a unit, too" {
	assert_equal "$(AWCP_MAX_TTL=2h awcp-config max-ttl)" 7200
	AWCP_TIMEOUT=1m run awcp-invite -e http://127.0.0.1:9/nobody "hello"
	assert_equal "$status" 69
	AWCP_TIMEOUT=soon run awcp-invite -e http://127.0.0.1:9/nobody "hello"
	assert_equal "$status" 78
}

@test "XDG_CONFIG_HOME says where the account's file is, AWCP_CONFIG which one counts" {
	write 'max-ttl = 1m'
	mkdir -p "$HOME/xdg/awcp"
	echo 'max-ttl = 2m' >"$HOME/xdg/awcp/config"
	echo 'max-ttl = 3m' >"$HOME/own"
	assert_equal "$(awcp-config max-ttl)" 60
	assert_equal "$(XDG_CONFIG_HOME=$HOME/xdg awcp-config max-ttl)" 120
	assert_equal "$(AWCP_CONFIG=$HOME/own awcp-config max-ttl)" 180
	assert_equal "$(AWCP_CONFIG=none awcp-config max-ttl)" 1h
	AWCP_CONFIG=$HOME/nothing run awcp-config
	assert_equal "$status" 78
	assert_output --partial "cannot read $HOME/nothing"
}

@test "the account's file goes before the machine's, and an empty value is the default again" {
	mkdir -p "$HOME/etc/awcp"
	printf '%s\n' 'max-ttl = 3m' 'max-active = 7' 'timeout = 9' >"$HOME/etc/awcp/awcp.conf"
	write 'max-ttl = 4m' 'timeout ='
	with_etc true 2>/dev/null || skip 'bubblewrap cannot make a sandbox here'
	run with_etc "$BUILD/bin/awcp-config"
	assert_line --regexp "^max-ttl = 240 +# $FILE:1\$"
	assert_line --regexp '^max-active = 7 +# /etc/awcp/awcp.conf:2$'
	assert_line --regexp "^timeout = 30s +# $FILE:2\$"
}

@test "what is wrong is an error with file and line, and nothing is done" {
	write 'max-ttl = 1h' '' 'max-tll = 2h'
	refused 78 "$FILE:3: there is no setting max-tll; awcp-config lists them"
	write 'AWCP_MAX_TTL = 2h'
	refused 78 "$FILE:1: there is no setting AWCP_MAX_TTL"
	write 'max-ttl = 1h' 'max-ttl = 2h'
	refused 78 "$FILE:2: max-ttl is set in line 1 already"
	write 'max-ttl'
	refused 78 "$FILE:1: neither a comment nor \"key = value\""
	write 'max-ttl = soon'
	refused 78 "$FILE:1: max-ttl: not a span of time: soon"
	write 'max-bytes = 1X'
	refused 78 "$FILE:1: max-bytes: not a number: 1X"
	write 'auth = some'
	refused 78 "$FILE:1: auth: it is one of token|none, not some"
	write 'auth = token|none'
	refused 78 "$FILE:1: auth: it is one of"
	write 'hooks = hooks'
	refused 78 "$FILE:1: hooks: not an absolute path: hooks"
	printf 'max-ttl = 1h\0' >"$FILE"
	refused 78 "$FILE: it has a NUL"
	assert [ ! -e "$AWCP_HOME" ]
}

@test "FastCGI programs and awcp-serve refuse a wrong file, too" {
	write 'nonsense = 1'
	for program in awcp-executor awcp-delegator awcp-queued; do
		REQUEST_METHOD=GET run "$BUILD/libexec/awcp/$program" </dev/null
		assert_equal "$status" 78
		assert_output "$program: $FILE:1: there is no setting nonsense; awcp-config lists them"
	done
	run awcp-serve
	assert_equal "$status" 78
	assert_output --partial 'there is no setting nonsense'
}

@test "-h and -V answer whatever the files say" {
	write 'nonsense = 1'
	run awcp-list -h
	assert_success
	run awcp-list -V
	assert_success
}

@test "a file that others may write to, or that is no file, is refused" {
	write 'max-ttl = 1h'
	chmod 620 "$FILE"
	refused 77 "$FILE: others may write to it; chmod go-w it, if you trust what is in it"
	chmod 602 "$FILE"
	refused 77 "$FILE: others may write to it"
	rm "$FILE"
	mkfifo "$FILE"
	refused 78 "$FILE: not a file"
}

@test "a file that another user owns is refused" {
	[ "$(id -u)" -eq 0 ] || skip 'not root'
	write 'max-ttl = 1h'
	chown 65534 "$FILE"
	refused 77 "$FILE: it belongs to another user"
}

@test "-e sets in sh what the files set" {
	write "operators = it's me" 'max-ttl = 1m' 'timeout = 5'
	run env AWCP_TIMEOUT=6 awcp-config -e
	assert_line "export AWCP_OPERATORS='it'\\''s me'"
	assert_line "export AWCP_MAX_TTL='60'"
	refute_line --partial AWCP_TIMEOUT
	run sh -c 'eval "$(awcp-config -e)"; echo "$AWCP_OPERATORS"'
	assert_output "it's me"
}

@test "a password in an address is not shown" {
	write 'executor = https://joe:hunter2@build/awcp'
	run awcp-config executor
	assert_output 'https://***@build/awcp'
	run awcp-config -j
	refute_output --partial hunter2
}

@test "a key that does not exist is no input" {
	run awcp-config max-tll
	assert_equal "$status" 66
	assert_output --partial 'there is no setting max-tll'
}

@test "the previous name of a setting is accepted, and the new one is shown" {
	write 'session-retention = 2d'
	run awcp-config
	assert_line --regexp "^reader-retention = 172800 +# $FILE:1\$"
	refute_output --partial session-retention
	assert_equal "$(awcp-config session-retention)" 172800
	assert_equal "$(AWCP_SESSION_RETENTION=1d awcp-config AWCP_READER_RETENTION)" 86400
	assert_equal "$(AWCP_SESSION_RETENTION=1d AWCP_READER_RETENTION=3d awcp-config reader-retention)" 259200
	write 'session-retention = 2d' 'reader-retention = 3d'
	refused 78 "$FILE:2: reader-retention is set in line 1 already"
}

# key, kind and default, of the page and of the table.
@test "awcp.conf(5) has every setting with its default" {
	sed -nE 's/^\.It Cm ([a-z-]+) = Ar ([a-z]+)( Pq (.*))?$/\1 \2 \4/p' "$REPO/man/awcp.conf.5" |
		sed 's/ $//' | sort >"$HOME/page"
	AWCP_CONFIG=none awcp-config -j | jq -r '.key + " " + .kind + " " + .default' | sed 's/ $//' |
		sort >"$HOME/settings"
	run diff "$HOME/settings" "$HOME/page"
	assert_success
}
