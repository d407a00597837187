/***
Owns one descriptor until something takes it over: a stream, a bufferevent, a
listener or a udp. A socket nobody takes is closed with its object.
@classmod libevent.socket
*/

#include "types/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <event2/util.h>

#include "kernel/address.h"
#include "kernel/base.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"
#include "types/socket_option.h"

bool lev_socket_open(lua_State *L, lev_socket *self, int fd) {
  self->fd = lev_fd_adopt(L, fd);
  if (self->fd >= 0)
    lev_open(&self->head);
  return self->fd >= 0;
}

void lev_socket_recheck(lua_State *L, int arg, const lev_socket *socket) {
  luaL_argcheck(L, socket == NULL || socket->head.open, arg,
                "attempt to use a closed socket");
}

int lev_socket_take(lua_State *L, lev_socket *self) {
  int fd = self->fd;
  self->fd = -1;
  lev_close(L, &self->head);
  return fd;
}

/* What is inherited may be anything. */
static bool issocket(int fd) {
  int type;
  socklen_t length = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

/***
Takes over a descriptor that is open already, such as an inherited one, and
makes it non-blocking and close-on-exec.
@function libevent.socket
@param fd integer
@return libevent.socket? socket
@return string? message
@return integer? code An errno value: `EBADF`, `ENOTSOCK`, or `EBUSY` if an
object owns the descriptor already.
*/
static int l_socket(lua_State *L) {
  int fd = lev_checkint(L, 1, 0, INT32_MAX);
  lev_socket *self = lev_new(L, 0, &lev_socket_type);
  if (!issocket(fd) || !lev_fd_prepare(fd) || !lev_fd_own(L, fd))
    return lev_failure(L, "socket", errno);
  self->fd = fd;
  lev_open(&self->head);
  return 1;
}

static bool makeblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

/***
Creates two sockets that are connected to each other. Wraps
`evutil_socketpair`.
@function libevent.socketpair
@param blocking? boolean Whether calls of the other one block, as a program
expects that gets it.
@return libevent.socket? one
@return libevent.socket|string other The message where the first is nil.
@return integer? code An errno value.
*/
static int l_evutil_socketpair(lua_State *L) {
  int fds[2];
  bool blocking = lua_toboolean(L, 1);
  if (!lua_isnoneornil(L, 1))
    luaL_checktype(L, 1, LUA_TBOOLEAN);
  lev_socket *one = lev_new(L, 0, &lev_socket_type);
  lev_socket *other = lev_new(L, 0, &lev_socket_type);
  if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
    return lev_failure(L, "socketpair", errno);
  bool opened = lev_socket_open(L, one, fds[0]);
  opened = lev_socket_open(L, other, fds[1]) && opened;
  if (!opened)
    return lev_nomemory(L);
  if (lev_fd_prepare(one->fd) && lev_fd_prepare(other->fd) &&
      (!blocking || makeblocking(other->fd)))
    return 2;
  int code = errno;
  lev_close(L, &one->head);
  lev_close(L, &other->head);
  return lev_failure(L, "socketpair", code);
}

/***
Returns the descriptor, which the socket keeps.
@function socket:fd
@return integer fd
*/
static int l_fd(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  lua_pushinteger(L, self->fd);
  return 1;
}

/***
Gives the descriptor away: the socket is closed, the descriptor is not.
@function socket:detach
@return integer fd Whoever takes it must close it.
*/
static int l_detach(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  int fd = lev_socket_take(L, self);
  lev_fd_disown(lev_getstate(L), fd);
  lua_pushinteger(L, fd);
  return 1;
}

/***
Returns the address of this side.
@function socket:getsockname
@return string? address `"unix:"` alone for one without a name.
@return string? message
@return integer? code An errno value.
*/
static int l_getsockname(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  return lev_pushname(L, self->fd, false);
}

/***
Returns the address of the other side.
@function socket:getpeername
@return string? address `"unix:"` alone for one without a name.
@return string? message
@return integer? code An errno value, `ENOTCONN` without a connection.
*/
static int l_getpeername(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  return lev_pushname(L, self->fd, true);
}

/***
Sets an option.
@function socket:setsockopt
@param name string Booleans: `nodelay`, `cork`, `keepalive`, `reuseaddr`,
`reuseport`, `broadcast`, `oobinline`, `v6only`, `multicast_loop`. Integers:
`rcvbuf` and `sndbuf` in bytes, `keepidle` and `keepintvl` in seconds,
`keepcnt`, `ttl` and `multicast_ttl`: how many hops a packet may take. `linger`
takes seconds, or false. `multicast_interface`: the name or an address of the
one that multicasts go out by, `"0.0.0.0"` or `"::"` for the system's choice.
@param value boolean|number|string
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_setsockopt(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  return lev_setsockopt(L, self->fd);
}

/***
Returns an option.
@function socket:getsockopt
@param name string As for @{socket:setsockopt}, or `error`: the errno value of
what went wrong since it was asked last, 0 for nothing.
@return boolean|number|string? value `multicast_interface` is an address for
IPv4 and a name for IPv6.
@return string? message
@return integer? code An errno value.
*/
static int l_getsockopt(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  return lev_getsockopt(L, self->fd);
}

int lev_checkhow(lua_State *L, int arg) {
  static const char *const letters[] = { "r", "w", "rw", NULL };
  static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
  return hows[luaL_checkoption(L, arg, NULL, letters)];
}

/***
Ends one direction of the connection, or both.
@function socket:shutdown
@param how string `"r"`, `"w"` or `"rw"`.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_shutdown(lua_State *L) {
  lev_socket *self = lev_selfcheck(L, &lev_socket_type);
  int how = lev_checkhow(L, 2);
  return lev_result(L, shutdown(self->fd, how) == 0, "shutdown");
}

static void free_socket(lua_State *L, lev_object *object) {
  lev_socket *self = (lev_socket *)object;
  if (self->fd >= 0)
    lev_fd_close(lev_getstate(L), self->fd);
  self->fd = -1;
}

static int fd_socket(const lev_object *object) {
  return ((const lev_socket *)object)->fd;
}

static void describe_socket(lua_State *L, const lev_object *object) {
  lev_pushends(L, fd_socket(object));
}

static const luaL_Reg methods[] = {
  { "fd", l_fd },
  { "detach", l_detach },
  { "getsockname", l_getsockname },
  { "getpeername", l_getpeername },
  { "setsockopt", l_setsockopt },
  { "getsockopt", l_getsockopt },
  { "shutdown", l_shutdown },
  { "connected", l_socket_connected },
  { "peercred", l_socket_peercred },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "socket", l_socket },
  { "socketpair", l_evutil_socketpair },
  { "socket_connect", l_socket_connect },
  { NULL, NULL },
};

const lev_type lev_socket_type = {
  .name = "libevent.socket",
  .size = sizeof(lev_socket),
  .uservalues = 1,
  .life = LEV_LONE,
  .methods = methods,
  .functions = functions,
  .free = free_socket,
  .describe = describe_socket,
  .fd = fd_socket,
};
