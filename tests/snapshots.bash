# snapshots.bash - what the tests of awcp-snapshot share: a server whose worker is sh, a source tree,
# and applies that go wrong at a chosen change to the file system.
# shellcheck shell=bash

load helper

# A prompt is a script that changes the workspace.
setup_file()
{
	own_home
	start_server -A none -S none -- sh -c 'umask 022; exec sh -s'
	FAULT_LIBRARY=$BATS_FILE_TMPDIR/fault.so
	gcc -shared -fPIC -D_GNU_SOURCE -std=c11 -o "$FAULT_LIBRARY" "$REPO/tests/fault/fault.c" -ldl
	export FAULT_LIBRARY
}

teardown_file()
{
	stop_all
}

# A source tree, and a state directory of the test's own.
setup()
{
	export AWCP_HOME=$BATS_TEST_TMPDIR/state
	SOURCE=$BATS_TEST_TMPDIR/src
	mkdir -p "$SOURCE/d/e"
	cd "$SOURCE" || return 1
	echo one >changed
	echo two >deleted
	echo three >d/e/deep
	printf '#!/bin/sh\necho four\n' >script
	chmod 755 script
	ln -s changed link
}

# lend script: delegate the source tree, leave the snapshot pending; sets ID.
lend()
{
	ID=$(awcp-invite -q -e "$URL" -r "src=$SOURCE:rw" -m staged "$1")
}

# Everything in the source tree, as text.
listing()
{
	(
		cd "$SOURCE" || return 1
		find . -mindepth 1 -printf '%y %m %P %l\n' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
	)
}

pending()
{
	awcp-snapshot list -j "$ID" | jq -r .status
}

# Keep the source tree and the state as they are now, for put_back.
keep_all()
{
	cp -a "$SOURCE" "$BATS_TEST_TMPDIR/before"
	cp -a "$AWCP_HOME" "$BATS_TEST_TMPDIR/state.before"
}

put_back()
{
	cd /
	rm -rf "$SOURCE" "$AWCP_HOME"
	cp -a "$BATS_TEST_TMPDIR/before" "$SOURCE"
	cp -a "$BATS_TEST_TMPDIR/state.before" "$AWCP_HOME"
}

# The status of the snapshot, as pending, but faster.
recorded()
{
	[[ $(<"$AWCP_HOME/delegations/$ID/record.json") =~ \"status\":\ *\"(pending|applied)\" ]]
	echo "${BASH_REMATCH[1]}"
}

# with_fault fault argument...: run awcp-snapshot with it.
with_fault()
{
	local fault=$1
	shift
	# In a shell of its own, which does not report that it was killed.
	(FAULT=$fault ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		LD_PRELOAD=$FAULT_LIBRARY awcp-snapshot "$@"; exit $?) >/dev/null 2>&1
}

# count_changes argument...: how many changes awcp-snapshot makes; sets CHANGES, and NEW to what
# the source tree is then, NOW to the snapshot's status.
count_changes()
{
	FAULT_CALLS=$BATS_TEST_TMPDIR/calls with_fault none "$@" || [ $? -eq "${ENDS:-0}" ]
	CHANGES=$(cat "$BATS_TEST_TMPDIR/calls")
	NEW=$(listing)
	NOW=$(recorded)
}

each_change()
{
	seq 1 "$FAULT_STRIDE" "$CHANGES"
}

# survive kind argument...: whatever change awcp-snapshot is killed at ("kill") or fails with the
# errno ${kind}, every path in WHOLE is there with the old or the new content, an error leaves the
# old tree or the new one, and run again it ends as it should.  For a command that ends with $ENDS.
survive()
{
	local n now OLD kind=$1
	shift
	put_back
	OLD=$(listing)
	count_changes "$@"
	[ "$OLD" != "$NEW" ] || fail "nothing is to be done"
	for n in $(each_change); do
		put_back
		with_fault "$kind:$n" "$@" || :
		assert_whole "$kind at change $n"
		now=$(listing)
		[ "$now" != "$NEW" ] || [ "$(recorded)" != "$NOW" ] || continue
		now=$(grep -v '\.awcp' <<<"$now")
		[ "$kind" = kill ] || [ "$now" = "$OLD" ] || [ "$now" = "$NEW" ] ||
			fail "half of it after error $kind at change $n: $(diff <(echo "$now") <(echo "$OLD"))"
		if [ "$(recorded)" != "$NOW" ]; then
			run awcp-snapshot "$@"
			[ "$status" -eq "${ENDS:-0}" ] || fail "after $kind at change $n: $output"
		fi
		[ "$(listing)" = "$NEW" ] ||
			fail "after $kind at change $n: $(diff <(listing) <(echo "$NEW"))"
	done
	echo "# $kind at each of $CHANGES changes" >&3
	[ "$CHANGES" -gt 30 ]
}

# Every path of WHOLE is there, with one of the contents that it may have ("path content...").
assert_whole()
{
	local path content one fine
	while read -r path content; do
		[ -e "$SOURCE/$path" ] || [ -L "$SOURCE/$path" ] || fail "$path is not there ($1)"
		[ -f "$SOURCE/$path" ] && [ -n "$content" ] || continue
		fine=
		for one in $content; do
			# shellcheck disable=SC2059 # it is written as a format
			[ "$(<"$SOURCE/$path")" != "$(printf "$one")" ] || fine=yes
		done
		[ -n "$fine" ] || fail "$path has $(cat "$SOURCE/$path") ($1)"
	done <<<"$WHOLE"
}
