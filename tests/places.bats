# awcp-snapshot apply and undo in the places where real people's files lie: shared directories, other
# people's files, mounts, directories that are closed, or moved while it works.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output
# shellcheck disable=SC2016,SC2034 # inner shells; the functions of snapshots.bash read WHOLE

load snapshots

as_root()
{
	[ "$(id -u)" -eq 0 ] || skip 'needs root'
}

# With mounts of its own, in a namespace of its own: script.
with_mounts()
{
	local script=$BATS_TEST_TMPDIR/script
	unshare -m true 2>/dev/null || skip 'no mounts here'
	printf '%s\n' 'set -eu; mount --make-rprivate /' "$1" >"$script"
	run unshare -m bash "$script"
	[ "$status" -ne 77 ] || skip "$output"
}

owner()
{
	stat -c %u:%g:%a "$@"
}

@test "a file keeps owner and group, and what is new gets those of its directory" {
	as_root
	mkdir shared
	chgrp 4321 shared
	chmod 2775 shared
	echo x >shared/old
	chown 1234:4321 changed
	chmod 660 changed
	mkdir -p gone/empty was
	chown -R 1234:4321 gone was
	chmod 2750 gone was
	cp /bin/true tool
	setcap cap_net_raw+ep tool 2>/dev/null || true
	lend 'echo two >>changed; echo n >shared/new; mkdir shared/dir; echo k >shared/dir/k; cp /bin/sh tool
		rm -r gone was; echo w >was'
	awcp-snapshot apply "$ID"
	assert_equal "$(owner changed)" 1234:4321:660
	assert_equal "$(owner shared/new shared/dir shared/dir/k)" \
		$'0:4321:644\n0:4321:2755\n0:4321:644'
	[ "$(getcap tool 2>/dev/null)" = '' ]
	awcp-snapshot undo "$ID"
	assert_equal "$(owner changed)" 1234:4321:660
	assert_equal "$(owner gone gone/empty was)" $'1234:4321:2750\n1234:4321:755\n1234:4321:2750'
	[ -z "$(find . -name '.awcp*')" ]
	! command -v getcap || getcap tool | grep -q cap_net_raw
}

# default_acl directory: user 1234 may do everything there, others nothing.
default_acl()
{
	python3 - "$1" <<-'ACL'
		import os, struct, sys
		entries = [(1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 0, -1)]
		acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries)
		os.setxattr(sys.argv[1], "system.posix_acl_default", acl)
	ACL
}

@test "what is new inherits the default ACL of its directory, and can be undone" {
	mkdir shared
	default_acl shared 2>/dev/null || skip 'no ACLs here'
	echo 1 >old
	mv old shared/old
	lend 'echo n >shared/new; mkdir shared/dir; echo k >shared/dir/k; echo 2 >shared/old'
	awcp-snapshot apply "$ID"
	assert_equal "$(stat -c %a shared/new shared/dir shared/dir/k)" $'640\n750\n640'
	assert_equal "$(stat -c %a shared/old)" 644
	run python3 -c 'import os; os.getxattr("shared/old", "system.posix_acl_access")'
	assert_failure
	python3 -c 'import os; os.getxattr("shared/dir/k", "system.posix_acl_access"); os.getxattr("shared/dir", "system.posix_acl_default")'
	awcp-snapshot undo "$ID"
	[ ! -e shared/new ] && [ ! -e shared/dir ]
}

@test "new files have what the umask allows, unless -m wants more" {
	umask 077
	lend 'umask 000; echo n >new; mkdir dir; echo n >dir/new; chmod 666 changed'
	awcp-snapshot apply "$ID"
	assert_equal "$(stat -c %a new dir dir/new changed)" $'600\n700\n600\n666'
	awcp-snapshot undo "$ID"
	[ ! -e dir ]
	awcp-snapshot apply -m "$ID"
	assert_equal "$(stat -c %a new dir dir/new)" $'666\n777\n666'
	awcp-snapshot pack . >../archive
	awcp-snapshot unpack ../copy <../archive
	assert_equal "$(stat -c %a ../copy/new ../copy/dir)" $'600\n700'
	awcp-snapshot unpack -m ../exact <../archive
	assert_equal "$(stat -c %a ../exact/new ../exact/dir)" $'666\n777'
}

