# Archives that mean harm, through the real programs: refused with the entry named, before anything
# appears, in bounded memory.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own; STATUS is request's
# shellcheck disable=SC2154,SC2016 # bats sets output; jq filters

load helper

# bad/ has what is refused as it is, lent/ the same below a resource's name, large/ what is too much.
setup_file()
{
	own_home
	CORPUS=$BATS_FILE_TMPDIR
	HOSTILE=$BUILD/unit/hostile_test
	export CORPUS HOSTILE
	mkdir "$CORPUS/bad" "$CORPUS/lent" "$CORPUS/large"
	"$HOSTILE" write "$CORPUS/bad"
	"$HOSTILE" write "$CORPUS/lent" ws/
	"$HOSTILE" large "$CORPUS/large"
	start_server -A none -S none -c 4 -- true
}

teardown_file()
{
	stop_all
}

setup()
{
	cd "$BATS_TEST_TMPDIR" || return 1
	# A sanitizer's build has other ideas of memory.
	MEMORY=16384
	case $BUILD in */sanitized) MEMORY=9999999 ;; esac
}

# bounded [kB] command...: fails with 99 if the command needed more.
bounded()
{
	"$HOSTILE" peak "$MEMORY" "$@"
}

# One line that names what is wrong.
assert_told()
{
	[ "${#lines[@]}" -eq 1 ] || fail "$1: more than a line: $output"
	[[ $output == *"$2"* ]] || fail "$1: nothing about $2: $output"
}

@test "unpack refuses each, names the entry, and makes nothing" {
	mkdir there
	while IFS=$'\t' read -r file word what; do
		run bounded awcp-snapshot unpack out <"$CORPUS/bad/$file"
		[ "$status" -eq 65 ] || fail "$what ($file): exit $status: $output"
		assert_told "$file" "$word"
		run bounded awcp-snapshot unpack there <"$CORPUS/bad/$file"
		[ "$status" -eq 65 ] || fail "$what ($file): exit $status: $output"
	done <"$CORPUS/bad/index"
	assert_equal "$(find . | sort | tr '\n' ' ')" '. ./there '
	[ ! -e ../bad ]
}

@test "unpack refuses the tars when they are compressed, too" {
	while IFS=$'\t' read -r file word what; do
		[[ $file == *.tar ]] || continue
		for packer in 'gzip -n' 'zstd -q'; do
			$packer -c <"$CORPUS/bad/$file" >packed
			run bounded awcp-snapshot unpack out <packed
			[ "$status" -eq 65 ] || fail "$what ($file, $packer): exit $status: $output"
			assert_told "$file" "$word"
		done
	done <"$CORPUS/bad/index"
	[ ! -e out ]
}

# peer: a delegator's view of an executor that sends the archive as its result.
recorded()
{
	jq -r .response.body "$FIXTURES/awcp-v1/$1.json" |
		sed -E 's/dlg_[0-9a-f]{32}/@ID@/g' >"$P/$2"
}

@test "a snapshot that means harm changes nothing, and is not kept" {
	export AWCP_TIMEOUT=2 AWCP_HOME=$BATS_TEST_TMPDIR/state
	P=$BATS_TEST_TMPDIR/peer WS=$BATS_TEST_TMPDIR/tree
	mkdir -p "$P" "$WS/d"
	echo one >"$WS/a.txt"
	ln -s a.txt "$WS/link"
	recorded 01-invite-accept invite
	recorded 03-start start
	recorded 02-events-happy all
	recorded 04-ack ack
	start_process "$P/out" "$REPO/tests/peer.pl" "$P"
	wait_until test -s "$P/port"
	find "$WS" -printf '%P %y %m %T@ %C@ %l\n' | sort >before
	while IFS=$'\t' read -r file word what; do
		base64 -w0 <"$CORPUS/lent/$file" >b64
		{
			grep -v -E '"type":"(snapshot|done)"' "$P/all"
			grep '"type":"snapshot"' "$P/all" | sed 's/"snapshotBase64":.*/"snapshotBase64":"/' |
				tr -d '\n'
			cat b64
			printf '"}\n\n'
			grep '"type":"done"' "$P/all"
			echo
		} >"$P/events"
		run awcp-invite -q -r "ws=$WS" -e "http://127.0.0.1:$(cat "$P/port")/awcp" x
		[ "$status" -eq 65 ] || fail "$what ($file): exit $status: $output"
	done <"$CORPUS/lent/index"
	find "$WS" -printf '%P %y %m %T@ %C@ %l\n' | sort >after
	diff before after
	run find "$AWCP_HOME/delegations" -path '*/snapshots/*' -type f
	assert_output ''
}

# ask file...: POST each message to the executor over one connection; the answers go to FILE.answer.
ask()
{
	local file
	for file; do
		printf 'next\nurl = "%s"\nheader = "Content-Type: application/json"\ndata-binary = "@%s"\noutput = "%s.answer"\n' "$URL" "$file" "$file"
	done | sed 1d | curl -sS --max-time 60 -K -
}

