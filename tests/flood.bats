#!/usr/bin/env bats
# What everybody who reaches the port may send: no request ends a program, whoever has no token gets a
# bounded share of everything, and no web page gets in where nobody needs one.
# shellcheck disable=SC2030,SC2031,SC2154,SC2153 # a test's variables are its own; bats sets output;
# request and message.bash the rest

load helper
load message

setup()
{
	own_home
	export AWCP_AUTH_FAILURES=0 AWCP_THREADS=64
	export ROOT=$HOME/projects
	mkdir "$ROOT"
	echo one >"$ROOT/a"
}

teardown()
{
	stop_all
}

# The smallest stack that programs are given.
start_small()
{
	PORT=$(free_port)
	URL=http://127.0.0.1:$PORT/awcp SERVER_LOG=$HOME/server-$PORT.log
	# shellcheck disable=SC2016 # for the shell that is started
	start_process "$SERVER_LOG" sh -c 'ulimit -s 256 && exec "$@"' sh awcp-serve -l "127.0.0.1:$PORT" "$@"
	SERVER_PID=$STARTED
	wait_until listening
	! gone "$SERVER_PID"
}

# The processes of the three programs.
programs()
{
	pgrep -P "$(pgrep -d, -P "$SERVER_PID")" -a | grep -oE '^[0-9]+ .*awcp-(executor|delegator|queued)$'
}

# "POST /path" for every route of the three programs, with ids that are there.
every_route()
{
	sed -n 's/^ *{"\([A-Z]*\)", "\(\/[^"]*\)",.*/\1 \/awcp\2/p' "$REPO/cgi/awcp-executor.c" |
		sed "s,/awcp/metrics,/metrics,; s,/awcp/[.]well,/.well,; s,/awcp/\$,/awcp,; s,:id,dlg_$LONG,"
	sed -n 's/^ *{"\([A-Z]*\)", "\(\/[^"]*\)",.*/\1 \2/p' "$REPO/cgi/awcp-delegator.c" |
		sed "s,:id,$DELEGATION,; s,:id,snap_1,"
	sed -n 's/^ *{"\([A-Z]*\)", "\(\/[^"]*\)",.*/\1 \2/p' "$REPO/cgi/awcp-queued.c" |
		sed 's,:id,q,; s,:id,1,'
}

# The worst that JSON can be, a file each.
make_worst()
{
	mkdir worst
	perl -e 'print "{\"payload\":", "{\"a\":" x 2000, 1, "}" x 2001' >worst/objects
	perl -e 'print "{\"answer\":", "[" x 30000, "]" x 30000, "}"' >worst/arrays
	perl -e 'print "{\"a\":" x 5000' >worst/open
	perl -e 'print "{\"type\":\"INVITE\",\"auth\":{\"m\":", "[{\"x\":" x 900, "\"", "x" x 100' >worst/cut
	perl -e 'print "{\"result\":[", "{}," x 100000, "0]}"' >worst/wide
}

