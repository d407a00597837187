/*
 * Where a script is: at the line of the nearest of its functions. Those of our
 * own Lua layer, which calls for it, are passed over.
 */
#ifndef LEV_WHERE_H
#define LEV_WHERE_H

#include "kernel/state.h"

/* Notes where our Lua layer is: it is what loads the module. [-0, +0, m] */
void lev_where_open(lua_State *L, lev_state *state);

/* Whether a function is of our Lua layer; lua_getinfo has told its source.
 * [-0, +0, -] */
bool lev_where_isours(const lev_state *state, const lua_Debug *ar);

/* Tells the source and the line of what runs, or waits, in a thread. Where that
 * is none of a script, the nearest one of ours; false, and nothing told, if
 * there is no function in Lua. [-0, +0, -] */
bool lev_where(lua_State *L, const lev_state *state, lua_Debug *ar);

#endif
