# The executor over HTTP, through nginx and FastCGI, and as plain CGI.
# shellcheck disable=SC2030,SC2031,SC2153 # a test's variables are its own; STATUS is request's
# shellcheck disable=SC2016,SC1010,SC2094 # jq filters; "done" is an event; files are read twice

load helper

setup_file()
{
	own_home
	start_server -A none -S none -- sh
	EXECUTOR_PID=$(pgrep -P "$(pgrep -d, -P "$SERVER_PID")" awcp-executor)
	export EXECUTOR_PID
}

teardown_file()
{
	stop_all
}

new_id()
{
	printf 'dlg_%s' "$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')"
}

# invite id [prompt] [jq filter]: the text of an INVITE.
invite()
{
	jq -cn --arg id "$1" --arg prompt "${2-true}" '{version: "1", type: "INVITE",
		delegationId: $id, task: {description: "test", prompt: $prompt},
		lease: {ttlSeconds: 600, accessMode: "rw"}, retentionMs: 600000,
		environment: {resources: [{name: "ws", type: "fs", mode: "rw"}]},
		requirements: {transport: "archive"}} | '"${3-.}"
}

later()
{
	date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%S.000Z
}

# make_zip: a workspace with one file; sets ZIP and SHA.
make_zip()
{
	ZIP=$BATS_TEST_TMPDIR/ws.zip
	mkdir -p "$BATS_TEST_TMPDIR/pack/ws"
	echo one >"$BATS_TEST_TMPDIR/pack/ws/a.txt"
	(cd "$BATS_TEST_TMPDIR/pack" && rm -f "$ZIP" && bsdtar -c --format zip -f "$ZIP" ws)
	SHA=$(sha256sum <"$ZIP" | cut -d' ' -f1)
}

# start id [jq filter]: the text of a START with the workspace of make_zip.
start()
{
	base64 -w0 "$ZIP" >"$BATS_TEST_TMPDIR/b64"
	jq -cn --arg id "$1" --arg sha "$SHA" --arg until "$(later)" \
		--rawfile data "$BATS_TEST_TMPDIR/b64" '{version: "1", type: "START", delegationId: $id,
		lease: {expiresAt: $until, accessMode: "rw"},
		transportHandle: {transport: "archive", workspaceBase64: $data, checksum: $sha}} | '"${2-.}"
}

accepted()
{
	post "$(invite "$@")"
	assert_status 200
	assert_json '.type == "ACCEPT"'
}

assert_nothing_left()
{
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

result_is()
{
	request GET "/awcp/tasks/$1/result"
	jq -e "$2" "$BODY" >/dev/null
}

# --- the recorded exchanges

# exchange number: what the reference was sent and answered; the lease is moved to our time.
exchange()
{
	local file
	file=$(echo "$FIXTURES"/awcp-v1/"$1"-*.json)
	METHOD=$(jq -r .request.method "$file")
	REQUEST_PATH=$(jq -r .request.path "$file")
	jq -j --arg until "$(later)" '.request.body | . as $text | try (fromjson |
		if .lease.expiresAt then .lease.expiresAt = $until else . end | tojson)
		catch $text' "$file" >"$BATS_TEST_TMPDIR/request"
	REFERENCE_STATUS=$(jq -r .response.status "$file")
	jq -j .response.body "$file" >"$BATS_TEST_TMPDIR/reference"
}

# replay number: send it.
replay()
{
	exchange "$1"
	if [ -s "$BATS_TEST_TMPDIR/request" ]; then
		request "$METHOD" "$REQUEST_PATH" --data-binary "@$BATS_TEST_TMPDIR/request"
	else
		request "$METHOD" "$REQUEST_PATH"
	fi
}

# highlights and hint may be left out (AWCP v1).
SHAPE='def fits($r): if ($r | type) == "object"
	then . as $o | type == "object" and ($r | keys | all(. as $k | if $o | has($k)
		then $o[$k] | fits($r[$k]) else $k == "highlights" or $k == "hint" end))
	else type == ($r | type) end;'

# The answer has the reference's status and all its members, with their types.
assert_same_kind()
{
	assert_status "$REFERENCE_STATUS"
	jq -e --slurpfile r "$BATS_TEST_TMPDIR/reference" "$SHAPE fits(\$r[0])" "$BODY" >/dev/null ||
		fail "exchange $REQUEST_PATH: $(cat "$BATS_TEST_TMPDIR/reference") but $(cat "$BODY")"
}

events_of()
{
	sed -n 's/^data: //p' "$1"
}

