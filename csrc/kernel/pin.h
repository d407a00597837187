/*
 * Pins keep an object alive exactly while it may call back.
 *
 * A base has a slot array: a Lua table that is its user value, so that a base
 * nobody holds is collected with everything pinned to it. Slot 1 holds the
 * base itself. The other slots hold a pinned object, or the number of the next
 * free slot (0 ends that list). The object knows its slot, and callbacks find
 * the object there.
 */
#ifndef LEV_PIN_H
#define LEV_PIN_H

#include "kernel/object.h"

/* Pins the object at an index; no effect if it is pinned. [-0, +0, m] */
void lev_pin(lua_State *L, int index);

/* The slot that the next pin of this base takes. [-0, +0, -] */
uint32_t lev_nextslot(const lev_base *base);

/* Lets an object go. [-0, +0, -] */
void lev_unpin(lua_State *L, lev_object *self);

/* Lets an object go unless it may still call back. [-0, +0, -] */
void lev_unpinidle(lua_State *L, lev_object *self);

/* Makes the slot array of the base at an index. [-0, +0, m] */
void lev_newslots(lua_State *L, int base);

/* Lists the slot array of the base at an index in the state's table, where
 * callbacks find it. [-0, +0, m] */
void lev_listslots(lua_State *L, int base);

#endif
