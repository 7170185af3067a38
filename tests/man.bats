#!/usr/bin/env bats
# The manual says what the programs do: its examples run, and it leaves out no option, no variable,
# no error code and no file.
#
# In the EXAMPLES of a page, literal blocks hold what is typed: "$ " begins a command and "> "
# continues it.  All commands of a page are run by one shell, in a small project, beside a running
# executor, unless the page starts one itself.

# bats file_tags=plain
load helper

MAN=$REPO/man

setup_file()
{
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
}

setup()
{
	own_home
	export AWCP_SANDBOX=none # whether a machine has one is not for this file to test
	unset AWCP_MAX_BYTES AWCP_MAX_FILES AWCP_MAX_FILE_BYTES AWCP_SENSITIVE
	make_project "$HOME/src/project"
	make_agent "$HOME/agent"
	PATH=$PATH:$HOME/agent
}

teardown()
{
	stop_all
}

make_project()
{
	mkdir -p "$1/src" "$1/fixtures" "$1/docs" "$1/build"
	printf 'int foo(void);\n' >"$1/src/main.c"
	printf 'foo\n' >"$1/fixtures/input.txt"
	printf 'About foo.\n' >"$1/docs/about.md"
	printf 'noise\n' >"$1/build/out.log"
}

# A worker that does something quick, whatever it is asked for.
make_agent()
{
	mkdir -p "$1"
	cat >"$1/my-agent" <<-'AGENT'
		#!/bin/sh
		prompt=$(cat)
		[ "$prompt" != "wait for the moon" ] || exec tail -f /dev/null
		find . -name '*.[cmt]*' -type f -exec sed -i 's/foo/bar/' {} +
		echo "$prompt" >>REPORT.md
		echo "did: $prompt"
	AGENT
	chmod 755 "$1/my-agent"
}

# The commands in the EXAMPLES of page $1.
commands_of()
{
	awk '
	/^\.Sh / { examples = ($2 == "EXAMPLES") }
	/^\.Bd -literal/ { literal = 1 }
	/^\.Ed/ { literal = 0 }
	examples && literal && /^[$>] / {
		gsub(/\\&/, ""); gsub(/\\-/, "-"); gsub(/\\e/, "\\")
		print substr($0, 3)
	}' "$MAN/$1"
}

# The commands in section $1 of the README.
commands_of_readme()
{
	awk -v title="## $1" '
	/^## / { wanted = ($0 == title) }
	/^```/ { literal = ($0 == "```sh"); next }
	wanted && literal' "$REPO/README.md"
}

# run_script file: as a person would type it.  Who starts a server waits until it says that it
# listens, and it is gone in the end.
run_script()
{
	local script=$1
	if grep -q '^awcp-serve' "$script"; then
		PORT=$(free_port)
	else
		start_server -- my-agent --headless
	fi
	sed -i -e "s/127\.0\.0\.1:10200/127.0.0.1:$PORT/g" -e '/^awcp-serve.*&$/a listening' "$script"
	cat >"$script.sh" <<-PRELUDE
		exec 2>'$script.err'
		trap 'status=\$?; [ -z "\$!" ] || kill \$! || :; wait; exit \$status' EXIT
		listening() {
			until grep -q '^awcp-serve: listening' '$script.err'; do kill -0 \$! || exit; sleep 0.01; done
		}
		set -x
	PRELUDE
	cat "$script" >>"$script.sh"
	cd "$HOME/src/project" || return
	run sh -e "$script.sh" 3>&-
	[ "$status" -eq 0 ] || fail "exit $status: $output
$(cat "$script.err" "${SERVER_LOG:-/dev/null}")"
}

# run_examples page: all of them, and there is at least one.
run_examples()
{
	commands_of "$1" >"$BATS_TEST_TMPDIR/script"
	[ -s "$BATS_TEST_TMPDIR/script" ] || fail "$1 has no examples"
	run_script "$BATS_TEST_TMPDIR/script"
}

@test "the first delegation of the README goes as written" {
	commands_of_readme "A first delegation" >"$BATS_TEST_TMPDIR/script"
	run_script "$BATS_TEST_TMPDIR/script"
	assert [ -e "$HOME/src/project/REPORT.md" ]
	assert_output --partial '+rename foo to bar'
	run cat "$HOME/src/project/src/main.c"
	assert_output 'int bar(void);'
}

@test "the examples of awcp(1) run" {
	run_examples awcp.1
}

@test "the examples of awcp(7) run" {
	run_examples awcp.7
}

