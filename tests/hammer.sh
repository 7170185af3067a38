#!/bin/sh
# hammer.sh program seconds processes - hammer a queue of its own, in a directory of its own.
set -eu
program=$(realpath "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-hammer.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
AWCP_HOME=$work/state "$program" "$2" "$3"
