/***
The C core: what libevent itself offers, as `require "libevent"` re-exports it.

The table `libevent.errno` has the errno values that calls return as a code, by
name: `code == libevent.errno.ECONNREFUSED`.
@module libevent.core
*/

#include <event2/event.h>

#include "io/process.h"
#include "io/stream.h"
#include "io/task.h"
#include "io/udp.h"
#include "kernel/api.h"
#include "kernel/bytes.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/result.h"
#include "kernel/where.h"
#include "types/bufferevent.h"
#include "types/evbuffer.h"
#include "types/evconnlistener.h"
#include "types/event.h"
#include "types/event_base.h"
#include "types/evutil.h"
#include "types/notify.h"
#include "types/posix.h"
#include "types/signal.h"
#include "types/socket.h"
#include "types/timer.h"

#define LEV_EXPORT __attribute__((visibility("default")))

/***
Returns the version of libevent. Wraps `event_get_version` and
`event_get_version_number`.
@function libevent.get_version
@return string version Of the library in use.
@return integer number The same as a number.
@return integer compiled The number of the headers the module was built with.
*/
static int l_event_get_version(lua_State *L) {
  lua_pushstring(L, event_get_version());
  lua_pushinteger(L, event_get_version_number());
  lua_pushinteger(L, LIBEVENT_VERSION_NUMBER);
  return 3;
}

/***
Returns the methods that libevent was built with, best first. Wraps
`event_get_supported_methods`.
@function libevent.get_supported_methods
@return string[] methods
*/
static int l_event_get_supported_methods(lua_State *L) {
  const char **methods = event_get_supported_methods();
  if (methods == NULL)
    return lev_nomemory(L);
  lua_newtable(L);
  for (int i = 0; methods[i] != NULL; i++) {
    lua_pushstring(L, methods[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/***
Makes objects remember where they are created: @{event_base:objects} tells it.

Nobody has to close what the collector finds; but that may be late, and until
then the descriptor stays open. So while this is on, each object that has one,
and that the collector or the end of the Lua state has to close, is a warning in
Lua's sense, which this turns on: what it is, and where it was made. So is a
task that has not ended then, with where it waits. 20 are told, the rest is
counted.
@function libevent.track
@param on boolean
*/
static int l_track(lua_State *L) {
  luaL_checktype(L, 1, LUA_TBOOLEAN);
  bool on = lua_toboolean(L, 1);
  lev_getstate(L)->tracking = on;
  if (on)
    lua_warning(L, "@on", 0);
  return 0;
}

/***
Sets what SIGPIPE does: ignored, or what the system does by default, which ends
the process. Loading the module makes it ignored where it was the default, since
a write to a peer that has gone must not end a server.
@function libevent.ignore_sigpipe
@param ignore? boolean None: only asks.
@return boolean ignored
*/
static int l_ignore_sigpipe(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    lev_sigpipe_ignore(lua_toboolean(L, 1));
  }
  lua_pushboolean(L, lev_sigpipe_ignored());
  return 1;
}

static const luaL_Reg functions[] = {
  { "get_version", l_event_get_version },
  { "get_supported_methods", l_event_get_supported_methods },
  { "set_log_callback", l_event_set_log_callback },
  { "track", l_track },
  { "ignore_sigpipe", l_ignore_sigpipe },
  { "notify", l_notify },
  { "traceback_on", l_traceback_on },
  { NULL, NULL },
};

/* The base first: the others add their constructors to it. */
static const lev_type *const types[] = {
  &lev_event_base,       &lev_event,
  &lev_signal,           &lev_timer,
  &lev_evbuffer_type,    &lev_socket_type,
  &lev_bufferevent_type, &lev_evconnlistener_type,
  &lev_task_type,        &lev_scope_type,
  &lev_condition_type,   &lev_stream_type,
  &lev_sendfile_type,    &lev_udp_type,
  &lev_process_type,
};

/* Structs of libevent stand in our objects, so the library must be the one the
 * module was built for. */
static void checkversion(lua_State *L) {
  ev_uint32_t running = event_get_version_number();
  if (running >> 16 != LIBEVENT_VERSION_NUMBER >> 16 ||
      event_get_struct_event_size() != sizeof(struct event))
    luaL_error(L,
               "libevent.core was built for libevent %s, but %s is loaded; "
               "build it again",
               LIBEVENT_VERSION, event_get_version());
}

LEV_EXPORT int luaopen_libevent_core(lua_State *L);

int luaopen_libevent_core(lua_State *L) {
  static const char module_key = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TTABLE)
    return 1; /* required again: objects made before stay what they are */
  lua_settop(L, 0);
  checkversion(L);
  lev_process_open();
  lev_where_open(L, lev_getstate(L));
  lev_bytes_open(L);
  luaL_newlib(L, functions);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    lev_register(L, -1, types[i]);
  lev_evutil_register(L, -1);
  lev_posix_register(L, -1);
  lev_pusherrno(L);
  lua_setfield(L, -2, "errno");
  lev_api_publish(L);
  lev_stream_publish(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  return 1;
}