@test "the examples of awcp-answer(1) run" {
	run_examples awcp-answer.1
	assert_output --partial 'int bar(void);'
}

@test "the examples of awcp-ask(1) run" {
	run_examples awcp-ask.1
	assert_output --partial 'careful.1 completed'
}

@test "the examples of awcp-cancel(1) run" {
	run_examples awcp-cancel.1
}

@test "the examples of awcp-config(1) run" {
	unset AWCP_CONFIG
	run_examples awcp-config.1
	assert_line --partial "# $HOME/.config/awcp/config:1"
	assert_line 7200
	assert_line 50K
}

@test "the examples of awcp.conf(5) run" {
	unset AWCP_CONFIG AWCP_SANDBOX
	run_examples awcp.conf.5
	assert_output --partial 'sandbox = bwrap,no-network'
}

@test "the examples of awcp-doctor(1) run" {
	run_examples awcp-doctor.1
	assert_output --partial 'tasks run without one'
}

@test "the examples of awcp-delegator(8) run" {
	run_examples awcp-delegator.8
	assert_output --partial 'did: fix the failing test'
}

@test "the examples of awcp-executor(8) run" {
	run_examples awcp-executor.8
	assert_output --partial '"activeDelegations"'
}

@test "the examples of awcp-invite(1) run" {
	run_examples awcp-invite.1
}

@test "the examples of awcp-list(1) run" {
	run_examples awcp-list.1
}

@test "the examples of awcp-log(1) run" {
	run_examples awcp-log.1
}

@test "the examples of awcp-queue(1) run" {
	run_examples awcp-queue.1
	assert_output --partial '3 bulk.3 pending'
}

@test "the examples of awcp-queued(8) run" {
	run_examples awcp-queued.8
	assert_output --partial '["review.1","fine"]'
	assert_output --partial '"number":1001'
	assert_output --partial '"version":1003'
}

@test "the examples of awcp-run(1) run" {
	run_examples awcp-run.1
}

@test "the examples of awcp-serve(1) run" {
	run_examples awcp-serve.1
}

@test "the examples of awcp-show(1) run" {
	run_examples awcp-show.1
	assert_output --partial 'did: fix the failing test'
}

@test "the examples of awcp-snapshot(1) run" {
	run_examples awcp-snapshot.1
	run diff -r src copy
	assert_success
}

@test "the examples of awcp-reap(1) run" {
	run_examples awcp-reap.1
}

@test "the examples of awcp-state(5) run" {
	run_examples awcp-state.5
}

@test "the examples of awcp-tmux(1) run" {
	run_examples awcp-tmux.1
	assert_equal "$(grep -cx 'you: thinking about: rename foo to bar\|thinking about: rename foo to bar' <<<"$output")" 2
}

@test "the examples of awcp-token(1) run" {
	run_examples awcp-token.1
}

@test "the examples of awcp-watch(1) run" {
	run_examples awcp-watch.1
}

@test "no page is left out above" {
	for page in "$MAN"/*.[1-8]; do
		grep -q "run_examples ${page##*/}\$" "$BATS_TEST_FILENAME" || fail "${page##*/}"
	done
}

@test "every command and CGI program has a page, and every page belongs to one" {
	(cd "$REPO" && ls bin/awcp* cgi/awcp-*.c) | sed 's|.*/||; s|\.c$||' | sort \
		>"$BATS_TEST_TMPDIR/programs"
	(cd "$MAN" && ls -- *.[18]) | sed 's|\.[18]$||' | sort >"$BATS_TEST_TMPDIR/pages"
	run diff "$BATS_TEST_TMPDIR/programs" "$BATS_TEST_TMPDIR/pages"
	assert_success
}

