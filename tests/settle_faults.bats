# awcp-snapshot apply --theirs, apply --merge and undo: as safe as a plain apply.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output

# bats file_tags=plain
load snapshots

# Lend a tree, and change there and here what --theirs and --merge can settle.
lend_conflicts()
{
	seq 9 >text
	mkdir dir
	echo five >dir/file
	lend 'echo theirs >changed; sed -i 2s/.*/theirs/ text; rm -r dir; echo file >dir; echo x >new
		rm deleted'
	sed -i 8s/.*/ours/ text
}

@test "apply --theirs survives a kill and an error at any change" {
	lend_conflicts
	echo ours >changed
	echo mine >dir/mine
	echo mine >deleted
	keep_all
	WHOLE=$'changed ours\\n theirs\\n\ndir file\\n'
	survive kill apply --theirs "$ID"
	survive disk apply --theirs "$ID"
}

@test "apply --merge survives a kill and an error at any change" {
	lend_conflicts
	keep_all
	WHOLE=$'changed one\\n theirs\\n
text 1\\n2\\n3\\n4\\n5\\n6\\n7\\nours\\n9\\n 1\\ntheirs\\n3\\n4\\n5\\n6\\n7\\nours\\n9\\n'
	survive kill apply --merge "$ID"
	survive disk apply --merge "$ID"
}

@test "undo survives a kill and an error at any change" {
	mkdir gone becomes-file
	echo five >gone/file
	echo six >becomes-file/file
	echo seven >becomes-directory
	BEFORE=$(listing)
	lend 'echo new >changed; rm -r deleted gone becomes-file becomes-directory; mkdir n
		echo added >n/added; echo file >becomes-file; mkdir becomes-directory
		echo deep >becomes-directory/deep; rm link; ln -s script link; chmod 700 script'
	awcp-snapshot apply "$ID"
	keep_all
	WHOLE=$'changed one\\n new\\n\nlink\nscript\nbecomes-file file\\n\nbecomes-directory seven\\n'
	survive kill undo "$ID"
	[ "$NEW" = "$BEFORE" ]
	survive disk undo "$ID"
	# Whatever an error left behind, it can be applied again.
	awcp-snapshot apply "$ID"
	[ "$(listing)" != "$BEFORE" ]
}

@test "what an undo that was killed may leave is cleared away by the next apply" {
	local n
	lend 'echo new >changed; rm deleted; echo added >added'
	awcp-snapshot apply "$ID"
	keep_all
	count_changes undo "$ID"
	for n in $(each_change | tail -n 12); do
		put_back
		with_fault "kill:$n" undo "$ID" || :
		[ "$(pending)" = pending ] || continue
		cd "$SOURCE"
		awcp-snapshot apply "$ID"
		assert_equal "$(cat changed)" new
		awcp-snapshot undo "$ID"
		assert_equal "$(cat changed deleted)" $'one\ntwo'
		run find "$AWCP_HOME/delegations/$ID/snapshots" -name undone -o -name kept -o -name undo
		assert_output ''
	done
}

@test "what somebody writes while it is undone is never lost" {
	local n conflicts=0 code
	lend 'echo new >changed; rm deleted; echo added >added'
	awcp-snapshot apply "$ID"
	keep_all
	count_changes undo "$ID"
	export FAULT_RUN="echo mine >'$SOURCE/changed'"
	for n in $(each_change); do
		put_back
		code=0
		with_fault "run:$n" undo "$ID" || code=$?
		[ "$(cat "$SOURCE/changed")" = mine ] || fail "lost at change $n"
		[ ! -e "$SOURCE/.awcp" ] || fail "the stage is left at change $n"
		if [ $code -eq 0 ]; then
			[ -e "$SOURCE/deleted" ] || fail "undone, but not wholly, at change $n"
		else
			[ $code -eq 1 ] || fail "exit $code at change $n"
			[ -e "$SOURCE/added" ] || fail "half of it at change $n"
			conflicts=$((conflicts + 1))
		fi
	done
	echo "# written before each of $CHANGES changes, $conflicts conflicts" >&3
	[ $conflicts -ge $((24 / FAULT_STRIDE)) ]
}
