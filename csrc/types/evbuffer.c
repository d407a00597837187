/***
Bytes on their way: added at the end, taken from the start. Long strings go in
without being copied. The input and the output of a @{bufferevent} are such
buffers too: from one it only can be taken, to the other only be added.
@classmod libevent.evbuffer
*/

#include "types/evbuffer.h"

#include "kernel/bytes.h"
#include "kernel/convert.h"
#include "kernel/result.h"

lev_evbuffer *lev_evbuffer_check(lua_State *L, int arg) {
  lev_evbuffer *self = lev_check(L, arg, &lev_evbuffer_type);
  if (self->owner != NULL)
    lev_refuseforeign(L, self->owner->base, &lev_evbuffer_type);
  return self;
}

lev_evbuffer *lev_checksource(lua_State *L, int arg) {
  lev_evbuffer *self = lev_evbuffer_check(L, arg);
  if (self->view != NULL && self->view->cannot_take != NULL)
    luaL_argerror(L, arg, self->view->cannot_take);
  return self;
}

lev_evbuffer *lev_checktarget(lua_State *L, int arg) {
  lev_evbuffer *self = lev_evbuffer_check(L, arg);
  if (self->view != NULL && self->view->cannot_add != NULL)
    luaL_argerror(L, arg, self->view->cannot_add);
  if (self->view != NULL && self->view->isover(self->owner))
    luaL_argerror(L, arg, "the bufferevent sends no more");
  return self;
}

size_t lev_optcount(lua_State *L, int arg, size_t all) {
  if (lua_isnoneornil(L, arg))
    return all;
  size_t n = (size_t)lev_checkrange(L, arg, 0, LUA_MAXINTEGER);
  return n < all ? n : all;
}

bool lev_checkcount(lua_State *L, int arg, size_t all, size_t *n) {
  *n = lev_optcount(L, arg, all);
  if (all > 0 || (!lua_isnoneornil(L, arg) && lua_tointeger(L, arg) == 0))
    return true;
  lua_pushnil(L);
  return false;
}

/* Tells the buffers among the arguments of the change; returns the first. */
static int changed(lua_State *L) {
  lev_evbuffer_argschanged(L, 1);
  lua_settop(L, 1);
  return 1;
}

/***
Creates a buffer. Wraps `evbuffer_new`.
@function libevent.evbuffer
@param ... string|number|table|libevent.evbuffer What it begins with, as for
@{evbuffer:add}.
@return libevent.evbuffer buffer
*/
static int l_evbuffer_new(lua_State *L) {
  lev_checkbytes(L, 1, NULL);
  lev_evbuffer *self = lev_evbuffer_new(L);
  lua_insert(L, 1);
  lev_addbytes(L, &self->head, self->ptr, 2);
  return changed(L);
}

/***
Adds bytes at the end. Wraps `evbuffer_add`, `evbuffer_add_reference` for long
strings and `evbuffer_add_buffer`. Does the work of `evbuffer_add_iovec`.
@function evbuffer:add
@param ... string|number|table|libevent.evbuffer Strings, lists of strings, and
buffers, which are emptied.
@return libevent.evbuffer self
*/
static int l_evbuffer_add(lua_State *L) {
  lev_evbuffer *self = lev_checktarget(L, 1);
  lev_checkbytes(L, 2, self->ptr);
  lev_addbytes(L, &self->head, self->ptr, 2);
  return changed(L);
}

/***
Adds bytes before the start; the first argument comes first. Wraps
`evbuffer_prepend` and `evbuffer_prepend_buffer`.
@function evbuffer:prepend
@param ... string|number|table|libevent.evbuffer As for @{evbuffer:add}.
@return libevent.evbuffer self
*/
static int l_evbuffer_prepend(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  int last = lua_gettop(L);
  lev_checktarget(L, 1);
  lev_checkbytes(L, 2, self->ptr);
  lev_evbuffer *whole = lev_evbuffer_new(L);
  lua_insert(L, 2);
  lev_addbytes(L, &self->head, whole->ptr, 3);
  lev_stillopen(L, &self->head);
  evbuffer_prepend_buffer(self->ptr, whole->ptr);
  lev_close(L, &whole->head);
  lua_settop(L, last + 1);
  return changed(L);
}

