# awcp-snapshot: conflicts are settled as asked for, and what was applied can be taken back.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output

load snapshots

# Everything in the source tree, with times and the files' identity.
identity()
{
	listing
	find "$SOURCE" -type f -printf '%P %i\n' | sort
	find "$SOURCE" -printf '%P %T@\n' | sort
}

# What changed there and here: text in other places, changed in the same.
lend_both()
{
	seq 9 >text
	lend 'echo theirs >changed; sed -i 2s/.*/theirs/ text; echo new >new'
	echo ours >changed
	sed -i 8s/.*/ours/ text
	BEFORE=$(identity)
}

@test "every conflict is told with its reason, and nothing is applied" {
	lend 'echo theirs >changed; rm deleted; echo theirs >d/e/deep; echo theirs >added
		chmod 700 script; echo new >new'
	echo ours >changed
	echo ours >deleted
	rm d/e/deep
	echo ours >added
	chmod 711 script
	run awcp-snapshot apply "$ID"
	assert_failure 1
	assert_line '!  src/changed: changed on both sides'
	assert_line '!  src/deleted: changed here, deleted there'
	assert_line '!  src/d/e/deep: deleted here, changed there'
	assert_line '!  src/added: added on both sides'
	assert_line '!  src/script: mode changed on both sides'
	assert_line --partial 'nothing was changed; --theirs, --ours or --merge settles it'
	[ ! -e new ]
	run awcp-snapshot apply -j "$ID"
	jq -e 'select(.path == "src/added") | .action == "conflict" and .why == "added on both sides"' \
		<<<"${lines[0]}"
}

@test "apply --theirs takes theirs, and ours is kept for undo" {
	lend_both
	run awcp-snapshot apply --theirs "$ID"
	assert_success
	assert_line '=  src/changed: changed on both sides; theirs is taken'
	assert_line 'M  src/changed'
	assert_equal "$(cat changed new)" $'theirs\nnew'
	assert_equal "$(sed -n 8p text)" 8
	awcp-snapshot undo "$ID"
	assert_equal "$(identity)" "$BEFORE"
}

@test "apply --theirs finds content that came back as it was sent" {
	lend 'chmod 700 d/e/deep; echo new >changed'
	rm d/e/deep
	awcp-snapshot apply --theirs "$ID"
	assert_equal "$(cat d/e/deep changed)" $'three\nnew'
	assert_equal "$(stat -c %a d/e/deep)" 700
}

@test "apply --ours leaves ours and takes the rest" {
	lend_both
	run awcp-snapshot apply --ours "$ID"
	assert_success
	assert_line '=  src/changed: changed on both sides; ours stays'
	assert_equal "$(cat changed new)" $'ours\nnew'
	assert_equal "$(sed -n 2p text)" 2
}

@test "apply --merge puts together what does not overlap, and nothing if something does" {
	lend_both
	run awcp-snapshot apply --merge "$ID"
	assert_failure 1
	assert_line '!  src/changed: changed on both sides, and the changes overlap'
	assert_equal "$(identity)" "$BEFORE"
	echo one >changed
	run awcp-snapshot apply --merge "$ID"
	assert_success
	assert_line '=  src/text: changed on both sides; merged'
	assert_equal "$(sed -n '2p;8p' text)" $'theirs\nours'
	assert_equal "$(cat changed)" theirs
	[ ! -e .awcp ]
}

@test "apply --merge --markers leaves what overlaps to the person, and says so" {
	lend_both
	run awcp-snapshot apply --merge --markers "$ID"
	assert_failure 1
	assert_line 'M  src/changed: has conflict markers'
	assert_line --partial '1 file has conflict markers'
	assert_equal "$(cat changed)" $'<<<<<<< ours\nours\n=======\ntheirs\n>>>>>>> theirs'
	assert_equal "$(pending)" applied
	awcp-snapshot undo "$ID"
	assert_equal "$(identity)" "$BEFORE"
}

@test "conflicts are settled for some paths only, if paths are given" {
	lend_both
	run awcp-snapshot apply --theirs "$ID" text
	assert_failure 1
	assert_line '=  src/text: changed on both sides; theirs is taken'
	assert_line '!  src/changed: changed on both sides'
	assert_equal "$(identity)" "$BEFORE"
	snap=$(awcp-snapshot list -j "$ID" | jq -r .id)
	echo one >changed
	run awcp-snapshot apply --theirs "$ID" "$snap" src/text
	assert_success
	assert_equal "$(sed -n '2p;8p' text)" $'theirs\n8'
}

@test "apply -n tells how each conflict would be settled, and changes nothing" {
	lend_both
	state=$(find "$AWCP_HOME" | sort)
	run awcp-snapshot apply -n --merge --markers "$ID"
	assert_failure 1
	assert_line '=  src/text: changed on both sides; merged'
	assert_line 'M  src/text'
	assert_line '=  src/changed: changed on both sides, and the changes overlap; merged'
	assert_line 'A  src/new'
	run awcp-snapshot apply -nj --theirs "$ID"
	assert_success
	assert_equal "$(jq -rs 'map(.action) | sort | join(" ")' <<<"$(grep '^{' <<<"$output")")" \
		'add change change settle settle'
	assert_equal "$(identity)" "$BEFORE"
	assert_equal "$(find "$AWCP_HOME" | sort)" "$state"
}

