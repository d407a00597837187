/* Bufferevents of sockets: made, connected, and given away. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "kernel/address.h"
#include "kernel/bytes.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/result.h"
#include "types/bufferevent.h"
#include "types/socket.h"
#include "types/socket_option.h"

/***
Creates a bufferevent. It takes the socket over; without one it gets its
descriptor from @{bufferevent:connect}. Wraps `bufferevent_socket_new`.
@function event_base:bufferevent
@param socket? libevent.socket
@param options? table Any of:
- `linger`: seconds without progress that a close waits for, 5 by default; 0
  drops what is not sent.
@return libevent.bufferevent? bufferevent
@return string? message
@return integer? code `EINVAL` where the method is `select` and cannot watch a
descriptor of that number.
*/
int l_bufferevent_socket_new(lua_State *L) {
  static const char *const names[] = { "linger", NULL };
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lev_socket *socket =
      lua_isnoneornil(L, 2) ? NULL : lev_check(L, 2, &lev_socket_type);
  lev_checkoptions(L, 3, names);
  double linger = lev_optseconds(L, 3, "linger", 5);
  lev_bufferevent *self = lev_new(L, 1, &lev_bufferevent_type);
  lev_socket_recheck(L, 2, socket);
  if (socket != NULL && !lev_canwatch(base, socket->fd))
    return lev_failure(L, "bufferevent", errno);
  struct bufferevent *ptr =
      bufferevent_socket_new(base->ptr, socket != NULL ? socket->fd : -1, 0);
  if (ptr == NULL)
    return lev_nomemory(L);
  self->linger = linger;
  self->head.accepted = socket != NULL && socket->head.accepted;
  lev_bufferevent_open(self, ptr,
                       socket != NULL ? lev_socket_take(L, socket) : -1);
  return 1;
}

/* Raises unless the bufferevent is one that has no descriptor yet. */
static lev_bufferevent *checkempty(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  if (lev_ispair(self))
    luaL_error(L, "an end of a pair takes no socket");
  if (self->fd >= 0)
    luaL_error(L, "the bufferevent has a socket already");
  return self;
}

/* Takes a descriptor that is owned already. */
static void setfd(lev_bufferevent *self, int fd) {
  self->fd = fd;
  self->generation = lev_generation();
  self->ended = self->broken = self->shut = false;
  self->error = 0;
  bufferevent_setfd(self->ptr, fd);
}

/* Starts to connect; the result comes as an event. */
static bool start(lev_bufferevent *self, int fd, const lev_address *a) {
  int on = 1;
  if (lev_family(a) != AF_UNIX)
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int failed = connect(fd, (const struct sockaddr *)&a->storage, a->length);
  int code = failed && errno != EINPROGRESS && errno != EINTR ? errno : 0;
  setfd(self, fd);
  self->connecting = true;
  errno = ENOMEM;
  if (code != 0)
    lev_bufferevent_laterevent(self, BEV_EVENT_ERROR, code);
  else if (bufferevent_socket_connect(self->ptr, NULL, 0) != 0)
    self->connecting = false;
  return self->connecting;
}

static int newsocket(lua_State *L, const lev_base *base, const lev_address *a) {
  int fd = lev_fd_socket(lev_family(a), SOCK_STREAM);
  return lev_canwatch(base, fd) ? lev_fd_adopt(L, fd) : lev_fd_drop(fd);
}

/***
Connects to an address; raises where there is a socket. The event callback gets
`"connected"`, or `"error"` with the reason; what is written before is sent
then. The write timeout holds for connecting, too: after it the connection is
given up. Wraps `bufferevent_socket_connect`.
@function bufferevent:connect
@param address string Such as `"127.0.0.1:80"`, `"[::1]:80"` or
`"unix:/run/app.sock"`.
@return boolean? ok
@return string? message
@return integer? code An errno value: there is no descriptor left.
*/
int l_bufferevent_socket_connect(lua_State *L) {
  lev_address a;
  lev_bufferevent *self = checkempty(L);
  lev_checkaddress(L, 2, &a);
  lev_pin(L, &self->head, 1);
  int priority = bufferevent_get_priority(self->ptr);
  int fd = newsocket(L, self->head.base, &a);
  bool ok = fd >= 0 && start(self, fd, &a);
  int code = errno;
  bufferevent_priority_set(self->ptr, priority); /* libevent forgets it */
  if (!ok)
    lev_bufferevent_dropfd(self);
  lev_bufferevent_update(L, self, 1);
  errno = code;
  return lev_result(L, ok, "connect");
}