/***
Adds a copy of what another buffer holds, which keeps it. Does the work of
`evbuffer_add_buffer_reference`, which shares memory between buffers in a way
that breaks when memory runs out.
@function evbuffer:add_buffer_reference
@param source libevent.evbuffer
@return libevent.evbuffer self
*/
static int l_evbuffer_add_buffer_reference(lua_State *L) {
  lev_evbuffer *self = lev_checktarget(L, 1);
  lev_evbuffer *source = lev_checksource(L, 2);
  luaL_argcheck(L, source != self, 2, "a buffer cannot be added to itself");
  if (!lev_bytes_copy(self->ptr, source->ptr, evbuffer_get_length(source->ptr)))
    lev_nomemory(L);
  return changed(L);
}

/***
Removes bytes from the start and returns them. Does the work of
`evbuffer_remove`.
@function evbuffer:remove
@param n? integer At most so many; all by default.
@return string? bytes nil if there are none.
*/
static int l_evbuffer_remove(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  size_t length = evbuffer_get_length(self->ptr);
  size_t n;
  if (!lev_checkcount(L, 2, length, &n))
    return 1;
  lev_bytes_take(L, &self->head, self->ptr, n);
  lev_evbuffer_changed(L, self, 1);
  return 1;
}

/***
Returns bytes and leaves them where they are. Wraps `evbuffer_copyout_from`.
Does the work of `evbuffer_copyout`.
@function evbuffer:copyout
@param n? integer At most so many; all by default.
@param init? integer The position to begin at; 1 by default.
@return string? bytes nil if there are none.
*/
static int l_evbuffer_copyout(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  size_t length = evbuffer_get_length(self->ptr);
  size_t from = 0;
  if (!lua_isnoneornil(L, 3))
    from = (size_t)lev_checkrange(L, 3, 1, LUA_MAXINTEGER) - 1;
  size_t n;
  if (!lev_checkcount(L, 2, from < length ? length - from : 0, &n))
    return 1;
  lev_bytes_push(L, &self->head, self->ptr, from, n);
  return 1;
}

