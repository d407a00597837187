/***
What every object has, whatever its type. It closes by itself at the end of a
block, as a `<close>` variable, and when the collector finds it.
@classmod libevent.object
*/

#include <string.h>

#include "kernel/base.h"
#include "kernel/leak.h"
#include "kernel/pin.h"
#include "kernel/pool.h"

/* Returns argument 1 if it belongs to the type of the running function. */
static lev_object *anyobject(lua_State *L) {
  if (lua_touserdata(L, 1) == NULL || !lua_getmetatable(L, 1) ||
      !lua_rawequal(L, -1, lua_upvalueindex(1))) {
    lua_getfield(L, lua_upvalueindex(1), "__name");
    luaL_typeerror(L, 1, lua_tostring(L, -1));
  }
  lua_pop(L, 1);
  return lev_toobject(L, 1);
}

static int pin(lua_State *L) {
  lev_object *self = lev_toobject(L, 1);
  if (lev_isopen(self))
    lev_pin(L, self, 1);
  return 0;
}

/* Pins the object at 1 where libevent would point to it after its end. */
static void keep(lua_State *L, lev_object *self) {
  if (lev_isopen(self) && self->type->watched && self->slot == 0 &&
      !lev_claim(L, self))
    lev_trycall(L, pin);
}

/* Closes the object at 1, which may have something to hand over first. */
static void closeatease(lua_State *L, lev_object *self, bool now) {
  keep(L, self);
  bool lingers = lev_isopen(self) && self->type->linger != NULL &&
                 !(self->base != NULL && lev_isforeign(self->base)) &&
                 self->type->linger(L, self, now);
  if (lingers && lev_isopen(self)) { /* or a finalizer was here */
    self->open = false;
    self->lingering = true;
  }
  lev_close(L, self);
}

static int l_closevariable(lua_State *L) {
  closeatease(L, anyobject(L), false);
  return 0;
}

/* Whether the collector has called the running function. Before 5.4.4 Lua may
 * have no name for that, nor for a call from C. */
static bool collects(lua_State *L) {
  lua_Debug ar = { .namewhat = "" };
  if (lua_getstack(L, 0, &ar))
    lua_getinfo(L, "n", &ar);
  if (*ar.namewhat == '\0')
    return LUA_VERSION_RELEASE_NUM < 50404;
  return strcmp(ar.namewhat, "metamethod") == 0 && strcmp(ar.name, "__gc") == 0;
}

/* The closed object at 1 holds nothing any more but its base. */
static void empty(lua_State *L, const lev_object *self) {
  for (int uv = LEV_UV_BASE + 1; uv <= self->type->uservalues; uv++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, uv);
  }
}

/* Lets the collector, which has called, come again for the closed object at
 * 1. */
static void leave(lua_State *L, lev_object *self) {
  self->collected = true;
  if (!self->givenup) /* libevent does not point to it any more */
    empty(L, self);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, 1);
}

/* Lets the memory of the closed object at 1 go, if that may be. */
static bool release(lua_State *L, lev_object *self) {
  bool held = self->type->life == LEV_HELD;
  bool lone = self->type->life == LEV_LONE && !self->awaited;
  if (!(self->collected || lone || held) || self->givenup || self->slot != 0)
    return false;
  lev_box *box = lua_touserdata(L, 1);
  if (held) {
    empty(L, self);
    lev_pool_letgo(L, self);
  } else {
    box->object = lev_pool_give(L, self);
  }
  return true;
}

static int l_collect(lua_State *L) {
  lev_object *self = anyobject(L);
  if (lev_isopen(self))
    lev_leak_tell(L, self);
  keep(L, self);
  lev_close(L, self);
  self->open = false; /* where its base is closed, whose memory may go first */
  if (lev_isapart(self->type) && !self->dead && collects(L) &&
      !release(L, self))
    leave(L, self);
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
  lua_pushboolean(L, !lev_isopen(anyobject(L)));
  return 1;
}

/***
Returns the base the object belongs to; a base, itself. Does the work of
`event_get_base`, `bufferevent_get_base` and `evconnlistener_get_base`.
@function object:base
@return libevent.event_base? base nil for what belongs to none, such as a
socket.
*/
static int l_base(lua_State *L) {
  lev_object *self = lev_usable(L, anyobject(L));
  if (self->base != NULL && &self->base->head == self)
    lua_settop(L, 1);
  else
    lua_getiuservalue(L, 1, LEV_UV_BASE);
  return 1;
}

/***
Lets a loop end although this object may still call back: for what looks after a
program, such as signals that end it. Of timers, signals, events, listeners,
bufferevents, streams, datagram sockets and processes: their callbacks do not
keep it running then, nor what they have not sent.
@function object:background
@param on? boolean True by default.
*/
static int l_background(lua_State *L) {
  lev_object *self = lev_usable(L, anyobject(L));
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TBOOLEAN);
  lev_setbackground(self, lua_isnoneornil(L, 2) || lua_toboolean(L, 2));
  return 0;
}

void lev_pushdescription(lua_State *L, const lev_object *self) {
  int top = lua_gettop(L);
  lua_pushfstring(L, "%s: %p ", self->type->name, self);
  if (!lev_isopen(self)) /* asked after the push: a finalizer may close it */
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

/* Adds functions to the table on top of the stack; upvalue 1 of each is the
 * metatable, which stands at an index. */
static void add(lua_State *L, const luaL_Reg *functions, int metatable) {
  if (functions != NULL) {
    lua_pushvalue(L, metatable);
    luaL_setfuncs(L, functions, 1);
  }
}

static void fill(lua_State *L, int metatable, const lev_type *type) {
  static const luaL_Reg common[] = {
    { "__close", l_closevariable },
    { "__tostring", l_tostring },
    { NULL, NULL },
  };
  static const luaL_Reg collected[] = {
    { "__gc", l_collect },
    { NULL, NULL },
  };
  lua_pushstring(L, type->name);
  lua_setfield(L, metatable, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, metatable, "__metatable");
  lua_pushboolean(L, 1);
  lua_rawsetp(L, metatable, &lev_object_key);
  add(L, common, metatable);
  add(L, type->metamethods, metatable);
  add(L, type->life == LEV_PLAIN ? NULL : collected, metatable);
}

static void pushmethods(lua_State *L, int metatable, const lev_type *type) {
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
  lua_newtable(L);
  add(L, common, metatable);
  add(L, type->retiring ? retiring : NULL, metatable);
  int strings = 0;
  lua_pushvalue(L, metatable);
  while (type->strings != NULL && type->strings[strings] != NULL)
    lua_pushstring(L, type->strings[strings++]);
  luaL_setfuncs(L, type->methods, 1 + strings);
}

void lev_register(lua_State *L, int module, const lev_type *type) {
  module = lua_absindex(L, module);
  lua_createtable(L, 0, 8);
  int metatable = lua_gettop(L);
  fill(L, metatable, type);
  pushmethods(L, metatable, type);
  lua_setfield(L, metatable, "__index");
  if (type->constructors != NULL) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lev_event_base);
    lua_getfield(L, -1, "__index");
    add(L, type->constructors, metatable);
    lua_pop(L, 2);
  }
  if (type->functions != NULL) {
    lua_pushvalue(L, module);
    luaL_setfuncs(L, type->functions, 0);
    lua_pop(L, 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}