/***
Takes a socket over; raises where there is one already. Wraps
`bufferevent_setfd`.
@function bufferevent:setfd
@param socket libevent.socket
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_bufferevent_setfd(lua_State *L) {
  lev_bufferevent *self = checkempty(L);
  lev_socket *socket = lev_check(L, 2, &lev_socket_type);
  if (!lev_canwatch(self->head.base, socket->fd))
    return lev_failure(L, "setfd", errno);
  int priority = bufferevent_get_priority(self->ptr);
  self->head.accepted = socket->head.accepted;
  self->used = lev_lately();
  setfd(self, lev_socket_take(L, socket));
  bufferevent_priority_set(self->ptr, priority); /* libevent forgets it */
  return lev_result(L, lev_bufferevent_update(L, self, 1), "setfd");
}

/***
Returns the descriptor, which the bufferevent keeps. Does the work of
`bufferevent_getfd`.
@function bufferevent:fd
@return integer? fd nil if it has none.
*/
int l_bufferevent_getfd(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  if (self->fd >= 0)
    lua_pushinteger(L, self->fd);
  else
    lua_pushnil(L);
  return 1;
}

/***
Gives the connection away as a socket and closes the bufferevent.
@function bufferevent:detach
@return libevent.socket? socket
@return string? input What was read already and nobody has taken; the message
where the first is nil.
@return integer? code `EBUSY` while output is queued, `ENOTCONN` without a
connection.
*/
int l_bufferevent_detach(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lua_settop(L, 1);
  lev_socket *socket = lev_new(L, 0, &lev_socket_type);
  lev_stillopen(L, &self->head);
  size_t length = lev_unread(self);
  if (length > 0)
    lev_bytes_push(L, &self->head, bufferevent_get_input(self->ptr), 0, length);
  else
    lua_pushnil(L);
  lev_stillopen(L, &self->head); /* from here on no finalizer runs */
  if (self->fd < 0 || self->connecting)
    return lev_failure(L, "detach", ENOTCONN);
  if (lev_unsent(self) > 0 || lev_unread(self) != length)
    return lev_failure(L, "detach", EBUSY);
  int fd = self->fd;
  self->fd = -1;
  bufferevent_setfd(self->ptr, -1);
  lev_socket_open(L, socket, fd); /* it is owned already, so there is room */
  socket->head.accepted = self->head.accepted;
  lev_close(L, &self->head);
  return 2;
}

/* Pushes the address of one side. */
static int pushname(lua_State *L, bool peer) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  return lev_pushname(L, self->fd, peer);
}

/***
Returns the address of this side.
@function bufferevent:getsockname
@return string? address
@return string? message
@return integer? code An errno value, `EBADF` without a socket.
*/
int l_bufferevent_getsockname(lua_State *L) {
  return pushname(L, false);
}

/***
Returns the address of the other side.
@function bufferevent:getpeername
@return string? address
@return string? message
@return integer? code An errno value, `EBADF` without a socket, `ENOTCONN`
without a connection.
*/
int l_bufferevent_getpeername(lua_State *L) {
  return pushname(L, true);
}

/***
Sets an option of the socket.
@function bufferevent:setsockopt
@param name string As for @{socket:setsockopt}.
@param value boolean|number|string
@return boolean? ok
@return string? message
@return integer? code An errno value, `EBADF` without a socket.
*/
int l_bufferevent_setsockopt(lua_State *L) {
  return lev_setsockopt(L, lev_bufferevent_self(L)->fd);
}

/***
Returns an option of the socket.
@function bufferevent:getsockopt
@param name string As for @{socket:getsockopt}.
@return boolean|number|string? value
@return string? message
@return integer? code An errno value, `EBADF` without a socket.
*/
int l_bufferevent_getsockopt(lua_State *L) {
  return lev_getsockopt(L, lev_bufferevent_self(L)->fd);
}

/***
Tells who is at the other side of a unix socket.
@function bufferevent:peercred
@return integer? pid 0 where the system does not tell.
@return integer|string uid The message where the first is nil.
@return integer gid Or an errno value, as for @{socket:peercred}; `EBADF`
without a socket.
*/
int l_bufferevent_peercred(lua_State *L) {
  return lev_pushpeercred(L, lev_bufferevent_self(L)->fd);
}
