/* What a bufferevent can be set to: watermarks, timeouts, priority, sizes. */

#include <errno.h>
#include <stdint.h>

#include "kernel/convert.h"
#include "kernel/result.h"
#include "types/bufferevent.h"

/* A number of bytes, 0 by default. [-0, +0, v] */
static size_t optbytes(lua_State *L, int arg) {
  static const lua_Integer most = (lua_Integer)1 << 48;
  return lua_isnoneornil(L, arg) ? 0 : (size_t)lev_checkrange(L, arg, 0, most);
}

/***
Sets the watermarks. The read callback comes when the input has at least the
low one, and reading pauses while it has the high one: it may exceed that by
what one read brings, not in a pair. The write callback comes when
the output has shrunk to the low one. Wraps `bufferevent_setwatermark`.
@function bufferevent:setwatermark
@param letters string `"r"`, `"w"` or both.
@param low? integer Bytes; 0 by default.
@param high? integer Bytes; none by default.
*/
int l_bufferevent_setwatermark(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  short what = lev_checkmask(L, 2, "rw");
  size_t low = optbytes(L, 3);
  size_t high = optbytes(L, 4);
  luaL_argcheck(L, high == 0 || high >= low, 4,
                "the high watermark is below the low one");
  /* libevent's own high watermark crashes when memory runs out. */
  if (what & EV_READ) {
    self->high = high;
    bufferevent_setwatermark(self->ptr, EV_READ, low, 0);
  }
  if (what & EV_WRITE)
    bufferevent_setwatermark(self->ptr, EV_WRITE, low, high);
  if (lev_ispair(self))
    lev_pair_move(L, self, 1, 0);
  lev_bufferevent_adjust(L, self, 1);
  return 0;
}

/***
Returns the watermarks of one direction. Wraps `bufferevent_getwatermark`.
@function bufferevent:getwatermark
@param letter string `"r"` or `"w"`.
@return integer low
@return integer? high nil for none.
*/
int l_bufferevent_getwatermark(lua_State *L) {
  static const char *const letters[] = { "r", "w", NULL };
  size_t low = 0, high = 0;
  lev_bufferevent *self = lev_bufferevent_self(L);
  bool reads = luaL_checkoption(L, 2, NULL, letters) == 0;
  bufferevent_getwatermark(self->ptr, reads ? EV_READ : EV_WRITE, &low, &high);
  if (reads)
    high = self->high;
  lua_pushinteger(L, (lua_Integer)low);
  if (high > 0)
    lua_pushinteger(L, (lua_Integer)high);
  else
    lua_pushnil(L);
  return 2;
}

static struct timeval *opttimeout(lua_State *L, int arg, struct timeval *tv) {
  struct timeval *given = lev_opttimeval(L, arg, tv);
  if (given != NULL)
    luaL_argcheck(L, tv->tv_sec > 0 || tv->tv_usec > 0, arg,
                  "seconds above 0 expected");
  return given;
}

/***
Sets how long to wait for input while reading, and for room while there is
output. After a timeout that direction is disabled. Wraps
`bufferevent_set_timeouts`.
@function bufferevent:set_timeouts
@param read? number Seconds above 0; none: for ever.
@param write? number Seconds above 0; none: for ever.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_bufferevent_set_timeouts(lua_State *L) {
  struct timeval r, w;
  lev_bufferevent *self = lev_bufferevent_self(L);
  struct timeval *read = opttimeout(L, 2, &r);
  struct timeval *write = opttimeout(L, 3, &w);
  if (lev_ispair(self)) {
    self->timeout[0] = read != NULL ? lev_seconds(read) : 0;
    self->timeout[1] = write != NULL ? lev_seconds(write) : 0;
    self->expires[0] = self->expires[1] = 0;
    lev_bufferevent_update(L, self, 1);
    return lev_result(L, 1, "set_timeouts");
  }
  errno = ENOMEM;
  return lev_result(L, bufferevent_set_timeouts(self->ptr, read, write) == 0,
                    "set_timeouts");
}

/***
Sets the priority of what a socket brings; 0 comes first. Wraps
`bufferevent_priority_set`.
@function bufferevent:priority_set
@param priority integer From 0 to one less than the base has.
@return boolean? ok
@return string? message
@return integer? code `EBUSY` while it is about to call back; `ENOTSUP` for a
pair.
*/
int l_bufferevent_priority_set(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  int most = event_base_get_npriorities(self->head.base->ptr) - 1;
  int priority = lev_checkint(L, 2, 0, most);
  errno = lev_ispair(self) ? ENOTSUP : EBUSY;
  bool ok =
      !lev_ispair(self) && bufferevent_priority_set(self->ptr, priority) == 0;
  return lev_result(L, ok, "priority_set");
}

/***
Returns the priority. Wraps `bufferevent_get_priority`.
@function bufferevent:priority
@return integer priority
*/
int l_bufferevent_get_priority(lua_State *L) {
  lua_pushinteger(L, bufferevent_get_priority(lev_bufferevent_self(L)->ptr));
  return 1;
}

/* A size for one read or write; 0, libevent's default, if absent. */
static size_t optsize(lua_State *L, int arg) {
  if (lua_isnoneornil(L, arg))
    return 0;
  return (size_t)lev_checkint(L, arg, 1, INT32_MAX);
}

/***
Sets how much one turn reads at most; libevent 2.1 reads 4096 bytes at most
whatever it is. Wraps `bufferevent_set_max_single_read`.
@function bufferevent:set_max_single_read
@param n? integer Bytes; 16384 by default.
*/
int l_bufferevent_set_max_single_read(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  bufferevent_set_max_single_read(self->ptr, optsize(L, 2));
  return 0;
}

/***
Returns how much one turn reads at most. Wraps
`bufferevent_get_max_single_read`.
@function bufferevent:max_single_read
@return integer n
*/
int l_bufferevent_get_max_single_read(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lua_pushinteger(L, bufferevent_get_max_single_read(self->ptr));
  return 1;
}

/***
Sets how much of the output one turn sends at most. Wraps
`bufferevent_set_max_single_write`.
@function bufferevent:set_max_single_write
@param n? integer Bytes; 16384 by default.
*/
int l_bufferevent_set_max_single_write(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  bufferevent_set_max_single_write(self->ptr, optsize(L, 2));
  return 0;
}

/***
Returns how much of the output one turn sends at most. Wraps
`bufferevent_get_max_single_write`.
@function bufferevent:max_single_write
@return integer n
*/
int l_bufferevent_get_max_single_write(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lua_pushinteger(L, bufferevent_get_max_single_write(self->ptr));
  return 1;
}
