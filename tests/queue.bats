#!/usr/bin/env bats
# awcp-queue as its users have it: people, scripts, and many processes at once.

load helper

setup() {
	own_home
	cd "$BATS_TEST_TMPDIR"
}

state() { awcp-queue show -j "$1" | jq -r .state; }
states() { awcp-queue stats -j "$@" | jq -c '.states | with_entries(select(.value > 0))'; }

@test "put prints an id, take a claim on it, done ends it" {
	run -0 awcp-queue put -q review look at this
	assert_output review.1
	run -0 awcp-queue put -q review <<<'from a pipe'
	assert_output review.2
	printf 'from a file\n' >prompt
	run -0 awcp-queue put -q review -f prompt
	assert_output review.3
	assert_equal "$(awcp-queue show -j review.1 | jq -r .payload)" 'look at this'
	assert_equal "$(awcp-queue show -j review.3 | jq .payload)" '"from a file\n"'
	run -0 awcp-queue take -q review
	assert_output review.1.1
	run -0 awcp-queue take -q review -j
	assert_equal "$(jq -r '.claim, .id, .state, .payload' <<<"$output" | tr '\n' ' ')" \
		'review.2.1 review.2 running from a pipe  '
	run -0 awcp-queue beat --lease 2m review.1.1
	echo '{"found": 3}' >result
	run -0 awcp-queue done -f result review.1.1
	assert_output ''
	assert_equal "$(awcp-queue show -j review.1 | jq -c .result)" '{"found":3}'
	run -0 awcp-queue show review.1
	assert_line --regexp '^state +completed$'
}

@test "every option of put is in the task" {
	id=$(awcp-queue put -q q first)
	run -0 awcp-queue put -q q -p 7 -L a -L b -l lane --session x --timeout 1h --retries 3 \
		--backoff 2m -r gpu -k key -w "$id" --always --after 1h text
	run -0 awcp-queue show -j q.2
	assert_equal "$(jq -c '[.priority, .labels, .lane, .session, .timeout, .retries, .backoff,
		.requires, .key, .dependsOn, .afterFailure, .state]' <<<"$output")" \
		'[7,["a","b"],"lane","x",3600,3,120,["gpu"],"key",["q.1"],true,"waiting"]'
	assert_equal "$(jq '(.notBefore | sub("\\.[0-9]+"; "") | fromdate) - now | . > 3500 and . <= 3600' <<<"$output")" true
}

@test "nothing there is exit 75, and wrong words are 64" {
	run -66 awcp-queue take -q none
	run -66 awcp-queue show none.1
	awcp-queue put -q q --after 1h later
	run -75 awcp-queue take -q q
	assert_output ''
	awcp-queue put -q q -r gpu able
	run -75 awcp-queue take -q q
	run -75 awcp-queue take -q q -r gpus
	run -0 awcp-queue take -q q -r cpu -r gpu
	assert_output q.2.1
	for words in '' 'put -q a/b x' 'put -p 10 x' 'put -p -1 x' 'put --retries -1 x' 'fly' 'take x' \
		'take --lease 0' 'take -k x' 'done' 'done q' show 'show q.0' 'list -s done'; do
		# shellcheck disable=SC2086 # words
		run -64 awcp-queue $words
		[[ $output = awcp-queue*:* ]]
	done
	run -66 awcp-queue done q.99.1
	run -64 awcp-queue put </dev/null
}

@test "bad input is refused whole, with a word on it" {
	printf '\xff\xfe' >bad
	run -65 awcp-queue put -q q -f bad
	assert_output --partial UTF-8
	printf 'a\0b' >bad
	run -65 awcp-queue put -q q -f bad
	run -64 awcp-queue put -q q -k $'\xff' x
	run -64 awcp-queue put -q q -L $'\xff' x
	head -c 1000001 /dev/zero | tr '\0' x >bad
	run ! awcp-queue put -q q -f bad
	assert_output --partial 'a prompt has at most'
	run -65 awcp-queue put -q q -l '' x
	run ! awcp-queue put -q q -w q.9 x
	run ! awcp-queue put -q q -w other.1 x
	assert_equal "$(awcp-queue list -q q)" ''
}

