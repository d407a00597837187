/***
A connection with a buffer on either side: libevent reads into the input and
sends the output, and calls back. Made by @{event_base:bufferevent} for a
socket, or by @{event_base:pair}.

Closing it loses nothing: with nothing left to send the peer sees the end at
once. Otherwise no callback comes any more, but the output is sent, the sending
side is shut down, and what the peer still sends is discarded, until it ends or
makes no progress for some seconds (the option `linger`). `close("now")`, an
error, and closing the base drop what is left.

It differs from C's bufferevent in what costs system calls: a write goes to the
socket at once where nothing is queued, and only what the socket does not take
is queued. So an echo takes four system calls, not seven; each write makes a
packet of its own, unless you give the parts to one write; and an error of that
first try is reported by the event callback in the next turn.
@classmod libevent.bufferevent
*/

#include "types/bufferevent.h"

#include <errno.h>

#include "kernel/address.h"
#include "kernel/convert.h"
#include "kernel/pin.h"
#include "kernel/result.h"

lev_bufferevent *lev_bufferevent_self(lua_State *L) {
  return lev_self(L, &lev_bufferevent_type);
}

/* Reading. */

bool lev_bufferevent_sync(lev_bufferevent *self) {
  bool wanted = self->reading && !self->connecting && !self->full;
  bool reads = bufferevent_get_enabled(self->ptr) & EV_READ;
  if (wanted == reads)
    return true;
  errno = 0;
  if (!wanted)
    return bufferevent_disable(self->ptr, EV_READ) == 0;
  if (bufferevent_enable(self->ptr, EV_READ) == 0)
    return true;
  int code = errno;
  bufferevent_disable(self->ptr, EV_READ);
  errno = code;
  return false;
}

void lev_bufferevent_watermark(lev_bufferevent *self) {
  size_t length = evbuffer_get_length(bufferevent_get_input(self->ptr));
  self->full = self->high > 0 && length >= self->high;
  lev_bufferevent_sync(self);
}

/* Staying alive. */

static bool tellschanges(const lev_evbuffer *view) {
  return view != NULL && view->entry != NULL;
}

static bool pending_bufferevent(const lev_object *object) {
  const lev_bufferevent *self = (const lev_bufferevent *)object;
  if (object->lingering || self->connecting || self->deferred != 0)
    return true;
  if (self->pair)
    return lev_deadline_pending(object, NULL) ||
           (self->timed && self->listens && self->reading);
  if (self->fd < 0 || self->broken)
    return false;
  if (self->reading &&
      (self->called & EV_READ || self->listens || tellschanges(self->input)))
    return true;
  return lev_unsent(self) > 0 && bufferevent_get_enabled(self->ptr) & EV_WRITE;
}

void lev_bufferevent_settle(lua_State *L, lev_bufferevent *self) {
  if (!self->head.open)
    return;
  if (self->pair)
    lev_pair_hold(L, self, 1);
  else if (!pending_bufferevent(&self->head))
    lev_unpin(L, &self->head);
  else if (self->head.slot == 0)
    lev_pin(L, &self->head, 1);
}

/* Methods that are neither of sockets nor of pairs alone. */

static const char *const callbacks[] = { "read", "write", "event", NULL };

/***
Sets the callbacks; those that are absent come no more. Wraps
`bufferevent_setcb`.
@function bufferevent:setcb
@param callbacks? table Any of:
- `read`: fun(bufferevent), when input has come and is at least the low
  watermark;
- `write`: fun(bufferevent), when the output has been sent, or has shrunk to the
  low watermark;
- `event`: fun(bufferevent, what, direction, message, code): `what` is
  `"connected"`, `"eof"`, `"error"` or `"timeout"`; `direction` is `"r"`, `"w"`
  or nil; an error or timeout has a message and an errno value.
*/
static int l_bufferevent_setcb(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lev_checkoptions(L, 2, callbacks);
  lua_settop(L, 2);
  for (int i = 0; callbacks[i] != NULL; i++) {
    int type = lua_getfield(L, 2, callbacks[i]);
    if (type != LUA_TNIL && type != LUA_TFUNCTION)
      lev_optionerror(L, 2, callbacks[i],
                      lua_pushfstring(L, "function expected, got %s",
                                      luaL_typename(L, -1)));
  }
  self->called = (short)((lua_isnil(L, 3) ? 0 : EV_READ) |
                         (lua_isnil(L, 4) ? 0 : EV_WRITE));
  self->listens = !lua_isnil(L, 5);
  lua_setiuservalue(L, 1, LEV_UV_EVENT);
  lua_setiuservalue(L, 1, LEV_UV_WRITE);
  lua_setiuservalue(L, 1, LEV_UV_READ);
  lev_bufferevent_settle(L, self);
  return 0;
}

/***
Returns the callbacks. Wraps `bufferevent_getcb`.
@function bufferevent:getcb
@return function? read
@return function? write
@return function? event
*/
static int l_bufferevent_getcb(lua_State *L) {
  lev_bufferevent_self(L);
  lua_getiuservalue(L, 1, LEV_UV_READ);
  lua_getiuservalue(L, 1, LEV_UV_WRITE);
  lua_getiuservalue(L, 1, LEV_UV_EVENT);
  return 3;
}

