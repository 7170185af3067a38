#!/usr/bin/env bats
# How the code is laid out: an include leads down, no file needs one that needs it; and the two scripts
# that say so see it when it is not so.
# shellcheck disable=SC2030,SC2031,SC2154 # a test's variables are its own; bats sets output

# bats file_tags=plain
load helper

# A copy of what the scripts read, and of the objects, without what else a build makes.
copy_tree()
{
	TREE=$BATS_TEST_TMPDIR/tree
	mkdir -p "$TREE/build/o"
	cp -r "$REPO/lib" "$REPO/cgi" "$REPO/bin" "$TREE/"
	cp -r "$BUILD/o/lib" "$BUILD/o/cgi" "$BUILD/o/bin" "$TREE/build/o/"
}

# object file: compile one that was added to the copy.
object()
{
	${CC:-gcc} -I"$TREE/lib" -c -o "$TREE/build/o/${1%.c}.o" "$TREE/$1"
}

@test "every include leads down or stays in its folder" {
	run "$REPO/tests/floors.sh"
	assert_success
	assert_output ''
}

@test "no file needs a file that needs it" {
	run "$REPO/tests/circles.sh" "$BUILD"
	assert_success
	assert_output ''
}

@test "an include that leads up is seen, and where" {
	copy_tree
	echo '#include "queue/queue.h"' >>"$TREE/lib/base/err.h"
	echo '#include "executor/card.h"' >>"$TREE/cgi/http/body.c"
	run "$REPO/tests/floors.sh" "$TREE"
	assert_failure 1
	assert_line --partial "lib/base/err.h:$(wc -l <"$TREE/lib/base/err.h"): base may not include queue"
	assert_line --partial "cgi/http/body.c:$(wc -l <"$TREE/cgi/http/body.c"): http may not include executor"
	assert_equal "${#lines[@]}" 2
}

@test "lib includes no program, and a folder without a floor is told" {
	copy_tree
	mkdir "$TREE/lib/cellar"
	echo '#include "command.h"' >>"$TREE/lib/base/err.c"
	echo '#include "base/err.h"' >"$TREE/lib/cellar/wine.c"
	echo '#include "cellar/wine.h"' >>"$TREE/bin/command.c"
	run "$REPO/tests/floors.sh" "$TREE"
	assert_failure 1
	assert_line --partial 'lib/base/err.c:'
	assert_line --partial 'lib/cellar/wine.c:1: the folder cellar is on no floor'
	assert_line --partial 'bin/command.c:'
	assert_equal "${#lines[@]}" 3
}

@test "a file that is too long or lies in no folder is told" {
	copy_tree
	yes | head -n 600 >"$TREE/lib/base/long.h"
	: >"$TREE/lib/loose.c"
	run "$REPO/tests/floors.sh" "$TREE"
	assert_failure 1
	assert_line --partial 'lib/base/long.h:600: has more than'
	assert_line --partial 'lib/loose.c:1: lies in no folder'
	assert_equal "${#lines[@]}" 2
}

@test "two objects that need each other are told, with the lines" {
	copy_tree
	printf '%s\n' 'int to(int n);' 'int fro(int n);' >"$TREE/lib/base/swing.h"
	printf '%s\n' '#include "base/swing.h"' 'int to(int n) { return n ? fro(n - 1) : 0; }' >"$TREE/lib/base/to.c"
	printf '%s\n' '#include "base/swing.h"' 'int fro(int n) { return to(n); }' >"$TREE/lib/base/fro.c"
	run "$REPO/tests/circles.sh" "$TREE/build" "$TREE"
	assert_failure 1
	assert_line --partial 'lib/base/to.c:1: has no object'
	object lib/base/to.c
	object lib/base/fro.c
	run "$REPO/tests/circles.sh" "$TREE/build" "$TREE"
	assert_failure 1
	assert_line --partial 'lib/base/to.c:2: needs fro, of lib/base/fro.c'
	assert_line --partial 'lib/base/fro.c:2: needs to, of lib/base/to.c'
}

@test "headers that include each other are told" {
	copy_tree
	echo '#include "base/b.h"' >"$TREE/lib/base/a.h"
	echo '#include "base/a.h"' >"$TREE/lib/base/b.h"
	run "$REPO/tests/circles.sh" "$TREE/build" "$TREE"
	assert_failure 1
	assert_line --partial 'lib/base/a.h:1: includes lib/base/b.h'
	assert_line --partial 'lib/base/b.h:1: includes lib/base/a.h'
}

# What a snapshot holds reaches a person's directory, or another archive, only by way of compare_next,
# which knows what is guarded: whoever reads its list or its content besides is to be looked at.
@test "only those take from a snapshot who ask what is guarded" {
	cd "$REPO"
	run grep -lE 'manifest_reader_new\(|unpack_paths\(|unpack_visit\(|unpack_take\(|[^_]unpack\(' -r lib bin cgi --include='*.c'
	# Some of them make archives and lists and store them; a worker and unpack are given archives.
	assert_equal "$(sort <<<"$output")" "lib/apply/fill.c
lib/apply/merge.c
lib/archive/delta.c
lib/archive/unpack.c
lib/archive/unpack_into.c
lib/archive/withhold.c
lib/snapshot/export.c
lib/snapshot/extract.c
lib/snapshot/receive.c
lib/tree/baseline.c
lib/tree/compare.c
lib/tree/manifest_read.c
lib/worker/workspace.c"
	run grep -nE 'compare_open\(' -r lib bin cgi --include='*.c'
	assert_equal "$(cut -d: -f1 <<<"$output" | sort)" "lib/apply/decide.c
lib/snapshot/changes.c
lib/snapshot/export.c
lib/tree/compare.c"
	run grep -nE 'plan_(add|copy)\(' -r lib bin cgi --include='*.c'
	assert_equal "$(cut -d: -f1 <<<"$output" | sort -u)" "lib/apply/around.c
lib/apply/emit.c
lib/apply/fill.c
lib/apply/fold.c
lib/apply/merge.c
lib/apply/plan.c
lib/apply/turn.c
lib/apply/undo.c"
}