@test "lines of JSON in, ids out, one after the other" {
	jq -nc 'range(10000) | {payload: {n: .}}' >jobs
	awcp-queue put -q bulk -p 2 -L from -j - <jobs >ids
	assert_equal "$(sed -n '1p;$p' ids | tr '\n' ' ')$(sort -u ids | wc -l)" 'bulk.1 bulk.10000 10000'
	run -0 awcp-queue list -q bulk -j --limit 0
	assert_equal "$(jq -c 'select(.payload.n != .number - 1 or .priority != 2)' <<<"$output")" ''
	printf '%s\n' '{"payload": 1}' '{"payload": 2, "priority": 5}' '{"payload": 3, "colour": 1}' '{"payload": 4}' >jobs
	run -65 --separate-stderr awcp-queue put -q bulk -j - <jobs
	assert_output $'bulk.10001\nbulk.10002'
	[[ $stderr = *'line 3'*colour* ]]
	printf '%s\n' '{"payload": 1}' 'no json' >jobs
	run -65 --separate-stderr awcp-queue put -q bulk -j - <jobs
	assert_output bulk.10003
	[[ $stderr = *'line 2'* ]]
	assert_equal "$(awcp-queue show -j bulk.10002 | jq .priority)" 5
}

@test "ids on stdin, and what is wrong with one does not stop the others" {
	for i in 1 2 3; do awcp-queue put -q q "$i"; done >ids
	run -0 awcp-queue pause - <ids
	assert_equal "$(states -q q)" '{"paused":3}'
	run -0 awcp-queue resume - <ids
	echo q.9 | cat - ids >more
	run -66 awcp-queue cancel -m 'not now' - <more
	assert_equal "$(states -q q)" '{"cancelled":3}'
	assert_equal "$(awcp-queue show -j q.1 | jq -r .error.message)" 'not now'
	run -0 awcp-queue retry - <ids
	while awcp-queue take -q q; do :; done >claims
	assert_equal "$(wc -l <claims)" 3
	run -0 awcp-queue done - <claims
	assert_equal "$(states -q q)" '{"completed":3}'
}

@test "fail, return and limit say what became of it" {
	awcp-queue put -q q --retries 1 --backoff 1h one
	awcp-queue put -q q two
	awcp-queue put -q q three
	while awcp-queue take -q q; do :; done
	run -0 awcp-queue fail -m 'no luck' --exit 3 q.1.1
	assert_equal "$(awcp-queue show -j q.1 | jq -c '[.state, .failures, .attempts[0].exit, .attempts[0].reason]')" \
		'["waiting",1,3,"no luck"]'
	run -0 awcp-queue return q.2.1
	assert_equal "$(state q.2)" pending
	run -0 awcp-queue limit --after 1h q.3.1
	assert_equal "$(state q.3)" rate_limited
	awcp-queue put -q q --retries 9 four
	awcp-queue take -q q
	awcp-queue take -q q
	run -0 awcp-queue fail --last q.4.1
	assert_equal "$(state q.4)" failed
	run ! awcp-queue done q.4.1
	assert_output --partial 'is over'
}

@test "the worker in a shell loop does every task once" {
	for i in 1 2 3 4 5; do awcp-queue put -q review "$i"; done
	work() { echo "$1" >>worked && [ "${1%.*}" != review.3 ]; }
	while t=$(awcp-queue take -q review --lease 60); do
		work "$t" && awcp-queue done "$t" || awcp-queue fail "$t"
	done
	assert_equal "$(tr '\n' ' ' <worked)" 'review.1.1 review.2.1 review.3.1 review.4.1 review.5.1 '
	assert_equal "$(states -q review)" '{"completed":4,"failed":1}'
}

@test "take -W waits for a task, wait for its end" {
	start_process took awcp-queue take -q q -W
	taker=$STARTED
	wait_until test -d "$AWCP_HOME/queue/q/bell"
	id=$(awcp-queue put -q q go)
	wait_until gone "$taker"
	assert_equal "$(cat took)" "$id.1"
	start_process waited awcp-queue wait "$id"
	awcp-queue done "$id.1"
	wait_until gone "$STARTED"
	assert_equal "$(cat waited)" "$id completed"
	awcp-queue put -q q other
	awcp-queue cancel q.2
	run -1 awcp-queue wait q.1 q.2
	assert_output $'q.1 completed\nq.2 cancelled'
	run -1 awcp-queue wait -j q.2
	assert_equal "$(jq -r .error.code <<<"$output")" CANCELLED
	stop_all
}

