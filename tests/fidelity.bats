# What a tree is survives the way there and back, whatever it is made of.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output

load helper

setup_file()
{
	own_home
	export AWCP_MAX_FILE_BYTES=20G AWCP_MAX_BYTES=40G
	start_server -A none -S none -- sh -c 'umask 022; exec sh -s'
}

teardown_file()
{
	stop_all
}

setup()
{
	export AWCP_HOME=$BATS_TEST_TMPDIR/state
	SOURCE=$BATS_TEST_TMPDIR/src
	mkdir "$SOURCE"
	cd "$SOURCE" || return 1
}

teardown()
{
	chmod -R u+rwx "$SOURCE"
}

# Everything that stat and read tell of the tree: times to the ns, inodes, contents.
all_of()
{
	(
		cd "$1" || return 1
		find . -printf '%y %#m %U:%G %n %s %i %T@ %C@ %p\0%l\0' | sort -z
		find . -type f -size -2G -print0 | sort -z | xargs -0 sha256sum -z
	) | sha256sum
}

# The same without what differs from one copy to another, as text.
tree_of()
{
	(
		cd "$1" || return 1
		find . ! -type d -printf '%y %#m %s %p %l\n' -o -printf '%y %#m %p\n' | sort
		find . -type f -exec sha256sum {} + | sort -k 2
	)
}

# deep_tree n: of 55 n levels.
deep_tree()
{
	local at=deep i
	mkdir deep
	for ((i = 0; i < $1; i++)); do
		at=$at/$(printf 'd/%.0s' {1..55})
	done
	mkdir -p "$at"
	echo bottom >"$at/file"
}

nasty_tree()
{
	mkdir -p dir/sub empty 'empty two/empty' closed
	printf 1 >one
	printf '#!/bin/sh\n' >dir/run
	chmod 0751 dir/run
	chmod 0400 one
	: >nothing
	ln one dir/hard
	ln -s one link
	ln -s dir link-to-directory
	ln -s ../../one dir/sub/up
	ln -s nowhere dangling
	printf x >$'new\nline'
	printf x >$'tab\tand \\ backslash'
	printf x >$'\xff\xfe not utf8'
	printf x >$'decomposed u\xcc\x88'
	printf x >$'composed \xc3\xbc'
	printf x >'-n'
	printf x >' '
	printf x >.hidden
	ln -s $'\xff\xfe not utf8' $'link \xfe'
	printf x >"$(printf 'n%.0s' {1..255})"
	mkdir $'directory \xfd\n'
	head -c 300000 /dev/urandom >noise
	head -c 300000 /dev/zero >zeros
	truncate -s 10M holes
	printf data | dd of=holes bs=1 seek=5000000 conv=notrunc status=none
	truncate -s 3M only-hole
	deep_tree "${LEVELS:-2}"
	touch -d '1999-12-31 23:59:59.123456789' one
	touch -d '1969-12-31 23:59:58.5' nothing
	touch -h -d '2001-02-03 04:05:06.7' link
	chmod 0555 closed
	touch -d '2010-01-01 00:00:00.000000001' dir/sub dir
}

# invite mode script: delegate the tree; sets ID.
invite()
{
	ID=$(awcp-invite -q -e "$URL" -r "src=$SOURCE" -m "$1" "$2")
}

# assert_same_tree directory: this one is it, to the nanosecond.
assert_same_tree()
{
	local listing='%y %#m %T@ %p %l\0'
	run diff <(find . -printf "$listing" | sort -z) <(cd "$1" && find . -printf "$listing" | sort -z)
	assert_success
	diff -r --no-dereference . "$1"
}

@test "a worker that does nothing leaves no trace in any tree" {
	LEVELS=8
	! is_everything || LEVELS=20
	nasty_tree
	before=$(all_of .)
	invite auto true
	assert_equal "$(all_of .)" "$before"
	invite staged true
	run awcp-snapshot show "$ID"
	assert_output --partial '0 added, 0 changed, 0 deleted'
	awcp-snapshot apply "$ID"
	assert_equal "$(all_of .)" "$before"
}

