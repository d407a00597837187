/***
Owns one descriptor until something takes it over: a bufferevent or a listener.
A socket nobody takes is closed with its object.
@classmod libevent.socket
*/

#include "types/socket.h"

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/util.h>

#include "kernel/address.h"
#include "kernel/base.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"

typedef enum kind { BOOLEAN, INTEGER, LINGER, ERROR } kind;

typedef struct option {
  const char *name;
  int level, number;
  kind kind;
} option;

static const option options[] = {
  { "broadcast", SOL_SOCKET, SO_BROADCAST, BOOLEAN },
#ifdef TCP_CORK
  { "cork", IPPROTO_TCP, TCP_CORK, BOOLEAN },
#endif
  { "error", SOL_SOCKET, SO_ERROR, ERROR },
  { "keepalive", SOL_SOCKET, SO_KEEPALIVE, BOOLEAN },
  { "keepcnt", IPPROTO_TCP, TCP_KEEPCNT, INTEGER },
#ifdef TCP_KEEPIDLE
  { "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, INTEGER },
#endif
  { "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, INTEGER },
  { "linger", SOL_SOCKET, SO_LINGER, LINGER },
  { "nodelay", IPPROTO_TCP, TCP_NODELAY, BOOLEAN },
  { "oobinline", SOL_SOCKET, SO_OOBINLINE, BOOLEAN },
  { "rcvbuf", SOL_SOCKET, SO_RCVBUF, INTEGER },
  { "reuseaddr", SOL_SOCKET, SO_REUSEADDR, BOOLEAN },
#ifdef SO_REUSEPORT
  { "reuseport", SOL_SOCKET, SO_REUSEPORT, BOOLEAN },
#endif
  { "sndbuf", SOL_SOCKET, SO_SNDBUF, INTEGER },
  { "v6only", IPPROTO_IPV6, IPV6_V6ONLY, BOOLEAN },
};

enum { OPTIONS = sizeof options / sizeof options[0] };

static const option *checkoption(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  for (int i = 0; i < OPTIONS; i++) {
    if (strcmp(options[i].name, name) == 0)
      return &options[i];
  }
  luaL_argerror(L, arg, lua_pushfstring(L, "unknown option '%s'", name));
  return NULL;
}

bool lev_socket_open(lua_State *L, lev_socket *self, int fd) {
  if (!lev_fd_own(L, fd, true)) {
    close(fd);
    return false;
  }
  self->fd = fd;
  lev_open(&self->head);
  return true;
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
  if (!issocket(fd) || !lev_fd_prepare(fd) || !lev_fd_own(L, fd, false))
    return lev_failure(L, "socket", errno);
  self->fd = fd;
  lev_open(&self->head);
  return 1;
}

/***
Creates two sockets that are connected to each other. Wraps
`evutil_socketpair`.
@function libevent.socketpair
@return libevent.socket? one
@return libevent.socket|string other The message where the first is nil.
@return integer? code An errno value.
*/
static int l_evutil_socketpair(lua_State *L) {
  int fds[2];
  lev_socket *one = lev_new(L, 0, &lev_socket_type);
  lev_socket *other = lev_new(L, 0, &lev_socket_type);
  if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
    return lev_failure(L, "socketpair", errno);
  bool opened = lev_socket_open(L, one, fds[0]);
  opened = lev_socket_open(L, other, fds[1]) && opened;
  if (!opened)
    return luaL_error(L, "not enough memory");
  lev_fd_prepare(one->fd);
  lev_fd_prepare(other->fd);
  return 2;
}

/***
Returns the descriptor, which the socket keeps.
@function socket:fd
@return integer fd
*/
static int l_fd(lua_State *L) {
  lev_socket *self = lev_self(L, &lev_socket_type);
  lua_pushinteger(L, self->fd);
  return 1;
}

/***
Gives the descriptor away: the socket is closed, the descriptor is not.
@function socket:detach
@return integer fd Whoever takes it must close it.
*/
static int l_detach(lua_State *L) {
  lev_socket *self = lev_self(L, &lev_socket_type);
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
  lev_socket *self = lev_self(L, &lev_socket_type);
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
  lev_socket *self = lev_self(L, &lev_socket_type);
  return lev_pushname(L, self->fd, true);
}

static bool setlinger(lua_State *L, int fd) {
  luaL_argexpected(L, lua_isnumber(L, 3) || lua_isboolean(L, 3), 3,
                   "seconds or false");
  luaL_argexpected(L, !lua_isboolean(L, 3) || !lua_toboolean(L, 3), 3,
                   "seconds or false");
  struct linger linger = { .l_onoff = lua_toboolean(L, 3) };
  if (linger.l_onoff)
    linger.l_linger = (int)ceil(lev_checkseconds(L, 3));
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0;
}

static bool setoption(lua_State *L, int fd, const option *o) {
  int value;
  switch (o->kind) {
  case LINGER:
    return setlinger(L, fd);
  case BOOLEAN:
    luaL_checktype(L, 3, LUA_TBOOLEAN);
    value = lua_toboolean(L, 3);
    break;
  case INTEGER:
    value = lev_checkint(L, 3, 0, INT32_MAX);
    break;
  default:
    luaL_argerror(L, 2, "the error can only be asked for");
    return false;
  }
  return setsockopt(fd, o->level, o->number, &value, sizeof value) == 0;
}

/***
Sets an option.
@function socket:setsockopt
@param name string Booleans: `nodelay`, `cork`, `keepalive`, `reuseaddr`,
`reuseport`, `broadcast`, `oobinline`, `v6only`. Integers: `rcvbuf` and
`sndbuf` in bytes, `keepidle` and `keepintvl` in seconds, `keepcnt`. `linger`
takes seconds, or false.
@param value boolean|number
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_setsockopt(lua_State *L) {
  lev_socket *self = lev_self(L, &lev_socket_type);
  const option *o = checkoption(L, 2);
  return lev_result(L, setoption(L, self->fd, o), o->name);
}

/* Asks for SO_LINGER: seconds, or false. */
static int getlinger(lua_State *L, int fd) {
  struct linger linger;
  socklen_t length = sizeof linger;
  if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) != 0)
    return lev_failure(L, "linger", errno);
  if (linger.l_onoff)
    lua_pushinteger(L, linger.l_linger);
  else
    lua_pushboolean(L, 0);
  return 1;
}

/***
Returns an option.
@function socket:getsockopt
@param name string As for @{socket:setsockopt}, or `error`: the errno value of
what went wrong since it was asked last, 0 for nothing.
@return boolean|number? value
@return string? message
@return integer? code An errno value.
*/
static int l_getsockopt(lua_State *L) {
  int value = 0;
  socklen_t length = sizeof value;
  lev_socket *self = lev_self(L, &lev_socket_type);
  const option *o = checkoption(L, 2);
  if (o->kind == LINGER)
    return getlinger(L, self->fd);
  if (getsockopt(self->fd, o->level, o->number, &value, &length) != 0)
    return lev_failure(L, o->name, errno);
  if (o->kind == BOOLEAN)
    lua_pushboolean(L, value);
  else
    lua_pushinteger(L, value);
  return 1;
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
  lev_socket *self = lev_self(L, &lev_socket_type);
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
  .methods = methods,
  .functions = functions,
  .free = free_socket,
  .describe = describe_socket,
  .fd = fd_socket,
};