@test "list by page and filter, and the changes as they come" {
	jq -nc 'range(120) | {payload: ., lane: (if . % 2 == 0 then "even" else "odd" end)}' |
		awcp-queue put -q q -j - >ids
	run -0 awcp-queue list -q q -j
	assert_equal "${#lines[@]}" 50
	last=$(tail -n 1 <<<"$output" | jq -r .id)
	run -0 awcp-queue list -q q -j --limit 100 "$last"
	assert_equal "$(jq -s 'length, .[0].number' <<<"$output" | tr '\n' ' ')" '70 51 '
	run -0 awcp-queue list -q q -l odd --limit 0
	assert_equal "${#lines[@]}" 60
	run -0 awcp-queue list -q q -s running
	assert_output ''
	awcp-queue take -q q
	run -0 awcp-queue list -q q -s running
	assert_line --regexp '^q\.1 +running '
	run -0 awcp-queue list -q q --since 120 -j
	assert_equal "$(jq -r '"\(.version) \(.id) \(.state)"' <<<"$output")" '121 q.1 running'
	start_process changes awcp-queue list -q q --since 0 -W -j
	awcp-queue done q.1.1
	followed() { [ "$(jq -r .version changes | tail -n 1)" = 122 ]; }
	wait_until followed
	assert_equal "$(jq .version changes)" "$(seq 122)"
	stop_all
}

@test "stats counts, check finds what is wrong, and mends it" {
	for i in 1 2 3; do awcp-queue put -q q -l "lane$i" "$i"; done
	awcp-queue take -q q
	awcp-queue done q.1.1
	run -0 awcp-queue stats -q q -j
	assert_equal "$(jq -c '[.queue, .version, .states.pending, .states.completed, .lastMinute,
		(.lanes | length)]' <<<"$output")" '["q",5,2,1,1,2]'
	run -0 awcp-queue stats -q q
	assert_line --partial 'pending 2'
	run -0 awcp-queue check -q q
	assert_output ''
	printf '\7' | dd of="$AWCP_HOME/queue/q/cells" bs=1 seek=$((64 + 48)) conv=notrunc status=none
	run -65 awcp-queue check -q q
	assert_output --partial 'task 2 is pending, its cell says completed'
	run -0 awcp-queue check -q q --repair
	run -0 awcp-queue check -q q
	assert_output ''
	run -0 awcp-queue take -q q
	assert_output q.2.1
}

