/***
A socket for datagrams: UDP, over IPv4 or IPv6, in tasks or in callbacks. Made
by @{event_base:udp}.

Each direction has one task at most that waits. A datagram comes as a whole or
not at all, and nothing tells of one that is lost on its way.
@classmod libevent.udp
*/

#include "io/udp.h"

#include <errno.h>
#include <string.h>

#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"
#include "types/socket.h"
#include "types/socket_option.h"

lev_udp *lev_udp_self(lua_State *L) {
  return lev_self(L, &lev_udp_type);
}

/* Options of the constructor: those of sockets come first. */
enum { LEV_OPTIONS = 10 };

static const char *const names[] = {
  "reuseaddr",
  "reuseport",
  "v6only",
  "broadcast",
  "rcvbuf",
  "sndbuf",
  "ttl",
  "multicast_ttl",
  "multicast_loop",
  "multicast_interface",
  "family",
  NULL,
};

/* What is to be done with a new socket. */
typedef struct recipe {
  const lev_option *options[LEV_OPTIONS]; /* NULL for one that is not given */
  lev_optionvalue values[LEV_OPTIONS];
  lev_address address; /* to bind to, if it has a length */
  int family;
  int failed; /* the option that could not be set; or -1 */
} recipe;

/* The option at 3 of that number. */
static void readoption(lua_State *L, recipe *r, int i) {
  const char *expected = NULL;
  r->options[i] = NULL;
  if (lua_getfield(L, 3, names[i]) != LUA_TNIL) {
    r->options[i] = lev_option_find(names[i]);
    if (r->options[i] == NULL)
      lev_optionerror(L, 3, names[i], "this system does not have it");
    expected = lev_option_read(L, -1, r->options[i], &r->values[i]);
  }
  if (expected != NULL)
    lev_optionerror(L, 3, names[i],
                    lua_pushfstring(L, "%s expected, got %s", expected,
                                    luaL_typename(L, -1)));
  lua_pop(L, 1);
}

static int readfamily(lua_State *L) {
  int family = AF_UNSPEC;
  if (lua_getfield(L, 3, "family") != LUA_TNIL) {
    const char *name =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    family = strcmp(name, "ipv4") == 0   ? AF_INET
             : strcmp(name, "ipv6") == 0 ? AF_INET6
                                         : AF_UNSPEC;
    if (family == AF_UNSPEC)
      lev_optionerror(L, 3, "family", "'ipv4' or 'ipv6' expected");
  }
  lua_pop(L, 1);
  return family;
}

/* Reads the arguments; the socket that is taken over, or NULL. */
static lev_socket *checkrecipe(lua_State *L, recipe *r) {
  lev_socket *taken = lev_test(L, 2, &lev_socket_type);
  r->failed = -1;
  r->address.length = 0;
  if (taken != NULL)
    lev_check(L, 2, &lev_socket_type);
  else if (!lua_isnoneornil(L, 2))
    lev_checkaddress(L, 2, &r->address);
  bool bound = r->address.length > 0;
  luaL_argcheck(L, !bound || lev_family(&r->address) != AF_UNIX, 2,
                "address of IPv4 or IPv6 expected");
  lua_settop(L, 3);
  lev_checkoptions(L, 3, names);
  for (int i = 0; i < LEV_OPTIONS; i++)
    readoption(L, r, i);
  r->family = readfamily(L);
  if (r->family != AF_UNSPEC &&
      (taken != NULL || (bound && r->family != lev_family(&r->address))))
    lev_optionerror(L, 3, "family", "the socket or address has another");
  if (r->family == AF_UNSPEC)
    r->family = bound ? lev_family(&r->address) : AF_INET;
  return taken;
}

static bool setoptions(int fd, recipe *r) {
  for (int i = 0; i < LEV_OPTIONS; i++) {
    r->failed = i;
    if (r->options[i] != NULL &&
        !lev_option_set(fd, r->options[i], &r->values[i]))
      return false;
  }
  r->failed = -1;
  return true;
}

/* A new socket; -1 with errno. */
static int makesocket(const lev_base *base, recipe *r) {
  int fd = lev_fd_socket(r->family, SOCK_DGRAM);
  if (fd < 0)
    return -1;
  const struct sockaddr *name = (const struct sockaddr *)&r->address.storage;
  bool ok = lev_canwatch(base, fd) && setoptions(fd, r) &&
            (r->address.length == 0 || bind(fd, name, r->address.length) == 0);
  return ok ? fd : lev_fd_drop(fd);
}

static bool isdatagram(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  bool known = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
  if (known)
    errno = EPROTOTYPE;
  return known && type == SOCK_DGRAM;
}

/* The descriptor of a new object, which owns it; -1 with errno. */
static int acquire(lua_State *L, const lev_base *base, recipe *r,
                   lev_socket *taken) {
  if (taken != NULL)
    return lev_canwatch(base, taken->fd) && isdatagram(taken->fd) &&
                   setoptions(taken->fd, r)
               ? lev_socket_take(L, taken)
               : -1;
  return lev_fd_adopt(L, makesocket(base, r));
}

