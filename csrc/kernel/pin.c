#include "kernel/pin.h"

#include "kernel/base.h"

void lev_newslots(lua_State *L, int index) {
  lev_base *base = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  lua_newtable(L);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, 1);
  lua_setiuservalue(L, index, LEV_UV_SLOTS);
  base->free_slot = 0;
  base->last_slot = 1;
}

void lev_listslots(lua_State *L, int index) {
  lev_base *base = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, base->state->table);
  lua_getiuservalue(L, index, LEV_UV_SLOTS);
  lua_rawseti(L, -2, base->id);
  lua_pop(L, 1);
}

void lev_pushslots(lua_State *L, const lev_base *base) {
  lev_pushat(L, base->state, base->id);
}

uint32_t lev_nextslot(const lev_base *base) {
  return base->free_slot != 0 ? base->free_slot : base->last_slot + 1;
}

void lev_pin(lua_State *L, int index) {
  lev_object *self = lua_touserdata(L, index);
  lev_base *base = self->base;
  if (self->slot != 0)
    return;
  index = lua_absindex(L, index);
  lua_getiuservalue(L, index, LEV_UV_BASE);
  lua_getiuservalue(L, -1, LEV_UV_SLOTS);
  uint32_t slot = lev_nextslot(base);
  if (slot == base->free_slot) {
    lua_rawgeti(L, -1, slot);
    base->free_slot = (uint32_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, slot); /* a new slot may raise: note it only after */
  if (slot > base->last_slot)
    base->last_slot = slot;
  self->slot = slot;
  lua_pop(L, 2);
}

void lev_unpin(lua_State *L, lev_object *self) {
  uint32_t slot = self->slot;
  if (slot == 0)
    return;
  self->slot = 0;
  lev_pushslots(L, self->base);
  if (lua_istable(L, -1)) { /* not while the base is collected */
    lua_pushinteger(L, self->base->free_slot);
    lua_rawseti(L, -2, slot);
    self->base->free_slot = slot;
  }
  lua_pop(L, 1);
}

void lev_unpinidle(lua_State *L, lev_object *self) {
  if (self->slot != 0 && !self->type->pending(self))
    lev_unpin(L, self);
}
