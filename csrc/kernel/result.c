#include "kernel/result.h"

#include <errno.h>
#include <string.h>

#include <lauxlib.h>

enum { LEV_REASON = 128 };

/* The C library's text, without a locale and without static memory. */
static const char *reason(int code, char *text, size_t size) {
#ifdef __GLIBC__
  (void)text, (void)size;
  const char *known = strerrordesc_np(code);
  return known ? known : "unknown error";
#else
  return strerror_r(code, text, size) == 0 ? text : "unknown error";
#endif
}

void lev_pushreason(lua_State *L, int code) {
  char text[LEV_REASON];
  lua_pushstring(L, reason(code, text, sizeof text));
}

int lev_failure(lua_State *L, const char *what, int code) {
  char text[LEV_REASON];
  if (code == 0) /* libevent refused without a system call */
    code = EINVAL;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, reason(code, text, sizeof text));
  lua_pushinteger(L, code);
  return 3;
}

int lev_because(lua_State *L, const char *text, int code) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushinteger(L, code);
  return 3;
}

int lev_timedout(lua_State *L) {
  return lev_because(L, "timed out", ETIMEDOUT);
}

int lev_closed(lua_State *L) {
  return lev_because(L, "closed", ECANCELED);
}

int lev_nomemory(lua_State *L) {
  return luaL_error(L, "not enough memory");
}

int lev_result(lua_State *L, int ok, const char *what) {
  int code = errno;
  if (!ok)
    return lev_failure(L, what, code);
  lua_pushboolean(L, 1);
  return 1;
}
