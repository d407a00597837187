#include "types/socket_option.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

#include <lauxlib.h>

#include "kernel/address.h"
#include "kernel/result.h"

typedef enum kind { BOOLEAN, INTEGER, LINGER, INTERFACE, ERROR } kind;

struct lev_option {
  const char *name;
  int level, number;
  kind kind;
  int number6; /* at IPPROTO_IPV6 for a socket of that family; or 0 */
};

static const lev_option options[] = {
  { "broadcast", SOL_SOCKET, SO_BROADCAST, BOOLEAN, 0 },
#ifdef TCP_CORK
  { "cork", IPPROTO_TCP, TCP_CORK, BOOLEAN, 0 },
#endif
  { "error", SOL_SOCKET, SO_ERROR, ERROR, 0 },
  { "keepalive", SOL_SOCKET, SO_KEEPALIVE, BOOLEAN, 0 },
  { "keepcnt", IPPROTO_TCP, TCP_KEEPCNT, INTEGER, 0 },
#ifdef TCP_KEEPIDLE
  { "keepidle", IPPROTO_TCP, TCP_KEEPIDLE, INTEGER, 0 },
#endif
  { "keepintvl", IPPROTO_TCP, TCP_KEEPINTVL, INTEGER, 0 },
  { "linger", SOL_SOCKET, SO_LINGER, LINGER, 0 },
  { "multicast_interface", IPPROTO_IP, IP_MULTICAST_IF, INTERFACE,
    IPV6_MULTICAST_IF },
  { "multicast_loop", IPPROTO_IP, IP_MULTICAST_LOOP, BOOLEAN,
    IPV6_MULTICAST_LOOP },
  { "multicast_ttl", IPPROTO_IP, IP_MULTICAST_TTL, INTEGER,
    IPV6_MULTICAST_HOPS },
  { "nodelay", IPPROTO_TCP, TCP_NODELAY, BOOLEAN, 0 },
  { "oobinline", SOL_SOCKET, SO_OOBINLINE, BOOLEAN, 0 },
  { "rcvbuf", SOL_SOCKET, SO_RCVBUF, INTEGER, 0 },
  { "reuseaddr", SOL_SOCKET, SO_REUSEADDR, BOOLEAN, 0 },
#ifdef SO_REUSEPORT
  { "reuseport", SOL_SOCKET, SO_REUSEPORT, BOOLEAN, 0 },
#endif
  { "sndbuf", SOL_SOCKET, SO_SNDBUF, INTEGER, 0 },
  { "ttl", IPPROTO_IP, IP_TTL, INTEGER, IPV6_UNICAST_HOPS },
  { "v6only", IPPROTO_IPV6, IPV6_V6ONLY, BOOLEAN, 0 },
};

enum { OPTIONS = sizeof options / sizeof options[0] };

const lev_option *lev_option_find(const char *name) {
  for (int i = 0; i < OPTIONS; i++) {
    if (strcmp(options[i].name, name) == 0)
      return &options[i];
  }
  return NULL;
}

static const char *readlinger(lua_State *L, int index, struct linger *linger) {
  static const char expected[] = "seconds or false";
  int isnumber;
  double seconds = lua_tonumberx(L, index, &isnumber);
  *linger = (struct linger){ .l_onoff = isnumber };
  if (!isnumber)
    return lua_isboolean(L, index) && !lua_toboolean(L, index) ? NULL
                                                               : expected;
  if (!(seconds >= 0 && seconds <= 1e9))
    return expected;
  linger->l_linger = (int)ceil(seconds);
  return NULL;
}

static const char *readinterface(lua_State *L, int index, char *text) {
  size_t length;
  const char *name =
      lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : "";
  if (name[0] == '\0' || strlen(name) != length || length >= LEV_INTERFACE)
    return "name or address of an interface";
  memcpy(text, name, length + 1);
  return NULL;
}

