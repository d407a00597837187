/* Bufferevents in pairs: what one writes the other reads, without a socket. */

#include "kernel/deadline.h"
#include "kernel/pin.h"
#include "types/bufferevent.h"

/***
Creates two bufferevents of which each reads what the other writes. Wraps
`bufferevent_pair_new`.
@function event_base:pair
@return libevent.bufferevent one
@return libevent.bufferevent other
*/
int l_bufferevent_pair_new(lua_State *L) {
  struct bufferevent *pair[2];
  lev_base *base = lev_self(L, &lev_event_base);
  lua_settop(L, 1);
  lev_bufferevent *one = lev_new(L, 1, &lev_bufferevent_type);
  lev_bufferevent *other = lev_new(L, 1, &lev_bufferevent_type);
  if (bufferevent_pair_new(base->ptr, 0, pair) != 0)
    return luaL_error(L, "not enough memory");
  one->pair = other->pair = true;
  one->partner = other;
  other->partner = one;
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 2, LEV_UV_PARTNER);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, LEV_UV_PARTNER);
  lev_bufferevent_open(one, pair[0], -1);
  lev_bufferevent_open(other, pair[1], -1);
  return 2;
}

/* libevent defers all callbacks of a pair and does not tell whether there are
 * any. A deadline that is due at once comes after them. */
void lev_pair_hold(lua_State *L, lev_bufferevent *self, int index) {
  lev_bufferevent *partner = self->partner;
  if (self->head.open)
    lev_deadline_add(L, &self->head, index, 0);
  if (partner->head.open) {
    lua_getiuservalue(L, index, LEV_UV_PARTNER);
    lev_deadline_add(L, &partner->head, lua_gettop(L), 0);
    lua_pop(L, 1);
  }
}

/***
Returns the other end of a pair. Wraps `bufferevent_pair_get_partner`.
@function bufferevent:partner
@return libevent.bufferevent? other nil for a socket, and after the other end
was closed.
*/
int l_bufferevent_pair_get_partner(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  if (self->partner != NULL && self->partner->head.open)
    lua_getiuservalue(L, 1, LEV_UV_PARTNER);
  else
    lua_pushnil(L);
  return 1;
}
