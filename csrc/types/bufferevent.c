/***
A connection with a buffer on either side: libevent reads into the input and
sends the output, and calls back. Made by @{event_base:bufferevent} for a
socket, or by @{event_base:pair}.

Closing it loses nothing. No callback comes any more, but the output is sent,
and then the peer sees the end: at once where nothing is queued. Where the peer
has sent more than was read, or has not got everything yet, the connection stays
for that: what comes is discarded, until the peer ends too, or makes no progress
for some seconds (the option `linger`). `close("now")`, an error, and closing
the base drop what is left.

It differs from C's bufferevent in what costs system calls: a write goes to the
socket at once where nothing is queued, and only what the socket does not take
is queued. So an echo takes four system calls, not seven; each write makes a
packet of its own, unless you give the parts to one write; and an error of that
first try is reported by the event callback in the next turn. Callbacks always
come from the loop, never from within a method.
@classmod libevent.bufferevent
*/

#include "types/bufferevent.h"

#include <errno.h>
#include <math.h>

#include "kernel/address.h"
#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/result.h"

lev_bufferevent *lev_bufferevent_self(lua_State *L) {
  return lev_self(L, &lev_bufferevent_type);
}

/* What follows from the flags. */

static bool owes(const lev_evbuffer *view) {
  return view != NULL && lev_evbuffer_owes(view);
}

static bool isobserved(const lev_bufferevent *self) {
  return self->called & EV_READ || self->listens ||
         (self->input != NULL && self->input->entry != NULL);
}

static bool pending_bufferevent(const lev_object *object) {
  const lev_bufferevent *self = (const lev_bufferevent *)object;
  if (self->fd >= 0 && self->reading && !self->full && isobserved(self))
    return true;
  return object->lingering || self->connecting || lev_bufferevent_owes(self) ||
         owes(self->input) || owes(self->output) ||
         (lev_ispair(self) && lev_deadline_pending(object, NULL)) ||
         (self->fd >= 0 && self->writing && !self->broken &&
          lev_unsent(self) > 0);
}

/* Enables or disables one direction in libevent; false with errno. */
static bool let(lev_bufferevent *self, short what, bool wanted) {
  bool does = bufferevent_get_enabled(self->ptr) & what;
  if (does == wanted)
    return true;
  errno = 0;
  if (!wanted)
    return bufferevent_disable(self->ptr, what) == 0;
  if (bufferevent_enable(self->ptr, what) == 0)
    return true;
  int code = errno;
  bufferevent_disable(self->ptr, what);
  errno = code != 0 ? code : ENOMEM;
  return false;
}

static void look(lev_bufferevent *self) {
  self->full = self->high > 0 && lev_unread(self) >= self->high;
}

static bool isup(const lev_bufferevent *self) {
  return self->fd >= 0 && !self->connecting;
}

static bool derive(lev_bufferevent *self) {
  look(self);
  bool writes =
      let(self, EV_WRITE, isup(self) && self->writing && !self->broken);
  return let(self, EV_READ, isup(self) && self->reading && !self->full) &&
         writes;
}

/* The script does not have what libevent has refused. */
static void concede(lev_bufferevent *self) {
  short has = bufferevent_get_enabled(self->ptr);
  if (!(has & EV_READ) && !self->full)
    self->reading = false;
  if (!(has & EV_WRITE) && !self->broken)
    self->writing = false;
}

bool lev_bufferevent_update(lua_State *L, lev_bufferevent *self, int index) {
  if (!self->head.open)
    return true;
  look(self);
  /* First what may raise: then libevent watches nothing that is not pinned. */
  if (lev_ispair(self))
    lev_pair_await(L, self, index);
  if (pending_bufferevent(&self->head))
    lev_pin(L, &self->head, index);
  bool ok = derive(self);
  int code = errno;
  if (!ok && isup(self))
    concede(self);
  if (!pending_bufferevent(&self->head))
    lev_unpin(L, &self->head);
  errno = code;
  return ok;
}

static void fail(lev_bufferevent *self) {
  self->reading = false;
  lev_bufferevent_laterevent(self, BEV_EVENT_ERROR | BEV_EVENT_READING, errno);
}

void lev_bufferevent_adjust(lua_State *L, lev_bufferevent *self, int index) {
  if (!lev_bufferevent_update(L, self, index)) {
    fail(self);
    lev_bufferevent_update(L, self, index);
  }
}

void lev_bufferevent_refresh(lev_bufferevent *self) {
  lev_frame f;
  if (!derive(self))
    fail(self);
  if (self->head.slot != 0 && !pending_bufferevent(&self->head) &&
      lev_frame_open(&f, self->head.base)) {
    lev_unpinat(f.L, &self->head, f.handler + 1);
    lev_frame_close(&f);
  }
}

bool lev_bufferevent_arm(const lev_bufferevent *self) {
  errno = ENOMEM;
  return !(bufferevent_get_enabled(self->ptr) & EV_WRITE) ||
         bufferevent_enable(self->ptr, EV_WRITE) == 0;
}

void lev_bufferevent_later(lev_bufferevent *self, short due) {
  self->due |= due;
  lev_soon_add(&self->soon, &self->head);
}

