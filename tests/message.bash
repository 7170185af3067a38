# message.bash - messages of a delegator, and sending them as somebody.
# shellcheck shell=bash

LONG=0123456789abcdef0123456789abcdef # an id that ends so is nobody's guess

# say token-or-"" method path [body]
say()
{
	local header=()
	[ -z "$1" ] || header=(-H "Authorization: Bearer $1")
	request "$2" "$3" "${header[@]}" ${4+--data-binary "$4"}
}

# invite id [jq filter]: the text of an INVITE.
invite()
{
	jq -cn --arg id "$1" '{version: "1", type: "INVITE", delegationId: $id,
		task: {description: "test", prompt: "true"}, lease: {ttlSeconds: 60, accessMode: "rw"},
		retentionMs: 60000, environment: {resources: [{name: "ws", type: "fs", mode: "rw"}]}} | '"${2-.}"
}

# start id [jq filter]: the text of a START whose archive is empty and whose checksum fits.
start()
{
	jq -cn --arg id "$1" --arg until "$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%SZ)" '{version: "1",
		type: "START", delegationId: $id, lease: {expiresAt: $until, accessMode: "rw"},
		transportHandle: {transport: "archive", workspaceBase64: "", checksum:
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}} | '"${2-.}"
}

# accepted token id [jq filter]
accepted()
{
	say "$1" POST /awcp "$(invite "$2" "${3-.}")"
	assert_status 200
	assert_json '.type == "ACCEPT"'
}

# declined token id [jq filter]
declined()
{
	say "$1" POST /awcp "$(invite "$2" "${3-.}")"
	assert_status 200
	assert_json '.type == "ERROR" and .code == "DECLINED"'
}