@test "in an overlay, across mounts and beside a mount point it is applied, and undone" {
	mkdir -p gone becomes-file inner/deep
	echo five >gone/file
	echo six >becomes-file/file
	echo in >inner/deep/file
	echo 1 >settings
	lend 'rm -r gone becomes-file; echo file >becomes-file; echo new >changed; mkdir changed.d
		echo 2 >inner/deep/file; echo n >inner/deep/new; mkdir inner/n; echo n >inner/n/n
		rm inner/deep/old; echo 2 >settings' || true
	export SOURCE ID
	with_mounts '
		mkdir ../upper ../work ../inner.here
		mount -t overlay overlay -o "lowerdir=$SOURCE,upperdir=$PWD/../upper,workdir=$PWD/../work" \
			"$SOURCE" 2>/dev/null || { echo "no overlay here"; exit 77; }
		cd "$SOURCE"
		cp -a inner/. ../inner.here
		mount -t tmpfs tmpfs inner
		cp -a ../inner.here/. inner
		cp settings ../settings.here
		mount --bind ../settings.here settings
		before=$(find . -type f -exec sha256sum {} + | sort)
		! awcp-snapshot apply "$ID" >../told 2>&1
		grep "^!  src/settings: a mount point" ../told
		grep "nothing was changed" ../told
		awcp-snapshot apply "$ID" --ours settings
		[ ! -e gone ] && [ -f becomes-file ] && [ "$(cat changed settings)" = "$(printf "new\n1")" ]
		[ "$(cat inner/deep/file inner/deep/new inner/n/n)" = "$(printf "2\nn\nn")" ]
		awcp-snapshot undo "$ID"
		[ "$(find . -type f -exec sha256sum {} + | sort)" = "$before" ]
		[ -z "$(find . -name ".awcp*")" ]'
	assert_success
}

@test "one conflict is settled one way and another one the other, and undo takes back only a part" {
	lend 'echo theirs >changed; echo theirs >deleted; echo new >new; echo theirs >d/e/deep'
	echo ours >changed
	echo ours >deleted
	awcp-snapshot apply "$ID" --theirs changed --ours deleted
	assert_equal "$(cat changed deleted new)" $'theirs\nours\nnew'
	echo mine >>new
	run awcp-snapshot undo "$ID"
	assert_failure 1
	assert_output --partial '--ours leaves these as they are, and paths undo only those'
	run awcp-snapshot undo "$ID" nothing
	assert_failure 66
	awcp-snapshot undo "$ID" d
	assert_equal "$(cat d/e/deep changed)" $'three\ntheirs'
	assert_equal "$(pending)" applied
	# What was undone is the person's again, also for the next undo.
	echo mine >d/e/deep
	awcp-snapshot undo --ours "$ID"
	assert_equal "$(cat d/e/deep changed new)" $'mine\nours\nnew\nmine'
	assert_equal "$(pending)" pending
	run awcp-snapshot apply "$ID" --theirs=changed --ours
	assert_success
	assert_equal "$(cat changed deleted d/e/deep)" $'theirs\nours\nmine'
}

@test "an undo of some paths survives a kill at any change" {
	lend 'echo new >changed; rm deleted; echo new >d/e/deep'
	awcp-snapshot apply "$ID"
	keep_all
	WHOLE=$'changed one\\n new\\n\nd/e/deep three\\n new\\n'
	count_changes undo "$ID" d
	[ "$(cat d/e/deep changed)" = $'three\nnew' ]
	for n in $(each_change); do
		put_back
		with_fault "kill:$n" undo "$ID" d || :
		assert_whole "kill at change $n"
		# As awcp-reap has it, which knows nothing of the paths.
		if [ -n "$(find "$AWCP_HOME" -path '*/undone/*' \( -name plan -o -name rollback -o -name undo \))" ]; then
			awcp-snapshot undo "$ID" >/dev/null
		else
			awcp-snapshot undo "$ID" d >/dev/null 2>&1 || :
		fi
		[ "$(recorded)" = applied ] || fail "not applied any more after change $n"
		[ "$(listing)" = "$NEW" ] || fail "kill at change $n: $(diff <(listing) <(echo "$NEW"))"
	done
}

