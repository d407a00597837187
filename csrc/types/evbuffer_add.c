/* Arguments on their way into an evbuffer. */

#include "kernel/bytes.h"
#include "kernel/result.h"
#include "types/evbuffer.h"

/* Makes the list of strings and numbers at 'arg' one string. [-0, +0, v] */
static void joinlist(lua_State *L, int arg) {
  luaL_Buffer b;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_Integer n = luaL_len(L, arg);
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, arg, i);
    if (!lua_isstring(L, -1))
      luaL_argerror(L, arg,
                    lua_pushfstring(L, "string expected at %I, got %s",
                                    (LUAI_UACINT)i, luaL_typename(L, -1)));
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  lua_replace(L, arg);
}

void lev_checkbytes(lua_State *L, int first, const struct evbuffer *target) {
  for (int arg = first; arg <= lua_gettop(L); arg++) {
    if (lua_type(L, arg) == LUA_TTABLE) {
      joinlist(L, arg);
    } else if (lev_test(L, arg, &lev_evbuffer_type) != NULL) {
      lev_evbuffer *source = lev_checksource(L, arg);
      luaL_argcheck(L, source->ptr != target, arg,
                    "a buffer cannot be added to itself");
    } else if (lua_tolstring(L, arg, NULL) == NULL) {
      luaL_typeerror(L, arg, "string, table or evbuffer");
    }
  }
}

lev_evbuffer *lev_evbuffer_new(lua_State *L) {
  lev_evbuffer *self = lev_new(L, 0, &lev_evbuffer_type);
  self->ptr = evbuffer_new();
  if (self->ptr == NULL)
    lev_nomemory(L);
  lev_open(&self->head);
  return self;
}

/* Whether all arguments are strings that cost little to copy. */
static bool areshort(lua_State *L, int first, int last) {
  for (int arg = first; arg <= last; arg++) {
    if (lua_isuserdata(L, arg) || lua_rawlen(L, arg) >= LEV_LONG)
      return false;
  }
  return true;
}

/* Makes each string a buffer, which may fail, and then moves them all, which
 * cannot. */
static void addeach(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, int first, int last) {
  for (int arg = first; arg <= last; arg++) {
    if (!lua_isuserdata(L, arg)) {
      lev_evbuffer *own = lev_evbuffer_new(L);
      lev_bytes_add(L, &own->head, own->ptr, arg);
      lua_replace(L, arg);
    }
  }
  lev_stillopen(L, owner);
  for (int arg = first; arg <= last; arg++)
    lev_stillopen(L, lev_toobject(L, arg));
  for (int arg = first; arg <= last; arg++) {
    lev_evbuffer *source = lev_toobject(L, arg);
    evbuffer_add_buffer(buffer, source->ptr);
  }
}

void lev_addbytes(lua_State *L, const lev_object *owner,
                  struct evbuffer *buffer, int first) {
  int last = lua_gettop(L);
  if (last < first)
    return;
  luaL_checkstack(L, last - first + LUA_MINSTACK, NULL);
  if (areshort(L, first, last)) {
    for (int arg = first; arg <= last && last > first; arg++)
      lua_pushvalue(L, arg);
    if (last > first)
      lua_concat(L, last - first + 1);
    lev_stillopen(L, owner);
    lev_bytes_add(L, owner, buffer, -1);
    lua_settop(L, last);
  } else if (last == first && !lua_isuserdata(L, first)) {
    lev_bytes_add(L, owner, buffer, first);
  } else {
    addeach(L, owner, buffer, first, last);
  }
}
