#include "kernel/pin.h"

#include "kernel/base.h"

/* Fills the places that the slot array on top of the stack begins with. */
static void fill(lua_State *L) {
  static const char letters[] = "trwc"; /* in the order of libevent's bits */
  for (int set = 0; set < 16; set++) {
    char what[sizeof letters];
    size_t n = 0;
    for (int bit = 1; bit <= 4; bit++) { /* t comes last */
      if (set & 1 << bit % 4)
        what[n++] = letters[bit % 4];
    }
    lua_pushlstring(L, what, n);
    lua_rawseti(L, -2, LEV_SLOT_WHAT + set);
  }
}

void lev_slots_idle(lev_base *base) {
  if (base->watching > 0 && lev_isidle(base) && base->running)
    lev_unsettle(base);
}

void lev_slots_open(lua_State *L, int index) {
  lev_base *base = lev_toobject(L, index);
  index = lua_absindex(L, index);
  lua_createtable(L, LEV_SLOT_LAST, 0);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, LEV_SLOT_BASE);
  fill(L);
  lua_setiuservalue(L, index, LEV_UV_SLOTS);
  lev_slots_list(L, index);
  base->slots = (lev_slots){ .last = LEV_SLOT_LAST };
}

void lev_slots_close(lua_State *L, lev_base *base) {
  lev_slots *s = &base->slots;
  s->cells = lev_realloc(L, s->cells, s->capacity * sizeof *s->cells, 0);
  s->capacity = 0;
}

void lev_slots_list(lua_State *L, int index) {
  lev_base *base = lev_toobject(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, base->state->table);
  lua_getiuservalue(L, index, LEV_UV_SLOTS);
  lua_rawseti(L, -2, base->id);
  lua_pop(L, 1);
}

bool lev_slots_push(lua_State *L, const lev_base *base) {
  return lev_pushat(L, base->state, base->id) == LUA_TTABLE;
}

/* Makes room for the cell of a slot. [-0, +0, m] */
static void grow(lua_State *L, lev_slots *s, uint32_t slot) {
  uint32_t capacity = slot < 32 ? 64 : slot * 2;
  s->cells = lev_realloc(L, s->cells, s->capacity * sizeof *s->cells,
                         capacity * sizeof *s->cells);
  s->capacity = capacity;
}

/* Counts pinned objects of the background: libevent knows them, but they are
 * not what a loop waits for. */
static void disregard(lev_base *base, uint32_t n) {
  base->parked += n;
  base->watching += n;
}

void lev_pin(lua_State *L, lev_object *self, int index) {
  if (self->slot != 0)
    return;
  lev_slots *s = &self->base->slots;
  uint32_t slot = s->free != 0 ? s->free : s->last + 1;
  if (slot >= s->capacity)
    grow(L, s, slot);
  lua_getiuservalue(L, index, LEV_UV_BASE);
  lua_getiuservalue(L, -1, LEV_UV_SLOTS);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, slot); /* a new slot may raise: note it only after */
  if (slot == s->free)
    s->free = s->cells[slot];
  else
    s->last = slot;
  s->cells[slot] = 0;
  s->used++;
  self->slot = slot;
  if (self->background)
    disregard(self->base, 1);
  lua_pop(L, 2);
}

void lev_setbackground(lev_object *self, bool background) {
  if (background == self->background)
    return;
  self->background = background;
  if (self->listed) /* libevent may know it though it is not pinned */
    self->base->watching += background ? 1 : -1u;
  if (self->slot != 0)
    disregard(self->base, background ? 1 : -1u);
  lev_slots_idle(self->base);
}

/* Makes the slot of an object a free one. */
static void vacate(lev_object *self) {
  lev_slots *s = &self->base->slots;
  uint32_t slot = self->slot;
  if (s->cells[slot] != 0)
    lev_deadline_del(self);
  s->cells[slot] = s->free;
  s->free = slot;
  s->used--;
  self->slot = 0;
  if (self->background)
    disregard(self->base, -1u);
  lev_slots_idle(self->base);
}

void lev_unpinat(lua_State *L, lev_object *self, int slots) {
  lua_pushboolean(L, 0);
  lua_rawseti(L, slots, self->slot);
  vacate(self);
}

void lev_unpin(lua_State *L, lev_object *self) {
  if (self->slot == 0)
    return;
  if (lev_slots_push(L, self->base))
    lev_unpinat(L, self, lua_gettop(L));
  else
    vacate(self);
  lua_pop(L, 1);
}

void lev_setgivenup(lev_object *self, bool givenup) {
  if (self->givenup == givenup)
    return;
  self->givenup = givenup;
  self->base->givenup += givenup ? 1 : -1u;
}

void lev_freegivenup(lua_State *L, lev_base *base, const lev_object *but) {
  bool slots = lev_slots_push(L, base);
  for (uint32_t slot = LEV_SLOT_LAST + 1; slots && slot <= base->slots.last;
       slot++) {
    lua_rawgeti(L, -1, slot);
    lev_object *self = lev_toobject(L, -1);
    if (self != NULL && self->slot == slot && self != but && !self->open &&
        !self->lingering) {
      if (self->type->free != NULL)
        self->type->free(L, self);
      lev_setgivenup(self, false);
      lev_unpin(L, self);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
