rockspec_format = "3.0"
package = "lua-libevent"
version = "scm-1"

source = {
  url = "git+https://github.com/lua-libevent/lua-libevent.git",
}

description = {
  summary = "libevent, whole and safe, for Lua 5.4",
  detailed = [[
    Events, timers, signals, buffers and connections of libevent as Lua objects
    that cannot crash the process, whatever a script closes, drops or raises,
    or a peer sends.
  ]],
  homepage = "https://github.com/lua-libevent/lua-libevent",
  license = "MIT",
}

dependencies = {
  "lua >= 5.4, < 5.5",
}

external_dependencies = {
  LIBEVENT = {
    header = "event2/event.h",
  },
}

build = {
  type = "make",
  build_target = "all",
  install_target = "install",
  build_variables = {
    LUA = "$(LUA)",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LIBEVENT_INCDIR = "$(LIBEVENT_INCDIR)",
    LIBEVENT_LIBDIR = "$(LIBEVENT_LIBDIR)",
    BUILD = "build/luarocks",
  },
  install_variables = {
    INST_LUADIR = "$(LUADIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_MANDIR = "$(PREFIX)/man",
    LUA = "$(LUA)",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LIBEVENT_INCDIR = "$(LIBEVENT_INCDIR)",
    LIBEVENT_LIBDIR = "$(LIBEVENT_LIBDIR)",
    BUILD = "build/luarocks",
  },
}