@test "the worker has the very tree, to the nanosecond" {
	nasty_tree
	# The copy that the worker makes is what it has got.
	invite discard "cp -a . '$BATS_TEST_TMPDIR/copy'"
	assert_same_tree "$BATS_TEST_TMPDIR/copy"
	chmod -R u+w "$BATS_TEST_TMPDIR/copy"
}

@test "what the worker does is done here, exactly" {
	nasty_tree
	mkdir moved
	for i in a b c d e f; do echo $i >moved/$i; done
	cat >"$BATS_TEST_TMPDIR/work.sh" <<-'END'
		rm one link && mv moved/a moved/z && mv dir 'dir 2' && rm -r 'empty two'
		chmod 700 moved/b && chmod -R u+w closed && echo x >closed/new && chmod 0500 closed
		echo changed >moved/c && touch -d '2011-11-11 11:11:11.111111111' moved/c
		rm moved/d && mkdir moved/d && echo x >moved/d/x
		rm moved/e && ln -s f moved/e
		rm -r empty && echo file >empty
		rm link-to-directory && mkdir link-to-directory && echo in >link-to-directory/in
		printf y >>"$(printf 'new\nline')"
		mkdir -p new/empty && echo new >new/file && ln -s file new/link && ln -s nowhere new/none
		truncate -s 20M holes && rm dangling && ln -s elsewhere dangling
		: >zeros; rm -r deep/d/d/d; touch -h -d '2012-12-12 12:12:12.12' dangling
		touch -d '2013-01-01 01:01:01.000000013' noise ' ' .hidden 'dir 2/sub'
	END
	invite auto "$(cat "$BATS_TEST_TMPDIR/work.sh"); cp -a . '$BATS_TEST_TMPDIR/expected'"
	assert_same_tree "$BATS_TEST_TMPDIR/expected"
	[ "$(cat closed/new new/file)" = $'x\nnew' ]
	# Holes come back as holes.
	[ "$(stat -c %b holes)" -lt 2000 ]
	chmod -R u+w "$BATS_TEST_TMPDIR/expected"
}

@test "one changed file leaves no other trace, not in the time of its directory either" {
	nasty_tree
	touch -d '2015-05-05 05:05:05.5' . dir
	invite auto "echo more >>dir/run; cp -a . '$BATS_TEST_TMPDIR/copy'"
	assert_equal "$(tail -n 1 dir/run)" more
	assert_same_tree "$BATS_TEST_TMPDIR/copy"
	chmod -R u+w "$BATS_TEST_TMPDIR/copy"
}

@test "a touch is taken where nobody touched it here, and is no change and no conflict" {
	mkdir dir other
	echo one >dir/one
	echo two >dir/two
	touch -d 2003-03-03T03:03:03.333333333Z coarse .
	# Not all file systems keep more than seconds: what comes back cut is as it was sent.
	invite staged 'touch -d 2001-01-01T01:01:01.123456789Z dir/one dir/two dir other
		touch -d 2003-03-03T03:03:03Z coarse .'
	touch -d 2002-02-02 dir/two
	echo new >other/new
	run awcp-snapshot show "$ID"
	assert_output --partial '0 added, 0 changed, 0 deleted'
	run awcp-snapshot list "$ID"
	assert_output --partial '+0 ~0 -0'
	run awcp-snapshot diff "$ID"
	assert_output ''
	before=$(date +%s -r other)
	run awcp-snapshot apply "$ID"
	assert_success
	assert_output --partial '0 added, 0 changed, 0 deleted'
	assert_equal "$(stat -c %.9Y dir/one dir)" $'978310861.123456789\n978310861.123456789'
	assert_equal "$(stat -c %Y dir/two other)" "$(date +%s -d 2002-02-02)"$'\n'"$before"
	assert_equal "$(stat -c %.9Y coarse .)" $'1046660583.333333333\n1046660583.333333333'
}

