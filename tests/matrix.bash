# matrix.bash - a table of what comes of every event in every situation, and driving it.
#
# A table is text: the first line names its machine of lib/fsm and its situations, each as
# name=state-of-the-machine ("none" is no state: there is no record); each further line an event, the
# events of lib/fsm that it stands for (- if none; several, with commas, are taken one after the other,
# as far as they are possible), and a cell a situation:
#	answer		what is answered; nothing changes
#	answer>state	the state afterwards, if anything changes
#	-		the event cannot come here
#	"		as the cell to the left
# shellcheck shell=bash
# shellcheck disable=SC2034 # the tests read some

make_fsm()
{
	# Of the state machines only the tables are wanted, not what works on records with them.
	gcc -std=c11 -D_GNU_SOURCE -O1 -ffunction-sections -Wl,--gc-sections -I"$REPO/lib" \
		-o "$BATS_FILE_TMPDIR/fsm" "$REPO/tests/fsm_table.c" "$REPO/lib/base/err.c"
	"$BATS_FILE_TMPDIR/fsm" >"$BATS_FILE_TMPDIR/fsm.txt"
}

# read_table text: sets MACHINE, SITUATIONS and EVENTS, and the maps STATE_OF[situation],
# MOVES[event] and CELL["situation event"].
read_table()
{
	local line words cell i
	declare -gA STATE_OF=() MOVES=() CELL=()
	EVENTS=() SITUATIONS=() MACHINE=
	while read -r -a words; do
		case ${words[0]-} in
		'' | '#'*) continue ;;
		esac
		if [ -z "$MACHINE" ]; then
			MACHINE=${words[0]}
			for line in "${words[@]:1}"; do
				SITUATIONS+=("${line%=*}")
				STATE_OF[${line%=*}]=${line#*=}
			done
			continue
		fi
		[ "${#words[@]}" -eq $((${#SITUATIONS[@]} + 2)) ] || fail "not a row: ${words[*]}"
		EVENTS+=("${words[0]}")
		MOVES[${words[0]}]=${words[1]}
		for i in "${!SITUATIONS[@]}"; do
			[ "${words[i + 2]}" = '"' ] || cell=${words[i + 2]}
			CELL["${SITUATIONS[i]} ${words[0]}"]=$cell
		done
	done <<<"$1"
}

# Every state and every transition of the machine is in the table (or said not to come), and the table
# has no other.
assert_table_is_whole()
{
	local situation event cell state move next machine seen=' '
	local -A leads=()
	while read -r machine state move next; do
		[ -z "$next" ] || leads["$machine $state $move"]=$next
	done <"$BATS_FILE_TMPDIR/fsm.txt"
	for situation in "${SITUATIONS[@]}"; do
		for event in "${EVENTS[@]}"; do
			cell=${CELL["$situation $event"]} state=${STATE_OF[$situation]}
			case $state$cell in
			none* | *'>none') continue ;;
			*-) ;;
			*'>'*) ;;
			*) continue ;;
			esac
			for move in ${MOVES[$event]//,/ }; do
				seen+="${STATE_OF[$situation]} $move "
				next=${leads["$MACHINE $state $move"]-}
				[ "$cell" = - ] || state=${next:-$state}
			done
			[ "$cell" = - ] || [ "$state" = "${cell#*>}" ] ||
				fail "lib/fsm does not lead from $situation to ${cell#*>} by $event"
		done
	done
	while read -r machine state move next; do
		[ "$machine" = "$MACHINE" ] || continue
		[[ " ${STATE_OF[*]} " == *" $state "* ]] || fail "no situation is $state"
		[ -z "$move" ] || [[ $seen == *" $state $move "* ]] ||
			fail "nothing is $move in $state, which leads to $next"
	done <"$BATS_FILE_TMPDIR/fsm.txt"
}

# drive situation: bring it about, have each event come, and look.  The test provides
#	enter situation		sets ID
#	send event		sets TOLD, what is answered
#	settle			waits until what goes on behind the answer is over
#	look			prints the state
#	everything		prints all that an event may change
#	legal			fails if record and journal are not
drive()
{
	local situation=$1 event cell after before entered=
	for event in "${EVENTS[@]}"; do
		cell=${CELL["$situation $event"]} PAIR="$situation $event"
		[ "$cell" != - ] || continue
		[ -n "$entered" ] || enter "$situation" "$event"
		entered=yes before=$(everything)
		send "$event"
		case $cell in
		*'>'*)
			after=${cell#*>} entered=
			settle "$after"
			legal
			;;
		*)
			after=${STATE_OF[$situation]}
			[ "$(everything)" = "$before" ] || fail "$PAIR changed something: $(diff <(
				echo "$before"
			) <(everything))"
			;;
		esac
		[ "$TOLD" = "${cell%>*}" ] || fail "$PAIR: answered $TOLD, not ${cell%>*}"
		[ "$(look)" = "$after" ] || fail "$PAIR: the state is $(look), not $after"
		PAIRS=$((PAIRS + 1))
	done
}

# ask token-or-"" method path [curl option...]: sets STATUS; the body and the head are in files.  It
# looks for $PATIENCE at a stream that goes on.
ask()
{
	local token=$1 method=$2 path=$3
	shift 3
	ANSWER_CODE=0
	STATUS=$(curl -sS -m "${PATIENCE:-10}" -X "$method" -D "$ANSWERS/head" -o "$ANSWERS/body" \
		-w '%{http_code}' -H 'Content-Type: application/json' \
		${token:+-H "Authorization: Bearer $token"} "$@" "${URL%/awcp}$path" \
		2>"$ANSWERS/curl.err") || ANSWER_CODE=$?
	[ -e "$ANSWERS/body" ] || : >"$ANSWERS/body"
}

# What was answered, in a word.
word()
{
	local end=
	if grep -qi '^content-type: text/event-stream' "$ANSWERS/head"; then
		[ "$ANSWER_CODE" -ne 28 ] || end='"open"'
		sed -n 's/^data: //p' "$ANSWERS/body" | jq -rs 'map(.type + (.code // "" |
			if . == "" then . else ":" + . end)) + ['"$end"'] | join(",")'
		return
	fi
	jq -r --arg id "${ID-}" 'if .delegations != null then
			if any(.delegations[]; .id == $id) then "listed" else "unlisted" end
		elif .id != null and .state != null then .state
		elif .snapshots != null then .snapshots | map(.status) | join(",") | "[" + . + "]"
		elif .delegationId != null and .type == null then "delegated"
		elif .type == "ACCEPT" or (.status | type) == "string" then .status // .type
		elif .code != null then .code
		elif .cancelled then "cancelled" elif .ok then "ok" else . end' "$ANSWERS/body"
}