const char *lev_option_read(lua_State *L, int index, const lev_option *option,
                            lev_optionvalue *value) {
  int isinteger;
  lua_Integer n;
  switch (option->kind) {
  case LINGER:
    return readlinger(L, index, &value->linger);
  case INTERFACE:
    return readinterface(L, index, value->interface);
  case BOOLEAN:
    value->number = lua_toboolean(L, index);
    return lua_isboolean(L, index) ? NULL : "boolean";
  default:
    n = lua_tointegerx(L, index, &isinteger);
    value->number = (int)n;
    return isinteger && n >= 0 && n <= INT32_MAX
               ? NULL
               : "integer from 0 to 2147483647";
  }
}

/* Which option it is for that socket. */
static void locate(int fd, const lev_option *option, int *level, int *number) {
  lev_address a;
  bool v6 = option->number6 != 0 && lev_askaddress(fd, false, &a) &&
            lev_family(&a) == AF_INET6;
  *level = v6 ? IPPROTO_IPV6 : option->level;
  *number = v6 ? option->number6 : option->number;
}

static bool setinterface(int fd, int level, int number, const char *text) {
  lev_interface found;
  if (!lev_findinterface(text, &found))
    return false;
  if (level == IPPROTO_IPV6)
    return setsockopt(fd, level, number, &found.index, sizeof found.index) == 0;
  struct ip_mreqn request = { .imr_address = found.address,
                              .imr_ifindex = (int)found.index };
  return setsockopt(fd, level, number, &request, sizeof request) == 0;
}

bool lev_option_set(int fd, const lev_option *option,
                    const lev_optionvalue *value) {
  int level, number;
  locate(fd, option, &level, &number);
  if (option->kind == INTERFACE)
    return setinterface(fd, level, number, value->interface);
  size_t size =
      option->kind == LINGER ? sizeof value->linger : sizeof value->number;
  return setsockopt(fd, level, number, value, (socklen_t)size) == 0;
}

/* Of argument 2. */
static int unknownoption(lua_State *L) {
  return luaL_argerror(
      L, 2, lua_pushfstring(L, "unknown option '%s'", lua_tostring(L, 2)));
}

int lev_setsockopt(lua_State *L, int fd) {
  lev_optionvalue value;
  const lev_option *option = lev_option_find(luaL_checkstring(L, 2));
  if (option == NULL)
    return unknownoption(L);
  if (option->kind == ERROR)
    return luaL_argerror(L, 2, "the error can only be asked for");
  const char *expected = lev_option_read(L, 3, option, &value);
  if (expected != NULL && lua_type(L, 3) == LUA_TNUMBER)
    return luaL_argerror(L, 3, lua_pushfstring(L, "%s expected", expected));
  if (expected != NULL)
    return luaL_typeerror(L, 3, expected);
  return lev_result(L, lev_option_set(fd, option, &value), option->name);
}

/* Seconds, or false. */
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

/* An IPv4 address, or a name. */
static int getinterface(lua_State *L, int fd, int level, int number) {
  char text[LEV_INTERFACE > IF_NAMESIZE ? LEV_INTERFACE : IF_NAMESIZE] = "::";
  union {
    struct in_addr address;
    unsigned index;
  } value = { .index = 0 };
  socklen_t length = sizeof value;
  if (getsockopt(fd, level, number, &value, &length) != 0)
    return lev_failure(L, "multicast_interface", errno);
  if (level == IPPROTO_IP)
    inet_ntop(AF_INET, &value.address, text, sizeof text);
  else if (value.index != 0 && if_indextoname(value.index, text) == NULL)
    return lev_failure(L, "multicast_interface", errno);
  lua_pushstring(L, text);
  return 1;
}

int lev_getsockopt(lua_State *L, int fd) {
  int level, number, value = 0;
  socklen_t length = sizeof value;
  const lev_option *option = lev_option_find(luaL_checkstring(L, 2));
  if (option == NULL)
    return unknownoption(L);
  locate(fd, option, &level, &number);
  if (option->kind == LINGER)
    return getlinger(L, fd);
  if (option->kind == INTERFACE)
    return getinterface(L, fd, level, number);
  if (getsockopt(fd, level, number, &value, &length) != 0)
    return lev_failure(L, option->name, errno);
  if (option->kind == BOOLEAN)
    lua_pushboolean(L, value);
  else
    lua_pushinteger(L, value);
  return 1;
}