@test "a directory of mine that is closed is opened for the moment" {
	local as=()
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		chmod 711 "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*/
		"${as[@]}" test -x "$BUILD/bin/awcp-snapshot" && "${as[@]}" test -x "$BATS_TEST_TMPDIR" ||
			skip 'no other user may run it, or come here'
	fi
	mkdir -p closed/gone
	echo 1 >closed/file
	echo 1 >closed/gone/file
	chmod 555 closed closed/gone
	lend 'chmod -R u+w .; echo 2 >closed/file; echo n >closed/new; rm -r closed/gone; echo n >new
		chmod 555 closed'
	chmod 555 .
	[ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$BATS_TEST_TMPDIR"
	keep_all
	before=$(listing)
	for n in 0 $(seq 2 $((FAULT_STRIDE * 2)) 120); do
		put_back
		cd "$SOURCE"
		(FAULT=kill:$n LD_PRELOAD=$FAULT_LIBRARY "${as[@]}" awcp-snapshot apply "$ID" >/dev/null 2>&1; exit $?) || :
		case $(recorded) in
		pending) "${as[@]}" awcp-snapshot apply "$ID" >/dev/null ;;
		esac
		assert_equal "$(cat closed/file closed/new new)" $'2\nn\nn'
		[ ! -e closed/gone ]
		assert_equal "$(stat -c %a . closed)" $'555\n555'
	done
	"${as[@]}" awcp-snapshot undo "$ID"
	assert_equal "$(listing)" "$before"
	[ -z "$(find . -name '.awcp*')" ]
}

@test "a directory that is moved or replaced while changes are prepared is left alone" {
	local n told=0
	lend 'echo new >changed; echo new >d/e/deep; rm deleted'
	keep_all
	count_changes apply "$ID"
	for n in $(seq 8 "$FAULT_STRIDE" "$CHANGES"); do
		put_back
		rm -rf "$SOURCE.moved"
		export FAULT_RUN="mv '$SOURCE' '$SOURCE.moved'; cp -a '$SOURCE.moved' '$SOURCE'"
		cp -a "$SOURCE" "$BATS_TEST_TMPDIR/expected.$n"
		code=0
		(FAULT=run:$n LD_PRELOAD=$FAULT_LIBRARY awcp-snapshot apply "$ID" >"$BATS_TEST_TMPDIR/told" 2>&1; exit $?) || code=$?
		[ -d "$SOURCE.moved" ] || break
		if [ $code -ne 0 ]; then
			grep -qE 'was moved, or another one|changed while|is gone' "$BATS_TEST_TMPDIR/told" ||
				fail "change $n: $(cat "$BATS_TEST_TMPDIR/told")"
			[ "$(cat "$SOURCE.moved/changed" "$SOURCE.moved/deleted")" = $'one\ntwo' ] ||
				fail "half of it at change $n"
			[ -z "$(find "$SOURCE.moved" -name '.awcp*')" ] || fail "left at change $n: $(find "$SOURCE.moved" -name '.awcp*')"
			told=$((told + 1))
		else
			[ "$(cat "$SOURCE.moved/changed")" = new ] || fail "it says that it applied at change $n"
		fi
	done
	[ $told -gt 0 ]
}

@test "a directory in it that is moved meanwhile takes nothing of ours along, and loses nothing" {
	local n
	lend 'echo new >changed; echo new >d/e/deep; echo new >d/e/new; rm deleted'
	keep_all
	count_changes apply "$ID"
	for n in $(seq 8 "$FAULT_STRIDE" "$CHANGES"); do
		put_back
		export FAULT_RUN="mv '$SOURCE/d' '$SOURCE/moved'"
		with_fault "run:$n" apply "$ID" || :
		[ -d "$SOURCE/moved" ] || break
		[ -z "$(find "$SOURCE" -name '.awcp*')" ] || fail "left at change $n: $(find "$SOURCE" -name '.awcp*')"
		[ "$(recorded)" = applied ] || [ "$(cat "$SOURCE/deleted" "$SOURCE/changed")" = $'two\none' ] ||
			fail "half of it at change $n"
		case $(cat "$SOURCE/moved/e/deep") in
		three) ;;
		new) grep -qrx three "$AWCP_HOME"/delegations/*/snapshots/*/kept || fail "lost at change $n" ;;
		*) fail "torn at change $n" ;;
		esac
	done
}

@test "a directory lent twice, or within another one, is refused before anything is sent" {
	ln -s "$SOURCE" ../link
	for other in "$SOURCE" "$SOURCE/d/e" ../link ../link/d/../d; do
		for option in -n ''; do
			# shellcheck disable=SC2086 # nothing is nothing
			run awcp-invite -q $option -e "$URL" -r "a=$SOURCE" -r "b=$other" true
			assert_failure 64
			assert_output --regexp 'is lent twice|lies within'
		done
	done
	[ -z "$(awcp-list -a)" ]
	awcp-invite -q -e "$URL" -r "a=$SOURCE:ro" -r "b=$SOURCE/d:ro" true
}