# The events in ${BODY} are those of the reference in number, order, members and types.
assert_same_events()
{
	events_of "$BATS_TEST_TMPDIR/reference" | jq -s . >"$BATS_TEST_TMPDIR/reference.json"
	events_of "$BODY" | jq -s 'map(select(.status != "progress"))' >"$BATS_TEST_TMPDIR/events.json"
	jq -e --slurpfile r "$BATS_TEST_TMPDIR/reference.json" "$SHAPE"'
		length == ($r[0] | length) and ([., $r[0]] | transpose |
			all(.[0].type == .[1].type and (.[1] as $e | .[0] | fits($e))))' \
		"$BATS_TEST_TMPDIR/events.json" >/dev/null ||
		fail "$(cut -c1-400 "$BATS_TEST_TMPDIR/reference") but $(cut -c1-400 "$BODY")"
}

stream_open()
{
	grep -q '^: ' "$1" 2>/dev/null
}

# delegate invite events start: the three exchanges as a delegator sends them, the stream first.
delegate()
{
	replay "$1"
	assert_same_kind
	exchange "$2"
	start_process "$BATS_TEST_TMPDIR/stream" curl -sSN --max-time 60 "${URL%/awcp}$REQUEST_PATH"
	wait_until stream_open "$BATS_TEST_TMPDIR/stream"
	replay "$3"
	assert_same_kind
	WAIT=30 wait_until gone "$STARTED"
	exchange "$2"
	BODY=$BATS_TEST_TMPDIR/stream
	assert_same_events
}

@test "a recorded delegation that succeeds is answered as by the reference" {
	delegate 01 02 03
	events_of "$BODY" | jq -r 'select(.type == "snapshot").snapshotBase64' | base64 -d >"$BATS_TEST_TMPDIR/result.archive"
	run bsdtar -xOf "$BATS_TEST_TMPDIR/result.archive" ws/a.txt
	assert_line two
	run bsdtar -tf "$BATS_TEST_TMPDIR/result.archive"
	assert_line ws/new/n.txt
	replay 04
	assert_same_kind
	# Acknowledged: it is gone.
	result_is dlg_38e5ec5f998647319557392236b9bd5b '.status == "not_found"'
}

@test "a recorded delegation whose task fails is answered as by the reference" {
	delegate 05 06 07
	assert_equal "$(events_of "$BODY" | jq -r 'select(.type == "error").code')" TASK_FAILED
}

@test "a recorded staged delegation is answered as by the reference" {
	delegate 09 10 11
	replay 12
	assert_same_kind
}

@test "recorded: a lease that is too long is declined with HTTP 200" {
	replay 08
	assert_same_kind
	assert_json '.type == "ERROR" and .code == "DECLINED"'
}

@test "recorded: status, and what an unknown id gets" {
	for n in 13 15 16 17; do
		replay $n
		assert_same_kind
	done
	replay 14
	assert_status 200
	assert_same_events
	grep -qi '^content-type: text/event-stream' "$HEAD"
	grep -qi '^cache-control: no-cache' "$HEAD"
	grep -qi '^x-accel-buffering: no' "$HEAD"
}

@test "recorded: the client's own mistakes are not our 500" {
	accepted dlg_somebody_elses
	replay 18
	assert_refused 404 NOT_FOUND
	run grep -c somebody_elses "$BODY"
	assert_output 0
	replay 19
	assert_refused 404 NOT_FOUND
	replay 20
	assert_refused 400 BAD_MESSAGE
	replay 21
	assert_refused 400 BAD_MESSAGE
}

@test "recorded: a wrong checksum ends the assignment, and every answer tells it" {
	replay 22
	assert_same_kind
	replay 23
	assert_same_kind
	replay 24
	assert_refused 400 CHECKSUM_MISMATCH
	replay 25
	assert_same_kind
	assert_json '.error.code == "CHECKSUM_MISMATCH"'
	replay 26
	assert_same_events
	assert_nothing_left
}

# --- messages that are read right

