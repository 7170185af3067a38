#!/bin/sh
# A worker's program that does what its prompt says: work, fail, wait, hang or leave others behind.
prompt=$(cat)
case $prompt in
work*)
	for f in *; do
		[ -f "$f" ] && echo "$prompt" >>"$f"
	done
	echo "$prompt" >"new-${prompt#work }"
	;;
fail*) echo 'it cannot be done' >&2 && exit 1 ;;
later*) # once
	[ -e "$SOAK_SEEN/$prompt" ] || { : >"$SOAK_SEEN/$prompt" && exit 75; } ;;
die*) kill -9 $$ ;;
hang*) sleep 600 ;;
crowd*)
	setsid sleep 600 &
	echo "left one" >crowd
	;;
esac
echo "did: $prompt"