/***
Creates a socket for datagrams.
@function event_base:udp
@param address? string|libevent.socket What it receives at, such as
`"127.0.0.1:0"` or `"[::]:53"`; nil for a port that the system chooses with the
first datagram that is sent. A socket for datagrams is taken over.
@param options? table Any of:
- `family`: `"ipv4"`, the default, or `"ipv6"`, for a socket without an address;
- `reuseaddr`, `reuseport`, `v6only`, `broadcast`: booleans;
- `rcvbuf`, `sndbuf`: integers, bytes that the system keeps;
- `ttl`: integer, how many hops a datagram may take;
- `multicast_ttl`: integer, the same for multicasts, 1 by default;
- `multicast_loop`: boolean, whether this host gets its own ones, on by default;
- `multicast_interface`: string, the name or an address of the interface that
  they go out by.
@return libevent.udp? udp
@return string? message
@return integer? code An errno value; `EPROTOTYPE` for a socket that is not for
datagrams.
*/
static int l_udp_new(lua_State *L) {
  recipe r;
  lev_base *base = lev_self(L, &lev_event_base);
  lev_socket *taken = checkrecipe(L, &r);
  lev_udp *self = lev_new(L, 1, &lev_udp_type);
  lev_socket_recheck(L, 2, taken);
  self->fd = acquire(L, base, &r, taken);
  if (self->fd < 0)
    return lev_failure(L, r.failed < 0 ? "udp" : names[r.failed], errno);
  self->enabled = true;
  event_assign(&self->input, base->ptr, self->fd, EV_READ | EV_PERSIST,
               lev_udp_on_read, self);
  event_assign(&self->output, base->ptr, self->fd, EV_WRITE, lev_udp_on_write,
               self);
  lev_open(&self->head);
  return 1;
}

/***
Returns the descriptor, which the socket keeps.
@function udp:fd
@return integer fd
*/
static int l_udp_fd(lua_State *L) {
  lua_pushinteger(L, lev_udp_self(L)->fd);
  return 1;
}

/***
Returns the address of this side.
@function udp:getsockname
@return string? address
@return string? message
@return integer? code An errno value.
*/
static int l_udp_getsockname(lua_State *L) {
  return lev_pushname(L, lev_udp_self(L)->fd, false);
}

/***
Returns the address that the socket is connected to.
@function udp:getpeername
@return string? address
@return string? message
@return integer? code An errno value, `ENOTCONN` if it is not.
*/
static int l_udp_getpeername(lua_State *L) {
  return lev_pushname(L, lev_udp_self(L)->fd, true);
}

/***
Sets an option of the socket.
@function udp:setsockopt
@param name string As for @{socket:setsockopt}.
@param value boolean|number|string
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_udp_setsockopt(lua_State *L) {
  return lev_setsockopt(L, lev_udp_self(L)->fd);
}

/***
Returns an option of the socket.
@function udp:getsockopt
@param name string As for @{socket:getsockopt}.
@return boolean|number|string? value
@return string? message
@return integer? code An errno value.
*/
static int l_udp_getsockopt(lua_State *L) {
  return lev_getsockopt(L, lev_udp_self(L)->fd);
}

static void free_udp(lua_State *L, lev_object *object) {
  lev_udp *self = (lev_udp *)object;
  lev_base *base = object->base;
  (void)L;
  if (base->calling == object)
    base->calling = NULL;
  if (self->reader != NULL)
    lev_task_wake(self->reader, LEV_CLOSED);
  if (self->writer != NULL)
    lev_task_wake(self->writer, LEV_CLOSED);
  lev_task_unhold(&self->turn);
  event_del(&self->input);
  event_debug_unassign(&self->input);
  event_del(&self->output);
  event_debug_unassign(&self->output);
  if (self->watched)
    base->watching--;
  self->watched = false;
  lev_fd_close(base->state, self->fd);
  self->fd = -1;
}

static bool pending_udp(const lev_object *object) {
  return lev_udp_calls((const lev_udp *)object);
}

static void describe_udp(lua_State *L, const lev_object *object) {
  const lev_udp *self = (const lev_udp *)object;
  bool reading = self->reader != NULL || lev_udp_calls(self);
  const char *state = reading                ? " reading"
                      : self->writer != NULL ? " writing"
                                             : " idle";
  lev_pushends(L, self->fd);
  lua_pushstring(L, state);
}

static int fd_udp(const lev_object *object) {
  return ((const lev_udp *)object)->fd;
}

static const luaL_Reg methods[] = {
  { "recvfrom", l_udp_recvfrom },
  { "recvbatch", l_udp_recvbatch },
  { "sendto", l_udp_sendto },
  { "send", l_udp_send },
  { "sendbatch", l_udp_sendbatch },
  { "connect", l_udp_connect },
  { "join", l_udp_join },
  { "leave", l_udp_leave },
  { "setcb", l_udp_setcb },
  { "enable", l_udp_enable },
  { "disable", l_udp_disable },
  { "fd", l_udp_fd },
  { "getsockname", l_udp_getsockname },
  { "getpeername", l_udp_getpeername },
  { "setsockopt", l_udp_setsockopt },
  { "getsockopt", l_udp_getsockopt },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "udp", l_udp_new },
  { NULL, NULL },
};

const lev_type lev_udp_type = {
  .name = "libevent.udp",
  .size = sizeof(lev_udp),
  .uservalues = LEV_UDP_UVS,
  .life = LEV_LONE,
  .watched = true,
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = free_udp,
  .pending = pending_udp,
  .describe = describe_udp,
  .fd = fd_udp,
};