@test "a START may have its members in any order, with white space, escapes and extras" {
	make_zip
	id=$(new_id)
	accepted "$id"
	b64=$(base64 -w0 "$ZIP")
	post "
	{ \"extra\": {\"workspaceBase64\": [\"not this\"], \"deep\": [[[{}]]]},
	\"transportHandle\" : { \"checksum\":\"$SHA\", \"workspaceBase64\" : \"\\u0055${b64:1}\",
		\"transport\":\"archive\", \"more\": null },
	  \"lease\":{\"accessMode\":\"r\\u0077\",\"expiresAt\":\"$(later)\"}, \"type\"  :\"STAR\\u0054\",
	\"delegationId\":\"$id\", \"version\":\"1\" }
	"
	assert_status 200
	assert_json '.ok == true'
	WAIT=30 wait_until result_is "$id" '.status == "completed"'
	assert_nothing_left
}

@test "base64 may have line breaks, and a checksum capitals" {
	make_zip
	id=$(new_id)
	accepted "$id"
	base64 -w76 "$ZIP" >"$BATS_TEST_TMPDIR/lines"
	SHA=${SHA^^}
	post "$(start "$id" '.' | jq -c --rawfile l "$BATS_TEST_TMPDIR/lines" '.transportHandle.workspaceBase64 = $l')"
	assert_status 200
}

@test "a START in chunks, without a length, is read too" {
	make_zip
	id=$(new_id)
	accepted "$id"
	post "$(start "$id")" -H 'Transfer-Encoding: chunked'
	assert_status 200
}

# --- messages that are refused

@test "what is not JSON, or not an object, is a 400" {
	for text in '' '{' '[]' '"x"' '{"a":1}{}' '{"type":"INVITE","type":"START"}' 'GET / HTTP/1.0' \
		$'{"version":"\x01"}' $'{"version":"\xff"}'; do
		post "$text"
		assert_refused 400 BAD_MESSAGE
	done
	post "$(printf '[%.0s' {1..100000})"
	assert_status 400
}

# variants member...: of the message in stdin without each member, and with it wrong; each line is
# the member's path, a tab, the message.
variants()
{
	jq -r --args '. as $m | $ARGS.positional[] | . as $name | split(".") as $p |
		(($m | delpaths([$p])), ((null, true, [{}], {"x": 1}, 1.5) as $v | $m | setpath($p; $v))) |
		$name + "\t" + tojson' "$@"
}

@test "a missing member, or one of the wrong type, is a 400 that names it" {
	# Without resources there is nothing to lend, and a fraction of a second is cut off.
	invite "$(new_id)" | variants version type delegationId task task.description task.prompt \
		lease lease.ttlSeconds lease.accessMode retentionMs environment \
		environment.resources |
		jq -rR 'split("\t") | (.[1] | fromjson) as $m | select(($m | .environment.resources? != null) and
			([$m.lease.ttlSeconds?, $m.retentionMs] | all(. != 1.5))) | join("\t")' \
			>"$BATS_TEST_TMPDIR/variants"
	while IFS=$'\t' read -r member text; do
		post "$text"
		assert_refused 400 BAD_MESSAGE
		assert_json ".error | contains(\"$member\")"
	done <"$BATS_TEST_TMPDIR/variants"
	make_zip
	id=$(new_id)
	accepted "$id"
	start "$id" | variants lease lease.expiresAt lease.accessMode transportHandle \
		transportHandle.transport transportHandle.checksum \
		transportHandle.workspaceBase64 >"$BATS_TEST_TMPDIR/variants"
	while IFS=$'\t' read -r member text; do
		post "$text"
		assert_refused 400 BAD_MESSAGE
	done <"$BATS_TEST_TMPDIR/variants"
	result_is "$id" '.status == "running"'
	assert_nothing_left
}

@test "an id that is none is refused, in a message and in a path" {
	for id in ../x a/b .. . '' 'a b' "$(printf 'x%.0s' {1..129})" 'ü' 'a%00b'; do
		post "$(invite "$id")"
		assert_refused 400 BAD_MESSAGE
	done
	for path in /tasks/a.b/events /tasks/..%2f..%2fx/result /tasks/a%2fb/ack /cancel/.. /cancel/a%0ab \
		"/tasks/$(printf 'x%.0s' {1..129})/result" /tasks//result; do
		request GET "/awcp$path" --path-as-is
		[ "$STATUS" = 404 ] || [ "$STATUS" = 405 ] || [ "$STATUS" = 400 ] || fail "$path: $STATUS"
		assert_json 'has("error") and has("code") and has("hint")'
	done
}

@test "a prompt of 100 MB is refused, and not kept in memory" {
	{
		invite "$(new_id)" '@' | sed 's/@.*//'
		head -c 100000000 /dev/zero | tr '\0' a
		echo '"}}'
	} | tr -d '\n' >"$BATS_TEST_TMPDIR/big"
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/big"
	assert_refused 413 TOO_LARGE
	assert_peak "$EXECUTOR_PID" 16384
}