@test "awcp(7) and the README name every command" {
	for program in "$BUILD"/bin/awcp-* "$BUILD"/libexec/awcp/awcp-*; do
		name=${program##*/}
		grep -q "^\.It Xr $name " "$MAN/awcp.7" || fail "$name is not in awcp(7)"
		grep -q "^|.*\`$name\`" "$REPO/README.md" || fail "$name is not in the README's table"
	done
}

# The options of program $1, one a line: of its -h, and of its page.  Every program has -h and -V.
options_of_usage()
{
	help_of "$1" | sed -nE 's/^[[:space:]]+-([A-Za-z0-9]|-[a-z]+).*/\1/p' |
		grep -vx '[hV]' | sort -u
}

options_of_page()
{
	sed -nE 's/^\.It Fl (-[a-z]+|[A-Za-z0-9]).*/\1/p' "$MAN/$1.1" | grep -vx '[hV]' | sort -u
}

@test "a page has the options of its command's -h, and no others" {
	for program in "$BUILD"/bin/awcp-*; do
		name=${program##*/}
		options_of_usage "$name" >"$BATS_TEST_TMPDIR/usage"
		options_of_page "$name" >"$BATS_TEST_TMPDIR/page"
		run diff "$BATS_TEST_TMPDIR/usage" "$BATS_TEST_TMPDIR/page"
		[ "$status" -eq 0 ] || fail "$name (< -h, > page): $output"
	done
}

@test "a page describes every option that its synopsis shows" {
	for program in "$BUILD"/bin/awcp-*; do
		name=${program##*/}
		# Letters may be shown together, words may not.
		sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/p' "$MAN/$name.1" |
			grep -oE 'Fl (-[a-z]+|[A-Za-z0-9]+)' | cut -c4- |
			sed '/^-/!s/./&\n/g' | sed '/^$/d' | sort -u >"$BATS_TEST_TMPDIR/synopsis"
		options_of_page "$name" >"$BATS_TEST_TMPDIR/page"
		run diff "$BATS_TEST_TMPDIR/synopsis" "$BATS_TEST_TMPDIR/page"
		[ "$status" -eq 0 ] || fail "$name (< synopsis, > list): $output"
	done
}

# Settings, and what is set for the programs that are run.
@test "awcp(7) has every variable, and no others" {
	{
		AWCP_CONFIG=none awcp-config -j | jq -r .variable
		printf 'AWCP_%s\n' CONFIG ID WORKSPACE DESCRIPTION RESULT ASK SESSION HOOK ROLE OWNER SERVE TMUX
	} | sort >"$BATS_TEST_TMPDIR/known"
	grep -E '^\.(It )?Ev ' "$MAN/awcp.7" | grep -oE 'AWCP_[A-Z_]+' | sort -u \
		>"$BATS_TEST_TMPDIR/page"
	run diff "$BATS_TEST_TMPDIR/known" "$BATS_TEST_TMPDIR/page"
	assert_success
}

@test "awcp(7) has every error code with its exit status and HTTP status" {
	sed -n 's/.*{"\([A-Z_]*\)", \([0-9]*\), \([0-9]*\)}.*/\1 \2 \3/p' "$REPO/lib/base/err.c" |
		grep -v '^OK ' >"$BATS_TEST_TMPDIR/sources"
	sed -n 's/^\.It Dv \([A-Z_]*\) Ta \([0-9]*\) Ta \([0-9]*\) .*/\1 \2 \3/p' "$MAN/awcp.7" \
		>"$BATS_TEST_TMPDIR/page"
	assert [ -s "$BATS_TEST_TMPDIR/sources" ]
	run diff "$BATS_TEST_TMPDIR/sources" "$BATS_TEST_TMPDIR/page"
	assert_success
}

@test "awcp(7) has every exit status" {
	sed -n 's/^\.It Dv [A-Z_]* Ta \([0-9]*\) .*/\1/p' "$MAN/awcp.7" | sort -un |
		while read -r number; do
			grep -qx "\.It $number" "$MAN/awcp.7" || fail "$number"
		done
}

@test "awcp-state(5) describes every file of a delegation and of an assignment" {
	start_server -- my-agent
	cd "$HOME/src/project"
	awcp-invite -b -m staged -e "$URL" "fix the failing test" >"$BATS_TEST_TMPDIR/id"
	awcp-watch - <"$BATS_TEST_TMPDIR/id"
	awcp-snapshot apply - <"$BATS_TEST_TMPDIR/id"
	awcp-invite -b -e "$URL" "wait for the moon"
	find "$AWCP_HOME" -mindepth 1 -maxdepth 1 -printf '%f\n' | sed 's/[0-9]*$//' \
		>"$BATS_TEST_TMPDIR/names"
	find "$AWCP_HOME"/delegations/dlg_* "$AWCP_HOME"/assignments/dlg_* -mindepth 1 -maxdepth 1 \
		-printf '%f\n' >>"$BATS_TEST_TMPDIR/names"
	find "$AWCP_HOME"/delegations/*/snapshots/* -mindepth 1 -printf '%f\n' \
		>>"$BATS_TEST_TMPDIR/names"
	sort -u "$BATS_TEST_TMPDIR/names" | while read -r name; do
		grep -qF "$name" "$MAN/awcp-state.5" || fail "$name"
	done
}