/* Ends a method whose object may be pinned or let go now. */
static int done(lua_State *L, lev_bufferevent *self, bool ok,
                const char *what) {
  int code = errno;
  lev_bufferevent_settle(L, self);
  errno = code;
  return lev_result(L, ok, what);
}

/***
Lets libevent read, or send. Sending is enabled from the start, reading is not.
Wraps `bufferevent_enable`.
@function bufferevent:enable
@param letters string `"r"`, `"w"` or both.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_bufferevent_enable(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  short what = lev_checkmask(L, 2, "rw");
  short missing = what & EV_WRITE & ~bufferevent_get_enabled(self->ptr);
  bool ok = true;
  if (what & EV_READ) {
    self->reading = true;
    ok = self->reading = lev_bufferevent_sync(self);
  }
  if (ok && missing)
    ok = bufferevent_enable(self->ptr, EV_WRITE) == 0;
  return done(L, self, ok, "enable");
}

/***
Stops reading, or sending. Wraps `bufferevent_disable`.
@function bufferevent:disable
@param letters string `"r"`, `"w"` or both.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_bufferevent_disable(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  short what = lev_checkmask(L, 2, "rw");
  bool ok = true;
  if (what & EV_READ) {
    self->reading = false;
    ok = lev_bufferevent_sync(self);
  }
  if (what & EV_WRITE)
    ok = bufferevent_disable(self->ptr, EV_WRITE) == 0 && ok;
  return done(L, self, ok, "disable");
}

static short enabled(const lev_bufferevent *self) {
  return (short)((bufferevent_get_enabled(self->ptr) & EV_WRITE) |
                 (self->reading ? EV_READ : 0));
}

/***
Tells what is enabled. Reading is no more after the end of the input or a
timeout. Wraps `bufferevent_get_enabled`.
@function bufferevent:enabled
@return string letters Of `r` and `w`.
*/
static int l_bufferevent_get_enabled(lua_State *L) {
  lev_pushmask(L, enabled(lev_bufferevent_self(L)));
  return 1;
}

static int fd_bufferevent(const lev_object *object) {
  return ((const lev_bufferevent *)object)->fd;
}

static void describe_bufferevent(lua_State *L, const lev_object *object) {
  const lev_bufferevent *self = (const lev_bufferevent *)object;
  const char *state = self->connecting ? " connecting"
                      : self->broken   ? " broken"
                      : self->ended    ? " ended"
                      : self->reading  ? " reading"
                                       : " idle";
  if (self->pair)
    lua_pushliteral(L, "pair");
  else
    lev_pushends(L, self->fd);
  lua_pushstring(L, state);
}

static const luaL_Reg methods[] = {
  { "setcb", l_bufferevent_setcb },
  { "getcb", l_bufferevent_getcb },
  { "enable", l_bufferevent_enable },
  { "disable", l_bufferevent_disable },
  { "enabled", l_bufferevent_get_enabled },
  { "write", l_bufferevent_write },
  { "read", l_bufferevent_read },
  { "input", l_bufferevent_get_input },
  { "output", l_bufferevent_get_output },
  { "flush", l_bufferevent_flush },
  { "shutdown", l_bufferevent_shutdown },
  { "trigger", l_bufferevent_trigger },
  { "connect", l_bufferevent_socket_connect },
  { "setfd", l_bufferevent_setfd },
  { "fd", l_bufferevent_getfd },
  { "detach", l_bufferevent_detach },
  { "getsockname", l_bufferevent_getsockname },
  { "getpeername", l_bufferevent_getpeername },
  { "partner", l_bufferevent_pair_get_partner },
  { "setwatermark", l_bufferevent_setwatermark },
  { "getwatermark", l_bufferevent_getwatermark },
  { "set_timeouts", l_bufferevent_set_timeouts },
  { "priority_set", l_bufferevent_priority_set },
  { "priority", l_bufferevent_get_priority },
  { "set_max_single_read", l_bufferevent_set_max_single_read },
  { "max_single_read", l_bufferevent_get_max_single_read },
  { "set_max_single_write", l_bufferevent_set_max_single_write },
  { "max_single_write", l_bufferevent_get_max_single_write },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "bufferevent", l_bufferevent_socket_new },
  { "pair", l_bufferevent_pair_new },
  { NULL, NULL },
};

const lev_type lev_bufferevent_type = {
  .name = "libevent.bufferevent",
  .size = sizeof(lev_bufferevent),
  .uservalues = LEV_BUFFEREVENT_UVS,
  .watched = true,
  .methods = methods,
  .constructors = constructors,
  .free = lev_bufferevent_free,
  .linger = lev_bufferevent_linger,
  .pending = pending_bufferevent,
  .due = lev_bufferevent_due,
  .describe = describe_bufferevent,
  .fd = fd_bufferevent,
};