@test "a resource's name must be one of a folder" {
	for name in ../x .. . .awcp '' a//b a/.. /a $'a\nb' "$(printf 'x%.0s' {1..256})"; do
		post "$(invite "$(new_id)" | jq -c --arg name "$name" '.environment.resources[0].name = $name')"
		assert_refused 400 BAD_MESSAGE
	done
}

# zip path...: a workspace of these files of "$BATS_TEST_TMPDIR/other"; sets ZIP and SHA.
zip_of()
{
	ZIP=$BATS_TEST_TMPDIR/other.zip
	rm -f "$ZIP"
	(cd "$BATS_TEST_TMPDIR/other" && bsdtar -c --format zip -f "$ZIP" "$@")
	SHA=$(sha256sum <"$ZIP" | cut -d' ' -f1)
}

@test "what the reference takes is taken: fractions, paths as names, long descriptions, halves of characters" {
	mkdir -p "$BATS_TEST_TMPDIR/other/a/b" "$BATS_TEST_TMPDIR/other/a/c"
	echo one >"$BATS_TEST_TMPDIR/other/a/b/f"
	zip_of a/b a/c
	id=$(new_id)
	accepted "$id" 'echo two >>f; printf %s "$AWCP_DESCRIPTION" | wc -c >n; cat >/dev/null # @' \
		'.lease.ttlSeconds = 60.75 | .retentionMs = 600000.5 | .task.description = "é" * 150000 |
		.auth = {type: "oauth2", credential: "x"} | .environment.resources = [
			{name: "a/c", type: "fs", mode: "ro"}, {name: "a/b", type: "fs", mode: "rw"}]'
	assert_json '.executorConstraints.maxTtlSeconds == 60'
	start "$id" >"$BATS_TEST_TMPDIR/start"
	post "$(cat "$BATS_TEST_TMPDIR/start")"
	assert_status 200
	wait_until result_is "$id" '.status != "running"'
	jq -r .snapshotBase64 "$BODY" | base64 -d >"$BATS_TEST_TMPDIR/back.zip"
	run bsdtar -xOf "$BATS_TEST_TMPDIR/back.zip" a/b/f a/b/n
	assert_output $'one\ntwo\n4096'
	# Nothing but what was said.
	id=$(new_id)
	accepted "$id" 'echo nothing lent' '.environment.resources = []'
	printf 'PK\5\6%018d' 0 | tr 0 '\0' >"$BATS_TEST_TMPDIR/nothing.zip"
	ZIP=$BATS_TEST_TMPDIR/nothing.zip SHA=$(sha256sum <"$BATS_TEST_TMPDIR/nothing.zip" | cut -d' ' -f1)
	post "$(start "$id")"
	assert_status 200
	wait_until result_is "$id" '.status == "completed" and .summary == "nothing lent"'
	# A lone surrogate, which JSON may have and UTF-8 not.
	id=$(new_id)
	accepted_text=$(invite "$id" 'echo @')
	post "${accepted_text/@/x\\ud83dy}"
	assert_json '.type == "ACCEPT"'
	assert_equal "$(jq -r .invite.task.prompt "$AWCP_HOME/assignments/$id/record.json")" $'echo x\xef\xbf\xbdy'
}

@test "broken base64 ends the assignment and leaves no file" {
	make_zip
	for data in 'AAA' 'A*==' 'AAAA=AAA' '===='; do
		id=$(new_id)
		accepted "$id"
		post "$(start "$id" | jq -c --arg d "$data" '.transportHandle.workspaceBase64 = $d')"
		assert_refused 400 CHECKSUM_MISMATCH
		result_is "$id" '.status == "error" and .error.code == "CHECKSUM_MISMATCH"'
	done
	assert_nothing_left
}

@test "a START that ends early leaves the assignment pending and no file" {
	make_zip
	id=$(new_id)
	accepted "$id"
	text=$(start "$id")
	post "${text:0:${#text}-200}"
	assert_refused 400 BAD_MESSAGE
	result_is "$id" '.status == "running"'
	# A connection that breaks off inside the archive.
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'POST /awcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n%s' "${text:0:500}" >&5
	exec 5>&-
	result_is "$id" '.status == "running"'
	wait_until assert_nothing_left
	post "$text"
	assert_status 200
}

