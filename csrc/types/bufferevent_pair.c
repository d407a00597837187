/* Bufferevents in pairs: what one writes the other reads, without a socket.
 *
 * An end is a bufferevent of libevent's that has no descriptor: its buffers,
 * watermarks and views are libevent's, the bytes are moved here. libevent's own
 * pairs do not tell whether a callback is still to come, and crash where memory
 * runs out while one is made. */

#include <errno.h>

#include "kernel/bytes.h"
#include "kernel/deadline.h"
#include "kernel/result.h"
#include "types/bufferevent.h"

static struct bufferevent *newend(lua_State *L, const lev_base *base) {
  struct bufferevent *ptr = bufferevent_socket_new(base->ptr, -1, 0);
  if (ptr == NULL)
    lev_nomemory(L);
  return ptr;
}

/***
Creates two bufferevents of which each reads what the other writes. Does the
work of `bufferevent_pair_new`.
@function event_base:pair
@return libevent.bufferevent one
@return libevent.bufferevent other
*/
int l_bufferevent_pair_new(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  lev_bufferevent *one = lev_new(L, 1, &lev_bufferevent_type);
  lev_bufferevent *other = lev_new(L, 1, &lev_bufferevent_type);
  one->paired = other->paired = true;
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 2, LEV_UV_PARTNER);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, LEV_UV_PARTNER);
  lev_bufferevent_open(one, newend(L, base), -1);
  lev_bufferevent_open(other, newend(L, base), -1);
  one->partner = other;
  other->partner = one;
  return 2;
}

/* How many bytes may move. */
static size_t movable(const lev_bufferevent *from, const lev_bufferevent *to,
                      bool all) {
  size_t n = lev_unsent(from);
  if (all)
    return n;
  if (!from->writing || !to->reading)
    return 0;
  size_t has = lev_unread(to);
  size_t room = has < to->high ? to->high - has : 0;
  return to->high > 0 && n > room ? room : n;
}

static size_t lowmark(const lev_bufferevent *self, short what) {
  size_t low = 0, high = 0;
  bufferevent_getwatermark(self->ptr, what, &low, &high);
  return low;
}

/* Moves bytes from one end to the other. */
static void shift(lev_bufferevent *from, lev_bufferevent *to, bool all) {
  size_t n = movable(from, to, all);
  struct evbuffer *output = bufferevent_get_output(from->ptr);
  struct evbuffer *input = bufferevent_get_input(to->ptr);
  if (n == 0)
    return;
  evbuffer_unfreeze(output, 1);
  evbuffer_unfreeze(input, 0);
  if (n < lev_unsent(from) && lev_bytes_copy(input, output, n))
    evbuffer_drain(output, n);
  else /* all of it; or there is no memory for less, and this takes none */
    evbuffer_add_buffer(input, output);
  evbuffer_freeze(output, 1);
  evbuffer_freeze(input, 0);
  from->expires[1] = to->expires[0] = 0;
  if (lev_unread(to) >= lowmark(to, EV_READ))
    lev_bufferevent_later(to, EV_READ);
  if (lev_unsent(from) <= lowmark(from, EV_WRITE))
    lev_bufferevent_later(from, EV_WRITE);
}

void lev_pair_move(lua_State *L, lev_bufferevent *self, int index, short all) {
  lev_bufferevent *partner = self->partner;
  if (!self->head.open || lev_isalone(self))
    return;
  shift(self, partner, all & EV_WRITE);
  shift(partner, self, all & EV_READ);
  lua_getiuservalue(L, index, LEV_UV_PARTNER);
  lev_bufferevent_update(L, partner, lua_gettop(L));
  lua_pop(L, 1);
}

void lev_pair_end(lua_State *L, lev_bufferevent *self, short all) {
  if (!self->head.open || lev_isalone(self))
    return;
  if (!self->partner->ended)
    lev_bufferevent_laterevent(self->partner, BEV_EVENT_EOF | BEV_EVENT_READING,
                               0);
  lev_pair_move(L, self, 1, all);
}

/* Timeouts: libevent's own need a descriptor. */

/* Whether the end waits for input, or for room: 0 and 1, as its timeouts. */
static bool waits(const lev_bufferevent *self, int direction) {
  return direction == 0 ? self->reading && !self->ended && !self->full
                        : self->writing && lev_unsent(self) > 0;
}

void lev_pair_await(lua_State *L, lev_bufferevent *self, int index) {
  double t = lev_now(), first = 0;
  for (int i = 0; i < 2; i++) {
    if (!waits(self, i) || self->timeout[i] <= 0)
      self->expires[i] = 0;
    else if (self->expires[i] <= 0)
      self->expires[i] = t + self->timeout[i];
    if (self->expires[i] > 0 && (first <= 0 || self->expires[i] < first))
      first = self->expires[i];
  }
  if (first > 0)
    lev_deadline_add(L, &self->head, index, first > t ? first - t : 0);
  else
    lev_deadline_del(&self->head);
}

void lev_pair_due(lua_State *L, lev_bufferevent *self, int index) {
  static const short directions[] = { BEV_EVENT_READING, BEV_EVENT_WRITING };
  int i = self->expires[0] > 0 && (self->expires[1] <= 0 ||
                                   self->expires[0] <= self->expires[1])
              ? 0
              : 1;
  if (waits(self, i) && self->expires[i] > 0 && self->expires[i] <= lev_now()) {
    self->expires[i] = 0;
    lev_bufferevent_laterevent(self, BEV_EVENT_TIMEOUT | directions[i],
                               ETIMEDOUT);
    if (i == 0)
      self->reading = false;
    else
      self->writing = false;
  }
  lev_bufferevent_update(L, self, index);
}

/***
Returns the other end of a pair. Does the work of
`bufferevent_pair_get_partner`.
@function bufferevent:partner
@return libevent.bufferevent? other nil for a socket, and after the other end
was closed.
*/
int l_bufferevent_pair_get_partner(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  if (lev_ispair(self) && !lev_isalone(self))
    lua_getiuservalue(L, 1, LEV_UV_PARTNER);
  else
    lua_pushnil(L);
  return 1;
}
