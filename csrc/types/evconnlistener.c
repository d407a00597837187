/***
Accepts connections. Made by @{event_base:listener}.

It does the work of libevent's `evconnlistener`, with bounds: a turn accepts 64
connections at most, so that a flood of them starves nobody; and when there are
no descriptors left it collects garbage, which may close some, and else tries
again ten times a second, reporting it once a second at most.
@classmod libevent.evconnlistener
*/

#include "types/evconnlistener.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "kernel/base.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/result.h"
#include "types/socket.h"

static bool start(lua_State *L, lev_evconnlistener *self, int index) {
  lev_pin(L, &self->head, index);
  errno = 0;
  self->enabled = event_add(&self->event, NULL) == 0;
  return self->enabled;
}

/* Octal digits, as chmod takes them; -1 if absent. [-0, +0, v] */
static int optmode(lua_State *L, int arg) {
  int type = lua_getfield(L, arg, "mode");
  int mode = type == LUA_TSTRING ? lev_parsemode(lua_tostring(L, -1)) : -1;
  if (type != LUA_TNIL && mode < 0)
    lev_optionerror(L, arg, "mode", "octal digits expected, such as \"0660\"");
  lua_pop(L, 1);
  return mode;
}

static void checklistening(lua_State *L, int arg, lev_listening *how) {
  static const char *const names[] = {
    "backlog", "reuseable", "reuseport", "deferred", "disabled",
    "nodelay", "v6only",    "mode",      NULL,
  };
  lev_checkoptions(L, arg, names);
  how->backlog = (int)lev_optrange(L, arg, "backlog", SOMAXCONN, 1, INT32_MAX);
  how->reuseable = lev_optboolean(L, arg, "reuseable", true);
  how->reuseport = lev_optboolean(L, arg, "reuseport", false);
  how->deferred = lev_optboolean(L, arg, "deferred", false);
  how->nodelay = lev_optboolean(L, arg, "nodelay", true);
  how->mode = optmode(L, arg);
  how->v6only = -1;
  if (lua_getfield(L, arg, "v6only") != LUA_TNIL)
    how->v6only = lev_optboolean(L, arg, "v6only", false);
  lua_pop(L, 1);
}

/* Gives the listener a new descriptor, owned by it from here on; false with
 * errno. */
static bool listento(lua_State *L, lev_evconnlistener *self,
                     const lev_address *a, const lev_listening *how) {
  int fd = lev_listen(a, how);
  if (fd < 0)
    return false;
  const char *path = lev_unixpath(a);
  if (path != NULL && lstat(path, &self->made) == 0)
    self->path = *a;
  self->fd =
      lev_canwatch(self->head.base, fd) ? lev_fd_adopt(L, fd) : lev_fd_drop(fd);
  int code = errno;
  if (self->fd < 0 && path != NULL)
    unlink(path);
  errno = code;
  return self->fd >= 0;
}

/***
Creates a listener, enabled from the start if it has a callback. Does the work
of `evconnlistener_new_bind` and `evconnlistener_new`.
@function event_base:listener
@param address string|libevent.socket An address, such as `"127.0.0.1:9995"`,
`"[::]:9995"` or `"unix:/run/app.sock"`, with port 0 for any that is free; or a
bound socket, which it takes over. The file of a unix socket is removed when the
listener is closed, and one that nobody listens to any more is replaced.
@param options? table Any of:
- `backlog`: integer, connections that wait to be accepted; what the system
  allows by default;
- `reuseable`: boolean, listen though old connections of the port linger; on;
- `reuseport`: boolean, share the port with other processes that say so; off;
- `deferred`: boolean, accept a connection when it sends something; off;
- `disabled`: boolean, wait for @{evconnlistener:enable}; off;
- `nodelay`: boolean, send small packets at once on what is accepted; on;
- `v6only`: boolean, no IPv4 on an IPv6 address; as the system has it;
- `mode`: string, octal permissions of a unix socket, such as `"0660"`.
@param callback? fun(listener: libevent.evconnlistener, socket: libevent.socket, peer: string)
Gets each connection as a socket, and the address it came from. If it fails, the
socket is closed. Without one, tasks call @{evconnlistener:accept}.
@return libevent.evconnlistener? listener
@return string? message
@return integer? code An errno value, such as `EADDRINUSE`.
*/
static int l_evconnlistener_new(lua_State *L) {
  lev_address a;
  lev_listening how;
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lev_socket *socket = lev_test(L, 2, &lev_socket_type);
  if (socket != NULL)
    lev_check(L, 2, &lev_socket_type);
  else
    lev_checkaddress(L, 2, &a);
  checklistening(L, 3, &how);
  bool calls = !lua_isnoneornil(L, 4);
  if (calls)
    luaL_checktype(L, 4, LUA_TFUNCTION);
  bool disabled = lev_optboolean(L, 3, "disabled", false) || !calls;
  lev_evconnlistener *self = lev_new(L, 1, &lev_evconnlistener_type);
  if (calls)
    lev_setcallback(L, -1, LEV_UV_CALLBACK, 4);
  lev_socket_recheck(L, 2, socket);
  self->generation = lev_generation();
  self->collected = self->reported = -LEV_LONG_AGO;
  if (socket != NULL
          ? !lev_canwatch(base, socket->fd) || !lev_listen_on(socket->fd, &how)
          : !listento(L, self, &a, &how))
    return lev_failure(L, "listener", errno);
  self->taken = socket != NULL;
  if (socket != NULL)
    self->fd = lev_socket_take(L, socket);
  event_assign(&self->event, base->ptr, self->fd, EV_READ | EV_PERSIST,
               lev_on_accept, self);
  lev_open(&self->head);
  if (!disabled && !start(L, self, lua_gettop(L))) {
    int code = errno;
    lev_close(L, &self->head);
    return lev_failure(L, "listener", code);
  }
  return 1;
}

