# awcp-snapshot: what came back is shown, taken or refused; archives are packed and unpacked.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own
# shellcheck disable=SC2154 # bats sets output

load snapshots

@test "list tells of a snapshot, for people and for programs" {
	lend 'echo new >changed; rm deleted; echo more >added'
	run awcp-snapshot list "$ID"
	assert_success
	assert_output --regexp '^snap_[0-9a-f]{12} +pending .* 4 files .*\+1 ~1 -1'
	run --separate-stderr awcp-snapshot list -j "$ID"
	assert_success
	jq -e '.status == "pending" and .metadata.fileCount == 4 and (.metadata.changedFiles | length) == 3' \
		<<<"$output"
	run awcp-snapshot list dlg_none
	assert_failure 66
}

@test "ids come from stdin, too, and may be cut short" {
	lend 'echo new >changed'
	run awcp-snapshot list - <<<"${ID:0:12}"
	assert_success
	assert_output --partial pending
}

@test "show tells what changed, a path a line" {
	lend 'echo new >changed; rm deleted; mkdir n; echo more >n/added; chmod 600 d/e/deep
		rm link; echo file >link'
	run awcp-snapshot show "$ID"
	assert_success
	assert_line --regexp '^M .* src/changed$'
	assert_line --regexp '^D .* src/deleted$'
	assert_line --regexp '^A .* src/n/$'
	assert_line --regexp '^A .* src/n/added$'
	assert_line --regexp '^m .* src/d/e/deep \(0644 -> 0600\)$'
	assert_line --regexp '^T .* src/link$'
	assert_line --partial '1 added, 3 changed (1 only in mode, 1 in type), 1 deleted; 14 B before, 20 B after'
	run awcp-snapshot show -j "$ID"
	assert_equal "$(jq -rs 'map(.change) | sort | join("")' <<<"$output")" AADMTm
}

@test "diff is a patch that git apply takes" {
	lend 'echo new >changed; rm deleted; mkdir n; echo more >n/added; chmod 644 script'
	awcp-snapshot diff "$ID" >"$BATS_TEST_TMPDIR/patch"
	run cat "$BATS_TEST_TMPDIR/patch"
	assert_line '+++ b/changed'
	assert_line -- '-one'
	cp -a "$SOURCE" "$BATS_TEST_TMPDIR/by-git"
	git -C "$BATS_TEST_TMPDIR/by-git" apply "$BATS_TEST_TMPDIR/patch"
	awcp-snapshot apply "$ID"
	diff -r "$SOURCE" "$BATS_TEST_TMPDIR/by-git"
	[ ! -x "$BATS_TEST_TMPDIR/by-git/script" ]
	run ls "$AWCP_HOME/tmp"
	assert_output ''
}

@test "diff shows only the paths that are asked for, and sums up" {
	lend 'echo new >changed; echo new >d/e/deep; head -c 100 /dev/zero >binary'
	run awcp-snapshot diff "$ID" d
	assert_success
	assert_line '+++ b/d/e/deep'
	refute_output --partial b/changed
	run awcp-snapshot diff --stat "$ID"
	assert_success
	assert_line --regexp '^ changed +\| +2 \+-$'
	assert_line --partial '3 files changed'
	run awcp-snapshot diff "$ID"
	assert_line --regexp '^Binary files .* differ$'
}

@test "diff has colours and the person's pager on a terminal, and only there" {
	[ -x "$(command -v script)" ] || skip "there is no script(1)"
	lend 'echo new >changed'
	export TERM=xterm PAGER="sed s/^/paged:/"
	unset GIT_PAGER
	script -qec "awcp-snapshot diff $ID" /dev/null </dev/null >"$BATS_TEST_TMPDIR/typescript"
	run tr -d '\r' <"$BATS_TEST_TMPDIR/typescript"
	assert_output --partial paged:
	assert_output --partial $'\e[31m-one'
	run awcp-snapshot diff "$ID"
	refute_output --partial paged:
	refute_output --partial $'\e['
	# Without PAGER it is less, which ends by itself if all fits.
	unset PAGER
	run script -qec "stty rows 100 2>/dev/null; awcp-snapshot diff --stat $ID" /dev/null </dev/null
	assert_success
	assert_output --partial '1 file changed'
	# Where there is no less, it is nothing, whatever else could page.
	mkdir "$BATS_TEST_TMPDIR/bin"
	for program in git awcp-snapshot sh cat; do
		ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/bin/"
	done
	run timeout 10 script -qec "PATH=$BATS_TEST_TMPDIR/bin awcp-snapshot diff --stat $ID" /dev/null </dev/null
	assert_success
	assert_output --partial '1 file changed'
}

