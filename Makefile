# lua-libevent: every verb of the project. `make help` lists them.
#
# LuaRocks' names for what it sets; pkg-config gives the defaults.
CC ?= cc
CFLAGS ?= -O2 -g
LIBFLAG ?= -shared
LUA ?= lua5.4
LUA_VERSION ?= 5.4
CLANG ?= clang
PREFIX ?= /usr/local
INST_LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
INST_LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
INST_BINDIR ?= $(PREFIX)/bin
INST_MANDIR ?= $(PREFIX)/share/man
BUILD ?= build

ifdef LUA_INCDIR
LUA_CFLAGS ?= -I$(LUA_INCDIR)
else
LUA_CFLAGS ?= $(shell pkg-config --cflags lua$(LUA_VERSION) 2>/dev/null || pkg-config --cflags lua-$(LUA_VERSION) 2>/dev/null)
endif
ifdef LIBEVENT_INCDIR
EVENT_CFLAGS ?= -I$(LIBEVENT_INCDIR)
EVENT_LIBS ?= -L$(LIBEVENT_LIBDIR) -levent_core
else
EVENT_CFLAGS ?= $(shell pkg-config --cflags libevent_core 2>/dev/null)
EVENT_LIBS ?= $(shell pkg-config --libs libevent_core 2>/dev/null || echo -levent_core)
endif

LUA_LIBS ?= $(shell pkg-config --libs lua$(LUA_VERSION) 2>/dev/null || echo -llua$(LUA_VERSION))

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wformat-security \
  -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
  -fstack-clash-protection \
  $(if $(filter x86_64 amd64,$(shell uname -m)),-fcf-protection)
# The module never leaves the process: libevent and the C library keep pointers
# to its log and fork functions.
LINK = $(LIBFLAG) $(if $(filter Darwin,$(shell uname -s)),, \
  -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodelete -Wl,--as-needed)
# Calls into Lua and libevent go straight to where the loader found them.
NOPLT = $(if $(filter Darwin,$(shell uname -s)),,-fno-plt)
# Commands are shown by `make V=1`, their subjects without it.
QUIET = $(if $(V),,@echo '  $(1) $@';)
FLAGS = -std=gnu11 -D_GNU_SOURCE -fPIC $(NOPLT) -fvisibility=hidden $(WARNINGS) $(HARDENING) -Icsrc \
  $(LUA_CFLAGS) $(EVENT_CFLAGS)