@test "a change and back again is none, but for the time" {
	nasty_tree
	before=$(tree_of . && find . -printf '%p %i\n' | sort)
	invite staged 'mv one x && mv x one; chmod 0 dir/run; chmod 751 dir/run
		rm -r empty; mkdir empty; cp holes h && rm holes && mv h holes; rm link; ln -s one link'
	run awcp-snapshot show "$ID"
	assert_output --partial '0 added, 0 changed, 0 deleted'
	awcp-snapshot apply "$ID"
	assert_equal "$(tree_of . && find . -printf '%p %i\n' | sort)" "$before"
}

many_files()
{
	for d in {1..30}; do
		mkdir "d$d"
		for f in {1..100}; do echo "content $d $f $RANDOM$RANDOM" >"d$d/file $f"; done
	done
	head -c 1000000 /dev/urandom >large
}

size_of()
{
	stat -c %s "$1"
}

@test "what comes back, and what is kept of it, is as small as the change" {
	many_files
	# The executor forgets its part when it is acknowledged, so it is asked to say how much it was.
	invite staged 'echo new >"d3/file 7"; echo new >"d30/file 100"'
	state=$AWCP_HOME/delegations/$ID
	first=$(awcp-snapshot list -j "$ID" | jq -r .id)
	run jq -r 'select(.type == "snapshot").metadata | "\(.fileCount) \(.changedFiles | length)"' "$state/events.ndjson"
	assert_output '3001 2'
	[ "$(size_of "$state/snapshots/$first/data.tar.zst")" -lt 1000 ]
	run bsdtar -tf "$state/snapshots/$first/data.tar.zst"
	assert_output $'src/d3/file 7\nsrc/d30/file 100'
	awcp-snapshot apply "$ID"
	assert_equal "$(cat "d3/file 7" "d30/file 100")" $'new\nnew'
}

@test "a snapshot is exported whole, in every format" {
	nasty_tree
	invite staged 'echo new >one2; rm noise; chmod 600 zeros; ln -sf one2 link'
	cp -a . "$BATS_TEST_TMPDIR/expected"
	(cd "$BATS_TEST_TMPDIR/expected" && echo new >one2 && rm noise && chmod 600 zeros && ln -sf one2 link)
	for format in zip tar tar.zst; do
		awcp-snapshot export -F $format "$ID" |
			awcp-snapshot unpack "$BATS_TEST_TMPDIR/$format"
		run diff <(tree_of "$BATS_TEST_TMPDIR/$format/src") <(tree_of "$BATS_TEST_TMPDIR/expected")
		assert_success
		chmod -R u+w "$BATS_TEST_TMPDIR/$format"
	done
	chmod -R u+w "$BATS_TEST_TMPDIR/expected"
}

# bats test_tags=plain
@test "gigabytes of holes go there and back in no space" {
	gigabytes=2
	! is_everything || gigabytes=10
	truncate -s ${gigabytes}G huge
	printf end | dd of=huge bs=1 seek=$((gigabytes * (1 << 30) - 240)) conv=notrunc status=none
	before=$(stat -c '%i %s %y %z' huge)
	AWCP_MAX_FILE_BYTES=20G AWCP_MAX_BYTES=40G invite auto 'stat -c "%s %b" huge; echo new >other'
	assert_equal "$(stat -c '%i %s %y %z' huge)" "$before"
	assert_equal "$(cat other)" new
	state=$AWCP_HOME/delegations/$ID
	[ "$(size_of "$state/base.archive")" -lt 100000 ]
	run jq -r 'select(.status == "progress").message' "$state/events.ndjson"
	[ "${output#* }" -lt 100 ]
}

@test "snapshots at rest are as small as what is new in them" {
	many_files
	for i in {1..3}; do
		invite staged "echo $i >'d$i/file $i'; rm 'd4/file $i'; chmod 600 'd5/file $i'"
		run du -s --apparent-size -B1 "$AWCP_HOME/delegations/$ID/snapshots"
		# The list of 3,000 files, and hardly more.
		[ "${output%%	*}" -lt 600000 ]
		run bsdtar -tf "$AWCP_HOME/delegations/$ID/snapshots/"*/data.tar.zst
		assert_output "src/d$i/file $i"
	done
	run awcp-snapshot diff --stat "$ID"
	assert_line --partial '2 files changed, 1 insertion(+), 2 deletions(-)'
}