@test "apply takes additions, changes, deletions, modes and links" {
	lend 'echo new >changed; rm deleted; mkdir -p n/m; echo more >n/m/added; chmod 600 d/e/deep
		rm link; ln -s script link; mkdir empty; rm script; mkdir script; echo x >script/x'
	run awcp-snapshot apply -n "$ID"
	assert_success
	assert_line 'M  src/changed'
	assert_equal "$(cat changed)" one
	run awcp-snapshot apply "$ID"
	assert_success
	assert_line 'A  src/n/m/added'
	assert_line --partial '2 added, 4 changed, 1 deleted'
	assert_equal "$(cat changed n/m/added script/x)" $'new\nmore\nx'
	assert_equal "$(readlink link)" script
	assert_equal "$(stat -c %a d/e/deep)" 600
	[ -d empty ]
	[ ! -e deleted ]
	[ ! -e .awcp ]
	assert_equal "$(pending)" applied
	run awcp-snapshot apply "$ID"
	assert_failure
	assert_output --partial 'is applied already'
}

@test "what changed on both sides is a conflict: nothing is applied, all are listed" {
	lend 'echo theirs >changed; rm deleted; echo new >d/e/deep'
	echo ours >changed
	echo ours >deleted
	before=$(listing)
	run awcp-snapshot apply "$ID"
	assert_failure 1
	assert_line '!  src/changed: changed on both sides'
	assert_line '!  src/deleted: changed here, deleted there'
	assert_equal "$(listing)" "$before"
	assert_equal "$(pending)" pending
	echo one >changed
	echo two >deleted
	run awcp-snapshot apply "$ID"
	assert_success
	assert_equal "$(cat changed d/e/deep)" $'theirs\nnew'
}

@test "what nobody touched since it was sent is not read again" {
	local read=$BATS_TEST_TMPDIR/read
	sleep 0.1 # a file is not trusted that was written in the clock tick in which it was sent
	lend 'echo new >changed'
	FAULT_READ=$read with_fault none apply "$ID"
	assert_equal "$(cat changed)" new
	run cat "$read"
	assert_line changed
	refute_line --regexp '(^|/)(deleted|deep|script)$'
}

@test "own changes elsewhere stay" {
	lend 'echo new >changed; rm -r d'
	echo mine >mine
	echo mine >d/e/mine
	chmod 700 changed
	run awcp-snapshot apply "$ID"
	assert_success
	assert_equal "$(cat changed mine d/e/mine)" $'new\nmine\nmine'
	assert_equal "$(stat -c %a changed)" 700
	[ ! -e d/e/deep ]
}

@test "excluded paths come back to nobody" {
	echo '*.o' >.awcpignore
	echo object >kept.o
	lend 'echo other >kept.o; echo object >new.o; echo new >changed'
	run awcp-snapshot show "$ID"
	refute_output --partial .o
	awcp-snapshot apply "$ID"
	assert_equal "$(cat kept.o changed)" $'object\nnew'
	[ ! -e new.o ]
}

@test "a directory lent ro is not touched" {
	mkdir "$BATS_TEST_TMPDIR/data"
	echo data >"$BATS_TEST_TMPDIR/data/file"
	ID=$(awcp-invite -q -e "$URL" -r "src=$SOURCE" -r "data=$BATS_TEST_TMPDIR/data:ro" -m staged \
		'echo new >changed; chmod -R u+w ../data; echo new >../data/file || :')
	run awcp-snapshot show "$ID"
	refute_output --partial data/
	awcp-snapshot apply "$ID"
	assert_equal "$(cat changed "$BATS_TEST_TMPDIR/data/file")" $'new\ndata'
	run awcp-snapshot diff "$ID"
	assert_line '+++ b/src/changed'
}

