#include "kernel/object.h"

#include <string.h>

#include "kernel/base.h"
#include "kernel/pin.h"
#include "kernel/pool.h"

const char *lev_typename(const lev_type *type) {
  const char *dot = strchr(type->name, '.');
  return dot ? dot + 1 : type->name;
}

/* Types. */

void *lev_test(lua_State *L, int index, const lev_type *type) {
  return lev_totype(L, index, type);
}

const char lev_object_key = 0;

lev_object *lev_testany(lua_State *L, int index) {
  if (lua_touserdata(L, index) == NULL || !lua_getmetatable(L, index))
    return NULL;
  bool ours = lua_rawgetp(L, -1, &lev_object_key) != LUA_TNIL;
  lua_pop(L, 2);
  return ours ? lev_toobject(L, index) : NULL;
}

/* A plain object is not told that its base closes, so look there too. */
bool lev_isopen(const lev_object *self) {
  return self->open && (self->base == NULL || self->base->head.open);
}

void lev_stillopen(lua_State *L, const lev_object *self) {
  if (!lev_isopen(self))
    luaL_error(L, "attempt to use a closed %s", lev_typename(self->type));
}

void lev_refuseforeign(lua_State *L, const lev_base *base,
                       const lev_type *type) {
  if (base != NULL && lev_isforeign(base))
    luaL_error(L,
               "attempt to use the parent's %s after fork (call reinit of "
               "its event_base first)",
               lev_typename(type));
}

void *lev_usable(lua_State *L, lev_object *self) {
  lev_stillopen(L, self);
  lev_refuseforeign(L, self->base, self->type);
  return self;
}

void *lev_check(lua_State *L, int arg, const lev_type *type) {
  lev_object *self = lev_test(L, arg, type);
  if (self == NULL) {
    luaL_typeerror(L, arg, type->name);
    return NULL;
  }
  return lev_usable(L, self);
}

void *lev_selfcheck(lua_State *L, const lev_type *type) {
  return lev_check(L, 1, type);
}

/* Life: new, open, close. */

/* Pushes the userdata of a new object, without a metatable. [-0, +1, m] */
static lev_object *allocate(lua_State *L, lev_state *state,
                            const lev_type *type) {
  if (!lev_isapart(type))
    return memset(lua_newuserdatauv(L, type->size, type->uservalues), 0,
                  type->size);
  lev_box *box = lua_newuserdatauv(L, sizeof *box, type->uservalues);
  box->type = type;
  if (type->life != LEV_HELD)
    return box->object = lev_pool_take(L, state, type);
  box->object = lev_pool_hold(L, type->size);
  lua_setiuservalue(L, -2, LEV_UV_BASE);
  return box->object;
}

void *lev_new(lua_State *L, int base, const lev_type *type) {
  lev_base *owner = base != 0 ? lev_toobject(L, base) : NULL;
  lev_state *state = owner != NULL ? owner->state : lev_getstate(L);
  lev_object *self = allocate(L, state, type);
  self->type = type;
  if (base != 0) {
    self->base = owner;
    lua_pushvalue(L, base);
    lua_setiuservalue(L, -2, LEV_UV_BASE);
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, type);
  lua_setmetatable(L, -2);
  if (state->tracking && (base != 0 || type->fd != NULL))
    lev_track(L, -1);
  if (base != 0)
    lev_stillopen(L, &self->base->head);
  return self;
}

void lev_open(lev_object *self) {
  lev_base *base = self->base;
  self->open = true;
  if (base == NULL || &base->head == self || self->type->life == LEV_PLAIN)
    return;
  self->next = base->children;
  if (self->next != NULL)
    self->next->previous = self;
  base->children = self;
  base->counts.objects++;
  self->listed = true;
}

void lev_retire(lev_object *self) {
  lev_base *base = self->base;
  if (!self->listed)
    return;
  if (self->next != NULL)
    self->next->previous = self->previous;
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    base->children = self->next;
  self->next = self->previous = NULL;
  base->counts.objects--;
  if (self->background)
    base->watching--;
  self->listed = false;
}

bool lev_claim(lua_State *L, const lev_object *self) {
  lev_base *base = self->base;
  if (base->ptr == NULL || !lev_isforeign(base))
    return true;
  if (!lev_reinit(base))
    return false;
  lev_freegivenup(L, base, self);
  return true;
}

/* Tells whether what the object has in libevent may be freed. In a forked child
 * that would take the parent's events away, unless the base gets a backend of
 * its own first; what is idle has nothing there. */
static bool mayfree(lua_State *L, const lev_object *self) {
  lev_base *base = self->base;
  bool idle = self->slot == 0 && !self->type->watched &&
              (base == NULL || &base->head != self);
  return idle || self->type->free == NULL || lev_claim(L, self);
}

/* Gives libevent's part of a base up: see mayfree. */
static void giveup(lua_State *L, lev_base *base) {
  lev_closechildren(L, base);
  if (base->running)
    event_base_loopbreak(base->ptr);
}

/* Where it may not be freed it stays pinned, since libevent still points to it:
 * see entertop in callback.c, and lev_freegivenup. */
static void finish(lua_State *L, lev_object *self) {
  self->open = self->lingering = false;
  bool ours = mayfree(L, self);
  lev_setgivenup(self, !ours);
  lev_retire(self);
  if (self->slot != 0)
    lev_deadline_del(self);
  if (ours && self->type->free != NULL)
    self->type->free(L, self);
  if (ours)
    lev_unpin(L, self);
  else if (&self->base->head == self)
    giveup(L, self->base);
}

void lev_close(lua_State *L, lev_object *self) {
  if (lev_isopen(self))
    finish(L, self);
}

void lev_end(lua_State *L, lev_object *self) {
  if (self->lingering)
    finish(L, self);
}

void lev_closechildren(lua_State *L, lev_base *base) {
  while (base->children != NULL)
    finish(L, base->children);
  bool slots = lev_slots_push(L, base);
  for (uint32_t slot = LEV_SLOT_LAST + 1; slots && slot <= base->slots.last;
       slot++) {
    lua_rawgeti(L, -1, slot); /* plain ones are in no list */
    lev_object *self = lev_toobject(L, -1);
    if (self != NULL && self->open)
      finish(L, self);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

bool lev_trycall(lua_State *L, lua_CFunction function) {
  if (!lua_checkstack(L, 2 * LUA_MINSTACK))
    return false;
  lua_pushcfunction(L, function);
  lua_pushvalue(L, 1);
  bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok)
    lua_pop(L, 1);
  return ok;
}

void lev_setcallback(lua_State *L, int index, int uservalue, int arg) {
  luaL_checktype(L, arg, LUA_TFUNCTION);
  lua_pushvalue(L, arg);
  lua_setiuservalue(L, index < 0 ? index - 1 : index, uservalue);
}
