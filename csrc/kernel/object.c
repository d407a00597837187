/***
What every object has, whatever its type. It closes by itself at the end of a
block, as a `<close>` variable, and when the collector finds it.
@classmod libevent.object
*/

#include "kernel/object.h"

#include <string.h>

#include "kernel/base.h"
#include "kernel/leak.h"
#include "kernel/pin.h"

const char *lev_typename(const lev_type *type) {
  const char *dot = strchr(type->name, '.');
  return dot ? dot + 1 : type->name;
}

/* Metatables, by type. */

static void pushmetatable(lua_State *L, const lev_type *type) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, type);
}

void *lev_test(lua_State *L, int index, const lev_type *type) {
  return lev_istype(L, index, type) ? lua_touserdata(L, index) : NULL;
}

/* Every metatable of ours has a field of this key. */
static const char object_key = 0;

lev_object *lev_testany(lua_State *L, int index) {
  lev_object *self = lua_touserdata(L, index);
  if (self == NULL || !lua_getmetatable(L, index))
    return NULL;
  bool ours = lua_rawgetp(L, -1, &object_key) != LUA_TNIL;
  lua_pop(L, 2);
  return ours ? self : NULL;
}

/* A plain object is not told that its base closes, so look there too. */
static bool isopen(const lev_object *self) {
  return self->open && (self->base == NULL || self->base->head.open);
}

void lev_stillopen(lua_State *L, const lev_object *self) {
  if (!isopen(self))
    luaL_error(L, "attempt to use a closed %s", lev_typename(self->type));
}

/* Raises unless the object may be used in this process. */
static void *usable(lua_State *L, lev_object *self) {
  lev_stillopen(L, self);
  if (self->base != NULL && lev_isforeign(self->base))
    luaL_error(L,
               "attempt to use the parent's %s after fork (call reinit of "
               "its event_base first)",
               lev_typename(self->type));
  return self;
}

void *lev_check(lua_State *L, int arg, const lev_type *type) {
  lev_object *self = lev_test(L, arg, type);
  if (self == NULL) {
    luaL_typeerror(L, arg, type->name);
    return NULL;
  }
  return usable(L, self);
}

void *lev_selfcheck(lua_State *L, const lev_type *type) {
  return lev_check(L, 1, type);
}

/* Life: new, open, close. */

void *lev_new(lua_State *L, int base, const lev_type *type) {
  lev_object *self = lua_newuserdatauv(L, type->size, type->uservalues);
  memset(self, 0, type->size);
  self->type = type;
  if (base != 0) {
    self->base = lua_touserdata(L, base);
    lua_pushvalue(L, base);
    lua_setiuservalue(L, -2, LEV_UV_BASE);
  }
  pushmetatable(L, type);
  lua_setmetatable(L, -2);
  if (base != 0 ? self->base->state->tracking
                : type->fd != NULL && lev_getstate(L)->tracking)
    lev_track(L, -1);
  if (base != 0)
    lev_stillopen(L, &self->base->head);
  return self;
}

void lev_open(lev_object *self) {
  lev_base *base = self->base;
  self->open = true;
  if (base == NULL || &base->head == self || self->type->plain)
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
  self->listed = false;
}

