#include "kernel/bytes.h"

#include <string.h>

#include <lauxlib.h>

#include "kernel/result.h"
#include "kernel/state.h"

enum { LEV_VECTORS = 16 };

static const char references_key = 0;

/* What a reference needs: a userdata whose user value is the string, in the
 * table of references at its own address. */
struct lev_reference {
  lua_State *main;
};

static void release(struct lev_reference *held) {
  if (held == NULL || !lua_checkstack(held->main, 2))
    return; /* then the string stays until the state is closed */
  lua_State *L = held->main;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &references_key);
  lua_pushnil(L);
  lua_rawsetp(L, -2, held);
  lua_pop(L, 1);
}

/* Called by libevent, anywhere: only what cannot raise. */
static void on_released(const void *data, size_t length, void *arg) {
  (void)data, (void)length;
  release(arg);
}

void lev_bytes_open(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &references_key);
}

/* Makes what a reference to the string at an index needs. [-0, +0, m] */
static struct lev_reference *hold(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &references_key);
  struct lev_reference *held = lua_newuserdatauv(L, sizeof *held, 1);
  held->main = lev_getstate(L)->main;
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_rawsetp(L, -2, held);
  lua_pop(L, 1);
  return held;
}

/* The string at 1, the place of the result at 2. */
static int callhold(lua_State *L) {
  struct lev_reference **held = lua_touserdata(L, 2);
  *held = hold(L, 1);
  return 0;
}

/* The same, NULL if there is no memory; runs no finalizer. [-0, +0, -] */
static struct lev_reference *tryhold(lua_State *L, int index) {
  struct lev_reference *held = NULL;
  index = lua_absindex(L, index);
  bool ran = lev_gc_stop(L);
  if (lua_checkstack(L, LUA_MINSTACK)) {
    lua_pushcfunction(L, callhold);
    lua_pushvalue(L, index);
    lua_pushlightuserdata(L, &held);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
      lua_pop(L, 1);
  }
  lev_gc_restart(L, ran);
  return held;
}

/* Appends bytes of a string by reference. */
static bool refer(struct evbuffer *buffer, const char *data, size_t length,
                  struct lev_reference *held) {
  if (held == NULL)
    return false;
  if (evbuffer_add_reference(buffer, data, length, on_released, held) == 0)
    return true;
  release(held);
  return false;
}

void lev_bytes_add(lua_State *L, const lev_object *owner,
                   struct evbuffer *buffer, int index) {
  size_t length;
  const char *data = lua_tolstring(L, index, &length);
  struct lev_reference *held = length >= LEV_LONG ? hold(L, index) : NULL;
  if (!owner->open)
    release(held);
  lev_stillopen(L, owner);
  if (held != NULL ? !refer(buffer, data, length, held)
                   : evbuffer_add(buffer, data, length) != 0)
    lev_nomemory(L);
}

int lev_bytes_parts(lua_State *L, int first, int last, struct iovec *parts) {
  for (int arg = first; arg <= last; arg++) {
    size_t length;
    const char *data = lua_tolstring(L, arg, &length);
    parts[arg - first] = (struct iovec){ (void *)(uintptr_t)data, length };
  }
  return last - first + 1;
}

bool lev_bytes_queue(lua_State *L, struct evbuffer *buffer, int first, int last,
                     size_t n) {
  for (int arg = first; arg <= last; arg++) {
    size_t length;
    const char *data = lua_tolstring(L, arg, &length);
    size_t sent = n < length ? n : length;
    n -= sent;
    data += sent;
    length -= sent;
    if (length == 0 ||
        (length >= LEV_LONG && refer(buffer, data, length, tryhold(L, arg))))
      continue;
    if (evbuffer_add(buffer, data, length) != 0)
      return false;
  }
  return true;
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

bool lev_bytes_begin(struct evbuffer *buffer, const char *data, size_t n) {
  struct evbuffer_iovec v[LEV_VECTORS];
  struct evbuffer_ptr at;
  if (evbuffer_get_length(buffer) < n)
    return false;
  for (size_t from = 0; from < n;) {
    evbuffer_ptr_set(buffer, &at, from, EVBUFFER_PTR_SET);
    int pieces =
        evbuffer_peek(buffer, (ev_ssize_t)(n - from), &at, v, LEV_VECTORS);
    for (int i = 0; i < pieces && i < LEV_VECTORS && from < n; i++) {
      size_t length = v[i].iov_len < n - from ? v[i].iov_len : n - from;
      if (memcmp(v[i].iov_base, data + from, length) != 0)
        return false;
      from += length;
    }
  }
  return true;
}

/* Where a finalizer has changed the buffer while the string was made, that is
 * made again. */
void lev_bytes_take(lua_State *L, const lev_object *owner,
                    struct evbuffer *buffer, size_t n) {
  for (;;) {
    size_t length = evbuffer_get_length(buffer);
    n = n < length ? n : length;
    lev_bytes_push(L, owner, buffer, 0, n);
    lev_stillopen(L, owner);
    if (lev_bytes_begin(buffer, lua_tostring(L, -1), n))
      break;
    lua_pop(L, 1);
  }
  evbuffer_drain(buffer, n);
}

void lev_bytes_drop(struct evbuffer *buffer) {
  evbuffer_unfreeze(buffer, 1);
  evbuffer_drain(buffer, evbuffer_get_length(buffer));
}