@test "options that do not go together, or are cut short, are usage errors" {
	lend 'echo new >changed'
	for options in '--theirs --ours' --markers '--theirs --markers' --the --stat; do
		# shellcheck disable=SC2086 # they are words
		run awcp-snapshot apply $options "$ID"
		[ "$status" -eq 64 ] || fail "$options: $status"
	done
	run awcp-snapshot apply "$ID" snap_x path
	assert_failure 64
	assert_equal "$(cat changed)" one
}

@test "undo brings back exactly what was, and the snapshot can be applied again" {
	mkdir gone becomes-file
	echo five >gone/file
	echo six >becomes-file/file
	echo seven >becomes-directory
	touch -d '2001-02-03 04:05:06.789' changed gone/file d/e
	touch -h -d '2002-03-04 05:06:07.8' link gone .
	chmod 4711 changed
	chmod 2775 gone becomes-file
	BEFORE=$(identity)
	lend 'echo new >changed; rm -r deleted gone becomes-file becomes-directory; mkdir n
		echo added >n/added; echo file >becomes-file; mkdir becomes-directory
		echo deep >becomes-directory/deep; rm link; ln -s script link; chmod 700 script
		touch d/e d/e/deep'
	awcp-snapshot apply "$ID"
	after=$(listing)
	run awcp-snapshot undo -n "$ID"
	assert_success
	assert_line 'M  src/changed'
	assert_line 'A  src/deleted'
	assert_line 'D  src/n/added'
	assert_equal "$(listing)" "$after"
	run awcp-snapshot undo "$ID"
	assert_success
	assert_line --regexp '^awcp-snapshot: snap_[0-9a-f]+ is undone: [0-9]+ added'
	assert_equal "$(identity)" "$BEFORE"
	[ ! -e .awcp ]
	run awcp-snapshot list -j "$ID"
	jq -e '.status == "pending" and .undoneAt and (has("appliedAt") | not)' <<<"$output"
	awcp-show -j "$ID" | jq -e 'has("appliedSnapshotId") | not'
	run awcp-snapshot undo "$ID"
	assert_failure
	assert_output --partial 'no snapshot of'
	awcp-snapshot apply "$ID"
	assert_equal "$(listing)" "$after"
}

@test "what was changed since it was applied is a conflict: nothing is undone" {
	lend 'echo new >changed; rm deleted; echo added >added; chmod 700 script; echo new >d/e/deep'
	awcp-snapshot apply "$ID"
	echo mine >changed
	echo mine >deleted
	echo mine >added
	chmod 711 script
	rm d/e/deep
	before=$(identity)
	for option in -n ''; do
		# shellcheck disable=SC2086 # nothing is nothing
		run awcp-snapshot undo $option "$ID"
		assert_failure 1
		assert_line '!  src/changed: changed since it was applied'
		assert_line '!  src/added: changed since it was applied'
		assert_line '!  src/deleted: appeared since it was deleted'
		assert_line '!  src/script: its mode was changed since it was applied'
		assert_line '!  src/d/e/deep: changed since it was applied'
		assert_equal "$(identity)" "$before"
		assert_equal "$(pending)" applied
	done
}

@test "undo leaves what was changed elsewhere, and what is already as it was" {
	lend 'echo new >changed; mkdir n; echo added >n/added; rm deleted'
	awcp-snapshot apply "$ID"
	echo mine >mine
	echo mine >n/mine
	echo one >changed
	awcp-snapshot undo "$ID"
	assert_equal "$(cat mine n/mine changed deleted)" $'mine\nmine\none\ntwo'
	[ ! -e n/added ]
}

@test "undo needs the old files" {
	lend 'echo new >changed'
	run awcp-snapshot undo "$ID"
	assert_failure
	awcp-snapshot apply "$ID"
	rm -r "$AWCP_HOME/delegations/$ID"/snapshots/*/kept
	run awcp-snapshot undo "$ID"
	assert_failure 66
	assert_output --partial 'the old src/changed is not kept any more'
	assert_equal "$(cat changed)" new
}

@test "auto mode does not take again what was undone, and keeps pending what conflicts" {
	id=$(awcp-invite -q -e "$URL" -r "src=$SOURCE:rw" 'echo new >changed')
	assert_equal "$(cat changed)" new
	awcp-snapshot undo "$id"
	assert_equal "$(cat changed)" one
	run awcp-watch -q "$id"
	assert_success
	assert_equal "$(cat changed)" one
	# The worker waits until somebody has changed the file here.
	mkfifo "$BATS_TEST_TMPDIR/go"
	awcp-invite -q -e "$URL" -r "src=$SOURCE:rw" \
		"read -r go <$BATS_TEST_TMPDIR/go; echo theirs >changed" \
		>"$BATS_TEST_TMPDIR/id" 2>"$BATS_TEST_TMPDIR/err" &
	exec 4>"$BATS_TEST_TMPDIR/go"
	echo ours >changed
	echo go >&4
	exec 4>&-
	code=0
	wait $! || code=$?
	assert_equal $code 1
	id=$(cat "$BATS_TEST_TMPDIR/id")
	grep -q 'src/changed: changed on both sides' "$BATS_TEST_TMPDIR/err"
	assert_equal "$(cat changed)" ours
	assert_equal "$(awcp-snapshot list -j "$id" | jq -r .status)" pending
	awcp-show -j "$id" | jq -e '.state == "completed"'
}
