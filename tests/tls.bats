#!/usr/bin/env bats
# The sites for nginx that the pages of the two FastCGI programs show.

load helper

setup()
{
	own_home
	cd "$BATS_TEST_TMPDIR" || return
}

teardown()
{
	stop_all
}

# site page: nginx.conf with the site of the page, in the current directory and at PORT.
site()
{
	PORT=$(free_port)
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out cert 2>/dev/null
	{
		[ "$(id -u)" -ne 0 ] || echo 'user root;'
		printf 'pid %s/nginx.pid;\nevents { }\nhttp {\naccess_log off;\n' "$PWD"
		printf '%s_temp_path tmp;\n' client_body fastcgi proxy scgi uwsgi
	} >nginx.conf
	awk '/^[.]Bd/ { text = ""; next } /^[.]Ed/ { if (text ~ /limit_req_zone/) printf "%s", text }
		{ text = text $0 "\n" }' "$REPO/man/$1" | sed -E "s,/run/awcp/,$PWD/,
		s,listen [^;]*443 ssl,listen 127.0.0.1:$PORT ssl,
		s,(ssl_certificate) .*,\\1 $PWD/cert;,; s,(ssl_certificate_key) .*,\\1 $PWD/key;,
		s,include fastcgi_params,include /etc/nginx/fastcgi_params," >>nginx.conf
	echo '}' >>nginx.conf
	run nginx -t -e stderr -p "$PWD" -c "$PWD/nginx.conf"
	assert_success
}

@test "the site of awcp-executor(8) serves with TLS, streams too, and limits" {
	site awcp-executor.8
	AWCP_AUTH=none start_process "$PWD/executor.log" spawn-fcgi -n -s "$PWD/executor.sock" -- "$EXECUTOR"
	wait_until test -S executor.sock
	start_process "$PWD/nginx.log" nginx -e stderr -p "$PWD" -c "$PWD/nginx.conf" -g 'daemon off;'
	wait_until test -s nginx.pid
	ask() { curl -sS --cacert cert -m 10 "https://localhost:$PORT$1" "${@:2}"; }
	run ask /awcp/status
	assert_output --partial '"activeDelegations":0'
	run ask /awcp/tasks/dlg_none/events
	assert_output --partial '"code":"NOT_FOUND"'
	echo '{"name":"builder"}' >"$AWCP_HOME/agent-card.json"
	for card in agent-card agent; do
		run ask /.well-known/$card.json
		assert_output --partial '"name":"builder"'
	done
	run ask /awcp -H 'Content-Type: application/json' -d "$(head -c 3000000 /dev/zero | tr '\0' x)"
	refute_output --partial nginx # a large body is the program's business
	for ((i = 0; i < 200; i++)); do echo "url = https://localhost:$PORT/awcp/status"; done >many
	run curl -sS --cacert cert -Z --parallel-max 20 -w '%{http_code}\n' -o /dev/null -K many
	assert_line 503
}

@test "the site of awcp-delegator(8) is one that nginx takes" {
	site awcp-delegator.8
}
