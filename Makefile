# awcp - lend a directory to a worker on another machine
#
#	make demo	install what is missing, build, delegate a real tree on loopback, show the diff
#	make check	install what is missing, build, run the tests, most of them with sanitizers
#	make check T=queue	only those of a subject, plain and with sanitizers: tests/queue*.bats, and the
#			unit tests that are named so or after a file of lib/queue; T='queue ask': both
#	make unit T=sse	build only the unit tests of that subject, and run them: some seconds
#	make check-all	all tests, plain and with sanitizers, at every fault there can be, with what
#			is too long for each day; then hammer and model
#	make hammer	two hundred processes and one queue, for a minute
#	make model	install spin, search the protocol of claims for broken promises
#	make soak	run everything at once for SOAK_MINUTES (10), with what goes wrong on real machines
#	make fuzz	install clang, throw made-up archives, manifests and JSON at who reads them
#	make deb deb-check	build a Debian package; try it in a fresh system
#	make all bench lint install uninstall clean deps
#
# Everything that is made lies under build/, in the shape it has when installed:
# build/bin, build/libexec/awcp, build/share/awcp, build/share/man.

PREFIX = /usr/local
DESTDIR =
WEB_GROUP = www-data
BASH_SITE = share/bash-completion/completions
ZSH_SITE = share/zsh/site-functions
CC = gcc
OPT = -O2 -g
B = build

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wformat=2 -Wundef -Werror
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
VERSION = 0.1
CPPFLAGS = -D_GNU_SOURCE -DAWCP_VERSION='"$(VERSION)"' -Ilib -Ibin -Icgi $(if $(SAN),-DSANITIZED=true)
CFLAGS = -std=c11 $(OPT) $(WARN) $(HARDEN) $(SAN) -pthread
LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN) -pthread

# Which program needs which library: a program pays at start-up for what is on its line.
json = -ljansson
hash = -ljansson -lcrypto
pack = -ljansson -lcrypto -larchive
http = -ljansson -lcrypto -larchive -lcurl
fcgi = -ljansson -lcrypto -lfcgi

libs_awcp-invite = $(http)
libs_awcp-watch = $(http)
libs_awcp-cancel = $(http)
libs_awcp-list = $(json)
libs_awcp-log = $(json)
libs_awcp-show = $(json)
libs_awcp-snapshot = $(pack)
libs_awcp-run = $(pack)
libs_awcp-queue = $(json)
libs_awcp-reap = $(json)
libs_awcp-ask = $(json)
libs_awcp-answer = $(http)
libs_awcp-token = $(hash)
libs_awcp-config = $(json)
libs_awcp-doctor = $(pack)
libs_awcp-executor = $(fcgi)
libs_awcp-delegator = $(fcgi) -larchive -lcurl
libs_awcp-queued = $(fcgi)

