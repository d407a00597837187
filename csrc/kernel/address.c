#include "kernel/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "kernel/result.h"

enum { LEV_TEXT = sizeof "[%]:65535" + INET6_ADDRSTRLEN + IF_NAMESIZE };

static const char unix_prefix[] = "unix:";
enum { PREFIX = sizeof unix_prefix - 1 };

/* The length of a path in an address without its end. */
static size_t pathlength(const lev_address *a) {
  size_t start = offsetof(struct sockaddr_un, sun_path);
  return a->length > start ? a->length - start : 0;
}

static const char *pathof(const lev_address *a) {
  return ((const struct sockaddr_un *)&a->storage)->sun_path;
}

const char *lev_unixpath(const lev_address *a) {
  bool path = lev_family(a) == AF_UNIX && pathlength(a) > 0;
  return path && pathof(a)[0] != '\0' ? pathof(a) : NULL;
}

const char *lev_unixaddress(const char *path, size_t length, lev_address *a) {
  struct sockaddr_un *un = (struct sockaddr_un *)&a->storage;
  bool abstract = length > 0 && path[0] == '@';
  if (length == 0)
    return "a path is missing behind unix:";
  if (length > sizeof un->sun_path - !abstract)
    return "the path of a unix socket is too long";
  if (!abstract && memchr(path, '\0', length) != NULL)
    return "the path of a unix socket contains zeros";
  memset(a, 0, sizeof *a);
  un->sun_family = AF_UNIX;
  memcpy(un->sun_path, path, length);
  if (abstract)
    un->sun_path[0] = '\0';
  a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length +
                          (abstract ? 0 : 1));
  return NULL;
}

/* Decimal digits alone, from 0 to 'most'; -1 for anything else. */
static int64_t parsenumber(const char *text, int64_t most) {
  int64_t number = 0;
  if (*text == '\0')
    return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9')
      return -1;
    number = number * 10 + (*text - '0');
    if (number > most)
      return -1;
  }
  return number;
}

static const char *parsev6(char *host, int port, lev_address *a) {
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->storage;
  char *scope = strchr(host, '%');
  if (scope != NULL) {
    *scope++ = '\0';
    int64_t number = parsenumber(scope, UINT32_MAX);
    in6->sin6_scope_id = number > 0 ? (uint32_t)number : if_nametoindex(scope);
    if (in6->sin6_scope_id == 0)
      return "no such network interface";
  }
  if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
    return "not an IPv6 address";
  in6->sin6_family = AF_INET6;
  in6->sin6_port = htons((uint16_t)port);
  a->length = sizeof *in6;
  return NULL;
}

static const char *parsev4(const char *host, int port, lev_address *a) {
  struct sockaddr_in *in = (struct sockaddr_in *)&a->storage;
  if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
    return "names are not looked up here, but addresses such as 127.0.0.1:80, "
           "[::1]:80 or unix:/path";
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)port);
  a->length = sizeof *in;
  return NULL;
}

const char *lev_parseaddress(const char *text, size_t length, lev_address *a) {
  char host[LEV_TEXT];
  if (length >= PREFIX && memcmp(text, unix_prefix, PREFIX) == 0)
    return lev_unixaddress(text + PREFIX, length - PREFIX, a);
  if (memchr(text, '\0', length) != NULL)
    return "it contains zeros";
  if (length >= sizeof host)
    return "it is too long";
  memcpy(host, text, length);
  host[length] = '\0';
  char *colon = strrchr(host, ':');
  char *end = host[0] == '[' ? strchr(host, ']') : colon;
  if (host[0] == '[' && (end == NULL || (end[1] != ':' && end[1] != '\0')))
    return "the brackets enclose no address, as in [::1]:80";
  if (colon == NULL || (host[0] == '[' && colon != end + 1))
    return "a port is missing, as in 127.0.0.1:80 or [::1]:80";
  int port = (int)parsenumber(colon + 1, 65535);
  if (port < 0)
    return "the port is no number from 0 to 65535";
  *end = '\0';
  memset(a, 0, sizeof *a);
  if (host[0] == '[')
    return parsev6(host + 1, port, a);
  return parsev4(host, port, a);
}

void lev_checkaddress(lua_State *L, int arg, lev_address *a) {
  size_t length;
  if (lua_type(L, arg) != LUA_TSTRING)
    luaL_typeerror(L, arg, "address");
  const char *text = lua_tolstring(L, arg, &length);
  const char *wrong = lev_parseaddress(text, length, a);
  if (wrong != NULL)
    luaL_argerror(L, arg, lua_pushfstring(L, "'%s': %s", text, wrong));
}

static void pushunix(lua_State *L, const lev_address *a) {
  size_t length = pathlength(a);
  const char *path = pathof(a);
  bool abstract = length > 0 && path[0] == '\0';
  lua_pushstring(L, abstract ? "unix:@" : "unix:");
  if (abstract)
    lua_pushlstring(L, path + 1, length - 1);
  else
    lua_pushlstring(L, path, strnlen(path, length));
  lua_concat(L, 2);
}

static void pushv6(lua_State *L, const lev_address *a) {
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->storage;
  char host[INET6_ADDRSTRLEN];
  char name[IF_NAMESIZE] = "";
  inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
  int port = ntohs(in6->sin6_port);
  if (in6->sin6_scope_id == 0)
    lua_pushfstring(L, "[%s]:%d", host, port);
  else if (if_indextoname(in6->sin6_scope_id, name) != NULL)
    lua_pushfstring(L, "[%s%%%s]:%d", host, name, port);
  else
    lua_pushfstring(L, "[%s%%%d]:%d", host, (int)in6->sin6_scope_id, port);
}

void lev_pushaddress(lua_State *L, const lev_address *a) {
  char host[INET_ADDRSTRLEN];
  const struct sockaddr_in *in = (const struct sockaddr_in *)&a->storage;
  switch (a->length > 0 ? lev_family(a) : AF_UNIX) {
  case AF_INET:
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    lua_pushfstring(L, "%s:%d", host, ntohs(in->sin_port));
    break;
  case AF_INET6:
    pushv6(L, a);
    break;
  case AF_UNIX:
    pushunix(L, a);
    break;
  default:
    lua_pushfstring(L, "family %d", lev_family(a));
  }
}

bool lev_askaddress(int fd, bool peer, lev_address *a) {
  memset(a, 0, sizeof *a);
  a->length = sizeof a->storage;
  struct sockaddr *name = (struct sockaddr *)&a->storage;
  return (peer ? getpeername(fd, name, &a->length)
               : getsockname(fd, name, &a->length)) == 0;
}

int lev_pushname(lua_State *L, int fd, bool peer) {
  lev_address a;
  if (!lev_askaddress(fd, peer, &a))
    return lev_failure(L, peer ? "getpeername" : "getsockname", errno);
  lev_pushaddress(L, &a);
  return 1;
}

void lev_pushends(lua_State *L, int fd) {
  lev_address here, there;
  bool bound = lev_askaddress(fd, false, &here);
  bool connected = lev_askaddress(fd, true, &there);
  int top = lua_gettop(L);
  lua_pushfstring(L, "fd %d", fd);
  if (bound) {
    lua_pushliteral(L, " ");
    lev_pushaddress(L, &here);
  }
  if (connected) {
    lua_pushliteral(L, " → ");
    lev_pushaddress(L, &there);
  }
  lua_concat(L, lua_gettop(L) - top);
}