void lev_bufferevent_laterevent(lev_bufferevent *self, short what, int code) {
  lev_occurrence *later = &self->later[what & BEV_EVENT_WRITING ? 1 : 0];
  if (later->what == 0 || what & BEV_EVENT_EOF)
    *later = (lev_occurrence){ what, code, self->connecting };
  lev_soon_add(&self->soon, &self->head);
}

void lev_bufferevent_open(lev_bufferevent *self, struct bufferevent *ptr,
                          int fd) {
  self->ptr = ptr;
  self->fd = fd;
  self->writing = true;
  self->used = lev_lately();
  self->generation = lev_generation();
  bufferevent_setcb(ptr, lev_bufferevent_on_read, lev_bufferevent_on_write,
                    lev_bufferevent_on_event, self);
  derive(self);
  lev_open(&self->head);
}

/* Methods that are neither of sockets nor of pairs alone. */

static const char *const callbacks[] = { "read", "write", "event", NULL };

/***
Sets the callbacks; those that are absent come no more. A method such as `close`
is no callback: what happened would be its own argument. Wraps
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
  for (int i = 0; callbacks[i] != NULL; i++)
    lev_optfunction(L, 2, callbacks[i]);
  self->called = (short)((lua_isnil(L, 3) ? 0 : EV_READ) |
                         (lua_isnil(L, 4) ? 0 : EV_WRITE));
  self->listens = !lua_isnil(L, 5);
  lua_setiuservalue(L, 1, LEV_UV_EVENT);
  lua_setiuservalue(L, 1, LEV_UV_WRITE);
  lua_setiuservalue(L, 1, LEV_UV_READ);
  lev_bufferevent_adjust(L, self, 1);
  return 0;
}

/***
Returns the callbacks. Does the work of `bufferevent_getcb`.
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

/* Ends a method that has changed what the script wants. */
static int done(lua_State *L, lev_bufferevent *self, const char *what) {
  if (lev_ispair(self))
    lev_pair_move(L, self, 1, 0);
  return lev_result(L, lev_bufferevent_update(L, self, 1), what);
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
  if (!lev_ispair(self)) /* the last that may raise */
    lev_pin(L, &self->head, 1);
  self->reading = self->reading || what & EV_READ;
  self->writing = self->writing || what & EV_WRITE;
  return done(L, self, "enable");
}

/***
Stops reading, or sending. What is queued while sending is disabled goes with
the object, if nobody holds it. Wraps `bufferevent_disable`.
@function bufferevent:disable
@param letters string `"r"`, `"w"` or both.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_bufferevent_disable(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  short what = lev_checkmask(L, 2, "rw");
  self->reading = self->reading && !(what & EV_READ);
  self->writing = self->writing && !(what & EV_WRITE);
  return done(L, self, "disable");
}

/***
Tells what is enabled. After the end of the input, an error, or a timeout, that
direction is no more. Wraps `bufferevent_get_enabled`.
@function bufferevent:enabled
@return string letters Of `r` and `w`.
*/
static int l_bufferevent_get_enabled(lua_State *L) {
  const lev_bufferevent *self = lev_bufferevent_self(L);
  lev_pushmask(L,
               (self->reading ? EV_READ : 0) | (self->writing ? EV_WRITE : 0));
  return 1;
}

double lev_bufferevent_idle(const lev_bufferevent *self) {
  bool busy = self->connecting || lev_unread(self) > 0 ||
              lev_unsent(self) > 0 || lev_bufferevent_owes(self) ||
              (self->fd >= 0 && lev_fd_unread(self->fd) > 0);
  return busy ? -1 : fmax(lev_now() - self->used, 0);
}

/***
Tells how long the connection has been idle, as @{stream:idle} does.
@function bufferevent:idle
@return number? seconds Exact to some milliseconds; nil while it is busy: there
is input that nobody has taken, output that is not sent, or it is connecting.
*/
static int l_bufferevent_idle(lua_State *L) {
  double seconds = lev_bufferevent_idle(lev_bufferevent_self(L));
  if (seconds >= 0)
    lua_pushnumber(L, seconds);
  else
    lua_pushnil(L);
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
  if (lev_ispair(self))
    lua_pushliteral(L, "pair");
  else if (self->fd < 0)
    lua_pushliteral(L, "no socket");
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
  { "read_buffer", l_bufferevent_read_buffer },
  { "input", l_bufferevent_get_input },
  { "output", l_bufferevent_get_output },
  { "flush", l_bufferevent_flush },
  { "shutdown", l_bufferevent_shutdown },
  { "idle", l_bufferevent_idle },
  { "trigger", l_bufferevent_trigger },
  { "connect", l_bufferevent_socket_connect },
  { "setfd", l_bufferevent_setfd },
  { "fd", l_bufferevent_getfd },
  { "detach", l_bufferevent_detach },
  { "getsockname", l_bufferevent_getsockname },
  { "getpeername", l_bufferevent_getpeername },
  { "setsockopt", l_bufferevent_setsockopt },
  { "getsockopt", l_bufferevent_getsockopt },
  { "peercred", l_bufferevent_peercred },
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
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = lev_bufferevent_free,
  .linger = lev_bufferevent_linger,
  .pending = pending_bufferevent,
  .due = lev_bufferevent_due,
  .soon = lev_bufferevent_soon,
  .describe = describe_bufferevent,
  .fd = fd_bufferevent,
};
