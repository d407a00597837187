/*
 * Pins keep an object alive exactly while it may call back.
 *
 * A base has a slot array: a Lua table that is its user value, so that a base
 * nobody holds is collected with everything pinned to it. Its first places
 * hold the base itself and the strings that callbacks get, since a callback
 * must not allocate before its protected call. Each other slot holds a pinned
 * object, which knows its slot, or false; or what was pinned there until the
 * base was being collected, but a script has brought it back.
 *
 * Beside it stands an array of C cells, one for each slot: the place of the
 * object's deadline in the heap (0 for none), or where the slot is free, the
 * next free one (0 ends that list).
 */
#ifndef LEV_PIN_H
#define LEV_PIN_H

#include <event2/event.h>

#include "kernel/object.h"

enum {
  LEV_SLOT_BASE = 1,
  LEV_SLOT_WHAT = 2, /* 16 strings, one for each set of r, w, c and t */
  LEV_SLOT_LAST = 17 /* pins have greater numbers */
};

/* The number of a set of r, w, c and t, from 0 to 15: its place among those
 * strings. [-0, +0, -] */
static inline int lev_whatset(int what) {
  return (what & (EV_TIMEOUT | EV_READ | EV_WRITE)) |
         (what & EV_CLOSED ? 8 : 0);
}

/* Notes that it may be that nothing of the base can call back any more: what
 * still waits could only be woken by what waits as well, and streams are
 * watched for nobody. The loop ends then. [-0, +0, -] */
void lev_slots_idle(lev_base *base);

/* Makes the slot array of the base at an index. [-0, +0, m] */
void lev_slots_open(lua_State *L, int base);

/* Gives the cells back. [-0, +0, -] */
void lev_slots_close(lua_State *L, lev_base *base);

/* Lists the slot array of the base at an index in the state's table, where
 * lev_slots_push finds it. [-0, +0, m] */
void lev_slots_list(lua_State *L, int base);

/* Pushes the slot array; false, and some other value, while the base is being
 * collected. [-0, +1, -] */
bool lev_slots_push(lua_State *L, const lev_base *base);

/* Pins an object, which stands at a positive index; no effect if it is pinned.
 * [-0, +0, m] */
void lev_pin(lua_State *L, lev_object *self, int index);

/* Lets an object go, and its deadline. [-0, +0, -] */
void lev_unpin(lua_State *L, lev_object *self);

/* Lets a pinned object go, given the index of the slot array. [-0, +0, -] */
void lev_unpinat(lua_State *L, lev_object *self, int slots);

/* Lets a loop go on for what the object may call, or not. [-0, +0, -] */
void lev_setbackground(lev_object *self, bool background);

/* Notes that libevent points to a closed object still, or no more.
 * [-0, +0, -] */
void lev_setgivenup(lev_object *self, bool givenup);

/* Frees the objects that were closed when they could not be freed, since the
 * base was a parent's then, but one. Those of a base that is being collected
 * are out of reach, and stay. [-0, +0, -] */
void lev_freegivenup(lua_State *L, lev_base *base, const lev_object *but);

/* Lets an object go unless it may still call back. [-0, +0, -] */
static inline void lev_unpinidle(lua_State *L, lev_object *self) {
  if (self->slot != 0 && !self->type->pending(self))
    lev_unpin(L, self);
}

#endif
