/*
 * Tells of what nobody has closed, while the state tracks its objects: warnings
 * in Lua's sense, since a finalizer must call nothing of Lua's.
 */
#ifndef LEV_LEAK_H
#define LEV_LEAK_H

#include "kernel/object.h"
#include "kernel/state.h"

/* In the finalizer of an open object, which stands at index 1. [-0, +0, -] */
void lev_leak_tell(lua_State *L, const lev_object *self);

/* At the end of the state: how many more there were. [-0, +0, -] */
void lev_leak_rest(lua_State *L, const lev_state *state);

#endif
