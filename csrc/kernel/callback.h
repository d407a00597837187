/*
 * The one door from libevent into Lua.
 *
 * A callback runs as one protected call on the main thread of the Lua state,
 * whichever coroutine runs the loop, so nothing unwinds through libevent. From
 * lev_enter to lev_leave only calls that never raise are allowed; the object
 * stands on the Lua stack below its callback, so it outlives the call even if
 * Lua closes and drops it.
 *
 *   lua_State *L = lev_enter(self, LEV_UV_CALLBACK);
 *   if (L != NULL) {
 *     ... push n arguments ...
 *     lev_leave(L, self, n);
 *   }
 */
#ifndef LEV_CALLBACK_H
#define LEV_CALLBACK_H

#include "kernel/object.h"

/* Begins a callback of a pinned object: pushes the slot array, the object, the
 * message handler, the callback and the object again, as its first argument.
 * NULL if it has no such callback. [-0, +5, -] */
lua_State *lev_enter(lev_object *self, int uservalue);

/* The same where the slot array and the object are on top of the stack already;
 * false if it has no such callback. [-0, +3, -] */
bool lev_entertop(lua_State *L, lev_object *self, int uservalue);

/* Pushes the letters r, w, c and t of a set, right after lev_enter.
 * [-0, +1, -] */
void lev_pushwhat(lua_State *L, int what);

/* Calls the callback with the object and n more arguments, reports its error,
 * unpins the object if it is idle now, and when it was the outermost callback
 * of the base settles what waited for that. [-(5+n), +0, -] */
void lev_leave(lua_State *L, lev_object *self, int n);

/* Tells whether the Lua stack has room for a callback; if not, breaks the loop
 * and lets it raise. [-0, +0, -] */
bool lev_room(lua_State *L, lev_base *base);

/* Hands an error to the base's on_error or, where there is none or it fails
 * too, keeps it for loop to raise and breaks the loop. The error is on top of
 * the stack; 'index' is the object or 0; status is lua_pcall's.
 * [-1, +0, -] */
void lev_report(lua_State *L, lev_base *base, int index, int status);

/* Reports an error string that stands in the state's table. [-0, +0, -] */
void lev_reportat(lua_State *L, lev_base *base, int place);

/* Calls the function on top of the stack, with nothing, for the base.
 * [-1, +0, -] */
void lev_callfor(lua_State *L, lev_base *base);

/* Pushes the message handler. [-0, +1, -] */
void lev_pushhandler(lua_State *L);

#endif