CORE_SOURCES = csrc/core.c $(wildcard csrc/kernel/*.c csrc/types/*.c csrc/io/*.c)
CORE_OBJECTS = $(CORE_SOURCES:csrc/%.c=$(BUILD)/obj/%.o)
CORE = $(BUILD)/libevent/core.so
# Line editing is there where GNU readline is.
READLINE_CFLAGS ?= $(shell pkg-config --cflags readline 2>/dev/null)
READLINE_LIBS ?= $(shell pkg-config --libs readline 2>/dev/null || echo -lreadline)
READLINE_SOURCES = csrc/readline.c $(wildcard csrc/readline/*.c)
READLINE_OBJECTS = $(READLINE_SOURCES:csrc/%.c=$(BUILD)/obj/%.o)
ifeq ($(shell echo 'void *f = rl_clear_visible_line;' | $(CC) $(READLINE_CFLAGS) -w \
  -include stdio.h -include readline/readline.h -fsyntax-only -x c - 2>/dev/null && echo found),found)
READLINE = $(BUILD)/libevent/readline.so
endif
MODULES = $(CORE) $(READLINE)
LUA_SOURCES = $(shell find lua -name '*.lua')
C_FILES = $(shell find csrc spec bench -name '*.[ch]')
LUA_FILES = lua/evrun $(shell find lua examples spec bench docs -name '*.lua')

# What the specs need besides: a module for pipes, processes and limits, a type
# that lives in another shared object, and programs that embed Lua.
SPEC_MODULES = $(addprefix $(BUILD)/spec/,posix.so toy.so pty.so faults.so)
SPEC_HOSTS = $(addprefix $(BUILD)/spec/,two_states host_loop memory)
DOC_FILES = $(sort $(CORE_SOURCES) $(READLINE_SOURCES) $(LUA_SOURCES))
EVENT_HEADERS = $(or $(LIBEVENT_INCDIR),$(shell pkg-config --variable=includedir \
  libevent_core 2>/dev/null),/usr/include)/event2
DOCUMENTED = LUA_PATH='./?.lua;;' $(LUA)
EXAMPLES = $(wildcard docs/examples/*.lua)
INDEX = $(BUILD)/libevent/docs/index.lua
BENCH_PROGRAMS = $(patsubst bench/c/%.c,$(BUILD)/bench/%,$(wildcard bench/c/*.c))
BUSTED = $(LUA) $(shell command -v busted) $(BUSTED_FLAGS)
SUITE ?= spec

export LUA_PATH = lua/?.lua;lua/?/init.lua;;
export LUA_CPATH = $(BUILD)/?.so;;
# They would come before these.
unexport LUA_PATH_5_4 LUA_CPATH_5_4

all: $(MODULES) $(INDEX) ## builds the C modules in build/libevent (default)

$(CORE): $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(call QUIET,LINK)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(EVENT_LIBS) -pthread

$(INDEX): docs/index.lua docs/blocks.lua docs/examples.lua docs/headers.lua \
    $(EXAMPLES) $(DOC_FILES)
	@mkdir -p $(@D)
	$(call QUIET,DOC)$(DOCUMENTED) docs/index.lua $@ $(DOC_FILES)

$(BUILD)/libevent/readline.so: $(READLINE_OBJECTS)
	@mkdir -p $(@D)
	$(call QUIET,LINK)$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(READLINE_LIBS)

$(READLINE_OBJECTS): FLAGS += $(READLINE_CFLAGS)

$(BUILD)/spec/%.so: spec/host/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(CFLAGS) $(FLAGS) -MMD -MP $(LIBFLAG) -o $@ $< $(EVENT_LIBS)

$(BUILD)/spec/%: spec/host/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(CFLAGS) $(FLAGS) -MMD -MP -Wl,-E -o $@ $< $(LUA_LIBS) $(EVENT_LIBS)

$(BUILD)/obj/%.o: csrc/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(CFLAGS) $(FLAGS) -MMD -MP -c -o $@ $<

# Everything is compiled again when the compiler or its flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(FLAGS) $(LINK)' | cmp -s - $@ || \
	  echo '$(CC) $(CFLAGS) $(FLAGS) $(LINK)' > $@

-include $(CORE_OBJECTS:.o=.d) $(READLINE_OBJECTS:.o=.d) \
  $(wildcard $(BUILD)/spec/*.d $(BUILD)/bench/*.d)

# The command is run by the Lua that it was built for.
install: all ## installs into PREFIX (/usr/local), below DESTDIR
	@mkdir -p '$(DESTDIR)$(INST_LIBDIR)/libevent' '$(DESTDIR)$(INST_BINDIR)'
	install -m 755 $(MODULES) '$(DESTDIR)$(INST_LIBDIR)/libevent/'
	@set -e; for file in $(LUA_SOURCES:lua/%=%); do \
	  install -D -m 644 lua/$$file '$(DESTDIR)$(INST_LUADIR)'/$$file; \
	done
	install -D -m 644 $(INDEX) '$(DESTDIR)$(INST_LUADIR)/libevent/docs/index.lua'
	install -m 755 lua/evrun '$(DESTDIR)$(INST_BINDIR)/evrun'
	@sed '1s|.*|#!$(or $(shell command -v '$(LUA)'),$(LUA))|' lua/evrun > '$(DESTDIR)$(INST_BINDIR)/evrun'
	install -D -m 644 docs/evrun.1 '$(DESTDIR)$(INST_MANDIR)/man1/evrun.1'

uninstall: ## removes what install put there
	rm -f '$(DESTDIR)$(INST_LIBDIR)/libevent/core.so' \
	  '$(DESTDIR)$(INST_LIBDIR)/libevent/readline.so' \
	  $(LUA_SOURCES:lua/%='$(DESTDIR)$(INST_LUADIR)/%') \
	  '$(DESTDIR)$(INST_LUADIR)/libevent/docs/index.lua' \
	  '$(DESTDIR)$(INST_BINDIR)/evrun' '$(DESTDIR)$(INST_MANDIR)/man1/evrun.1'
	-rmdir '$(DESTDIR)$(INST_LIBDIR)/libevent'
	-find '$(DESTDIR)$(INST_LUADIR)/libevent' -depth -type d -empty -exec rmdir {} \;

env: ## prints LUA_PATH and LUA_CPATH for this tree, for eval
	@echo "export LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;'"
	@echo "export LUA_CPATH='$(abspath $(BUILD))/?.so;;'"

deps: ## installs what building and the checks need, by apt-get
	@sh .ci/deps all

demo: ## installs what is missing, builds, and lets a worker die and come back
	@sh .ci/deps run
	@$(MAKE) --no-print-directory all
	@eval "$$($(MAKE) --no-print-directory env)" && sh examples/demo.sh '$(LUA)'

test: ## installs what is missing, builds, and runs the specs
	@sh .ci/deps test
	@$(MAKE) --no-print-directory specs

specs: all $(SPEC_MODULES) $(SPEC_HOSTS)
	$(BUSTED) $(SUITE)

stress: all $(SPEC_MODULES) $(SPEC_HOSTS) ## the specs with the collector at every chance
	LIBEVENT_STRESS=incremental $(BUSTED) --exclude-tags=load $(SUITE)
	LIBEVENT_STRESS=generational $(BUSTED) --exclude-tags=load $(SUITE)

# The runtime comes first in the process, since lua itself is not sanitized.
ASAN = $(shell $(CLANG) -print-file-name=libclang_rt.asan-$(shell uname -m).so)
SANITIZED = BUILD=build/sanitized CC=$(CLANG) \
  CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -shared-libasan' \
  HARDENING=
SANITIZE_ENV = LIBEVENT_SANITIZE=1 ASAN_OPTIONS=detect_leaks=1

sanitize: ## the specs and the fuzzers under ASan, UBSan and LSan
	$(MAKE) --no-print-directory $(SANITIZED) all build-specs
	$(SANITIZE_ENV) LD_PRELOAD=$(ASAN) LUA_CPATH='build/sanitized/?.so;;' \
	  BUILD=build/sanitized $(BUSTED) $(SUITE)
	$(SANITIZE_ENV) LD_PRELOAD=$(ASAN) LUA_CPATH='build/sanitized/?.so;;' \
	  $(LUA) spec/fuzz/api.lua 300
	$(subst leaks=1,leaks=0,$(SANITIZE_ENV)) LD_PRELOAD=$(ASAN) \
	  LUA_CPATH='build/sanitized/?.so;;' $(LUA) spec/fuzz/lives.lua 100

build-specs: $(SPEC_MODULES) $(SPEC_HOSTS)

fuzz: all build-specs ## random calls of everything that Lua can call, and random ends
	$(LUA) spec/fuzz/api.lua $(or $(SEEDS),1000)
	$(LUA) spec/fuzz/lives.lua $(or $(SEEDS),150)

# In its debug mode libevent refuses descriptors that block.
debug-mode: all build-specs ## the specs while libevent checks how it is used
	LIBEVENT_DEBUG_MODE=1 $(BUSTED) --exclude-tags=blocking $(SUITE)

# Debian's Lua, from its source, with the checks that it has for such as we are;
# where its stack moves whenever it may, deep recursion takes for ever.
CHECKED_LUA = sh spec/host/checked_lua.sh $(BUILD)/lua

checked: all build-specs ## the specs on a Lua that checks how its API is used
	$$($(CHECKED_LUA) checked) $(shell command -v busted) $(SUITE)

moving: all build-specs ## the specs on a Lua whose stack moves whenever it may
	$$($(CHECKED_LUA) moving) $(shell command -v busted) --exclude-tags=load,deep $(SUITE)

soak: all build-specs ## lets thousands of workers die: DEATHS=10000 RELOADS=100
	$(LUA) spec/load/soak.lua $(or $(DEATHS),10000) $(or $(RELOADS),100)

# A script per type; of one that takes long some allocations, all with FULL=1.
FORGETFUL = $(addprefix spec/host/,memory.lua echo.lua streams.lua datagrams.lua \
  servers.lua events.lua buffers.lua bufferevents.lua listeners.lua sockets.lua \
  tasks.lua waits.lua logs.lua programs.lua services.lua consoles.lua$(if $(FULL),,:3) \
  supervisors.lua$(if $(FULL),,:31))

memory: all build-specs ## lets every single allocation fail in turn: FULL=1
	$(BUILD)/spec/memory $(FORGETFUL)

FAULTY = $(addprefix spec/host/,echo.lua streams.lua datagrams.lua memory.lua \
  servers.lua processes.lua)

faults: all build-specs ## lets every system call fail in turn, and be short: FULL=1 SEED=2
	$(LUA) spec/faults.lua $(FAULTY)
	$(LUA) spec/short.lua

late: all build-specs ## all specs while system calls begin late: SEED=2
	$(LUA) spec/late.lua

COVERED = BUILD=build/coverage HARDENING= \
  CFLAGS='-O0 -g --coverage -include spec/host/coverage.h'

coverage: all ## lines and branches of the C code that the specs reach
	rm -rf build/coverage
	$(MAKE) --no-print-directory $(COVERED) all build-specs
	LUA_CPATH='build/coverage/?.so;;' BUILD=build/coverage $(BUSTED) $(SUITE)
	LUA_CPATH='build/coverage/?.so;;' build/coverage/spec/memory $(FORGETFUL) > build/coverage/memory.txt
	gcovr -r . --object-directory build/coverage --filter csrc/ --branches --print-summary -o build/coverage/branches.txt
	gcovr -r . --object-directory build/coverage --filter csrc/ --fail-under-line 94 --fail-under-branch 84 -o build/coverage/lines.txt
	$(LUA) spec/unreached.lua build/coverage/lines.txt

format: ## formats the C code
	$(CLANG)-format -i $(C_FILES)

format-check:
	@$(CLANG)-format --dry-run --Werror $(C_FILES)

# Everything that Lua can call is documented, and what is said of it is true as
# far as a program can tell.
documented:
	@$(DOCUMENTED) docs/check.lua $(DOC_FILES)

# Each function of libevent is wrapped, or there is a reason why not.
api: documented $(MODULES) ## what of libevent is wrapped: docs/unwrapped.txt has the rest
	@$(DOCUMENTED) docs/api.lua '$(EVENT_HEADERS)' $(MODULES) $(DOC_FILES)

# Who owns what an object points to is beyond the analyzer, hence no leaks.
analyze: ## the C code by gcc's analyzer, path by path
	$(MAKE) --no-print-directory BUILD=build/analyzer CC=gcc HARDENING= \
	  CFLAGS='-O1 -fanalyzer -Wno-analyzer-malloc-leak -Werror' all

lint: all format-check columns floors exports api analyze ## luacheck, clang-tidy, cppcheck, analyze, columns, floors, exports
	@luacheck -q $(LUA_FILES)
	$(MAKE) --no-print-directory BUILD=build/gcc CC=gcc CFLAGS='-O2 -Werror' all build-specs build-bench
	$(MAKE) --no-print-directory BUILD=build/clang CC=$(CLANG) CFLAGS='-O2 -Werror' all build-specs build-bench
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem -Icsrc csrc
	@$(CLANG)-tidy --quiet $(CORE_SOURCES) $(if $(READLINE),$(READLINE_SOURCES)) -- $(filter-out -f%,$(FLAGS)) 2>$(BUILD)/tidy.txt || { cat $(BUILD)/tidy.txt; false; }

# clang-format leaves comments as they are. A type of a docstring is one line.
columns:
	@! LC_ALL=C.UTF-8 grep -rnE '^.{81}' csrc | grep -vE ':@(param|return) [^ ]+ fun\('

# An include may point to its own floor or down, never up.
floors:
	@! grep -nE '#include "(types|io)/' csrc/kernel/*.[ch]
	@! grep -nE '#include "io/' csrc/types/*.[ch]

exports: $(MODULES)
	@nm -D --defined-only $(MODULES) | awk 'NF == 3 && $$3 !~ /^luaopen_libevent_/ { print "exported: " $$3; bad = 1 } END { exit bad }'

docs: ## the manual, in build/docs
	$(DOCUMENTED) docs/collect.lua build/docs-src $(DOC_FILES)
	@rm -rf build/docs
	ldoc -q -c docs/config.ld -d build/docs --fatalwarnings build/docs-src/pages >/dev/null

types: ## LuaCATS stubs for editors, in build/types
	@rm -rf build/types
	$(DOCUMENTED) docs/meta.lua build/types $(DOC_FILES)

check: ## everything that continuous integration runs after test
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory sanitize
	$(MAKE) --no-print-directory stress
	$(MAKE) --no-print-directory fuzz
	$(MAKE) --no-print-directory memory
	$(MAKE) --no-print-directory checked SUITE=spec/core
	$(MAKE) --no-print-directory faults
	$(MAKE) --no-print-directory debug-mode SUITE='spec/core spec/regress'
	$(MAKE) --no-print-directory docs types
	$(MAKE) --no-print-directory rock

rock: ## installs the rock into build/rock and runs examples with it
	luarocks --lua-version $(LUA_VERSION) --tree build/rock make
	cd / && eval "$$(luarocks --lua-version $(LUA_VERSION) --tree '$(CURDIR)/build/rock' path)" && \
	  $(LUA) '$(CURDIR)/examples/timer.lua' 3 0.01 && \
	  echo 'libevent.sleep(0.01) print "slept"' | '$(CURDIR)/build/rock/bin/evrun' -l libevent - && \
	  EVRUN='$(CURDIR)/build/rock/bin/evrun' sh '$(CURDIR)/examples/demo.sh' '$(LUA)'

bench: all build-bench $(BUILD)/spec/posix.so ## measures beside C libevent and others: BENCH=echo ROUNDS=5 SECS=0.7
	@BUILD='$(BUILD)' ROUNDS='$(ROUNDS)' SECS='$(SECS)' $(LUA) bench/run.lua $(BENCH)

build-bench: $(BENCH_PROGRAMS)

$(BUILD)/bench/%: bench/c/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call QUIET,CC)$(CC) $(CFLAGS) $(filter-out -fPIC,$(FLAGS)) -MMD -MP -o $@ $< $(EVENT_LIBS)

clean: ## removes build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

FORCE:
.PHONY: all install uninstall env deps demo test specs build-specs build-bench stress sanitize \
  checked moving debug-mode fuzz soak memory faults late coverage format format-check analyze lint columns floors exports documented api docs types check \
  rock bench clean help FORCE
