#!/usr/bin/env bash
# deb.sh - installs, upgrades, removes and purges the Debian package in a fresh minimal system, made
# by debootstrap from the mirror that apt uses here, and asks lintian.  Needs root; run by
# make deb-check, which takes some minutes.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "deb.sh: only root can make a system" >&2; exit 77; }

work=$(mktemp -d "${TMPDIR:-/tmp}/awcp-deb.XXXXXX")
system=$work/system
# shellcheck disable=SC2317 # called by the trap
clear_up() {
	umount "$system/proc" 2>/dev/null || :
	rm -rf --one-file-system "$work"
}
trap clear_up EXIT
trap 'exit 130' INT TERM

bad=0
ok() {
	local what=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok - $what"
	else
		echo "not ok - $what"
		tail -n 40 "$work/log"
		bad=$((bad + 1))
	fi
}
inside() { chroot "$system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive http_proxy="${http_proxy-}" "$@"; }
absent() { ! inside test -e "$1"; }
as() { inside setpriv --reuid="$1" --regid="$1" --clear-groups env HOME="$2" "${@:3}"; }
# All files, but for what apt and dpkg keep for themselves.
listing() {
	(cd "$system" && find . -xdev \( -path ./proc -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o \
		-path ./var/cache -o -path ./var/log -o -path ./tmp -o -path ./home \) -prune -o -print |
		grep -vE '^\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|^\./etc/ld.so.cache|^\./run|^\./root/' |
		sort)
}

# Two versions of it.
first=$(make -s deb) && mv "$first" "$work/first.deb"
second=$(make -s deb VERSION="$(dpkg-deb -f "$work/first.deb" Version)+1") && mv "$second" "$work/second.deb"
ok 'lintian finds no error, but for the address of who built it' lintian --fail-on error \
	--suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact "$work/first.deb"

# shellcheck disable=SC2016 # apt's own variables
read -r site release < <(apt-get indextargets --format '$(LABEL) $(SITE) $(RELEASE)' |
	sed -n 's/^Debian //p' | grep -vE '[-/](updates|security|backports)' | head -n 1)
echo "deb.sh: making a system of $release" >&2
debootstrap --variant=minbase "$release" "$system" "$site" >"$work/debootstrap.log" 2>&1 ||
	{ tail -n 20 "$work/debootstrap.log" >&2; exit 69; }
printf '#!/bin/sh\nexit 101\n' >"$system/usr/sbin/policy-rc.d" # nothing is started in there
chmod 755 "$system/usr/sbin/policy-rc.d"
[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$system/etc/apt/"
cp /etc/resolv.conf "$system/etc/resolv.conf"
mount -t proc proc "$system/proc" 2>/dev/null || echo "deb.sh: there is no /proc in it" >&2
cp "$work"/*.deb "$system/tmp/"

# What it depends on first, so that only the package itself is compared.
inside apt-get install -qq -y --no-install-recommends /tmp/first.deb >"$work/log" 2>&1 ||
	{ tail -n 40 "$work/log"; exit 69; }
inside dpkg --purge awcp >/dev/null
listing >"$work/before"

ok 'it installs' inside dpkg -i /tmp/first.deb
# shellcheck disable=SC2016 # the inner shell's
ok 'every command says its version' inside sh -c 'for p in /usr/bin/awcp*; do $p -V || exit; done'
ok 'there is an account, and its directory is its own' \
	test "$(inside stat -c '%U %a' /var/lib/awcp)" = 'awcp 700'
ok 'nothing is enabled' inside sh -c '! ls /etc/systemd/system/*.wants/awcp-* 2>/dev/null'
ok 'the account can work' as awcp /var/lib/awcp env AWCP_HOME=/var/lib/awcp awcp-queue put hello
inside useradd -m alice
ok 'so can others' as alice /home/alice awcp-queue put hello
echo 'max-ttl = 2h' >>"$system/etc/awcp/awcp.conf"
ok 'its settings count' test "$(as alice /home/alice awcp-config max-ttl)" = 7200

ok 'it is upgraded' inside dpkg -i /tmp/second.deb
ok 'settings that were changed are kept' test "$(as alice /home/alice awcp-config max-ttl)" = 7200
ok 'the state is kept' as awcp /var/lib/awcp env AWCP_HOME=/var/lib/awcp awcp-queue show default.1

ok 'it is removed' inside dpkg --remove awcp
ok 'no program is left' absent /usr/bin/awcp
ok 'settings and state are' inside test -s /etc/awcp/awcp.conf -a -d /var/lib/awcp/queue
ok 'it is installed again' inside dpkg -i /tmp/second.deb
ok 'the state is still there' as awcp /var/lib/awcp env AWCP_HOME=/var/lib/awcp awcp-queue show default.1

mkdir -p "$system/var/lib/awcp/assignments/.open"
: >"$system/var/lib/awcp/assignments/.open/dlg_0123456789abcdef0123456789abcdef"
ok 'it is purged' inside dpkg --purge awcp
ok 'work in hand is not' inside test -d /var/lib/awcp/queue
rm "$system/var/lib/awcp/assignments/.open/"*
ok 'it is installed once more' inside dpkg -i /tmp/first.deb
ok 'it is purged once more' inside dpkg --purge awcp
listing >"$work/after"
ok 'nothing is left' diff "$work/before" "$work/after"
ok 'but what is others is theirs' inside test -d /home/alice/.local/state/awcp/queue
[ "$bad" -eq 0 ]