@test "what a worker makes of git's own and of guarded files runs nothing here" {
	local ran=$BATS_TEST_TMPDIR/ran work
	git init -q .
	git add changed
	echo 'secret*' >.awcpignore
	read -r -d '' work <<-END || :
		printf '[core]\n\tfsmonitor = "touch $ran; false"\n' >>.git/config
		printf '#!/bin/sh\ntouch $ran\n' >.git/hooks/post-checkout; chmod +x .git/hooks/post-checkout
		rm .awcpignore; mkdir .vscode; echo {} >.vscode/tasks.json; echo new >changed; echo new >.a
		printf '#!/bin/sh\n' >run; chmod +x run; : >"\$(printf 'txt.\342\200\256gpj')"
	END
	lend "$work"
	run awcp-snapshot show "$ID"
	assert_success
	assert_line --index 0 --regexp '^D .* src/.awcpignore \(guarded\)$'
	assert_line --regexp '^M .* src/.git/config \(never taken\)$'
	assert_line --regexp '^A .* src/run \(executable\)$'
	assert_line --partial '; 2 never taken'
	refute_output --partial $'\u202e'
	run awcp-snapshot diff "$ID"
	assert_success
	assert_equal "$(grep '^diff' <<<"$output" | cut -d ' ' -f 4 | tr '\n' ' ')" \
		"b/.git/config b/.git/hooks/post-checkout b/.awcpignore b/.vscode/tasks.json \"b/txt.\\342\\200\\256gpj\" b/.a b/changed b/run "
	before=$(listing)
	for how in '' --theirs --merge '-n --theirs'; do
		# shellcheck disable=SC2086 # several options
		run awcp-snapshot apply $how "$ID"
		assert_failure 1
		assert_line '!  src/.awcpignore: guarded, and deleted there'
		assert_line '!  src/.vscode/tasks.json: guarded, and made there'
		assert_line '!  src/txt.?gpj: guarded for its name, and made there'
		assert_output --partial '3 guarded paths changed there: src/.awcpignore, src/.vscode/tasks.json, src/txt.?gpj'
		assert_equal "$(listing)" "$before"
	done
	assert_equal "$(pending)" pending
	run awcp-snapshot apply -j -n "$ID"
	assert_equal "$(grep '^{' <<<"$output" | jq -rs 'map(select(.action == "guarded").path) | length')" 3
	mkdir "$BATS_TEST_TMPDIR/out"
	awcp-snapshot export -F tar "$ID" | tar -C "$BATS_TEST_TMPDIR/out" -x
	assert_equal "$(cd "$BATS_TEST_TMPDIR/out/src" && cat .awcpignore changed && ls -d .v* txt* 2>/dev/null)" $'secret*\nnew'
	diff -r .git "$BATS_TEST_TMPDIR/out/src/.git"
	awcp-snapshot export --guarded -F tar "$ID" | tar -C "$BATS_TEST_TMPDIR/out" -x src/.vscode src/.git/config
	diff .git/config "$BATS_TEST_TMPDIR/out/src/.git/config"
	run awcp-snapshot apply --ours "$ID"
	assert_success
	assert_line 'A  src/run: executable now'
	assert_line --partial '2 added, 1 changed, 0 deleted, 1 executable now, 2 never taken'
	git status --short >/dev/null
	git checkout -q changed
	[ ! -e "$ran" ]
	echo new >changed
	awcp-snapshot undo "$ID"
	assert_equal "$(listing | grep -v '\.git/')" "$(grep -v '\.git/' <<<"$before")"
	awcp-snapshot apply --theirs "$ID" .vscode .awcpignore $'txt.\u202egpj'
	[ -e .vscode/tasks.json ]
	[ ! -e .awcpignore ]
	echo 'secret*' >.awcpignore
	AWCP_GUARDED='-.awcpignore' run awcp-invite -e "$URL" -r "src=$SOURCE:rw" 'rm .awcpignore; echo x >changed'
	assert_success
	[ ! -e .awcpignore ]
	run awcp-invite -q -e "$URL" -r "src=$SOURCE:rw" 'echo ls >.envrc; echo y >changed'
	assert_failure 1
	assert_output --partial 'guarded path changed there: src/.envrc'
	assert_equal "$(cat changed)" x
}