/***
Accepts connections again; raises where there is no callback, or a task accepts.
Does the work of `evconnlistener_enable`.
@function evconnlistener:enable
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_evconnlistener_enable(lua_State *L) {
  lev_evconnlistener *self = lev_selfcheck(L, &lev_evconnlistener_type);
  if (lua_getiuservalue(L, 1, LEV_UV_CALLBACK) != LUA_TFUNCTION)
    return luaL_error(L, "this listener has no callback");
  if (self->acceptor != NULL && lev_task_waits(self->acceptor))
    return lev_task_busy(L, self->acceptor, "listener");
  bool ok = self->enabled || start(L, self, 1);
  int code = errno;
  lev_unpinidle(L, &self->head);
  errno = code;
  return lev_result(L, ok, "enable");
}

static void stop(lev_evconnlistener *self) {
  if (!self->enabled)
    return;
  event_del(&self->event);
  lev_deadline_del(&self->head);
  self->enabled = self->paused = false;
}

/***
Accepts no connections: they wait in the system. Does the work of
`evconnlistener_disable`.
@function evconnlistener:disable
@return boolean ok
*/
static int l_evconnlistener_disable(lua_State *L) {
  lev_evconnlistener *self = lev_selfcheck(L, &lev_evconnlistener_type);
  stop(self);
  lev_unpinidle(L, &self->head);
  return lev_result(L, 1, "disable");
}

/***
Replaces the callback. Does the work of `evconnlistener_set_cb`.
@function evconnlistener:setcb
@param callback fun(listener: libevent.evconnlistener, socket: libevent.socket, peer: string)
As for @{event_base:listener}.
*/
static int l_evconnlistener_set_cb(lua_State *L) {
  lev_selfcheck(L, &lev_evconnlistener_type);
  lev_setcallback(L, 1, LEV_UV_CALLBACK, 2);
  return 0;
}

/***
Sets what is told when no connection can be accepted, such as for lack of
descriptors: once a second at most. Without it a line goes to the function of
@{libevent.set_log_callback}. Does the work of `evconnlistener_set_error_cb`.
@function evconnlistener:set_error_cb
@param callback? fun(listener: libevent.evconnlistener, message: string, code: integer)
*/
static int l_evconnlistener_set_error_cb(lua_State *L) {
  lev_selfcheck(L, &lev_evconnlistener_type);
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, LEV_UV_ERROR_CB);
  return 0;
}

/***
Returns the descriptor, which the listener keeps. Does the work of
`evconnlistener_get_fd`.
@function evconnlistener:fd
@return integer fd
*/
static int l_evconnlistener_get_fd(lua_State *L) {
  lev_evconnlistener *self = lev_selfcheck(L, &lev_evconnlistener_type);
  lua_pushinteger(L, self->fd);
  return 1;
}

/***
Returns the address it listens to, with the port that the system chose.
@function evconnlistener:getsockname
@return string? address
@return string? message
@return integer? code An errno value.
*/
static int l_getsockname(lua_State *L) {
  lev_evconnlistener *self = lev_selfcheck(L, &lev_evconnlistener_type);
  return lev_pushname(L, self->fd, false);
}

static void free_evconnlistener(lua_State *L, lev_object *object) {
  (void)L;
  lev_evconnlistener *self = (lev_evconnlistener *)object;
  const char *path = self->path.length > 0 ? lev_unixpath(&self->path) : NULL;
  if (self->acceptor != NULL)
    lev_task_wake(self->acceptor, LEV_CLOSED);
  event_del(&self->event);
  event_debug_unassign(&self->event);
  if (path != NULL && self->generation == lev_generation() &&
      lev_samefile(path, &self->made))
    unlink(path);
  lev_fd_close(object->base->state, self->fd);
  self->fd = -1;
  self->enabled = self->paused = false;
}

static bool pending_evconnlistener(const lev_object *object) {
  return ((const lev_evconnlistener *)object)->enabled;
}

static int fd_evconnlistener(const lev_object *object) {
  return ((const lev_evconnlistener *)object)->fd;
}

static void describe_evconnlistener(lua_State *L, const lev_object *object) {
  const lev_evconnlistener *self = (const lev_evconnlistener *)object;
  bool accepts = self->enabled || self->acceptor != NULL;
  const char *state = self->paused ? " out of descriptors"
                      : accepts    ? " accepting"
                                   : " disabled";
  lev_pushends(L, self->fd);
  lua_pushstring(L, state);
}

static const luaL_Reg methods[] = {
  { "accept", l_evconnlistener_accept },
  { "waiting", l_evconnlistener_waiting },
  { "enable", l_evconnlistener_enable },
  { "disable", l_evconnlistener_disable },
  { "setcb", l_evconnlistener_set_cb },
  { "set_error_cb", l_evconnlistener_set_error_cb },
  { "fd", l_evconnlistener_get_fd },
  { "getsockname", l_getsockname },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "listener", l_evconnlistener_new },
  { NULL, NULL },
};

const lev_type lev_evconnlistener_type = {
  .name = "libevent.evconnlistener",
  .size = sizeof(lev_evconnlistener),
  .uservalues = LEV_EVCONNLISTENER_UVS,
  .watched = true, /* while a task accepts */
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = free_evconnlistener,
  .pending = pending_evconnlistener,
  .due = lev_evconnlistener_due,
  .describe = describe_evconnlistener,
  .fd = fd_evconnlistener,
};
