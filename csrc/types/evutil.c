/***
Small things that belong to no object: addresses, random bytes, the clock.
@module libevent.evutil
*/

#include "types/evutil.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/util.h>

#include "kernel/address.h"
#include "kernel/convert.h"
#include "kernel/deadline.h"
#include "kernel/result.h"

/* Pushes what stands behind "unix:" in the address below the top. */
static void pushpath(lua_State *L) {
  size_t length;
  const char *address = lua_tolstring(L, -2, &length);
  size_t prefix = sizeof "unix:" - 1;
  lua_pushlstring(L, address + prefix, length - prefix);
}

/* Pushes what stands between the brackets of the address below the top. */
static void pushhost(lua_State *L) {
  const char *address = lua_tostring(L, -2);
  lua_pushlstring(L, address + 1, (size_t)(strchr(address, ']') - address - 1));
}

/* Pushes the parts of the address on top: family, and host and port or path. */
static int pushparts(lua_State *L, const lev_address *a) {
  char host[INET6_ADDRSTRLEN];
  const struct sockaddr_in *in = (const struct sockaddr_in *)&a->storage;
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->storage;
  switch (lev_family(a)) {
  case AF_INET:
    lua_pushliteral(L, "inet");
    lua_pushstring(L, inet_ntop(AF_INET, &in->sin_addr, host, sizeof host));
    lua_pushinteger(L, ntohs(in->sin_port));
    return 3;
  case AF_INET6:
    lua_pushliteral(L, "inet6");
    pushhost(L);
    lua_pushinteger(L, ntohs(in6->sin6_port));
    return 3;
  default:
    lua_pushliteral(L, "unix");
    pushpath(L);
    return 2;
  }
}

/***
Reads an address: `"127.0.0.1:80"`, `"[::1]:80"`, `"[fe80::1%eth0]:80"`,
`"unix:/run/app.sock"` or `"unix:@name"`. Does the work of
`evutil_parse_sockaddr_port`; a port must be there, and names are not looked up.
@function evutil.parse_sockaddr_port
@param text string
@return string? address As this library writes it.
@return string family `"inet"`, `"inet6"` or `"unix"`; the message where the
first is nil.
@return string|integer host Or path; `EINVAL` where the first is nil.
@return integer? port
*/
static int l_evutil_parse_sockaddr_port(lua_State *L) {
  size_t length;
  lev_address a;
  const char *text = luaL_checklstring(L, 1, &length);
  const char *wrong = lev_parseaddress(text, length, &a);
  if (wrong != NULL)
    return lev_because(L, lua_pushfstring(L, "'%s': %s", text, wrong), EINVAL);
  lev_pushaddress(L, &a);
  return 1 + pushparts(L, &a);
}

/***
Returns random bytes fit for keys. Wraps `evutil_secure_rng_get_bytes`.
@function evutil.secure_rng_get_bytes
@param n integer From 0 to 2^24.
@return string bytes
*/
static int l_evutil_secure_rng_get_bytes(lua_State *L) {
  luaL_Buffer b;
  size_t n = (size_t)lev_checkint(L, 1, 0, 1 << 24);
  char *bytes = luaL_buffinitsize(L, &b, n);
  evutil_secure_rng_get_bytes(bytes, n);
  luaL_pushresultsize(&b, n);
  return 1;
}

/***
Returns the time on a clock that never goes back: that of @{event_base:now}.
Does the work of `evutil_gettime_monotonic`.
@function evutil.gettime_monotonic
@return number seconds Since some moment in the past.
*/
static int l_evutil_gettime_monotonic(lua_State *L) {
  lua_pushnumber(L, lev_now());
  return 1;
}

/***
Returns the time of day. Wraps `evutil_gettimeofday`.
@function evutil.gettimeofday
@return number seconds Since 1970.
*/
static int l_evutil_gettimeofday(lua_State *L) {
  struct timeval tv = { 0, 0 };
  evutil_gettimeofday(&tv, NULL);
  lua_pushnumber(L, lev_seconds(&tv));
  return 1;
}

/***
Returns a date as mail and HTTP write it: `"Tue, 24 Nov 2026 21:49:00 GMT"`.
Wraps `evutil_date_rfc1123`.
@function evutil.date_rfc1123
@param time? number Seconds since 1970, from 0 to 1e11; now by default.
@return string date
*/
static int l_evutil_date_rfc1123(lua_State *L) {
  char text[64];
  struct tm tm;
  time_t t = time(NULL);
  if (!lua_isnoneornil(L, 1)) {
    double given = luaL_checknumber(L, 1);
    luaL_argcheck(L, given >= 0 && given <= 1e11, 1,
                  "seconds from 0 to 1e11 expected");
    t = (time_t)given;
  }
  gmtime_r(&t, &tm);
  evutil_date_rfc1123(text, sizeof text, &tm);
  lua_pushstring(L, text);
  return 1;
}

/***
Returns the text of an errno value, such as the third result of a call that
failed. Wraps `evutil_socket_error_to_string`.
@function evutil.socket_error_to_string
@param code integer
@return string text
*/
static int l_evutil_socket_error_to_string(lua_State *L) {
  lev_pushreason(L, lev_checkint(L, 1, INT32_MIN, INT32_MAX));
  return 1;
}

/***
Tells whether a descriptor is a terminal. Does the work of `isatty`.
@function libevent.isatty
@param fd integer|file*|libevent.object
@return boolean terminal
*/
static int l_isatty(lua_State *L) {
  lua_pushboolean(L, isatty(lev_checkfd(L, 1)));
  return 1;
}

static const luaL_Reg module_functions[] = {
  { "isatty", l_isatty },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "parse_sockaddr_port", l_evutil_parse_sockaddr_port },
  { "secure_rng_get_bytes", l_evutil_secure_rng_get_bytes },
  { "gettime_monotonic", l_evutil_gettime_monotonic },
  { "gettimeofday", l_evutil_gettimeofday },
  { "date_rfc1123", l_evutil_date_rfc1123 },
  { "socket_error_to_string", l_evutil_socket_error_to_string },
  { NULL, NULL },
};

void lev_evutil_register(lua_State *L, int module) {
  module = lua_absindex(L, module);
  lua_pushvalue(L, module);
  luaL_setfuncs(L, module_functions, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_setfield(L, module, "evutil");
}
