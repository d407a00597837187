/* A host that owns an event_base, runs it, and lends it to Lua. Prints "ok" at
 * the end. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lualib.h>

#include "kernel/api.h"

static const lev_api *api;
static char warned[1024];

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "not true: %s\n", what);
    exit(1);
  }
}

#define CHECK(condition) check(condition, #condition)

static void run(lua_State *L, const char *code) {
  if (luaL_dostring(L, code) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
  }
}

static lua_Integer count(lua_State *L) {
  lua_getglobal(L, "n");
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static void on_warning(void *data, const char *text, int more) {
  (void)data, (void)more;
  strncat(warned, text, sizeof warned - strlen(warned) - 1);
}

static lua_State *lend(struct event_base *ptr) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_setwarnf(L, on_warning, NULL);
  run(L, "libevent = require 'libevent' posix = require 'spec.posix' n = 0");
  lua_getfield(L, LUA_REGISTRYINDEX, LEV_API_KEY);
  api = lua_touserdata(L, -1);
  CHECK(api->version == LEV_API_VERSION);
  CHECK(api->lend(L, ptr));
  CHECK(api->ptr(L, -1) == ptr);
  CHECK(api->lend(L, ptr));
  CHECK(lua_rawequal(L, -1, -2));
  lua_setglobal(L, "base");
  lua_settop(L, 0);
  CHECK(api->ptr(L, 1) == NULL);
  return L;
}

/* What is set outside any callback of Lua wakes the host's loop. */
static void works(struct event_base *ptr) {
  lua_State *L = lend(ptr);
  run(L, "local function count() n = n + 1 end "
         "base:timer(count):add(0) base:timer(count):add(0.005) "
         "base:defer(count) base:event(-1, '', count):active() "
         "base:signal('USR1', function(s) count() s:del() end):add() "
         "posix.raise(10) collectgarbage() collectgarbage()");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(count(L) == 5);
  run(L, "local t = base:timer(function() n = n + 1 end) t:add(0) t:del() "
         "t:add(0.002)");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(count(L) == 6);
  run(L, "local ok, err = pcall(base.loop, base) assert(not ok) "
         "assert(err:find 'the host runs the loop') "
         "local ok, err = pcall(base.dispatch, base) assert(not ok) "
         "base:timer(function() base:loopbreak() end):add(0) "
         "base:timer(print):add(10)");
  CHECK(event_base_dispatch(ptr) == 0 && event_base_got_break(ptr));
  api->takeback(L, ptr);
  api->takeback(L, ptr);
  run(L, "assert(base:is_closed()) assert(not pcall(base.timer, base, print))");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(api->lend(L, ptr)); /* again, as a new one */
  lua_close(L);
  CHECK(event_base_dispatch(ptr) == 1);
}

static void errors(struct event_base *ptr) {
  lua_State *L = lend(ptr);
  lua_warning(L, "@on", 0);
  run(L, "base:timer(function() error 'ouch' end):add(0)");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(strstr(warned, "error in a callback: ") != NULL);
  CHECK(strstr(warned, "ouch\nstack traceback") != NULL);
  run(L, "base:on_error(function(err) n = n + 1 end) "
         "base:timer(function() error 'ouch' end):add(0)");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(count(L) == 1);
  lua_close(L);
}

/* Lua gives the base up in a callback; the host's loop goes on. */
static void closes(struct event_base *ptr) {
  lua_State *L = lend(ptr);
  run(L, "base:timer(print):add(0) base:timer(function() n = 1 end):add(0.001) "
         "base:timer(function() base:close() base = nil collectgarbage() "
         "end):add(0) print = function() n = 2 end");
  run(L, "base:event(-1, '', function() base:close() n = 3 end):active()");
  CHECK(event_base_dispatch(ptr) == 1);
  CHECK(count(L) == 3);
  lua_close(L);
}

static void on_break(evutil_socket_t fd, short what, void *ptr) {
  (void)fd, (void)what;
  event_base_loopbreak(ptr);
}

/* A base that Lua closed is lent anew; a child calls reinit between two loops
 * of its own. */
static void reopens(struct event_base *ptr) {
  struct timeval soon = { 0, 10000 };
  lua_State *L = lend(ptr);
  run(L, "base:close()");
  CHECK(api->lend(L, ptr) && api->ptr(L, -1) == ptr);
  lua_setglobal(L, "base");
  run(L, "base:timer(function() n = n + 1 end):add(0.05)");
  event_base_once(ptr, -1, EV_TIMEOUT, on_break, ptr, &soon);
  CHECK(event_base_dispatch(ptr) == 0);
  pid_t child = fork();
  if (child == 0) {
    run(L, "assert(base:reinit())");
    _exit(event_base_dispatch(ptr) == 1 && count(L) == 1 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(event_base_dispatch(ptr) == 1 && count(L) == 1);
  lua_close(L);
}

static void host_breaks(struct event_base *ptr) {
  struct timeval soon = { 0, 1000 };
  lua_State *L = lend(ptr);
  run(L, "local function again(t) n = n + 1 t:add(0) end "
         "base:timer(again):add(0)");
  event_base_once(ptr, -1, EV_TIMEOUT, on_break, ptr, &soon);
  CHECK(event_base_dispatch(ptr) == 0);
  CHECK(count(L) > 0);
  lua_close(L);
}

static void turn(struct event_base *ptr, int n) {
  while (n-- > 0)
    event_base_loop(ptr, EVLOOP_NONBLOCK);
}

/* A task that is woken, and finds that another has read instead and waits, does
 * not take its place. */
static void reads(struct event_base *ptr) {
  lua_State *L = lend(ptr);
  run(L, "local peer one, peer = libevent.socketpair() "
         "one = base:stream(one) other = base:stream(peer) "
         "base:task(function() ok, why = pcall(one.read, one, 1) end)");
  turn(ptr, 3);
  run(L, "other:write 'x' base:event(-1, '', function() "
         "  base:task(function() got = one:read(1) .. one:read(1) end) "
         "end):active()");
  turn(ptr, 3);
  run(L, "other:write 'y'");
  turn(ptr, 3);
  run(L, "assert(got == 'xy', 'it still waits') "
         "assert(not ok and why:find 'a task waits for this input already') "
         "one:close() other:close()");
  lua_close(L);
}

int main(void) {
  struct event_base *ptr = event_base_new();
  works(ptr);
  errors(ptr);
  closes(ptr);
  reads(ptr);
  host_breaks(ptr);
  reopens(ptr);
  event_base_free(ptr);
  puts("ok");
  return 0;
}