# peer_without_fidelity directory: an executor as others are, that sends the directory's tree back.
# It follows links, knows no modes, and always sends everything.
peer_without_fidelity()
{
	local fixtures=$FIXTURES/awcp-v1 peer=$BATS_TEST_TMPDIR/peer zip=$BATS_TEST_TMPDIR/back.zip part
	rm -rf "$peer" "$zip"
	mkdir "$peer"
	cp -rL "$1" "$BATS_TEST_TMPDIR/src.flat"
	chmod -R u=rwX,go=rX "$BATS_TEST_TMPDIR/src.flat"
	find "$BATS_TEST_TMPDIR/src.flat" -type f -exec chmod 644 {} +
	rm -rf "$BATS_TEST_TMPDIR/flat"
	mkdir "$BATS_TEST_TMPDIR/flat"
	mv "$BATS_TEST_TMPDIR/src.flat" "$BATS_TEST_TMPDIR/flat/src"
	(cd "$BATS_TEST_TMPDIR/flat" && zip -qrX "$zip" src)
	for part in 01-invite-accept:invite 03-start:start 02-events-happy:events 04-ack:ack; do
		jq -r .response.body "$fixtures/${part%:*}.json" |
			sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' >"$peer/${part#*:}"
	done
	base64 -w0 "$zip" >"$zip.b64"
	grep '^data: ' "$peer/events" | sed 's/^data: //' |
		jq -c --rawfile back "$zip.b64" 'if .snapshotBase64 then .snapshotBase64 = $back else . end' |
		sed 's/^/data: /; s/$/\n/' >"$peer/events.new"
	mv "$peer/events.new" "$peer/events"
	start_process "$peer/out" "$REPO/tests/peer.pl" "$peer"
	wait_until test -s "$peer/port"
	PEER=http://127.0.0.1:$(cat "$peer/port")/awcp
}

modest_tree()
{
	mkdir -p dir/sub empty
	printf '#!/bin/sh\necho old\n' >dir/run
	chmod 0751 dir/run
	echo private >private
	chmod 0600 private
	echo one >one
	ln -s one link
	ln -s ../../one dir/sub/up
	: >nothing
	touch -d '1999-12-31 23:59:59.123456789' one
}

@test "a peer that keeps neither modes nor links leaves no trace either" {
	modest_tree
	peer_without_fidelity .
	before=$(all_of .)
	awcp-invite -q -e "$PEER" -r "src=$SOURCE" -m staged x
	assert_equal "$(all_of .)" "$before"
	ID=$(awcp-list -aj | jq -r .id)
	run awcp-snapshot show "$ID"
	assert_output --partial '0 added, 0 changed, 0 deleted'
	run awcp-snapshot diff "$ID"
	assert_output ''
	awcp-snapshot apply "$ID"
	assert_equal "$(all_of .)" "$before"
	# It was all sent, and none of it is kept twice.
	run bsdtar -tf "$AWCP_HOME/delegations/$ID/snapshots/"*/data.tar.zst
	assert_output ''
}

@test "what links lead to counts as what is sent to such a peer" {
	modest_tree
	peer_without_fidelity .
	# Four files and two links.
	AWCP_MAX_FILES=4 run awcp-invite -q -e "$PEER" -r "src=$SOURCE" -m staged x
	assert_failure
	assert_output --partial 'there are more than 4 files'
	assert_output --partial AWCP_MAX_FILES
	run awcp-list -aj
	assert_equal "$(jq -r .state <<<"$output")" error
	# Our own executor gets them as links.
	AWCP_MAX_FILES=4 awcp-invite -q -e "$URL" -r "src=$SOURCE" true
}