@test "a START for an unknown id, or a second one, is refused and leaves no file" {
	make_zip
	post "$(start "$(new_id)")"
	assert_refused 404 NOT_FOUND
	# The archive before the id.
	post "$(start "$(new_id)" '{transportHandle, lease, delegationId, type, version}')"
	assert_refused 404 NOT_FOUND
	id=$(new_id)
	accepted "$id"
	post "$(start "$id")"
	assert_status 200
	post "$(start "$id")"
	assert_refused 409 BAD_STATE
	assert_nothing_left
}

@test "a START whose lease is over is refused with START_EXPIRED" {
	make_zip
	id=$(new_id)
	accepted "$id"
	post "$(start "$id" '.lease.expiresAt = "2020-01-01T00:00:00Z"')"
	assert_refused 410 START_EXPIRED
	result_is "$id" '.error.code == "START_EXPIRED"'
}

@test "a path that is not there is a 404, a method that is not taken a 405 with Allow" {
	for path in / /x /awcpx /awcp/x /awcp/tasks /awcp/tasks/x /awcp/tasks/x/y /awcp/status/x; do
		request GET $path
		assert_refused 404 NOT_FOUND
	done
	request GET /awcp
	assert_refused 405 BAD_METHOD
	grep -qi '^allow: POST' "$HEAD"
	request POST /awcp/status
	assert_refused 405 BAD_METHOD
	grep -qi '^allow: GET' "$HEAD"
	request DELETE /awcp/cancel/x
	assert_refused 405 BAD_METHOD
}

# --- cancelling, and events

@test "ERROR and cancel end an assignment once" {
	id=$(new_id)
	accepted "$id"
	request POST "/awcp/cancel/$id"
	assert_status 200
	assert_json '.ok == true and .cancelled == true'
	result_is "$id" '.status == "error" and .error.code == "CANCELLED"'
	request POST "/awcp/cancel/$id" # a second time is no mistake
	assert_status 200
	assert_json '.ok == true and .cancelled == true'
	id=$(new_id)
	accepted "$id"
	error="{\"version\":\"1\",\"type\":\"ERROR\",\"delegationId\":\"$id\",\"code\":\"EXPIRED\",\"message\":\"m\"}"
	post "$error"
	assert_status 200
	result_is "$id" '.error.code == "EXPIRED"'
	post "$error"
	assert_refused 409 BAD_STATE
	post "${error/\"message\":\"m\"/\"message\":5}"
	assert_refused 400 BAD_MESSAGE
}

@test "an ended task replays its last event, or all after Last-Event-ID" {
	make_zip
	id=$(new_id)
	accepted "$id" 'echo x >b.txt'
	post "$(start "$id")"
	assert_status 200
	WAIT=30 wait_until result_is "$id" '.status == "completed"'
	assert_json '(.snapshotBase64 | length > 0) and (.snapshotId | startswith("snap_")) and
		(.completedAt | type == "string") and (.summary | type == "string")'
	jq -r .snapshotBase64 "$BODY" | base64 -d >"$BATS_TEST_TMPDIR/result.archive"
	run bsdtar -xOf "$BATS_TEST_TMPDIR/result.archive" ws/b.txt
	assert_output x
	request GET "/awcp/tasks/$id/events"
	run jq -r .type <<<"$(events_of "$BODY")"
	assert_output done
	request GET "/awcp/tasks/$id/events" -H 'Last-Event-ID: 1'
	run jq -r .type <<<"$(events_of "$BODY")"
	assert_line snapshot
	assert_line done
	run jq -r 'select(.type == "snapshot") | .snapshotBase64' <<<"$(events_of "$BODY")"
	assert_output "$(base64 -w0 "$BATS_TEST_TMPDIR/result.archive")"
	run grep -c '^id: 1$' "$BODY"
	assert_output 0
	request GET "/awcp/tasks/$id/events" -H 'Last-Event-ID: 0'
	grep -q '^id: 1$' "$BODY"
	# Beyond the end, or not a number: the end is told all the same.
	request GET "/awcp/tasks/$id/events" -H 'Last-Event-ID: 999'
	assert_equal "$(events_of "$BODY" | jq -r .type | tail -1)" done
	request GET "/awcp/tasks/$id/events" -H 'Last-Event-ID: x'
	assert_equal "$(events_of "$BODY" | jq -r .type)" done
}

descriptors()
{
	[ "$(find "/proc/$EXECUTOR_PID/fd" -mindepth 1 | wc -l)" -le "$1" ]
}