LIB_O = $(patsubst lib/%.c,$B/o/lib/%.o,$(wildcard lib/*/*.c))
COMMANDS = $(filter awcp-%,$(notdir $(basename $(wildcard bin/awcp-*.c))))
BIN_O = $B/o/bin/command.o
CGIS = $(notdir $(basename $(wildcard cgi/awcp-*.c)))
CGI_O = $(patsubst cgi/%.c,$B/o/cgi/%.o,$(wildcard cgi/*/*.c))
SCRIPTS = $(filter-out %.c,$(wildcard bin/awcp*))
SHARE = $(wildcard cgi/nginx.conf.in)
UNITS = $(patsubst bin/system/%,%,$(wildcard bin/system/systemd/*.* bin/system/systemd/user/*.*))
MAN = $(wildcard man/*.[1-8])
FUZZ = $(filter-out replay,$(notdir $(basename $(wildcard tests/fuzz/*.c))))
UNIT = $(notdir $(basename $(wildcard tests/unit/*_test.c))) $(FUZZ:%=fuzz_%_test)

# The tests of the subjects $T.
T_UNIT = $(sort $(foreach t,$T,$(filter $t_test $t_%_test fuzz_$t_test \
	$(patsubst lib/$t/%.c,%_test,$(wildcard lib/$t/*.c)),$(UNIT))))
T_BATS = $(sort $(foreach t,$T,$(wildcard tests/$t.bats tests/$t_*.bats)))

BUILT = $(addprefix $B/bin/,$(COMMANDS) $(notdir $(SCRIPTS))) \
	$(addprefix $B/libexec/awcp/,$(CGIS)) \
	$(addprefix $B/share/awcp/,$(notdir $(SHARE))) \
	$(foreach m,$(notdir $(MAN)),$B/share/man/man$(subst .,,$(suffix $m))/$m) \
	$(SYSTEM)

# What ties it to a system.  The units, and they alone, must know where everything will be: their
# @PREFIX@ is filled in by install.
SYSTEM = $(patsubst systemd/%,$B/lib/systemd/system/%,$(filter-out systemd/user/%,$(UNITS))) \
	$(patsubst systemd/%,$B/lib/systemd/%,$(filter systemd/user/%,$(UNITS))) \
	$(patsubst bin/system/systemd/%,$B/lib/systemd/user/%,$(wildcard bin/system/systemd/*.timer)) \
	$B/lib/sysusers.d/awcp.conf $B/lib/tmpfiles.d/awcp.conf \
	$(addprefix $B/share/doc/awcp/examples/,crontab awcp.conf nginx-site.conf) \
	$B/$(BASH_SITE)/awcp $B/$(ZSH_SITE)/_awcp

all: $(BUILT)

$B/o/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/libawcp.a: $(LIB_O)
	@rm -f $@
	$(AR) qcs $@ $^

$B/bin/awcp-%: $B/o/bin/awcp-%.o $(BIN_O) $B/libawcp.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(libs_awcp-$*)

$B/bin/awcp-invite $B/bin/awcp-watch: $B/o/bin/display.o
$B/bin/awcp-invite: $B/o/bin/preview.o
$B/bin/awcp-invite $B/bin/awcp-ask $B/bin/awcp-answer $B/bin/awcp-queue: $B/o/bin/prompt.o
$B/bin/awcp-snapshot: $B/o/bin/snapshot_show.o $B/o/bin/snapshot_take.o
$B/bin/awcp-run: $B/o/bin/run_profiles.o

$B/bin/awcp-queue: $(patsubst %.c,$B/o/%.o,$(wildcard bin/queue_*.c))

$B/libcgi.a: $(CGI_O)
	@rm -f $@
	$(AR) qcs $@ $^

$B/libexec/awcp/awcp-%: $B/o/cgi/awcp-%.o $B/libcgi.a $B/libawcp.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(libs_awcp-$*)

$(addprefix $B/bin/,$(notdir $(SCRIPTS))): $B/bin/%: bin/%
	@mkdir -p $(@D)
	install -m 755 $< $@

$B/share/awcp/%: cgi/%
	@mkdir -p $(@D)
	install -m 644 $< $@

define man_rule
$B/share/man/man$(subst .,,$(suffix $1))/$1: man/$1
	@mkdir -p $$(@D)
	install -m 644 $$< $$@
endef
$(foreach m,$(notdir $(MAN)),$(eval $(call man_rule,$m)))

$B/lib/systemd/system/%: bin/system/systemd/%
	@mkdir -p $(@D)
	install -m 644 $< $@

$B/lib/systemd/user/%: bin/system/systemd/user/%
	@mkdir -p $(@D)
	install -m 644 $< $@

$B/lib/systemd/user/%.timer: bin/system/systemd/%.timer
	@mkdir -p $(@D)
	install -m 644 $< $@

$B/lib/%.d/awcp.conf: bin/system/%.conf
	@mkdir -p $(@D)
	install -m 644 $< $@

$B/share/doc/awcp/examples/crontab: bin/system/crontab
	@mkdir -p $(@D)
	install -m 644 $< $@

$B/share/doc/awcp/examples/nginx-site.conf: cgi/nginx.conf.in bin/system/site.sed
	@mkdir -p $(@D)
	sed -f bin/system/site.sed $< >$@

# Every setting with its default, as comments.
$B/share/doc/awcp/examples/awcp.conf: man/awcp.conf.5 bin/system/settings.awk
	@mkdir -p $(@D)
	awk -f bin/system/settings.awk $< >$@

# Completion says what -h says, and that of each command of a program that lists some.
WITH_HELP = $(addprefix $B/bin/,$(sort $(COMMANDS) $(filter-out awcp,$(notdir $(SCRIPTS)))))
completion = for p in $(WITH_HELP); do echo "@ $${p\#\#*/}"; $$p -h || exit; \
	for c in $$($$p -h | sed -n '/^usage: [^ ]* <command>/,$$s/^  \([a-z]*\) .*/\1/p'); do \
	$$p $$c -h || exit; done; done | \
	awk -v shell=$1 -v system_dir=bin/system -f bin/system/completion.awk

$B/$(BASH_SITE)/awcp: $(WITH_HELP) $(wildcard bin/system/completion.*)
	@mkdir -p $(@D)
	$(call completion,bash) >$@.new && mv $@.new $@

$B/$(ZSH_SITE)/_awcp: $(WITH_HELP) $(wildcard bin/system/completion.*)
	@mkdir -p $(@D)
	$(call completion,zsh) >$@.new && mv $@.new $@

# Unit tests of lib/: one program a module.
$B/unit/%: $B/o/tests/unit/%.o $B/libawcp.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(http)

$B/unit/hostile_test: $B/o/tests/unit/hostile_tar.o $B/o/tests/unit/hostile_zip.o

# The fuzz targets: each with what is in its corpus, and under libFuzzer.
$B/unit/fuzz_%_test: $B/o/tests/fuzz/%.o $B/o/tests/fuzz/replay.o $B/libawcp.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(pack)

$B/fuzz/%: $B/o/tests/fuzz/%.o $B/libawcp.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(pack)

ifdef T
unit: $(T_UNIT:%=run_%)
	$(if $(T_UNIT),,$(error no unit test is named after $T))

run_%: $B/unit/%
	@AWCP_TEST_QUICK=1 $<
else
unit: $(addprefix $B/unit/,$(UNIT)) $B/hammer
endif

# Debian's names.  The second line is what the tests need on top.
PACKAGES = gcc libc6-dev libfcgi-dev libjansson-dev libarchive-dev libcurl4-openssl-dev libpcre2-dev \
	libssl-dev nginx-light spawn-fcgi bubblewrap git
TEST_PACKAGES = bats bats-assert bats-support bats-file jq gojq curl zip unzip zstd xz-utils \
	libarchive-tools procps openssl tmux

deps:
	@tests/deps.sh $(PACKAGES) $(TEST_PACKAGES)

demo: deps
	@$(MAKE) --no-print-directory -j "$$(nproc)" all
	@tests/demo.sh

ifdef T
check: deps
	$(if $(T_UNIT)$(T_BATS),,$(error no test is named after $T))
	@$(MAKE) --no-print-directory -j "$$(nproc)" T= $(if $(T_BATS),all $B/hammer) $(T_UNIT:%=$B/unit/%)
	@tests/check.sh $(T_BATS) $(T_UNIT)
else
check: deps
	@$(MAKE) --no-print-directory -j "$$(nproc)" all $B/hammer $B/unit/hostile_test
	@tests/check.sh
endif

check-all: deps
	@$(MAKE) --no-print-directory -j "$$(nproc)" all unit
	@ALL=1 tests/check.sh
	@$(MAKE) --no-print-directory hammer model

bench: deps
	@tests/deps.sh wrk nq task-spooler beanstalkd
	@$(MAKE) --no-print-directory -j "$$(nproc)" all
	@tests/bench/run.sh

# Many processes and one queue, for HAMMER_SECONDS (60).
HAMMER_SECONDS = 60
HAMMER_PROCESSES = 200
hammer: $B/hammer
	@tests/hammer.sh $B/hammer $(HAMMER_SECONDS) $(HAMMER_PROCESSES)

$B/hammer: $B/o/tests/hammer.o $B/libawcp.a
	$(CC) $(LDFLAGS) -o $@ $^ $(json)

# What the protocol of claims promises, by Spin.
model:
	@tests/deps.sh gcc libc6-dev spin
	@tests/model/run.sh

# Everything at once for SOAK_MINUTES (10), with kills, full disks, cancels and steps of the clock.
soak: deps
	@$(MAKE) --no-print-directory -j "$$(nproc)" all
	@tests/soak/run.sh

lint:
	@tests/deps.sh $(PACKAGES) cppcheck clang-tidy clang-format shellcheck mandoc
	@tests/lint.sh

# Each target for FUZZ_SECONDS (60).
fuzz:
	@tests/deps.sh $(PACKAGES) clang libclang-rt-dev
	@$(MAKE) --no-print-directory B=build/fuzzed CC=clang OPT='-O1 -g' WARN= HARDEN= \
		SAN='-fsanitize=fuzzer-no-link,address,undefined' $(FUZZ:%=build/fuzzed/fuzz/%)
	@tests/fuzz/run.sh build/fuzzed/fuzz $(FUZZ)

# All that is installed, as paths below $B and below PREFIX.
installed = (cd $B && find bin lib libexec share -type f)

install: all
	@$(installed) | while read -r f; do \
		mode=644; [ -x "$B/$$f" ] && mode=755; \
		install -D -m $$mode "$B/$$f" "$(DESTDIR)$(PREFIX)/$$f" || exit 1; \
		case $$f in lib/* | share/doc/*) \
			sed -i 's|@PREFIX@|$(PREFIX)|g; s|@WEB_GROUP@|$(WEB_GROUP)|g' \
				"$(DESTDIR)$(PREFIX)/$$f" || exit 1 ;; \
		esac; done
	@for c in $(notdir $(WITH_HELP)); do \
		ln -sf awcp "$(DESTDIR)$(PREFIX)/$(BASH_SITE)/$$c" || exit 1; done

uninstall:
	@$(installed) | while read -r f; do rm -f "$(DESTDIR)$(PREFIX)/$$f"; done
	@for c in $(notdir $(WITH_HELP)); do rm -f "$(DESTDIR)$(PREFIX)/$(BASH_SITE)/$$c"; done
	@cd "$(DESTDIR)$(PREFIX)" && rmdir libexec/awcp share/awcp share/doc/awcp/examples share/doc/awcp

# A package for Debian, in build/deb.
deb: all
	@rm -rf build/deb/root
	@$(MAKE) --no-print-directory install DESTDIR=build/deb/root PREFIX=/usr
	@bin/system/debian/build $(VERSION) "$(CURDIR)/build/deb/root" "$(CURDIR)/build/deb"

# Install, upgrade, remove and purge it in a fresh system; needs root, and the mirror that apt uses.
deb-check:
	@tests/deps.sh $(PACKAGES) dpkg-dev debootstrap lintian
	@$(MAKE) --no-print-directory -j "$$(nproc)" all
	@tests/deb.sh

clean:
	rm -rf build

.PHONY: all unit deps demo check check-all bench soak hammer model lint fuzz install uninstall deb deb-check clean
.SECONDARY:
-include $(shell find $B/o -name '*.d' 2>/dev/null)
