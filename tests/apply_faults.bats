# awcp-snapshot apply: no crash, no error and nobody who writes meanwhile leaves half of it.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output

# bats file_tags=plain
load snapshots

# Lend a tree whose apply has steps of every kind.
lend_every_kind()
{
	mkdir gone becomes-file
	echo five >gone/file
	echo six >becomes-file/file
	echo seven >becomes-directory
	lend 'echo new >changed; rm -r deleted gone becomes-file becomes-directory; mkdir n
		echo added >n/added; echo file >becomes-file; mkdir becomes-directory
		echo deep >becomes-directory/deep; rm link; ln -s script link; chmod 700 script'
	keep_all
	WHOLE=$'changed one\\n new\\n\nlink\nscript'
	# Without an exchange a path that changes its type cannot but be absent for a moment.
	[ -n "${FAULT_NO_EXCHANGE:-}" ] || WHOLE+=$'\nbecomes-file file\\n\nbecomes-directory seven\\n'
}

@test "after a kill at any change to the file system the next apply finishes" {
	lend_every_kind
	survive kill apply "$ID"
}

@test "also where names cannot be exchanged" {
	export FAULT_NO_EXCHANGE=1
	lend_every_kind
	survive kill apply "$ID"
}

@test "a full disk at any change leaves the old tree or the new one, and it can be tried again" {
	lend_every_kind
	survive disk apply "$ID"
}

@test "so does a broken one" {
	lend_every_kind
}

@test "what somebody writes while it is applied is never lost" {
	local n conflicts=0 code
	lend_every_kind
	count_changes apply "$ID"
	export FAULT_RUN="echo mine >'$SOURCE/changed'"
	for n in $(each_change); do
		put_back
		code=0
		with_fault "run:$n" apply "$ID" || code=$?
		[ "$(cat "$SOURCE/changed")" = mine ] || fail "lost at change $n"
		[ ! -e "$SOURCE/.awcp" ] || fail "the stage is left at change $n"
		if [ $code -eq 0 ]; then
			[ -e "$SOURCE/n/added" ] || fail "applied, but not wholly, at change $n"
		else
			[ $code -eq 1 ] || fail "exit $code at change $n"
			[ "$(cat "$SOURCE/deleted")" = two ] || fail "half of it at change $n"
			[ ! -e "$SOURCE/n" ] || fail "half of it at change $n"
			conflicts=$((conflicts + 1))
		fi
	done
	echo "# written before each of $CHANGES changes, $conflicts conflicts" >&3
	[ $conflicts -ge $((24 / FAULT_STRIDE)) ]
}

@test "two applies at once take turns" {
	lend 'echo new >changed; rm deleted'
	first=$ID
	lend 'echo new >d/e/deep'
	awcp-snapshot apply "$first" &
	awcp-snapshot apply "$ID"
	wait $!
	assert_equal "$(cat changed d/e/deep)" $'new\nnew'
	[ ! -e deleted ]
	[ ! -e .awcp ]
}

