/*
 * Memory of objects that stays when Lua frees their userdata.
 *
 * Lua calls a finalizer as it calls any function, and where the C stack, the
 * Lua stack or memory is at its end it cannot: it frees the userdata all the
 * same. What libevent, a base or a list of waiters points to must not go with
 * it. So an object stands apart, in a chunk that the registry holds, and its
 * userdata is a box that points there. One whose finalizer was left out stays
 * open and listed until its base closes it. Pins are no help: they go with the
 * base's userdata, while tasks may stand in lists of what belongs to no base.
 *
 * Its memory goes back when the collector finds its userdata for the second
 * time: the first time closes it, and what was found with it may still look at
 * it then. Where nothing else would, the first time is enough: LEV_LONE, unless
 * a task has waited for it: its continuation looks at it, and may run when a
 * finalizer of a script brings the task and its base back; or unless it is a
 * task that was closed while it ran: the state still points to it.
 *
 * Finalizers may bring a userdata back again and again. So who has no list of
 * who points to it is never given back: LEV_HELD, the memory of a base, goes
 * with the userdata of it, which all that it has made holds. And a continuation
 * looks at no object until it knows that the loop has resumed it: see task.h.
 */
#ifndef LEV_POOL_H
#define LEV_POOL_H

#include "kernel/object.h"
#include "kernel/state.h"

/* Makes what the registry holds: once for each Lua state. [-0, +0, m] */
void lev_pool_begin(lua_State *L);

/* Returns a zeroed object of a type. [-0, +0, m] */
lev_object *lev_pool_take(lua_State *L, lev_state *state, const lev_type *type);

/* Gives one back that is closed and that nothing points to any more but its
 * box; returns what that is to point to: an object of the type that is closed
 * for good. [-0, +0, -] */
lev_object *lev_pool_give(lua_State *L, lev_object *object);

/* Pushes new zeroed memory that the registry holds, or lets it go.
 * [-0, +1, m] [-0, +0, -] */
void *lev_pool_hold(lua_State *L, size_t size);
void lev_pool_letgo(lua_State *L, const void *memory);

/* Closes what is open still and belongs to no base when the Lua state closes.
 * [-0, +0, -] */
void lev_pool_close(lua_State *L, const lev_state *state);

#endif
