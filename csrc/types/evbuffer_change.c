/* Change callbacks of an evbuffer.
 *
 * libevent calls back in the middle of what changes a buffer, where the buffer
 * must not be freed. So one entry of ours only counts, and Lua is called when
 * the method is over; for what libevent itself changes in a bufferevent, soon,
 * in the same turn of the loop. */

#include "kernel/callback.h"
#include "kernel/result.h"
#include "types/evbuffer.h"

enum {
  /* Rounds of callbacks that change the buffer again. */
  LEV_ROUNDS = 100
};

static void on_change(struct evbuffer *buffer,
                      const struct evbuffer_cb_info *info, void *arg) {
  lev_evbuffer *self = arg;
  (void)buffer;
  self->added += info->n_added;
  self->deleted += info->n_deleted;
  if (self->view != NULL)
    self->view->noticed(self->owner);
}

/* Calls each callback that was in the list when the round began and still is:
 * buffer at 1, list at 2, then added, deleted and the length before. */
static int callround(lua_State *L) {
  const lev_object *self = lev_toobject(L, 1);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 2);
  for (lua_Integer i = 1; i <= n && self->open; i++) {
    if (lua_rawgeti(L, 2, i) == LUA_TFUNCTION) {
      lua_pushvalue(L, 1);
      lua_pushvalue(L, 3);
      lua_pushvalue(L, 4);
      lua_pushvalue(L, 5);
      lua_call(L, 4, 0);
    } else {
      lua_pop(L, 1);
    }
  }
  return 0;
}

/* Removes the false values that callbacks removed meanwhile have left. */
static void compact(lua_State *L, int list) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, list), kept = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_rawgeti(L, list, i) == LUA_TFUNCTION) {
      lua_rawseti(L, list, ++kept);
    } else {
      lua_pop(L, 1);
    }
  }
  for (lua_Integer i = kept + 1; i <= n; i++) {
    lua_pushnil(L);
    lua_rawseti(L, list, i);
  }
}

/* Tells the callbacks in the list at an index of one round of changes. */
static int tell(lua_State *L, lev_evbuffer *self, int index, int list) {
  size_t length = evbuffer_get_length(self->ptr);
  lua_pushcfunction(L, callround);
  lua_pushvalue(L, index);
  lua_pushvalue(L, list);
  lua_pushinteger(L, (lua_Integer)self->added);
  lua_pushinteger(L, (lua_Integer)self->deleted);
  lua_pushinteger(L, (lua_Integer)(length + self->deleted - self->added));
  self->added = self->deleted = 0;
  self->telling = true;
  int status = lua_pcall(L, 5, 0, 0);
  self->telling = false;
  compact(L, list);
  return status;
}

/* What a callback changes is told in the next round. */
static void tellall(lua_State *L, lev_evbuffer *self, int index) {
  luaL_checkstack(L, 10, NULL);
  lua_getiuservalue(L, index, LEV_UV_CHANGE);
  int list = lua_gettop(L);
  for (int round = 0; self->head.open && self->added + self->deleted > 0;
       round++) {
    if (round == LEV_ROUNDS) {
      self->added = self->deleted = 0;
      luaL_error(L, "change callbacks change the buffer again and again");
    }
    if (tell(L, self, index, list) != LUA_OK)
      lua_error(L);
  }
  lua_settop(L, list - 1);
}

static void tellowner(lua_State *L, lev_evbuffer *self, int index) {
  if (self->view != NULL && self->head.open) {
    lua_getiuservalue(L, index, LEV_UV_OWNER);
    self->view->changed(L, self->owner, lua_gettop(L));
    lua_pop(L, 1);
  }
}

static void tellscript(lua_State *L, lev_evbuffer *self, int index) {
  if (self->entry != NULL && !self->telling)
    tellall(L, self, index);
}

void lev_evbuffer_changed(lua_State *L, lev_evbuffer *self, int index) {
  tellowner(L, self, index);
  tellscript(L, self, index);
}