# A delegation is completed, and its executor told to forget the result, in one function, which asks
# lend_result_fetch; and /result is read in one file, which knows what counts as an answer.
@test "only who has the result, or the word that there is none, completes a delegation" {
	cd "$REPO"
	run grep -rlE 'FSM_RECEIVE_DONE|"ack"' lib/delegation lib/lend lib/reap lib/snapshot bin cgi/delegator cgi/awcp-delegator.c
	assert_output lib/lend/follow.c
	run grep -rlE '"result"' lib/lend lib/reap bin cgi/delegator
	assert_output lib/lend/result.c
	assert_equal "$(grep -cE 'lend_result_fetch\(' lib/lend/follow.c)" 1
}

@test "every file that lib/README.md names is there" {
	local path missing=
	for path in $(grep -oE '`[a-z_]+(/[a-z_-]+)+\.(c|h|sh|bats|bash)`' "$REPO/lib/README.md" | tr -d '`' | sort -u); do
		case $path in bin/awcp-x.c) continue ;; esac # one to be written
		[ -e "$REPO/$path" ] || [ -e "$REPO/lib/$path" ] || missing+=" $path"
	done
	assert_equal "$missing" ''
}

@test "every command says what it could not print, and nothing when nobody reads" {
	own_home
	for program in "$BUILD"/bin/*; do
		run -74 --separate-stderr bash -c '"$1" -h >/dev/full' - "$program"
		[[ $stderr == "${program##*/}: cannot write to stdout"* ]] || fail "$program: $stderr"
		run --separate-stderr bash -c 'set -o pipefail; { sleep 0.2; "$1" -h; } | true' - "$program"
		[ "$status" = 0 ] || [ "$status" = 141 ] || fail "$program: $status"
		assert_equal "$stderr" ''
		run -74 bash -c '"$1" -h >&-' - "$program"
	done
	# An earlier failure is not forgotten, and nothing is written into what is opened next.
	run -74 --separate-stderr bash -c 'for i in 1 2 3; do echo $i; done | awcp-queue put -q q >&-'
	[[ $stderr == *'Bad file descriptor' ]]
	run -0 awcp-queue check -q q
	jq -nc 'range(3000) | {payload: "x"}' | awcp-queue put -q q -j - >/dev/null
	run -74 --separate-stderr bash -c 'awcp-queue list -q q -j --limit 0 >/dev/full'
	[[ $stderr == *'No space left on device' ]]
}

@test "text becomes JSON in one place, which knows how deep it may be" {
	run grep -rnE 'json_load[a-z_]*[(]' "$REPO/lib" "$REPO/bin" "$REPO/cgi" --include='*.[ch]'
	refute_output --regexp '(^|'$'\n'')[^:]*/(lib/[^b:]|lib/base/[^j:]|bin|cgi)[^:]*:' # only lib/base/jsonx.c
	assert_output --partial 'lib/base/jsonx.c:'
}

@test "every program settles what it inherited before anything else" {
	local main
	for main in "$REPO"/bin/awcp-*.c "$REPO"/cgi/awcp-*.c; do
		grep -qE 'command_option|http_main|queue_options' "$main" || fail "$main does not"
	done
	run grep -lE 'inherited_settle[(][)];' "$REPO/bin/command.c" "$REPO/cgi/http/run.c" "$REPO/cgi/delegator/job_run.c"
	assert_equal "${#lines[@]}" 3
}

@test "a directory that is lent is opened in one place, and a token is looked up by few" {
	cd "$REPO"
	run grep -rlE '\b(file_open_dir|file_list|open|openat|l?stat|access|faccessat|chdir|realpath|opendir)\([^;]*(->|\.)source\b' \
		lib bin cgi
	assert_output lib/tree/tree.c
	# Whoever else wants to know who calls asks caller_admit, and so for a right.
	run bash -c "grep -rlE '\\btoken_(holder|reload)\\(' cgi --include=*.c | sort"
	assert_output $'cgi/executor/receive.c\ncgi/http/caller.c\ncgi/http/holder.c'
}

@test "room on the disk, and what is damaged, are each told in one place" {
	cd "$REPO"
	run grep -rlE 'statvfs\(' lib bin cgi
	assert_output lib/state/space.c
	run grep -rlE 'home_dir\("corrupt"' lib bin cgi
	assert_output lib/config/home.c
	# What is recorded on a full disk is saved with what is set aside.
	run grep -rlE 'space_release\(' lib --include=*.c
	assert_line lib/state/record.c
	run grep -rlE '(file_replace|jsonx_save)[a-z_]*\([^;]*"record.json"' lib bin cgi
	assert_output lib/state/record.c
}

@test "every body is read in one function, which knows what strangers may send" {
	run grep -rlE 'FCGX_Get|STDIN_FILENO' "$REPO/cgi" --include='*.[ch]'
	assert_equal "$(sort <<<"$output" | sed 's,.*/cgi/,,' | paste -sd' ')" 'delegator/job_run.c http/http.c'
}

@test "nothing here is taken for a secret, so that make demo can lend this tree" {
	own_home
	cd "$REPO"
	awcp-invite -nq -x /build -x /.git -x /tests/fuzz/corpus -e http://127.0.0.1:9/awcp demo >"$BATS_TEST_TMPDIR/list"
	grep -q 'tests/unit/sensitive_test.c$' "$BATS_TEST_TMPDIR/list"
}
