# lua-libevent: every verb of the project. `make help` lists them.
#
# LuaRocks' names for what it sets; pkg-config gives the defaults.
CC ?= cc
CFLAGS ?= -O2 -g
LIBFLAG ?= -shared
LUA ?= lua5.4
LUA_VERSION ?= 5.4
PREFIX ?= /usr/local
INST_LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
INST_LIBDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
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

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wformat-security \
  -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef
HARDENING = -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
  -fstack-clash-protection -fcf-protection
# The module never leaves the process: libevent and the C library keep pointers
# to its log and fork functions.
LINK = $(LIBFLAG) -Wl,-z,relro,-z,now,-z,noexecstack,-z,nodelete -Wl,--as-needed
FLAGS = -std=gnu11 -fPIC -fvisibility=hidden $(WARNINGS) $(HARDENING) -Icsrc \
  $(LUA_CFLAGS) $(EVENT_CFLAGS)

CORE_SOURCES = csrc/core.c $(wildcard csrc/kernel/*.c csrc/types/*.c csrc/io/*.c)
CORE_OBJECTS = $(CORE_SOURCES:csrc/%.c=$(BUILD)/obj/%.o)
CORE = $(BUILD)/libevent/core.so
LUA_SOURCES = $(shell find lua -name '*.lua')

export LUA_PATH = lua/?.lua;lua/?/init.lua;;
export LUA_CPATH = $(BUILD)/?.so;;

all: $(CORE) ## builds the C module in build/libevent (default)

$(CORE): $(CORE_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LINK) -o $@ $^ $(EVENT_LIBS) -pthread

$(BUILD)/obj/%.o: csrc/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(FLAGS) -MMD -MP -c -o $@ $<

# Everything is compiled again when the compiler or its flags change.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(FLAGS) $(LINK)' | cmp -s - $@ || \
	  echo '$(CC) $(CFLAGS) $(FLAGS) $(LINK)' > $@

-include $(CORE_OBJECTS:.o=.d)

FORCE:
.PHONY: all FORCE
