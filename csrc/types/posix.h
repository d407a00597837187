#ifndef LEV_TYPES_POSIX_H
#define LEV_TYPES_POSIX_H

#include <lauxlib.h>
#include <lua.h>

/* The functions of the other files. */
extern const luaL_Reg lev_posix_process[];
extern const luaL_Reg lev_posix_descriptor[];

/* Adds the table 'posix' to the module table at an index. [-0, +0, m] */
void lev_posix_register(lua_State *L, int module);

#endif