/***
Removes bytes from the start. Wraps `evbuffer_drain`.
@function evbuffer:drain
@param n? integer At most so many; all by default.
@return integer n How many it removed.
*/
static int l_evbuffer_drain(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  size_t n = lev_optcount(L, 2, evbuffer_get_length(self->ptr));
  evbuffer_drain(self->ptr, n);
  lev_evbuffer_changed(L, self, 1);
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/***
Moves bytes from the start to the end of another buffer. Does the work of
`evbuffer_remove_buffer`.
@function evbuffer:remove_buffer
@param target libevent.evbuffer
@param n? integer At most so many; all by default.
@return integer n How many it moved.
*/
int l_evbuffer_remove_buffer(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  lev_evbuffer *target = lev_checktarget(L, 2);
  size_t length = evbuffer_get_length(self->ptr);
  size_t n = lev_optcount(L, 3, length);
  luaL_argcheck(L, self != target, 2, "a buffer cannot be added to itself");
  if (n == length) {
    evbuffer_add_buffer(target->ptr, self->ptr);
  } else {
    if (!lev_bytes_copy(target->ptr, self->ptr, n))
      lev_nomemory(L);
    evbuffer_drain(self->ptr, n);
  }
  lua_settop(L, 2);
  changed(L);
  lua_pushinteger(L, (lua_Integer)n);
  return 1;
}

/***
Returns how many bytes there are; `#buffer` does the same. Wraps
`evbuffer_get_length`.
@function evbuffer:length
@return integer n
*/
static int l_evbuffer_get_length(lua_State *L) {
  lev_evbuffer *self = lev_evbuffer_check(L, 1);
  lua_pushinteger(L, (lua_Integer)evbuffer_get_length(self->ptr));
  return 1;
}

/***
Returns how many bytes from the start stand in one piece of memory. Wraps
`evbuffer_get_contiguous_space`.
@function evbuffer:contiguous_space
@return integer n
*/
static int l_evbuffer_get_contiguous_space(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  lua_pushinteger(L, (lua_Integer)evbuffer_get_contiguous_space(self->ptr));
  return 1;
}

/***
Makes room for bytes to come, in one piece of memory. Wraps `evbuffer_expand`.
@function evbuffer:expand
@param n integer Up to 2^40.
@return libevent.evbuffer self
*/
static int l_evbuffer_expand(lua_State *L) {
  lev_evbuffer *self = lev_checktarget(L, 1);
  lua_Integer n = lev_checkrange(L, 2, 0, (lua_Integer)1 << 40);
  if (evbuffer_expand(self->ptr, (size_t)n) != 0)
    lev_nomemory(L);
  lua_settop(L, 1);
  return 1;
}

lev_evbuffer *lev_evbuffer_view(lua_State *L, int owner,
                                struct evbuffer *buffer,
                                const lev_evbufferview *view) {
  lev_evbuffer *self = lev_new(L, 0, &lev_evbuffer_type);
  lua_pushvalue(L, owner);
  lua_setiuservalue(L, -2, LEV_UV_OWNER);
  self->owner = lev_toobject(L, owner);
  self->view = view;
  self->ptr = buffer;
  lev_open(&self->head);
  return self;
}

static void free_evbuffer(lua_State *L, lev_object *object) {
  lev_evbuffer *self = (lev_evbuffer *)object;
  (void)L;
  lev_evbuffer_quiet(self);
  if (self->at != NULL) /* the collector may never come to the owner */
    *self->at = NULL;
  if (self->view == NULL && self->ptr != NULL)
    evbuffer_free(self->ptr);
  self->ptr = NULL;
}

static void describe_evbuffer(lua_State *L, const lev_object *object) {
  const lev_evbuffer *self = (const lev_evbuffer *)object;
  lua_pushfstring(L, "%I bytes", (LUAI_UACINT)evbuffer_get_length(self->ptr));
}

static const luaL_Reg methods[] = {
  { "add", l_evbuffer_add },
  { "prepend", l_evbuffer_prepend },
  { "add_buffer_reference", l_evbuffer_add_buffer_reference },
  { "remove", l_evbuffer_remove },
  { "copyout", l_evbuffer_copyout },
  { "drain", l_evbuffer_drain },
  { "remove_buffer", l_evbuffer_remove_buffer },
  { "length", l_evbuffer_get_length },
  { "contiguous_space", l_evbuffer_get_contiguous_space },
  { "expand", l_evbuffer_expand },
  { "read", l_evbuffer_read },
  { "write", l_evbuffer_write },
  { "search", l_evbuffer_search },
  { "search_eol", l_evbuffer_search_eol },
  { "readln", l_evbuffer_readln },
  { "lines", l_evbuffer_lines },
  { "add_cb", l_evbuffer_add_cb },
  { "remove_cb", l_evbuffer_remove_cb },
  { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
  { "__len", l_evbuffer_get_length },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "evbuffer", l_evbuffer_new },
  { NULL, NULL },
};

const lev_type lev_evbuffer_type = {
  .name = "libevent.evbuffer",
  .size = sizeof(lev_evbuffer),
  .uservalues = LEV_EVBUFFER_UVS,
  .methods = methods,
  .metamethods = metamethods,
  .functions = functions,
  .free = free_evbuffer,
  .describe = describe_evbuffer,
};