/* Whether the base is ours; in a child it gets a backend of its own. */
static bool isours(lua_State *L, const lev_object *self) {
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
  return idle || self->type->free == NULL || isours(L, self);
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
  if (isopen(self))
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
    lev_object *self = lua_touserdata(L, -1);
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

/* What every type has: close, base, tostring and the collector's door. */

/* Returns argument 1 if it belongs to the type of the running function. */
static lev_object *anyobject(lua_State *L) {
  lev_object *self = lua_touserdata(L, 1);
  if (self == NULL || !lua_getmetatable(L, 1) ||
      !lua_rawequal(L, -1, lua_upvalueindex(1))) {
    lua_getfield(L, lua_upvalueindex(1), "__name");
    luaL_typeerror(L, 1, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return self;
}

static int pin(lua_State *L) {
  lev_object *self = lua_touserdata(L, 1);
  if (isopen(self))
    lev_pin(L, self, 1);
  return 0;
}

/* Pins the object at 1 where libevent would point to it after its end. */
static void keep(lua_State *L, lev_object *self) {
  if (isopen(self) && self->type->watched && self->slot == 0 &&
      !isours(L, self))
    lev_trycall(L, pin);
}

/* Closes the object at 1, which may have something to hand over first. */
static void closeatease(lua_State *L, lev_object *self, bool now) {
  keep(L, self);
  bool lingers = isopen(self) && self->type->linger != NULL &&
                 !(self->base != NULL && lev_isforeign(self->base)) &&
                 self->type->linger(L, self, now);
  if (lingers && isopen(self)) { /* or a finalizer was here */
    self->open = false;
    self->lingering = true;
  }
  lev_close(L, self);
}

static int l_closevariable(lua_State *L) {
  closeatease(L, anyobject(L), false);
  return 0;
}

static int l_collect(lua_State *L) {
  lev_object *self = anyobject(L);
  if (isopen(self))
    lev_leak_tell(L, self);
  keep(L, self);
  lev_close(L, self);
  return 0;
}

/***
Closes the object; closing twice, or in its own callback, is fine. Nothing
calls back afterwards, and any other use raises. Closing a base closes all that
it has made.
A connection first hands over what it has accepted: see
@{libevent.bufferevent}. Wraps `event_base_free`, `evbuffer_free` and
`bufferevent_free`. Does the work of `event_free` and `evconnlistener_free`.
@function object:close
@param how? string `"now"` drops what is not handed over yet.
*/
static int l_close(lua_State *L) {
  static const char *const hows[] = { "now", NULL };
  lev_object *self = anyobject(L);
  bool now = !lua_isnoneornil(L, 2);
  if (now)
    luaL_checkoption(L, 2, NULL, hows);
  closeatease(L, self, now);
  if (now)
    lev_end(L, self);
  return 0;
}

/***
Tells whether the object is closed.
@function object:is_closed
@return boolean closed
*/
static int l_is_closed(lua_State *L) {
  lua_pushboolean(L, !isopen(anyobject(L)));
  return 1;
}

/***
Returns the base the object belongs to; a base, itself. Does the work of
`event_get_base`, `bufferevent_get_base` and `evconnlistener_get_base`.
@function object:base
@return libevent.event_base? base nil for what belongs to none, such as a socket.
*/
static int l_base(lua_State *L) {
  lev_object *self = usable(L, anyobject(L));
  if (self->base != NULL && &self->base->head == self)
    lua_settop(L, 1);
  else
    lua_getiuservalue(L, 1, LEV_UV_BASE);
  return 1;
}

/***
Lets a loop end although this object may still call back: for what looks after a
program, such as signals that end it. Of timers, signals, events, listeners, and
streams: their callbacks do not keep it running then, nor what they have not sent.
@function object:background
@param on? boolean True by default.
*/
static int l_background(lua_State *L) {
  lev_object *self = usable(L, anyobject(L));
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TBOOLEAN);
  lev_setbackground(self, lua_isnoneornil(L, 2) || lua_toboolean(L, 2));
  return 0;
}

void lev_pushdescription(lua_State *L, const lev_object *self) {
  int top = lua_gettop(L);
  lua_pushfstring(L, "%s: %p ", self->type->name, self);
  if (!isopen(self)) /* asked after the push: a finalizer may close it there */
    lua_pushstring(L, self->lingering ? "closing" : "closed");
  else if (self->type->describe != NULL)
    self->type->describe(L, self);
  else
    lua_pushliteral(L, "open");
  lua_concat(L, lua_gettop(L) - top);
}

static int l_tostring(lua_State *L) {
  lev_pushdescription(L, anyobject(L));
  return 1;
}

void lev_register(lua_State *L, int module, const lev_type *type) {
  static const luaL_Reg common[] = {
    { "close", l_close },
    { "is_closed", l_is_closed },
    { "base", l_base },
    { NULL, NULL },
  };
  static const luaL_Reg retiring[] = {
    { "background", l_background },
    { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = {
    { "__close", l_closevariable },
    { "__tostring", l_tostring },
    { NULL, NULL },
  };
  module = lua_absindex(L, module);
  lua_createtable(L, 0, 8);
  int metatable = lua_gettop(L);
  lua_pushstring(L, type->name);
  lua_setfield(L, metatable, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, metatable, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, metatable, &object_key);
  lua_pushvalue(L, metatable);
  luaL_setfuncs(L, metamethods, 1);
  if (type->metamethods != NULL) {
    lua_pushvalue(L, metatable);
    luaL_setfuncs(L, type->metamethods, 1);
  }
  if (!type->plain) {
    lua_pushvalue(L, metatable);
    lua_pushcclosure(L, l_collect, 1);
    lua_setfield(L, metatable, "__gc");
  }
  lua_newtable(L);
  lua_pushvalue(L, metatable);
  luaL_setfuncs(L, common, 1);
  if (type->retiring) {
    lua_pushvalue(L, metatable);
    luaL_setfuncs(L, retiring, 1);
  }
  lua_pushvalue(L, metatable);
  int strings = 0;
  while (type->strings != NULL && type->strings[strings] != NULL)
    lua_pushstring(L, type->strings[strings++]);
  luaL_setfuncs(L, type->methods, 1 + strings);
  lua_setfield(L, metatable, "__index");
  if (type->constructors != NULL) {
    pushmetatable(L, &lev_event_base);
    lua_getfield(L, -1, "__index");
    lua_rotate(L, -2, 1); /* methods, metatable: the upvalue on top */
    luaL_setfuncs(L, type->constructors, 1);
    lua_pop(L, 1);
  }
  if (type->functions != NULL) {
    lua_pushvalue(L, module);
    luaL_setfuncs(L, type->functions, 0);
    lua_pop(L, 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}