@test "the worst JSON, sent to every route with the smallest stack, ends no program" {
	cd "$BATS_TEST_TMPDIR"
	start_small -Q -D "$ROOT" -- true
	token=$(awcp-token add --rights invite,lend,work,put,read,admin bob)
	awcp-queue put -q q task
	accepted "$token" "dlg_$LONG"
	say "$token" POST /delegate "$(jq -nc --arg url "$URL" --arg ws "$ROOT" '{executorUrl: $url, task: {prompt: "x"},
		environment: {resources: [{name: "ws", type: "fs", source: $ws, mode: "rw"}]}}')"
	assert_status 200
	DELEGATION=$(jq -r .delegationId "$BODY")
	before=$(programs)
	assert_equal "$(wc -l <<<"$before")" 3
	make_worst
	every_route >routes
	[ "$(wc -l <routes)" -gt 35 ]
	while read -r method path; do
		for file in worst/*; do
			[ "$method" != GET ] || [ "$file" = worst/objects ] || continue
			printf 'next\nurl = "%s"\nrequest = %s\ndata-binary = "@%s"\nmax-time = 20\noutput = answer\n' \
				"${URL%/awcp}$path" "$method" "$file"
			printf 'header = "Authorization: Bearer %s"\nheader = "Content-Type: %s"\n' "$token" application/json
			printf 'write-out = "%%{http_code} %s %s %s\\n"\n' "$method" "$path" "$file"
		done
	done <routes | sed 1d >requests
	curl -s -K requests >answers || :
	run grep -vE '^[24]' answers
	assert_output ''
	assert_equal "$(wc -l <answers)" "$(grep -c '^url' requests)"
	# To those who show nothing, too.
	sed '/^header = "Authorization/d' requests >strangers
	curl -s -K strangers >answers || :
	run grep -vE '^[24]' answers
	assert_output ''
	assert_equal "$(programs)" "$before"
	run cat "$SERVER_LOG"
	assert_output "awcp-serve: listening on $URL"
}

# start_flood count kind...
start_flood()
{
	start_process "$BATS_TEST_TMPDIR/flood-$1" "$REPO/tests/flood.pl" "$PORT" "$@"
	WAIT=60 wait_until grep -q open "$BATS_TEST_TMPDIR/flood-$1"
}

# Whoever has a token is answered, by every program.
assert_served()
{
	for path in /awcp/status /queue/q/tasks /delegations; do
		request GET $path -H "Authorization: Bearer $token" --max-time "${1-5}"
		assert_status 200
	done
	request POST /queue/q/tasks -H "Authorization: Bearer $token" --max-time "${1-5}" -d '{"payload": 1}'
	assert_status 201
}

@test "slow strangers from many addresses keep nobody out, nor fill memory or disk" {
	start_server -Q -D "$ROOT"
	token=$(awcp-token add --rights invite,lend,work,put,read,admin bob)
	awcp-queue put -q q task
	start_flood 600 /awcp invite head /delegate
	assert_served
	start_flood 8 batch
	assert_served
	run find "$AWCP_HOME/serve-$PORT/body" -type f
	assert_output ''
	for pid in $(programs | cut -d' ' -f1); do
		case $BUILD in */sanitized) continue ;; esac
		[ "$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status")" -lt 65536 ] || fail "$(cat "/proc/$pid/status")"
	done
	run grep -vE 'listening on' "$SERVER_LOG"
	assert_output ''
	# What strangers sent is cut off in time, and others like them get in.
	id=dlg_a$LONG
	invite_says()
	{
		post "$(invite "$id" ".auth = {type: \"bearer\", credential: \"$token\"}")"
		jq -e '.type == "ACCEPT"' "$BODY" >/dev/null
	}
	wait_until invite_says
}

# bats test_tags=all
@test "with 5,000 hostile connections open a right token is answered" {
	start_server -Q -D "$ROOT"
	token=$(awcp-token add --rights invite,lend,work,put,read,admin bob)
	awcp-queue put -q q task
	start_flood 5000 head /awcp /delegate /queue/q/tasks invite "/awcp/tasks/dlg_$LONG/answer"
	assert_served 2
	stop_process "$STARTED"
	assert_served
}

@test "who shows no token in time is refused by the type of the message" {
	start_server
	token=$(awcp-token add --rights invite,lend,work,put,read,admin bob)
	long=$(head -c 100000 /dev/zero | tr '\0' x)
	auth="\"auth\":{\"type\":\"bearer\",\"credential\":\"$token\"}"
	# A token within 64 KiB is enough for a message of any size …
	text=$(invite "dlg_b$LONG" ".task.prompt = \"$long\"")
	post "{$auth,${text#\{}"
	assert_status 200
	assert_json '.type == "ACCEPT"'
	# … and one that comes later is not seen.
	text=$(invite "dlg_c$LONG" "del(.type) | .task.prompt = \"$long\"")
	text="{\"type\":\"INVITE\",${text#\{}" # as others begin
	post "${text%\}},$auth}"
	assert_status 200
	assert_json '.type == "ERROR" and .code == "AUTH_FAILED" and .delegationId == "dlg_c'"$LONG"'"'
	post "$text" -H 'Authorization: Bearer wrong'
	assert_status 200
	assert_json '.type == "ERROR" and .code == "AUTH_FAILED"'
	[ ! -e "$AWCP_HOME/assignments/dlg_c$LONG" ]
	# An archive is taken after the id of a delegation that waits for one.
	post "$(start "dlg_d$LONG" ".transportHandle.workspaceBase64 = \"$long\"")"
	assert_refused 401 AUTH_FAILED
	text=$(start "dlg_b$LONG")
	post "{\"x\":\"$long\",${text#\{}"
	assert_refused 401 AUTH_FAILED
	post "$(start "dlg_b$LONG")"
	assert_status 200
	run ls -A "$AWCP_HOME/tmp"
	assert_output ''
}