@test "a workspace that means harm ends the assignment, and nothing runs" {
	local id until
	until=$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%S.000Z)
	mkdir invite start
	while read -r sha file; do
		id=dlg_${sha:0:32}
		cat >"invite/$file" <<-END
			{"version": "1", "type": "INVITE", "delegationId": "$id",
			"task": {"description": "test", "prompt": "true"}, "retentionMs": 600000,
			"lease": {"ttlSeconds": 600, "accessMode": "rw"},
			"environment": {"resources": [{"name": "ws", "type": "fs", "mode": "rw"}]}}
		END
		{
			printf '{"version": "1", "type": "START", "delegationId": "%s",
				"lease": {"expiresAt": "%s", "accessMode": "rw"}, "transportHandle": {
				"transport": "archive", "checksum": "%s", "workspaceBase64": "' "$id" "$until" "$sha"
			base64 -w0 "$CORPUS/lent/$file"
			printf '"}}'
		} >"start/$file"
	done < <(cd "$CORPUS/lent" && sha256sum ./*.* | sed 's,\./,,')
	ask invite/*
	jq -e '.type == "ACCEPT"' invite/*.answer >accepted
	assert_equal "$(wc -l <accepted)" "$(find start -type f | wc -l)"
	ask start/*
	while IFS=$'\t' read -r file word what; do
		jq -e .ok "start/$file.answer" >/dev/null || continue # it was refused at once
		id=$(jq -r .delegationId "invite/$file")
		WAIT=60 wait_until grep -q '"error"' "$AWCP_HOME/assignments/$id/events.ndjson"
		request GET "/awcp/tasks/$id/result"
		jq -e --arg word "$word" '.error.code == "WORKSPACE_INVALID" and
			(.error.message | contains($word))' "$BODY" >/dev/null ||
			fail "$what ($file): $(cat "$BODY")"
		[ ! -e "$AWCP_HOME/assignments/$id/work" ]
	done <"$CORPUS/lent/index"
}

# bats test_tags=plain
@test "ten million entries are refused by their number, in bounded memory and time" {
	"$HOSTILE" many "$CORPUS/large"
	most=1000000 # which is also the default
	is_everything || export AWCP_MAX_ENTRIES=$((most = 100000))
	SECONDS=0
	run bounded awcp-snapshot unpack out <"$CORPUS/large/millions.tar.zst"
	assert_failure 65
	assert_output --partial "more than $most entries"
	run bounded awcp-snapshot unpack out <"$CORPUS/large/millions.zip"
	assert_failure 65
	assert_output --partial 'more than 250000 entries' # of a ZIP, whose directory is kept in memory
	[ $SECONDS -lt 60 ]
	[ ! -e out ]
}

# bats test_tags=plain
@test "a ZIP of many files takes little more memory than one of few to read and to make" {
	mkdir -p many/{1..30}
	eval "touch many/{1..30}/{1..1000}"
	bounded awcp-snapshot pack -F zip many >many.zip
	unzip -tq many.zip
	bounded awcp-snapshot unpack out <many.zip
	assert_equal "$(find out -type f | wc -l)" 30000
}

@test "a thousand to one is too much, unless one asks for it; sparse files are not meant" {
	for file in "$CORPUS"/large/zeros.tar.*; do
		AWCP_MAX_RATIO=900 run bounded awcp-snapshot unpack out <"$file"
		assert_failure 65
		assert_output --partial 'bad'
		assert_output --partial AWCP_MAX_RATIO
		[ ! -e out ]
		AWCP_MAX_UNPACKED=1M run bounded awcp-snapshot unpack out <"$file"
		assert_failure 65
		assert_output --partial AWCP_MAX_UNPACKED
	done
	run bounded awcp-snapshot unpack out <"$CORPUS/large/zeros.tar.zst"
	assert_failure 65
	AWCP_MAX_RATIO=0 bounded awcp-snapshot unpack out <"$CORPUS/large/zeros.tar.zst"
	assert_equal "$(stat -c %s out/bad)" $((300 << 20))
	rm -r out
	truncate -s 400M sparse
	tar -cSf - sparse | zstd -q >sparse.tar.zst
	bounded awcp-snapshot unpack out <sparse.tar.zst
	[ "$(stat -c %b out/sparse)" -lt 1000 ]
}

@test "names of any bytes but NUL come back as they were, in every format" {
	mkdir -p "src/$(printf 'dir\nline')"
	touch "src/$(printf 'new\nline')" "src/$(printf '\1\33[31m\177')" "src/$(printf '\377\376')" \
		src/Case src/case "src/$(printf 'dir\nline/x')" src/$'e\xcc\x81' src/$'\xc3\xa9' src/'a\b'
	for format in tar tar.zst zip; do
		awcp-snapshot pack -F $format src >archive
		bounded awcp-snapshot unpack "out-$format" <archive
		diff <(cd src && find . -print0 | sort -z) <(cd "out-$format" && find . -print0 | sort -z)
	done
}
