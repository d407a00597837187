#ifndef LEV_TYPES_NOTIFY_H
#define LEV_TYPES_NOTIFY_H

#include <lua.h>

int l_notify(lua_State *L);

#endif
