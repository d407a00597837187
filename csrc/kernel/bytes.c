#include "kernel/bytes.h"

#include <string.h>

#include <lauxlib.h>

#include "kernel/state.h"

enum { LEV_VECTORS = 16 };

static const char references_key = 0;

/* What a reference needs: a userdata whose user value is the string, in the
 * table of references at its own address. */
typedef struct reference {
  lua_State *main;
} reference;

static void forget(reference *r) {
  lua_State *L = r->main;
  if (!lua_checkstack(L, 2))
    return; /* the string stays until the state is closed */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &references_key);
  lua_pushnil(L);
  lua_rawsetp(L, -2, r);
  lua_pop(L, 1);
}

/* Called by libevent, anywhere: only what cannot raise. */
static void on_released(const void *data, size_t length, void *arg) {
  (void)data, (void)length;
  forget(arg);
}

/* Keeps the string at an index. [-0, +0, m] */
static reference *keep(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &references_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &references_key);
  }
  reference *r = lua_newuserdatauv(L, sizeof *r, 1);
  r->main = lev_getstate(L)->main;
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_rawsetp(L, -2, r);
  lua_pop(L, 1);
  return r;
}

void lev_bytes_add(lua_State *L, const lev_object *owner,
                   struct evbuffer *buffer, int index, size_t from) {
  size_t length;
  const char *data = lua_tolstring(L, index, &length);
  if (length - from < LEV_LONG) {
    if (evbuffer_add(buffer, data + from, length - from) != 0)
      luaL_error(L, "not enough memory");
    return;
  }
  reference *r = keep(L, index);
  if (!owner->open)
    forget(r);
  lev_stillopen(L, owner);
  if (evbuffer_add_reference(buffer, data + from, length - from, on_released,
                             r) != 0) {
    forget(r);
    luaL_error(L, "not enough memory");
  }
}

/* Copies n bytes from an offset on. */
static void copyout(struct evbuffer *buffer, size_t from, size_t n, char *to) {
  struct evbuffer_iovec v[LEV_VECTORS];
  struct evbuffer_ptr at;
  while (n > 0) {
    evbuffer_ptr_set(buffer, &at, from, EVBUFFER_PTR_SET);
    int pieces = evbuffer_peek(buffer, (ev_ssize_t)n, &at, v, LEV_VECTORS);
    for (int i = 0; i < pieces && i < LEV_VECTORS && n > 0; i++) {
      size_t length = v[i].iov_len < n ? v[i].iov_len : n;
      memcpy(to, v[i].iov_base, length);
      to += length;
      from += length;
      n -= length;
    }
  }
}

bool lev_bytes_copy(struct evbuffer *to, struct evbuffer *from, size_t n) {
  struct evbuffer_iovec v;
  if (n == 0)
    return true;
  if (evbuffer_reserve_space(to, (ev_ssize_t)n, &v, 1) < 1)
    return false;
  copyout(from, 0, n, v.iov_base);
  v.iov_len = n;
  return evbuffer_commit_space(to, &v, 1) == 0;
}

void lev_bytes_push(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, size_t from, size_t n) {
  struct evbuffer_iovec v;
  struct evbuffer_ptr at;
  luaL_Buffer b;
  if (n == 0) {
    lua_pushliteral(L, "");
    return;
  }
  evbuffer_ptr_set(buffer, &at, from, EVBUFFER_PTR_SET);
  if (evbuffer_peek(buffer, (ev_ssize_t)n, &at, &v, 1) == 1) {
    lua_pushlstring(L, v.iov_base, n);
    return;
  }
  char *to = luaL_buffinitsize(L, &b, n);
  lev_stillopen(L, owner);
  if (evbuffer_get_length(buffer) < from + n)
    luaL_error(L, "a finalizer changed the buffer while it was read");
  copyout(buffer, from, n, to);
  luaL_pushresultsize(&b, n);
}

void lev_bytes_take(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, size_t n) {
  lev_bytes_push(L, owner, buffer, 0, n);
  lev_stillopen(L, owner);
  evbuffer_drain(buffer, n);
}

void lev_bytes_drop(struct evbuffer *buffer) {
  evbuffer_unfreeze(buffer, 1);
  evbuffer_drain(buffer, evbuffer_get_length(buffer));
}