@test "a listener that goes away frees what it held" {
	id=$(new_id)
	accepted "$id"
	before=$(find "/proc/$EXECUTOR_PID/fd" -mindepth 1 | wc -l)
	streams=
	for i in 1 2 3 4 5; do
		start_process "$BATS_TEST_TMPDIR/$i" curl -sSN "$URL/tasks/$id/events"
		streams="$streams $STARTED"
		wait_until stream_open "$BATS_TEST_TMPDIR/$i"
	done
	run descriptors "$before"
	assert_failure
	for pid in $streams; do
		stop_process "$pid"
	done
	wait_until descriptors "$before"
}

@test "a journal that a crash left without its end gets it from the record" {
	id=$(new_id)
	accepted "$id"
	request POST "/awcp/cancel/$id"
	assert_status 200
	rm "$AWCP_HOME/assignments/$id/events.ndjson"
	request GET "/awcp/tasks/$id/events"
	assert_equal "$(events_of "$BODY" | jq -r .code)" CANCELLED
}

event()
{
	printf '{"delegationId":"%s","type":"%s","timestamp":"2026-01-01T00:00:00.000Z","status":"running","message":"%s"}\n' "$@"
}

@test "a stream that is open when a task is begun again tells the new run" {
	id=$(new_id)
	accepted "$id"
	journal=$AWCP_HOME/assignments/$id/events.ndjson
	event "$id" status first >"$journal"
	start_process "$BATS_TEST_TMPDIR/stream" curl -sSN --max-time 30 "$URL/tasks/$id/events"
	wait_until grep -q first "$BATS_TEST_TMPDIR/stream"
	rm "$journal"
	{
		event "$id" status again
		event "$id" done last
	} >"$journal.new"
	mv "$journal.new" "$journal"
	wait_until gone "$STARTED"
	run jq -r .message <<<"$(events_of "$BATS_TEST_TMPDIR/stream")"
	assert_output "$(printf '%s\n' first again last)"
}

# --- memory

@test "a workspace of 64 MB passes in both directions within 16 MiB" {
	mkdir -p "$BATS_TEST_TMPDIR/pack/ws"
	head -c 64000000 /dev/urandom >"$BATS_TEST_TMPDIR/pack/ws/random"
	make_zip
	id=$(new_id)
	accepted "$id"
	start "$id" >"$BATS_TEST_TMPDIR/start"
	request POST /awcp --data-binary "@$BATS_TEST_TMPDIR/start"
	assert_status 200
	WAIT=60 wait_until result_is "$id" '.status == "completed"'
	assert_peak "$EXECUTOR_PID" 16384
}

# --- plain CGI

cgi()
{
	local method=$1 path=$2
	shift 2
	env "$@" AWCP_AUTH="${AUTH:-none}" REQUEST_METHOD="$method" PATH_INFO="$path" "$EXECUTOR"
}

@test "the same program answers one request as plain CGI" {
	run cgi GET /status </dev/null
	assert_success
	assert_line --index 0 --partial 'Status: 200 OK'
	assert_output --partial '"pendingInvitations"'
	run cgi PUT / </dev/null
	assert_line --index 0 --partial 'Status: 405'
	id=$(new_id)
	invite "$id" >"$BATS_TEST_TMPDIR/in"
	run cgi POST '' CONTENT_LENGTH="$(stat -c %s "$BATS_TEST_TMPDIR/in")" <"$BATS_TEST_TMPDIR/in"
	assert_output --partial '"ACCEPT"'
	make_zip
	start "$id" >"$BATS_TEST_TMPDIR/in"
	run cgi POST / CONTENT_LENGTH="$(stat -c %s "$BATS_TEST_TMPDIR/in")" <"$BATS_TEST_TMPDIR/in"
	assert_output --partial '{"ok":true}'
	run cgi GET "/tasks/$id/events" </dev/null
	assert_output --partial '"type":"done"'
}

@test "as plain CGI, wrong settings are told and end with 78" {
	AUTH=maybe run cgi GET /status </dev/null
	assert_equal "$status" 78
	assert_output --partial AWCP_AUTH
}

@test "an archive over AWCP_MAX_ARCHIVE is a 413 and leaves no file" {
	make_zip
	id=$(new_id)
	accepted "$id"
	start "$id" >"$BATS_TEST_TMPDIR/in"
	run cgi POST / AWCP_MAX_ARCHIVE=100 CONTENT_LENGTH="$(stat -c %s "$BATS_TEST_TMPDIR/in")" \
		<"$BATS_TEST_TMPDIR/in"
	assert_output --partial 'Status: 413'
	assert_output --partial WORKSPACE_TOO_LARGE
	result_is "$id" '.error.code == "WORKSPACE_TOO_LARGE"'
	assert_nothing_left
}
