/* What `make coverage` includes before all else. Gcov counts branches that there
 * are not: those of hints, and those behind functions of Lua that never
 * return. */
#ifndef LEV_COVERAGE
#define LEV_COVERAGE

#define LUA_NOBUILTIN
#include <lauxlib.h>

__attribute__((noreturn)) int lua_error(lua_State *L);
__attribute__((noreturn)) int luaL_error(lua_State *L, const char *format, ...);
__attribute__((noreturn)) int luaL_argerror(lua_State *L, int arg,
                                            const char *what);
__attribute__((noreturn)) int luaL_typeerror(lua_State *L, int arg,
                                             const char *type);

#endif
