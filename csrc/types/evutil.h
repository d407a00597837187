#ifndef LEV_TYPES_EVUTIL_H
#define LEV_TYPES_EVUTIL_H

#include <lua.h>

/* Adds the table 'evutil' to the module table at an index. [-0, +0, m] */
void lev_evutil_register(lua_State *L, int module);

#endif
