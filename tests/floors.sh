#!/bin/sh
# floors.sh [tree] - the walls of the house: every include leads down or stays in its folder, no file of
# lib/ lies outside a folder, and none of lib, cgi and bin is longer than can be read.  Says where and
# what to do; exit 1 if anything is wrong.
cd "${1:-$(dirname "$0")/..}" || exit 1

# A line a floor, from the ground up.  The folders of lib/ come first, then those of cgi/; the programs,
# bin/* and cgi/*.c, stand above all of them.
floors='base
config
log tree
process state archive access
wire apply
feed
queue delegation
snapshot assignment
lend worker reap doctor
http
events
executor delegator queued'

max_lines=450

{
	find lib -maxdepth 1 -name '*.[ch]' |
		sed 's|$|:1: lies in no folder: move it to the folder of its subject|'
	find lib cgi bin -name '*.[ch]' -exec awk -v max=$max_lines -v floors="$floors" '
		# The folder that file lies in, or the directory if it is a program.
		function folder_of(file,   part, n) {
			n = split(file, part, "/")
			return n > 2 ? part[2] : part[1]
		}
		function complain(what, todo) {
			print FILENAME ":" FNR ": " what ": " todo
		}
		function end_of_file() {
			if (lines > max)
				print last ":" lines ": has more than " max " lines: split off one of its ideas"
		}
		BEGIN {
			count = split(floors, floor, "\n")
			for (i = 1; i <= count; i++)
				for (j = split(floor[i], name, " "); j > 0; j--)
					height[name[j]] = i
			height["bin"] = height["cgi"] = count + 1
		}
		FNR == 1 {
			end_of_file()
			from = folder_of(last = FILENAME)
			if (!(from in height))
				complain("the folder " from " is on no floor", "add it to those in tests/floors.sh")
		}
		{ lines = FNR }
		/^[ \t]*#[ \t]*include[ \t]*"/ && from in height {
			split($0, quoted, "\"")
			to = index(quoted[2], "/") ? substr(quoted[2], 1, index(quoted[2], "/") - 1) : ""
			if (to == "" && from != "bin")
				complain("\"" quoted[2] "\" names no folder", "write \"folder/file.h\"")
			else if (to != "" && !(to in height))
				complain("the folder " to " is on no floor", "add it to those in tests/floors.sh")
			else if (to != "" && to != from && height[to] >= height[from])
				complain(from " may not include " to ", which is not below it",
					"move what is needed down, or have the caller pass it")
		}
		END { end_of_file() }' {} +
} | sort -t : -k 1,1 -k 2,2n | {
	if grep . >&2; then exit 1; fi
}
