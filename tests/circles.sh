#!/bin/sh
# circles.sh [build [tree]] - no file needs a file that needs it: neither the objects of a build, by the
# functions and variables that they name, nor the headers, by their includes.  Prints each circle, the
# shortest way round, with the lines to look at; exit 1 if there is one.
build=$(realpath "${1:-${B:-build}}") && cd "${2:-$(dirname "$0")/..}" || exit 1

edges=$(mktemp) && objects=$(mktemp) || exit 1
trap 'rm -f "$edges" "$objects"' EXIT

# Only of files that are there now: a build keeps the objects of what was renamed.
find lib cgi bin -name '*.c' | sort | while read -r file; do
	object=$build/o/${file%.c}.o
	if [ -f "$object" ]; then
		echo "$object"
	else
		echo "$file:1: has no object in $build: run make first" >&2
		echo /
	fi
done >"$objects"
! grep -qx / "$objects" || exit 1

# Lines of: from, to, what of it.
{
	xargs nm -A <"$objects" | awk -v skip="$build/o/" '
		{ file = substr($1, length(skip) + 1); sub(/\.o:.*/, ".c", file); type = $(NF - 1); symbol = $NF }
		type ~ /^[TDBRCVW]$/ && symbol != "main" { owner[symbol] = file }
		type == "U" { n++; from[n] = file; need[n] = symbol }
		END {
			for (i = 1; i <= n; i++)
				if (need[i] in owner && owner[need[i]] != from[i])
					print from[i], owner[need[i]], need[i]
		}'
	find lib cgi bin -name '*.h' -exec grep -HE '^#include "' {} + | awk -F '[:"]' '
		function found(path,   line) { return (getline line <path) >= 0 }
		{
			n = split("lib/" $3 " cgi/" $3 " bin/" $3, path, " ")
			for (i = 1; i <= n; i++)
				if (found(path[i])) { print $1, path[i], $3; close(path[i]) }
		}'
} >"$edges"

awk '
	{
		edge[++edges] = $1 SUBSEP $2
		if (!(($1, $2) in what))
			what[$1, $2] = $3
		node[$1]; node[$2]
	}
	# Of all nodes, those that are no end of a chain: circles, and what lies between two of them.
	function prune(   i, e, n, changed) {
		do {
			changed = 0
			for (n in in_of) delete in_of[n]
			for (n in out_of) delete out_of[n]
			for (i = 1; i <= edges; i++) {
				split(edge[i], e, SUBSEP)
				if (e[1] in node && e[2] in node) { out_of[e[1]]; in_of[e[2]] }
			}
			for (n in node)
				if (!(n in in_of) || !(n in out_of)) { delete node[n]; changed = 1 }
		} while (changed)
	}
	# The shortest way from n back to n, as previous[]; 0 if there is none.
	function circle(n,   queue, head, tail, at, to, i) {
		for (i in previous) delete previous[i]
		queue[tail = 1] = n
		for (head = 1; head <= tail; head++) {
			at = queue[head]
			for (i = 1; i <= degree[at]; i++) {
				to = next_of[at, i]
				if (to in previous)
					continue
				previous[to] = at
				if (to == n)
					return 1
				queue[++tail] = to
			}
		}
		return 0
	}
	function line_of(file, word,   line, n, at) {
		n = at = 0
		while ((getline line <file) > 0) {
			n++
			if (!at && line ~ "(^|[^a-z0-9_])" word "($|[^a-z0-9_])" && (file ~ /h$/ || line !~ /^[ \t]*(\/\*|\*|\/\/)/))
				at = n
		}
		close(file)
		return at ? at : 1
	}
	function show(n,   way, length_of_way, at, i) {
		at = n
		do { way[++length_of_way] = at; seen[at]; at = previous[at] } while (at != n)
		way[++length_of_way] = n
		print "a circle of " length_of_way - 1 " files: move what they share to a file below, or pass a function down"
		for (i = length_of_way; i > 1; i--) {
			# way[] runs backwards
			word = what[way[i], way[i - 1]]
			where = "  " way[i] ":" line_of(way[i], word) ": "
			print where (word ~ /\.h$/ ? "includes " : "needs " word ", of ") way[i - 1]
		}
	}
	END {
		prune()
		for (i = 1; i <= edges; i++) {
			split(edge[i], e, SUBSEP)
			if (e[1] in node && e[2] in node && !(edge[i] in done)) {
				done[edge[i]]
				next_of[e[1], ++degree[e[1]]] = e[2]
			}
		}
		for (i = 1; i <= edges; i++) {
			split(edge[i], e, SUBSEP)
			if (e[1] in node && !(e[1] in seen) && circle(e[1])) { show(e[1]); bad = 1 }
		}
		exit bad
	}' "$edges" >&2
