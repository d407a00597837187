/* Embeds Lua: two states in one process, each with a base, the one closed
 * while the other loops; and states that are closed inside a callback. Prints
 * "ok" at the end. */

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* Of the leak checker, where there is one. */
__attribute__((weak)) void __lsan_disable(void);

static lua_State *other;
static jmp_buf escape;

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
}

static int l_closeother(lua_State *L) {
  (void)L;
  lua_close(other);
  other = NULL;
  return 0;
}

/* The host gives the state up in the middle of a callback and never returns
 * into it. */
static int l_closeself(lua_State *L) {
  lua_close(L);
  longjmp(escape, 1);
}

static lua_State *newstate(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_register(L, "closeother", l_closeother);
  lua_register(L, "closeself", l_closeself);
  run(L, "libevent = require 'libevent' posix = require 'spec.posix'");
  return L;
}

static void close_other_in_loop(void) {
  lua_State *L = newstate();
  other = newstate();
  run(other, "base = libevent.event_base() n = 0 r, w = posix.pipe() "
             "for i = 1, 100 do base:timer(function() n = n + 1 end):add(0) "
             "base:event(r, 'rp', print):add(5) end "
             "base:defer(function() n = n + 1 end) base:loop 'once'");
  run(L, "local base = libevent.event_base() local ticks = 0 "
         "base:timer(function(t) ticks = ticks + 1 "
         "if ticks == 2 then closeother() end "
         "if ticks < 5 then t:add(0.001) end end):add(0) "
         "assert(base:loop() == 'empty') assert(ticks == 5)");
  if (other != NULL)
    exit(2);
  lua_close(L);
}

/* Both watch signals, one after the other. */
static void signals(void) {
  lua_State *L = newstate();
  other = newstate();
  run(other, "base = libevent.event_base() "
             "assert(base:signal('USR1', print):add())");
  run(L, "base = libevent.event_base() "
         "s = base:signal('USR1', function() got = true base:loopbreak() end) "
         "assert(not pcall(s.add, s)) closeother() assert(s:add()) "
         "posix.raise(10) base:loop() assert(got)");
  lua_close(L);
}

/* Both have connections and long strings on their way. A buffer cannot cross
 * over: each state has types of its own. */
static void connections(void) {
  static const char code[] =
      "base = libevent.event_base() long = ('x'):rep(1000000) "
      "buffer = libevent.evbuffer(long) "
      "a, b = libevent.socketpair() bev = base:bufferevent(a) "
      "bev:write(long) bev:setcb { read = print } bev:enable 'r' "
      "c = base:bufferevent((libevent.socketpair())) c:write(long) c:close() "
      "one, two = base:pair() one:write(long) "
      "two:setcb { read = function() bev:write(two:input()) end } "
      "two:enable 'r' l = base:listener('127.0.0.1:0', nil, print) "
      "long = nil collectgarbage() base:loop 'nowait'";
  lua_State *L = newstate();
  other = newstate();
  run(other, code);
  run(L, code);
  run(L, "got = 0 e = base:event(b, 'rp', function(e) "
         "if other ~= false then other = false closeother() end "
         "local data = posix.read(b:fd()) got = got + #(data or '') "
         "if got == 2000000 then base:loopbreak() end end) e:add(20) "
         "base:loop() assert(got == 2000000)");
  if (other != NULL)
    exit(4);
  lua_close(L);
}

static void close_in(const char *code) {
  if (setjmp(escape) == 0) {
    lua_State *L = newstate();
    run(L, "base = libevent.event_base() r, w = posix.pipe() "
           "base:event(w, 'wp', function() end):add(1) "
           "base:timer(function() error 'late' end):add(1) "
           "setmetatable({}, { __gc = function() "
           "pcall(function() base:timer(print):add(0) end) end })");
    run(L, code);
    exit(3);
  }
}

/* A base is lost where no finalizer can be called, and its signal with it: no
 * other base watches signals then. */
static void leave_out(void) {
  lua_State *L = newstate();
  run(L, "collectgarbage 'stop' "
         "local function deep(n) if n > 0 then "
         "string.gsub('x', 'x', function() deep(n - 1) end) "
         "else collectgarbage() collectgarbage() end end "
         "for n = 180, 200 do do local base = libevent.event_base() "
         "local signal = base:signal('USR1', print) "
         "if pcall(signal.add, signal) then signal:interrupts() end end "
         "pcall(deep, n) end");
  lua_close(L);
  raise(SIGUSR1);
  raise(SIGUSR1);
}

int main(void) {
  close_other_in_loop();
  signals();
  connections();
  if (__lsan_disable) /* libevent's part of a base that was left for good */
    __lsan_disable();
  close_in("base:timer(closeself):add(0) base:loop()");
  close_in("base:defer(closeself) base:loop()");
  close_in("base:event(w, 'w', closeself):add() base:loop()");
  close_in("base:signal('USR2', closeself):add() posix.raise(12) base:loop()");
  close_in("base:on_error(closeself) base:timer(error):add(0) base:loop()");
  close_in("a, b = libevent.socketpair() bev = base:bufferevent(a) "
           "bev:setcb { read = closeself } bev:enable 'r' "
           "posix.write(b:fd(), 'x') bev:write(('x'):rep(1000000)) "
           "base:loop()");
  close_in("bev = base:bufferevent((libevent.socketpair())) collectgarbage() "
           "bev:setcb { event = closeself } bev:enable 'r' base:loop()");
  close_in("bev = base:bufferevent((libevent.socketpair())) "
           "bev:setcb { write = closeself } bev:trigger 'w' base:loop()");
  close_in("one, two = base:pair() two:setcb { read = closeself } "
           "two:enable 'r' one:write(('x'):rep(100000)) base:loop()");
  close_in("l = base:listener('127.0.0.1:0', nil, closeself) "
           "fd = posix.connect(tonumber(l:getsockname():match ':(%d+)$')) "
           "base:loop()");
  close_in("buffer = libevent.evbuffer(('x'):rep(100000)) "
           "buffer:add_cb(closeself) buffer:drain(1)");
  leave_out();
  puts("ok");
  return 0;
}
