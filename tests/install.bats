#!/usr/bin/env bats
# What make install puts on a machine besides the programs: it fits them, and it works.

# bats file_tags=plain
load helper

setup_file()
{
	own_home
	ROOT=$BATS_FILE_TMPDIR/root
	export ROOT
	install_to "$ROOT" /usr
}

setup()
{
	own_home
}

teardown_file()
{
	stop_all
}

# install_to destdir prefix
install_to()
{
	make -s -C "$REPO" B="${BUILD#"$REPO/"}" DESTDIR="$1" PREFIX="$2" install 3>&-
}

# offers word...: what bash offers to complete the last of them.
offers()
{
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_awcp "$1"
	printf '%s\n' "${COMPREPLY[@]}"
}

load_completion()
{
	PATH=$ROOT/usr/bin:$PATH
	# shellcheck source=/dev/null
	. "$ROOT/usr/share/bash-completion/completions/awcp"
}

# The options that program $1 shows with -h, and its commands.
options_of()
{
	help_of "$1" | sed -nE 's/^[[:space:]]+(-[A-Za-z0-9]|--[a-z-]+)([[:space:]].*)?$/\1/p' | sort -u
}

# compare_options shell: what it (a function) offers for each program, and for its subcommands, has
# every option that -h shows.
compare_options()
{
	local program name verb
	for program in "$BUILD"/bin/awcp-*; do
		name=${program##*/}
		options_of "$name" >"$HOME/options"
		assert [ -s "$HOME/options" ]
		{
			"$1" "$name" -
			for verb in $(_awcp_verbs "$name"); do
				"$1" "$name" "$verb" -
			done
		} | grep '^-' | sort -u >"$HOME/offered"
		run comm -23 "$HOME/options" "$HOME/offered"
		[ -z "$output" ] || fail "$name: $output"
	done
}

@test "what is installed is where it belongs, runs, and knows where it is" {
	run "$ROOT/usr/bin/awcp" help
	assert_success
	assert_equal "$(sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' <<<"$output" | sort)" \
		"$(cd "$ROOT/usr/bin" && printf '%s\n' awcp-* | sed 's/^awcp-//' | sort)"
	for page in "$REPO"/man/*.[1-8]; do
		assert [ -s "$ROOT/usr/share/man/man${page##*.}/${page##*/}" ]
	done
	run grep -rlE '@[A-Z_]+@' "$ROOT/usr/lib" "$ROOT/usr/share/doc"
	assert_output ''
	run grep -h '^ExecStart=' "$ROOT/usr/lib/systemd/system/awcp-executor.service"
	assert_output 'ExecStart=/usr/libexec/awcp/awcp-executor'
	run grep '^SocketGroup=' "$ROOT/usr/lib/systemd/system/awcp-executor.socket"
	assert_output 'SocketGroup=www-data'
}

@test "uninstall takes all of it away" {
	install_to "$HOME/other" /opt/awcp
	assert [ -x "$HOME/other/opt/awcp/bin/awcp-list" ]
	make -s -C "$REPO" B="${BUILD#"$REPO/"}" DESTDIR="$HOME/other" PREFIX=/opt/awcp uninstall 3>&-
	run find "$HOME/other" ! -type d
	assert_output ''
	run find "$HOME/other" -name awcp -path '*/share/*'
	assert_output ''
}

@test "bash completes every option that -h shows" {
	load_completion
	compare_options offers
}

@test "bash completes commands, subcommands, values and operands" {
	load_completion
	run offers awcp sn
	assert_output snapshot
	run offers awcp snapshot ex
	assert_output export
	run offers awcp-queue put --r
	assert_output --partial --retries
	refute_output --partial --repair
	run offers awcp-invite -m s
	assert_output staged
	run offers awcp-snapshot export -F tar
	assert_line tar.zst
	run offers awcp-list a
	assert_output assignments
	run offers awcp config max-t
	assert_output max-ttl
	echo secret >"$HOME/alice.token"
	run offers awcp-invite -T "$HOME/al"
	assert_output "$HOME/alice.token"
}