@test "a repository that the worker deletes, replaces or moves keeps git's own files" {
	mkdir -p d/.git moved/.git
	echo old >d/.git/config
	echo old >moved/.git/config
	echo in >moved/file
	lend 'rm -r d; ln -s moved d; mv moved other; echo evil >other/.git/config'
	awcp-snapshot export -F zip "$ID" >"$BATS_TEST_TMPDIR/archive"
	mkdir "$BATS_TEST_TMPDIR/out"
	bsdtar -C "$BATS_TEST_TMPDIR/out" -xf "$BATS_TEST_TMPDIR/archive"
	assert_equal "$(cd "$BATS_TEST_TMPDIR/out/src" && find . -name config -exec cat {} +)" old
	run awcp-snapshot apply "$ID"
	assert_failure 1
	run awcp-snapshot apply --theirs "$ID" d
	assert_failure 1
	run awcp-snapshot apply --ours "$ID"
	assert_success
	assert_equal "$(cat d/.git/config moved/.git/config other/file)" $'old\nold\nin'
	[ ! -e other/.git ]
	[ ! -e moved/file ]
}

@test "discard refuses it and removes its files" {
	lend 'echo new >changed'
	run awcp-snapshot discard "$ID"
	assert_success
	assert_equal "$(pending)" discarded
	run find "$AWCP_HOME/delegations/$ID/snapshots" -name data.tar.zst
	assert_output ''
	run awcp-snapshot apply "$ID"
	assert_failure
	assert_equal "$(cat changed)" one
}

@test "export writes zip, tar and tar.zst" {
	lend 'echo new >changed'
	for format in zip tar tar.zst; do
		awcp-snapshot export -F $format "$ID" >"$BATS_TEST_TMPDIR/archive"
		run bsdtar -xOf "$BATS_TEST_TMPDIR/archive" src/changed
		assert_output new
		run bsdtar -tvf "$BATS_TEST_TMPDIR/archive" src/link
		assert_output --partial 'src/link -> changed'
	done
	run awcp-snapshot export -F rar "$ID"
	assert_failure 64
}

@test "pack and unpack give the same tree" {
	mkdir empty
	: >'a name with spaces'
	touch -d '2001-02-03 04:05:06.789' changed
	for format in zip tar tar.zst; do
		rm -rf "$BATS_TEST_TMPDIR/copy"
		awcp-snapshot pack -F $format . | awcp-snapshot unpack "$BATS_TEST_TMPDIR/copy"
		run diff <(cd "$BATS_TEST_TMPDIR/copy" && find . -printf '%y %m %P %l\n' | sort) \
			<(find . -printf '%y %m %P %l\n' | sort)
		assert_success
		diff -r . "$BATS_TEST_TMPDIR/copy"
	done
	assert_equal "$(stat -c %y "$BATS_TEST_TMPDIR/copy/changed")" "$(stat -c %y changed)"
	awcp-snapshot pack -x 'd*' . | bsdtar -tf - >"$BATS_TEST_TMPDIR/list"
	run grep -E '^(\./)?d' "$BATS_TEST_TMPDIR/list"
	assert_failure
}

@test "unpack is all or nothing" {
	target=$BATS_TEST_TMPDIR/target
	mkdir -p "$target/full"
	awcp-snapshot pack . >"$BATS_TEST_TMPDIR/archive"
	run awcp-snapshot unpack "$target/full/../../target" <"$BATS_TEST_TMPDIR/archive"
	assert_failure 73
	head -c 200 "$BATS_TEST_TMPDIR/archive" >"$BATS_TEST_TMPDIR/torn"
	run awcp-snapshot unpack "$target/new" <"$BATS_TEST_TMPDIR/torn"
	assert_failure 65
	run awcp-snapshot unpack "$target/new" < <(echo nonsense)
	assert_failure 65
	run find "$target" -mindepth 1
	assert_output "$target/full"
	awcp-snapshot unpack "$target/full" <"$BATS_TEST_TMPDIR/archive"
	assert_equal "$(cat "$target/full/changed")" one
}

@test "usage errors" {
	run awcp-snapshot
	assert_failure 64
	run awcp-snapshot frobnicate x
	assert_failure 64
	run awcp-snapshot apply
	assert_failure 64
	run awcp-snapshot apply -z x
	assert_failure 64
	run awcp-snapshot -h
	assert_success
	assert_output --partial 'usage: awcp-snapshot list'
}