@test "without tokens no web page gets to any route, by whatever name it calls" {
	start_server -A none -Q -D "$ROOT"
	own=127.0.0.1:$PORT
	export DELEGATION=dlg_$LONG
	every_route >"$BATS_TEST_TMPDIR/routes"
	check() # status curl-option...: what every route answers
	{
		local want=$1 method path
		shift
		while read -r method path; do
			[[ $path != */events ]] || continue
			request "$method" "$path" "$@"
			[ "$want" = 403 ] || [ "$STATUS" != 403 ] || fail "$method $path: 403: $(cat "$BODY")"
			[ "$want" != 403 ] || assert_refused 403 DECLINED
		done <"$BATS_TEST_TMPDIR/routes"
	}
	check any
	check 403 -H "Host: evil.example:$PORT"
	check 403 -H 'Origin: https://evil.example'
	# One route for the rest.
	while read -r want header value; do
		request GET /queue/q/stats -H "$header: ${value//OWN/$own}"
		[ "$want" = 403 ] || [ "$STATUS" != 403 ] || fail "$header: $value: $STATUS $(cat "$BODY")"
		[ "$want" != 403 ] || [ "$STATUS" = 403 ] || fail "$header: $value: $STATUS"
	done <<-END
		any Host localhost:1
		any Host LOCALHOST
		any Host localhost.
		any Host 127.0.0.2
		any Host [::1]:$PORT
		403 Host localhost.evil.example
		403 Host 127.0.0.1.evil.example:$PORT
		403 Host 10.1.2.3:$PORT
		403 Host [::2]:$PORT
		403 Host evil.example.
		403 Origin null
		403 Origin http://localhost:$PORT
		403 Origin http://127.0.0.1
		403 Origin file://OWN
		any Origin http://OWN
		403 Sec-Fetch-Site cross-site
		403 Sec-Fetch-Site same-site
		any Sec-Fetch-Site same-origin
		any Sec-Fetch-Site none
	END
	# A body must be said to be JSON: a form cannot say so.
	for type in text/plain application/x-www-form-urlencoded multipart/form-data ''; do
		for path in /awcp /queue/q/tasks /delegate; do
			run curl -s -H "Content-Type: $type" --data-binary "$(invite "dlg_$LONG" .payload=1)" "${URL%/awcp}$path"
			assert_output --partial '"code":"BAD_MESSAGE"'
		done
	done
	[ ! -e "$AWCP_HOME/assignments/dlg_$LONG" ]
	stop_process "$SERVER_PID"
	AWCP_HOSTS='build.lan other.lan' start_server -A none
	request GET /awcp/status -H "Host: Build.lan:$PORT"
	assert_status 200
	request GET /awcp/status -H "Host: evil.lan:$PORT"
	assert_refused 403 DECLINED
}

@test "HEAD is answered where GET is, and everything with the words of its status" {
	start_server -A none -Q -D "$ROOT"
	awcp-queue put -q q task
	export DELEGATION=dlg_$LONG
	every_route | sed -n 's/^GET //p' >"$BATS_TEST_TMPDIR/paths"
	echo /healthz >>"$BATS_TEST_TMPDIR/paths"
	while read -r path; do
		[[ $path != /queue/*/events ]] || continue # it never ends
		get=$(curl -s -m 10 -o /dev/null -w '%{http_code}' "${URL%/awcp}$path")
		head=$(curl -s -m 10 -I -o "$BATS_TEST_TMPDIR/head" -w '%{http_code} %{size_download}' "${URL%/awcp}$path")
		assert_equal "$path $head" "$path $get 0"
		run grep -i '^HTTP/1.1 [0-9]* Status' "$BATS_TEST_TMPDIR/head"
		assert_failure
	done <"$BATS_TEST_TMPDIR/paths"
	curl -s -m 5 -I "${URL%/awcp}/queue/q/events" | grep -q '^HTTP/1.1 200 OK'
	request POST /healthz
	assert_refused 405 BAD_METHOD
	grep -qi '^allow: GET, HEAD' "$HEAD"
	request GET /healthz
	assert_json '. == {status: "ok"}'
}

@test "every status that is sent has its words" {
	{
		sed -n 's/^    \[ERR_.*, \([0-9][0-9][0-9]\)},$/\1/p' "$REPO/lib/base/err.c"
		grep -rhoE '\b[1-5][0-9][0-9]\b' <(grep -rhE 'http_(begin|json|json_with|refuse_with)\(' -A1 "$REPO/cgi" \
			--include='*.c')
	} | sort -u | grep -vxE '1024|256|512' >"$BATS_TEST_TMPDIR/statuses"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/statuses")" -gt 10 ]
	while read -r status; do
		grep -q "^    {$status, \"[A-Z]" "$REPO/cgi/http/http.c" || fail "$status has none"
	done <"$BATS_TEST_TMPDIR/statuses"
}