# told_zsh word...: what zsh is told of the last of them, the option alone of each line.
told_zsh()
{
	zsh -f -c '
		_arguments() { shift; print -rl -- "$@" }
		compadd() { shift; print -rl -- "$@" }
		service=$1
		words=("$@")
		CURRENT=$#
		. "$0"
	' "$ROOT/usr/share/zsh/site-functions/_awcp" "$@" | sed -E 's/^\*(-[^[]*)\[.*/\1/'
}

@test "zsh completes every option that -h shows" {
	command -v zsh >/dev/null || skip 'zsh is not installed'
	load_completion
	compare_options told_zsh
	grep -q 'keep it for\]:mode:(auto staged discard)' "$ROOT/usr/share/zsh/site-functions/_awcp"
}

@test "the example of a configuration file holds all settings, and they are right" {
	sed 's/^#\([a-z]\)/\1/' "$ROOT/usr/share/doc/awcp/examples/awcp.conf" >"$HOME/conf"
	AWCP_CONFIG=$HOME/conf run awcp-config -j
	assert_success
	refute_output --partial '"source":"default"'
}

@test "systemd finds nothing wrong with the units" {
	command -v systemd-analyze >/dev/null || skip 'systemd is not installed'
	install_to '' "$HOME/prefix" # where the units say that it is
	run systemd-analyze verify --man=no "$HOME"/prefix/lib/systemd/system/*
	assert_success
	assert_output ''
	export XDG_RUNTIME_DIR=$HOME/run
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	run systemd-analyze verify --user --man=no "$HOME"/prefix/lib/systemd/user/*
	assert_success
	assert_output ''
}

@test "the lines of the crontab work where it is installed, with the PATH that cron has" {
	install_to '' "$HOME/prefix"
	while read -r line; do
		run -0 env -i HOME="$HOME" AWCP_HOME="$AWCP_HOME" AWCP_CONFIG=none PATH=/usr/bin:/bin sh -c "$line"
		assert_output ''
	done < <(sed -n 's/^@reboot[[:blank:]]*//p; s/^\*[^a-z/]*//p' "$HOME/prefix/share/doc/awcp/examples/crontab")
	[ -e "$AWCP_HOME/due/.state" ]
}

@test "make deb makes a package that depends on what it uses" {
	command -v dpkg-shlibdeps >/dev/null || skip 'dpkg-dev is not installed'
	case $BUILD in */sanitized) skip 'nobody packages that' ;; esac
	run make -s -C "$REPO" deb 3>&-
	assert_success
	deb=$output
	run dpkg-deb -f "$deb" Depends
	assert_output --partial 'libarchive13'
	assert_output --partial 'nginx-light | nginx'
	dpkg-deb -x "$deb" "$HOME/package"
	assert_equal "$("$HOME/package/usr/bin/awcp-list" -V)" "$(awcp-list -V)"
	assert [ -f "$HOME/package/etc/awcp/awcp.conf" ]
	assert [ -f "$HOME/package/usr/lib/systemd/system/awcp-executor.socket" ]
	assert [ -f "$HOME/package/usr/share/zsh/vendor-completions/_awcp" ]
	run dpkg-deb -I "$deb" conffiles
	assert_output /etc/awcp/awcp.conf
}

# exposed unit most: at most so exposed, in systemd's eyes, of 100.
exposed()
{
	run systemd-analyze security --offline=yes --no-pager --threshold="$2" \
		"$ROOT/usr/lib/systemd/system/$1"
	assert_success
}

@test "the units are fenced in" {
	command -v systemd-analyze >/dev/null || skip 'systemd is not installed'
	exposed awcp-executor.service 10
	exposed awcp-queued.service 10
	exposed awcp-delegator.service 25
	exposed awcp-watch.service 25
	exposed awcp-run@.service 45
}

@test "the account and its directory can be made" {
	command -v systemd-sysusers >/dev/null || skip 'systemd is not installed'
	[ "$(id -u)" -eq 0 ] || skip 'not root'
	mkdir -p "$HOME/root/etc"
	systemd-sysusers --root="$HOME/root" "$ROOT/usr/lib/sysusers.d/awcp.conf"
	run grep ^awcp: "$HOME/root/etc/passwd"
	assert_output --partial ':/var/lib/awcp:'
	systemd-tmpfiles --root="$HOME/root" --create "$ROOT/usr/lib/tmpfiles.d/awcp.conf"
	run stat -c %a "$HOME/root/var/lib/awcp"
	assert_output 700
}

@test "behind the example of a site the executor answers on a socket that was waiting for it" {
	command -v systemd-socket-activate >/dev/null || skip 'systemd is not installed'
	local run=$BATS_TEST_TMPDIR/r
	mkdir "$run"
	start_process "$run/log" systemd-socket-activate --inetd -l "$run/executor.sock" \
		-E AWCP_HOME="$AWCP_HOME" -E AWCP_CONFIG=none -E AWCP_AUTH=none "$EXECUTOR"
	wait_until test -S "$run/executor.sock"
	PORT=$(free_port) URL=http://127.0.0.1:$PORT/awcp
	{
		[ "$(id -u)" -ne 0 ] || echo 'user root;'
		printf 'pid nginx.pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n'
		sed "s|127.0.0.1:10200|127.0.0.1:$PORT|; s|/run/awcp/|$run/|" \
			"$ROOT/usr/share/doc/awcp/examples/nginx-site.conf"
		for what in client_body fastcgi proxy scgi uwsgi; do
			printf '%s_temp_path %s;\n' "$what" "$what"
		done
		echo '}'
	} >"$run/nginx.conf"
	start_process "$run/nginx.log" env PATH="$PATH:/usr/sbin" nginx -e stderr -p "$run/" -c nginx.conf \
		-g 'daemon off;'
	wait_until test -s "$run/nginx.pid"
	request GET /awcp/status
	assert_status 200
	assert_json '.activeDelegations == 0'
	request GET /nowhere
	assert_refused 404 NOT_FOUND
}