@test "what such a peer changes keeps its mode, what is new gets a fitting one" {
	modest_tree
	cp -a . "$BATS_TEST_TMPDIR/theirs"
	(
		cd "$BATS_TEST_TMPDIR/theirs" || exit 1
		printf '#!/bin/sh\necho new\n' >dir/run
		echo changed >private
		printf '#!/bin/sh\n' >new-script
		echo text >new-text
		rm link && echo text >"./link"
		rm -r empty nothing
	)
	peer_without_fidelity "$BATS_TEST_TMPDIR/theirs"
	awcp-invite -q -e "$PEER" -r "src=$SOURCE" -m staged x
	ID=$(awcp-list -aj | jq -r .id)
	awcp-snapshot diff "$ID" >"$BATS_TEST_TMPDIR/patch"
	cp -a . "$BATS_TEST_TMPDIR/by-git"
	git -C "$BATS_TEST_TMPDIR/by-git" apply "$BATS_TEST_TMPDIR/patch"
	run cat "$BATS_TEST_TMPDIR/patch"
	assert_line 'deleted file mode 120000'
	assert_line 'new file mode 100755'
	rmdir "$BATS_TEST_TMPDIR/by-git/empty" # git knows no directories
	awcp-snapshot apply "$ID"
	diff -r --no-dereference . "$BATS_TEST_TMPDIR/by-git"
	run stat -c '%a %F %n' dir/run private new-script new-text link dir/sub/up
	assert_line '751 regular file dir/run'
	assert_line '600 regular file private'
	assert_line '755 regular file new-script'
	assert_line '644 regular file new-text'
	assert_line '644 regular file link'
	assert_line '777 symbolic link dir/sub/up'
	[ ! -e empty ]
}

@test "diff's patch makes the same tree, whatever lies in it" {
	modest_tree
	mkdir -p nested/.git sub
	echo 'ref: refs/heads/main' >nested/.git/HEAD
	echo inner >nested/file
	printf 'x\r\ny\r\n' >crlf
	seq 100 >renamed
	: >$'\xff odd\n'
	cat >"$BATS_TEST_TMPDIR/work.sh" <<-'END'
		printf '* text=auto eol=lf filter=evil diff=evil\n*.h export-ignore\n' >.gitattributes
		echo '*' >.gitignore
		printf 'x\r\nz\r\n' >crlf
		mv renamed sub/name && echo more >>sub/name
		rm link && mkdir link && echo in >link/file
		chmod 755 one; chmod 644 dir/run
		rm -r dir/sub && ln -s ../one dir/sub
		echo changed >nested/file; echo new >"$(printf '\377 odd\n.')"
	END
	cp -a . "$BATS_TEST_TMPDIR/by-git"
	cp -a . "$BATS_TEST_TMPDIR/expected"
	(cd "$BATS_TEST_TMPDIR/expected" && umask 022 && sh "$BATS_TEST_TMPDIR/work.sh")
	invite staged "$(cat "$BATS_TEST_TMPDIR/work.sh")"
	git config --global filter.evil.clean "touch '$BATS_TEST_TMPDIR/evil'; cat"
	git config --global diff.evil.command "touch '$BATS_TEST_TMPDIR/evil'"
	git config --global diff.noprefix true
	git config --global core.autocrlf true
	awcp-snapshot diff "$ID" >"$BATS_TEST_TMPDIR/patch"
	rm "$HOME/.gitconfig"
	[ ! -e "$BATS_TEST_TMPDIR/evil" ]
	git -C "$BATS_TEST_TMPDIR/by-git" apply --whitespace=nowarn "$BATS_TEST_TMPDIR/patch"
	run diff -r --no-dereference "$BATS_TEST_TMPDIR/by-git" "$BATS_TEST_TMPDIR/expected"
	assert_success
	[ -x "$BATS_TEST_TMPDIR/by-git/one" ]
	[ ! -x "$BATS_TEST_TMPDIR/by-git/dir/run" ]
}

@test "diff hides nothing that happens in a repository's own directory" {
	mkdir -p .git/hooks sub/.git
	echo main >.git/HEAD
	echo main >sub/.git/HEAD
	invite staged 'echo evil >.git/hooks/pre-commit; echo other >sub/.git/HEAD; echo x >plain'
	run awcp-snapshot diff "$ID"
	assert_success
	assert_line '+++ b/plain'
	assert_line '+++ b/.git/hooks/pre-commit'
	assert_line '+++ b/sub/.git/HEAD'
	run awcp-snapshot diff --stat "$ID" sub
	assert_output --partial sub/.git/HEAD
	refute_output --partial plain
}
