/***
A connection that is read and written in straight-line code, by tasks, or in
callbacks. Made by @{event_base:stream}.

Each direction has one task at most that waits. What is written goes to the
socket at once, what it does not take is sent later; closing a stream still
hands that over. What a peer sends is read even when nobody asks for it, up to
256 KiB.
@classmod libevent.stream
*/

#include "io/stream.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "kernel/address.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"
#include "types/socket.h"
#include "types/socket_option.h"

lev_stream *lev_stream_self(lua_State *L) {
  return lev_self(L, &lev_stream_type);
}

/* Makes the area that the streams of a base read into. */
static void openarea(lua_State *L, lev_base *base) {
  if (base->area.bytes == NULL)
    base->area.bytes = malloc(LEV_AREA);
  if (base->area.bytes == NULL)
    lev_nomemory(L);
}

/***
Creates a stream, which takes the socket over. Data is read from the moment that
a task or a callback wants some.
@function event_base:stream
@param socket libevent.socket A connected one.
@param options? table Any of:
- `linger`: seconds without progress that a close waits for, 5 by default; 0
  drops what is not sent;
- `max_line`: integer, bytes that a line may have, 64 KiB by default;
- `max_all`: integer, bytes that `read "a"` may give, 16 MiB by default.
@return libevent.stream? stream
@return string? message
@return integer? code `EINVAL` where the method is `select` and cannot watch a
descriptor of that number.
*/
static int l_stream_new(lua_State *L) {
  static const char *const names[] = { "linger", "max_line", "max_all", NULL };
  lev_base *base = lev_self(L, &lev_event_base);
  lev_socket *socket = lev_check(L, 2, &lev_socket_type);
  double linger = 5;
  lua_Integer max_line = LEV_MAX_LINE, max_all = LEV_MAX_ALL;
  if (!lua_isnoneornil(L, 3)) {
    lev_checkoptions(L, 3, names);
    linger = lev_optseconds(L, 3, "linger", linger);
    max_line = lev_optrange(L, 3, "max_line", max_line, 1, INT32_MAX);
    max_all = lev_optrange(L, 3, "max_all", max_all, 1, INT32_MAX);
  }
  lev_stream *self = lev_new(L, 1, &lev_stream_type);
  lev_socket_recheck(L, 2, socket);
  if (!lev_canwatch(base, socket->fd))
    return lev_failure(L, "stream", errno);
  openarea(L, base);
  self->transport = &lev_plain;
  self->linger = (float)linger;
  self->max_line = (uint32_t)max_line;
  self->max_all = (uint32_t)max_all;
  self->enabled = true;
  self->generation = lev_generation();
  self->used = lev_lately();
  self->head.accepted = socket->head.accepted;
  self->fd = lev_socket_take(L, socket);
  event_assign(&self->event, base->ptr, self->fd, EV_READ | EV_PERSIST,
               lev_stream_on_read, self);
  lev_open(&self->head);
  return 1;
}

static void settransport(lev_object *object, const lev_transport *transport,
                         void *session) {
  lev_stream *self = (lev_stream *)object;
  self->transport = transport;
  self->session = session;
  self->greeting = transport->handshake != NULL;
  self->crossed[0] = self->greeting; /* it may begin by writing */
}

void lev_stream_publish(lua_State *L) {
  static const lev_stream_api api = {
    .version = LEV_STREAM_API_VERSION,
    .size = sizeof(lev_stream_api),
    .type = &lev_stream_type,
    .settransport = settransport,
  };
  lua_pushlightuserdata(L, (void *)(uintptr_t)&api);
  lua_setfield(L, LUA_REGISTRYINDEX, LEV_STREAM_API_KEY);
}

/***
Tells why the connection broke, or else why the last read gave nothing, which a
loop over @{stream:lines} does not tell.
@function stream:error
@return string? message nil if there was only the end of the input.
@return integer? code An errno value, as for @{stream:read}.
*/
static int l_stream_error(lua_State *L) {
  const lev_stream *self = lev_stream_self(L);
  int code = self->error != 0 ? self->error : self->failure;
  if (code == 0) {
    lua_pushnil(L);
    return 1;
  }
  lev_pushreason(L, code);
  lua_pushinteger(L, code);
  return 2;
}

/***
Returns how much waits: bytes that were read and nobody has taken, and bytes
that were written and are not sent.
@function stream:pending
@return integer unread
@return integer unsent
*/
static int l_stream_pending(lua_State *L) {
  const lev_stream *self = lev_stream_self(L);
  lua_pushinteger(L, (lua_Integer)lev_stream_unread(self));
  lua_pushinteger(L, (lua_Integer)lev_stream_unsent(self));
  return 2;
}

double lev_stream_idle(const lev_stream *self) {
  bool busy = self->greeting || self->sink != NULL || self->source != NULL ||
              lev_stream_hasoutput(self) || lev_stream_unread(self) > 0 ||
              lev_soon_pending(&self->soon) || lev_fd_unread(self->fd) > 0;
  return busy ? -1 : fmax(lev_now() - self->used, 0);
}

/***
Tells how long the connection has been idle: since something was last read from
the peer or sent to it, or since the stream was made.
@function stream:idle
@return number? seconds Exact to some milliseconds; nil while it is busy: there
is input that nobody has taken, output that is not sent, a file being sent, or a
relay or handshake going on.
*/
static int l_stream_idle(lua_State *L) {
  double seconds = lev_stream_idle(lev_stream_self(L));
  if (seconds >= 0)
    lua_pushnumber(L, seconds);
  else
    lua_pushnil(L);
  return 1;
}