/* The owners first: a script's callback may raise. */
void lev_evbuffer_argschanged(lua_State *L, int first) {
  static void (*const tell[])(lua_State *, lev_evbuffer *, int) = {
    tellowner,
    tellscript,
  };
  int last = lua_gettop(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  for (int i = 0; i < 2; i++) {
    for (int arg = first; arg <= last; arg++) {
      lev_evbuffer *buffer = lev_test(L, arg, &lev_evbuffer_type);
      if (buffer != NULL)
        tell[i](L, buffer, arg);
    }
  }
}

/* Light userdata of a view at 3; its owner at 2. */
static int callchange(lua_State *L) {
  lev_evbuffer *self = lua_touserdata(L, 3);
  lua_getiuservalue(L, 2, self->view->uservalue);
  if (self->entry != NULL && !self->telling && lev_toobject(L, -1) == self)
    tellall(L, self, lua_gettop(L));
  return 0;
}

void lev_evbuffer_tell(lev_evbuffer *self) {
  lev_frame f;
  if (lev_evbuffer_owes(self) &&
      lev_entercall(&f, self->owner, 0, callchange)) {
    lua_pushlightuserdata(f.L, self);
    lev_leave(&f, self->owner, 2);
  }
}

/* Begins to count. [-0, +0, m] */
static void begin(lua_State *L, lev_evbuffer *self) {
  self->entry = evbuffer_add_cb(self->ptr, on_change, self);
  if (self->entry == NULL)
    lev_nomemory(L);
  self->added = self->deleted = 0;
}

void lev_evbuffer_quiet(lev_evbuffer *self) {
  if (self->entry == NULL)
    return;
  evbuffer_remove_cb_entry(self->ptr, self->entry);
  self->entry = NULL;
}

/***
Adds a function that is told of each change: after the method that made it, or
in the same turn of the loop where libevent made it. What such a function does
to the buffer is told afterwards. An error in one is raised by that method,
whose results are lost; where libevent made the change it goes the way of errors
in callbacks. Wraps `evbuffer_add_cb`.
@function evbuffer:add_cb
@param callback fun(buffer: libevent.evbuffer, added: integer, deleted: integer, before: integer)
Bytes added and deleted since the last call, and the length before them.
*/
int l_evbuffer_add_cb(lua_State *L) {
  lev_evbuffer *self = lev_evbuffer_check(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (lua_getiuservalue(L, 1, LEV_UV_CHANGE) != LUA_TTABLE) {
    lua_newtable(L);
    /* A finalizer may have come first. */
    if (lua_getiuservalue(L, 1, LEV_UV_CHANGE) != LUA_TTABLE) {
      lua_pushvalue(L, -2);
      lua_setiuservalue(L, 1, LEV_UV_CHANGE);
      lua_pop(L, 1);
    }
    lua_replace(L, 3);
    lua_settop(L, 3);
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, 3, (lua_Integer)lua_rawlen(L, 3) + 1);
  lev_stillopen(L, &self->head);
  if (self->entry == NULL)
    begin(L, self);
  lev_evbuffer_changed(L, self, 1);
  return 0;
}

/***
Removes a function added by @{evbuffer:add_cb}; once, if it was added more
often. Wraps `evbuffer_remove_cb_entry`. Does the work of `evbuffer_remove_cb`.
@function evbuffer:remove_cb
@param callback function
@return boolean found
*/
int l_evbuffer_remove_cb(lua_State *L) {
  lev_evbuffer *self = lev_evbuffer_check(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  bool found = false;
  lua_Integer left = 0;
  if (lua_getiuservalue(L, 1, LEV_UV_CHANGE) == LUA_TTABLE) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, 3);
    for (lua_Integer i = 1; i <= n; i++) {
      lua_rawgeti(L, 3, i);
      if (!found && lua_rawequal(L, 2, -1)) {
        lua_pushboolean(L, 0);
        lua_rawseti(L, 3, i);
        found = true;
      } else if (lua_toboolean(L, -1)) {
        left++;
      }
      lua_pop(L, 1);
    }
    if (!self->telling)
      compact(L, 3);
  }
  if (left == 0)
    lev_evbuffer_quiet(self);
  lev_evbuffer_changed(L, self, 1);
  lua_pushboolean(L, found);
  return 1;
}
