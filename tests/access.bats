# Who may call: bearer tokens, in the header or in INVITE, and what others can see.
# shellcheck disable=SC2030,SC2031 # a test's variables are its own

load helper

setup_file()
{
	own_home
	export AWCP_AUTH_FAILURES=0 # there are many here
	start_server
	ALICE=$(awcp-token add alice)
	BOB=$(awcp-token add bob)
	export ALICE BOB
}

teardown_file()
{
	stop_all
}

# say token-or-"" method path [body]
say()
{
	local header=()
	[ -z "$1" ] || header=(-H "Authorization: Bearer $1")
	request "$2" "$3" "${header[@]}" ${4+--data-binary "$4"}
}

# invite id [auth]: the text of an INVITE.
invite()
{
	printf '{"version":"1","type":"INVITE","delegationId":"%s","task":{"description":"d","prompt":"p"},
		"lease":{"ttlSeconds":60,"accessMode":"rw"},"retentionMs":60000,
		"environment":{"resources":[{"name":"ws","type":"fs","mode":"rw"}]}%s}' "$1" \
		"${2+,\"auth\":$2}"
}

# start id: the text of a START whose archive is empty and whose checksum fits.
start()
{
	printf '{"version":"1","type":"START","delegationId":"%s","lease":{"expiresAt":"%s",
		"accessMode":"rw"},"transportHandle":{"transport":"archive","workspaceBase64":"",
		"checksum":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}' "$1" \
		"$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%SZ)"
}

LONG=0123456789abcdef0123456789abcdef

# An INVITE is refused by a message.
assert_uninvited()
{
	assert_status 200
	assert_json '.type == "ERROR" and .code == "AUTH_FAILED"'
}

@test "without a token nothing is told, whether an id is there or not" {
	say "$ALICE" POST /awcp "$(invite dlg_alices)"
	assert_status 200
	assert_json '.type == "ACCEPT"'
	for id in dlg_alices dlg_nobodys; do
		for call in "GET /awcp/tasks/$id/events" "GET /awcp/tasks/$id/result" \
			"POST /awcp/tasks/$id/ack" "POST /awcp/cancel/$id"; do
			# shellcheck disable=SC2086 # method and path
			say '' $call
			assert_refused 401 AUTH_FAILED
			grep -qi '^www-authenticate: Bearer' "$HEAD"
			run grep -c "$id" "$BODY"
			assert_output 0
		done
		say '' POST /awcp "$(start $id)"
		assert_refused 401 AUTH_FAILED
	done
	say '' GET /awcp/status
	assert_refused 401 AUTH_FAILED
	say '' POST /awcp "$(invite dlg_new)"
	assert_uninvited
}

@test "a wrong token is refused before the body is read" {
	for token in x "${ALICE%?}" "${ALICE}0" "$(printf 'a%.0s' {1..5000})"; do
		say "$token" GET /awcp/status
		assert_refused 401 AUTH_FAILED
	done
	request GET /awcp/status -H "Authorization: Basic $ALICE"
	assert_refused 401 AUTH_FAILED
	head -c 50000000 /dev/zero >"$BATS_TEST_TMPDIR/big"
	say wrong POST /awcp "@$BATS_TEST_TMPDIR/big"
	assert_refused 401 AUTH_FAILED
}

@test "a delegation belongs to the token that invited it" {
	say "$ALICE" POST /awcp "$(invite dlg_hers)"
	assert_status 200
	say "$BOB" POST /awcp/cancel/dlg_hers
	assert_refused 404 NOT_FOUND
	say "$BOB" GET /awcp/tasks/dlg_hers/result
	assert_status 404
	say "$BOB" POST /awcp "$(start dlg_hers)"
	assert_refused 404 NOT_FOUND
	say "$BOB" POST /awcp "$(invite dlg_hers)"
	assert_json '.type == "ERROR" and .code == "DECLINED"'
	say "$ALICE" POST /awcp "$(start dlg_hers)"
	assert_status 200
	say "$BOB" GET /awcp/status
	assert_json '.delegations == []'
	# A moment later, as the counts are kept for one.
	wait_until lists_hers
	say "$ALICE" POST /awcp/cancel/dlg_hers
	assert_status 200
}

lists_hers()
{
	say "$ALICE" GET /awcp/status
	jq -e '.delegations | length == 1 and .[0].id == "dlg_hers" and (.[0].workPath | type == "string")
		and (.[0].startedAt | type == "string")' "$BODY" >/dev/null
}

@test "a token inside INVITE makes the id the credential of what follows" {
	for kind in bearer api_key oauth2 custom ""; do
		id=dlg_$kind$LONG
		say '' POST /awcp "$(invite "$id" "{\"type\":\"$kind\",\"credential\":\"$BOB\"}")"
		assert_status 200
		assert_json '.type == "ACCEPT"'
		say '' GET "/awcp/tasks/$id/result"
		assert_status 200
		assert_json '.status == "running"'
		say '' POST /awcp "$(start "$id")"
		assert_status 200
		say "$BOB" GET "/awcp/tasks/$id/result"
		assert_status 200
		say "$ALICE" GET "/awcp/tasks/$id/result"
		assert_status 404
		say '' POST "/awcp/cancel/$id"
		assert_status 200
		say '' GET "/awcp/tasks/$id/events"
		grep -q '"code":"CANCELLED"' "$BODY"
		say '' POST "/awcp/tasks/$id/ack"
		assert_status 200
	done
	run grep -r "$BOB" "$AWCP_HOME"
	assert_failure
}

@test "a token inside INVITE must be right, and an id that can be guessed is no credential" {
	for auth in '{"type":"bearer","credential":"wrong"}' '{"type":"oauth2","credential":"wrong"}' \
		'{"type":"bearer"}' '{}'; do
		say '' POST /awcp "$(invite "dlg_a$LONG" "$auth")"
		assert_uninvited
	done
	say '' POST /awcp "$(invite "dlg_a$LONG" '{"type":"bearer","credential":5}')"
	assert_refused 400 BAD_MESSAGE
	say '' POST /awcp "$(invite dlg_short "{\"type\":\"bearer\",\"credential\":\"$BOB\"}")"
	assert_status 200
	say '' GET /awcp/tasks/dlg_short/result
	assert_refused 401 AUTH_FAILED
	say "$BOB" GET /awcp/tasks/dlg_short/result
	assert_status 200
}

@test "without a token an archive is taken only after an id that may send one" {
	id=dlg_b$LONG
	say '' POST /awcp "$(invite "$id" "{\"type\":\"bearer\",\"credential\":\"$BOB\"}")"
	assert_status 200
	data=$(head -c 20000 /dev/zero | base64 -w0)
	printf '{"transportHandle":{"workspaceBase64":"%s"},"delegationId":"%s"}' "$data" "$id" \
		>"$BATS_TEST_TMPDIR/late"
	say '' POST /awcp "@$BATS_TEST_TMPDIR/late"
	assert_refused 401 AUTH_FAILED
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

@test "a token that was removed opens nothing" {
	token=$(awcp-token add carol)
	say "$token" GET /awcp/status
	assert_status 200
	awcp-token rm carol
	say "$token" GET /awcp/status
	assert_refused 401 AUTH_FAILED
}