# Tasks are put by some processes and taken by others, all at once, of which some are killed, hand
# tasks back or let their lease lapse.  HAMMER_SECONDS is for how long they go on.
@test "many processes hammer one queue: every task is done once for each attempt in its record" {
	mkdir -p hammered
	queue=$AWCP_HOME/queue/h
	awcp-queue put -q h -p 9 first >/dev/null
	mkdir -p "$queue"
	echo '{"maxDeaths": 0, "lanes": {"wide": 50}}' >"$queue/config.json"
	until=$((SECONDS + ${HAMMER_SECONDS:-3}))
	putter() {
		local n=0
		while [ $SECONDS -lt $until ]; do
			n=$((n + 1))
			case $((n % 5)) in
			0) awcp-queue put -q h -k "k$1.$n" "$1 $n" ;;
			1) awcp-queue put -q h -l "lane$((RANDOM % 9))" -p $((RANDOM % 10)) "$1 $n" ;;
			2) awcp-queue put -q h -l wide --retries 2 --backoff 1 "$1 $n" ;;
			3) awcp-queue put -q h -w "$last" "$1 $n" ;;
			4) printf '%s\n' '{"payload":"a"}' '{"payload":"b"}' | awcp-queue put -q h -j - ;;
			esac >"hammered/put.$1.last" || return 1
			last=$(tail -n 1 "hammered/put.$1.last")
			cat "hammered/put.$1.last" >>"hammered/put.$1"
		done
	}
	taker() {
		local claim status
		while :; do
			status=0
			claim=$(awcp-queue take -q h --lease 2) || status=$?
			if [ $status -eq 75 ]; then
				[ $SECONDS -lt $until ] || return 0
				sleep 0.1
				continue
			fi
			[ $status -eq 0 ] || return 1
			echo "$claim" >>"hammered/taken.$1"
			case $((RANDOM % 12)) in
			0) awcp-queue return "$claim" ;;
			1) awcp-queue fail -m bad "$claim" ;;
			2) ;; # its lease ends
			*) awcp-queue done "$claim" && echo "$claim" >>"hammered/done.$1" ;;
			esac || : # it lapsed, perhaps
		done
	}
	pids=()
	for i in $(seq "${HAMMER_PROCESSES:-200}"); do
		if [ $((i % 4)) -eq 0 ]; then
			putter "$i" 2>>"hammered/err" 3>&- &
		else
			taker "$i" 2>>"hammered/err" 3>&- &
		fi
		pids+=($!)
	done
	failed=0
	for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
	[ "$failed" -eq 0 ] || fail "$failed gave up: $(sort hammered/err | uniq -c | sort -rn | head)"
	# What lapsed at the very end is done by one more.
	drained() {
		while claim=$(awcp-queue take -q h); do awcp-queue done "$claim"; done
		[ "$(awcp-queue list -q h)" = '' ]
	}
	WAIT=60 wait_until drained
	awcp-queue list -q h -j -s all --limit 0 >all
	# Nothing was lost, and no number given twice.
	assert_equal "$(cat hammered/put.*[0-9] | sort)" "$(jq -r .id all | grep -vx h.1 | sort)"
	# No claim was given to two.
	assert_equal "$(cat hammered/taken.* | sort | uniq -d)" ''
	# Who was told that it is done has done it, with that attempt, and nobody else has.
	cat hammered/done.* | sort >done
	assert_equal "$(cut -d . -f 1,2 done | uniq -d)" ''
	jq -r 'select(.state == "completed") | "\(.id).\(.attempt)"' all | sort >completed
	assert_equal "$(comm -23 done completed)" ''
	jq -es 'all(.[]; (.attempts | map(select(.outcome == "completed")) | length) ==
		(if .state == "completed" then 1 else 0 end))' all >/dev/null ||
		fail "completed more or less than once"
	jq -es 'all(.[]; .state == "blocked" or (.attempts | length) == ([.attempt, 20] | min))' all >/dev/null ||
		fail "attempts are missing"
	# Every change has a version of its own, and is told once.
	awcp-queue list -q h -j --since 0 --limit 0 | jq .version >versions
	assert_equal "$(uniq versions | wc -l)" "$(awcp-queue stats -q h -j | jq .version)"
	assert_equal "$(sort -nu versions | wc -l)" "$(wc -l <versions)"
	run -0 awcp-queue check -q h
	assert_output ''
	echo "# $(wc -l <all) tasks, $(wc -l <versions) changes" >&3
}

# For a minute, by two hundred: make hammer.
@test "many at once, killed amid it: every claim is given once, and every task ends once" {
	cd "$BATS_TEST_TMPDIR"
	run -0 "$BUILD/hammer" 2 30
	assert_output --partial ' 0 wrong'
}

@test "a queue's name is no option, and a prompt that says nothing is refused everywhere" {
	for name in -x -- -; do
		run -64 awcp-queue put -q "$name" hi
		run -64 awcp-queue show "$name.1"
	done
	for words in '' ' ' $'\n\t'; do
		run ! awcp-queue put "$words"
		assert_output --partial 'the prompt is empty'
		run ! awcp-queue put -j - <<<"$(jq -nc --arg p "$words" '{payload: $p}')"
		assert_output --partial 'the prompt is empty'
		run ! awcp-invite -e http://127.0.0.1:1/awcp -r "x=$PWD" "$words"
		assert_output --partial 'the prompt is empty'
	done
	run -0 awcp-queue stats
	assert_output --regexp '^default' # which has nothing
	refute_output --partial pending
	run -64 awcp-queue cancel -m $'\xff' default.1
	assert_output --partial 'not UTF-8'
}
