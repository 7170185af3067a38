# What is part of a workspace: patterns, .awcpignore, limits, and what cannot be read.
# shellcheck disable=SC2030,SC2031,SC2154 # a test's variables are its own; bats sets output

load helper

# The worker is sh: a prompt is a script that changes the workspace.
setup_file()
{
	own_home
	start_server -A none -S none -- sh
}

teardown_file()
{
	stop_all
}

setup()
{
	export AWCP_HOME=$BATS_TEST_TMPDIR/state
	WS=$BATS_TEST_TMPDIR/ws
	mkdir "$WS"
	cd "$WS" || return 1
}

# sent [option...]: the files and links that would be sent, sorted.
sent()
{
	awcp-invite -jn -r ws=. "$@" | jq -r 'select(.type == "f" or .type == "l").path[3:]' | LC_ALL=C sort
}

# draw n: a number below n, from a sequence that is the same each time.
draw()
{
	STATE=$(((STATE * 1103515245 + 12345) % 2147483648))
	DRAWN=$((STATE / 65536 % $1))
}

# A line as people write them into ignore files.
draw_pattern()
{
	local name names=(a b c '*.o' 'x*' '?' '[ab]' d e 'f.o' '\a' '[!c]' '*' '**' 'a**' '[a-c]'
		'[^b]' '[]a]' '[[:alpha:]]' '[z-a]' '[' 'a ' 'a\ ' '#x' '\#x' '\!x' 'f\.[!x]' 'é')
	PATTERN=
	draw 4
	[ "$DRAWN" -ne 0 ] || PATTERN='!'
	draw 4
	[ "$DRAWN" -ne 0 ] || PATTERN=$PATTERN/
	draw 6
	[ "$DRAWN" -ne 0 ] || PATTERN=$PATTERN'**/'
	draw ${#names[@]}
	PATTERN=$PATTERN${names[DRAWN]}
	draw 3
	if [ "$DRAWN" -eq 0 ]; then
		draw ${#names[@]}
		PATTERN=$PATTERN/${names[DRAWN]}
	fi
	draw 5
	[ "$DRAWN" -ne 0 ] || PATTERN=$PATTERN/
	draw 12
	[ "$DRAWN" -ne 0 ] || PATTERN=$PATTERN' '
}

@test ".awcpignore means what git makes of it, in forty trees of nested files" {
	local dir name some=0
	STATE=42
	git init -q --bare "$BATS_TEST_TMPDIR/git"
	mkdir -p b a/c/d d/a d/b/e
	for dir in . a b a/c a/c/d d d/a d/b/e; do
		for name in a b c f.o x.o xa e d 'a ' '#x' '!x' ']' é; do
			[ -e "$dir/$name" ] || : >"$dir/$name"
		done
	done
	for round in {1..40}; do
		find . -name .awcpignore -delete
		for dir in . a a/c d d/b; do
			draw 3
			[ "$DRAWN" -ne 0 ] || [ "$dir" = . ] || continue
			for _ in 1 2 3; do
				draw_pattern
				printf '%s\n' "$PATTERN"
			done >"$dir/.awcpignore"
		done
		git --git-dir="$BATS_TEST_TMPDIR/git" --work-tree=. -c core.quotePath=off ls-files -o \
			--exclude-per-directory=.awcpignore | LC_ALL=C sort >"$BATS_TEST_TMPDIR/git-says"
		sent >"$BATS_TEST_TMPDIR/we-say"
		diff "$BATS_TEST_TMPDIR/git-says" "$BATS_TEST_TMPDIR/we-say" ||
			fail "round $round: $(grep -r . --include=.awcpignore .)"
		[ ! -s "$BATS_TEST_TMPDIR/we-say" ] || some=$((some + 1))
	done
	[ $some -gt 20 ]
}

@test "-x leaves out, -i sends only what matches, both with directories" {
	mkdir -p src/deep doc
	touch src/a.c src/a.o src/deep/b.c doc/a.txt top.c
	assert_equal "$(sent -x '*.o' -x doc)" $'src/a.c\nsrc/deep/b.c\ntop.c'
	assert_equal "$(sent -i '*.c')" $'src/a.c\nsrc/deep/b.c\ntop.c'
	assert_equal "$(sent -i /src)" $'src/a.c\nsrc/a.o\nsrc/deep/b.c'
	assert_equal "$(sent -i src -x deep -i '!*.o')" src/a.c
	echo '*.c' >src/.awcpignore
	assert_equal "$(sent -x '!a.c' -x .awcpignore)" $'doc/a.txt\nsrc/a.c\nsrc/a.o\ntop.c'
}

@test "-n tells the totals and the largest files, also when they are too many" {
	for n in 1 2 3 4 5 6 7; do
		truncate -s $((n * 1000)) "f$n"
	done
	run --separate-stderr awcp-invite -n
	assert_success
	[[ $stderr == *'7 files'* && $stderr == *'28.0 kB'* || $stderr == *'7 files'*'28 kB'* ]] ||
		fail "$stderr"
	[[ $stderr == *'7.0 kB ws/f7'*'3.0 kB ws/f3' ]] || fail "$stderr"
	[[ $stderr != *f2* ]]
	AWCP_MAX_FILES=2 run --separate-stderr awcp-invite -jn
	assert_failure 65
	jq -es 'length == 9 and (.[-1] | .totals == {files: 7, directories: 1, links: 0, bytes: 28000} and
		(.largest | length == 5 and .[0] == {path: "ws/f7", size: 7000}))' <<<"$output"
	[[ $stderr == *AWCP_MAX_FILES* ]]
	run --separate-stderr awcp-invite -qn
	assert_success
	[ -z "$stderr" ]
}

@test "limits and secret names are asked of what would be sent, and of nothing else" {
	mkdir node_modules
	touch node_modules/{1,2,3,4,5} .env secret.pem a
	truncate -s 1M huge
	export AWCP_MAX_FILES=2 AWCP_MAX_FILE_BYTES=1000 AWCP_MAX_BYTES=1000
	printf '%s\n' node_modules .env '*.pem' huge >.awcpignore
	run awcp-invite -q -e "$URL" true
	assert_success
	run awcp-invite -q -e "$URL" -x '!.env' true
	assert_failure
	AWCP_MAX_FILES=9 run awcp-invite -n -x '!.env'
	assert_failure 77
	assert_output --partial .env
	AWCP_MAX_FILES=9 run awcp-invite -n -x '!huge'
	assert_failure 65
	assert_output --partial AWCP_MAX_FILE_BYTES
}

@test "what is left out is not touched, not deleted, and not made" {
	mkdir -p build keep/cache src
	echo mine | tee build/out keep/cache/c src/a.o src/a.c >/dev/null
	printf '%s\n' build/ '*.o' >.awcpignore
	echo cache >keep/.awcpignore
	run awcp-invite -q -e "$URL" 'test ! -e build && test ! -e src/a.o && test ! -e keep/cache || exit 9
		mkdir build keep/cache; echo theirs | tee build/out build/new src/a.o src/b.o src/a.c src/b.c >/dev/null
		echo theirs >keep/cache/d'
	assert_success
	assert_equal "$(cat build/out keep/cache/c src/a.o)" $'mine\nmine\nmine'
	assert_equal "$(cat src/a.c src/b.c)" $'theirs\ntheirs'
	[ ! -e build/new ]
	[ ! -e src/b.o ]
	[ ! -e keep/cache/d ]
	run awcp-invite -q -i 'src/*.c' -e "$URL" 'find . -type f -delete; echo x >build; echo new >src/n.c'
	assert_success
	assert_equal "$(cat build/out keep/cache/c src/a.o src/n.c)" $'mine\nmine\nmine\nnew'
	[ ! -e src/a.c ]
}

# ordinary command...: as a user to whom modes matter.
ordinary()
{
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

@test "what cannot be read is an error, unless it is left out" {
	OPEN=$(mktemp -d /tmp/awcp-open-XXXXXX)
	mkdir -p "$OPEN/ws/d" "$OPEN/state"
	echo x >"$OPEN/ws/f"
	echo y >"$OPEN/ws/d/g"
	[ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$OPEN"
	cd "$OPEN/ws" || return 1
	export AWCP_HOME=$OPEN/state HOME=$OPEN
	ordinary awcp-invite -n >/dev/null 2>&1 || {
		rm -r "$OPEN"
		skip 'no other user can run the programs here'
	}
	chmod 0 d
	run ordinary awcp-invite -n
	assert_failure 77
	assert_output --partial ws/d
	run ordinary awcp-invite -n -x d
	assert_success
	chmod 755 d
	chmod 0 f
	run ordinary awcp-invite -n
	assert_failure 77
	assert_output --partial ws/f
	run ordinary awcp-invite -n -x f
	assert_success
	chmod 600 f
	echo '*' >.awcpignore
	[ "$(id -u)" -ne 0 ] || chown 65534 .awcpignore
	chmod 0 .awcpignore
	run ordinary awcp-invite -n
	assert_failure 77
	assert_output --partial .awcpignore
	rm -rf "$OPEN"
}