/***
Returns the descriptor, which the stream keeps.
@function stream:fd
@return integer fd
*/
static int l_stream_fd(lua_State *L) {
  lua_pushinteger(L, lev_stream_self(L)->fd);
  return 1;
}

/***
Returns the address of this side.
@function stream:getsockname
@return string? address
@return string? message
@return integer? code An errno value.
*/
static int l_stream_getsockname(lua_State *L) {
  return lev_pushname(L, lev_stream_self(L)->fd, false);
}

/***
Returns the address of the other side.
@function stream:getpeername
@return string? address
@return string? message
@return integer? code An errno value.
*/
static int l_stream_getpeername(lua_State *L) {
  return lev_pushname(L, lev_stream_self(L)->fd, true);
}

/***
Sets an option of the socket.
@function stream:setsockopt
@param name string As for @{socket:setsockopt}.
@param value boolean|number|string
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_stream_setsockopt(lua_State *L) {
  return lev_setsockopt(L, lev_stream_self(L)->fd);
}

/***
Returns an option of the socket.
@function stream:getsockopt
@param name string As for @{socket:getsockopt}.
@return boolean|number|string? value
@return string? message
@return integer? code An errno value.
*/
static int l_stream_getsockopt(lua_State *L) {
  return lev_getsockopt(L, lev_stream_self(L)->fd);
}

/***
Tells who is at the other side of a unix socket.
@function stream:peercred
@return integer? pid 0 where the system does not tell.
@return integer|string uid The message where the first is nil.
@return integer gid Or an errno value, as for @{socket:peercred}.
*/
static int l_stream_peercred(lua_State *L) {
  return lev_pushpeercred(L, lev_stream_self(L)->fd);
}

/***
Gives the connection away as a socket and closes the stream.
@function stream:detach
@return libevent.socket? socket
@return string? input What was read already and nobody has taken; the message
where the first is nil.
@return integer? code `EBUSY` while output is queued or a task waits, `ENOTSUP`
where more than a plain socket is in between.
*/
static int l_stream_detach(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  lua_settop(L, 1);
  lev_socket *socket = lev_new(L, 0, &lev_socket_type);
  lev_found all = { .code = 0 };
  do {
    lev_stillopen(L, &self->head);
    all.n = lev_stream_unread(self);
  } while (!lev_stream_take(L, self, &all, true));
  if (all.n == 0) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  if (self->transport != &lev_plain)
    return lev_failure(L, "detach", ENOTSUP);
  if (lev_stream_hasoutput(self) || self->reader != NULL ||
      self->writer != NULL || self->sink != NULL || self->source != NULL)
    return lev_failure(L, "detach", EBUSY);
  int fd = self->fd;
  self->fd = -1;
  event_del(&self->event);
  lev_socket_open(L, socket, fd); /* it is owned already, so there is room */
  socket->head.accepted = self->head.accepted;
  lev_close(L, &self->head);
  return 2;
}

static void describe_stream(lua_State *L, const lev_object *object) {
  const lev_stream *self = (const lev_stream *)object;
  const char *state = self->broken                 ? " broken"
                      : self->ended                ? " ended"
                      : self->reader != NULL       ? " reading"
                      : self->called               ? " reading"
                      : lev_stream_hasoutput(self) ? " writing"
                                                   : " idle";
  lev_pushends(L, self->fd);
  lua_pushstring(L, state);
}

static int fd_stream(const lev_object *object) {
  return ((const lev_stream *)object)->fd;
}

static const luaL_Reg methods[] = {
  { "read", l_stream_read },
  { "readsome", l_stream_readsome },
  { "readuntil", l_stream_readuntil },
  { "readframe", l_stream_readframe },
  { "peek", l_stream_peek },
  { "unread", l_stream_unread },
  { "lines", l_stream_lines },
  { "write", l_stream_write },
  { "flush", l_stream_flush },
  { "shutdown", l_stream_shutdown },
  { "sendfile", l_stream_sendfile },
  { "relay", l_stream_relay },
  { "setcb", l_stream_setcb },
  { "getcb", l_stream_getcb },
  { "enable", l_stream_enable },
  { "disable", l_stream_disable },
  { "timeouts", l_stream_timeouts },
  { "error", l_stream_error },
  { "pending", l_stream_pending },
  { "idle", l_stream_idle },
  { "fd", l_stream_fd },
  { "getsockname", l_stream_getsockname },
  { "getpeername", l_stream_getpeername },
  { "setsockopt", l_stream_setsockopt },
  { "getsockopt", l_stream_getsockopt },
  { "peercred", l_stream_peercred },
  { "detach", l_stream_detach },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "stream", l_stream_new },
  { "accepted", l_accepted },
  { "close_accepted", l_close_accepted },
  { NULL, NULL },
};

const lev_type lev_stream_type = {
  .name = "libevent.stream",
  .size = sizeof(lev_stream),
  .uservalues = LEV_STREAM_UVS,
  .life = LEV_LONE,
  .watched = true,
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = lev_stream_free,
  .linger = lev_stream_linger,
  .pending = lev_stream_pending,
  .due = lev_stream_due,
  .soon = lev_stream_soon,
  .describe = describe_stream,
  .fd = fd_stream,
};
