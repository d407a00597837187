/* An evbuffer and descriptors. */

#include <errno.h>

#include "kernel/convert.h"
#include "kernel/result.h"
#include "types/evbuffer.h"

/* One read or write at most: libevent counts them in an int. */
enum { LEV_MOST = 1 << 30 };

static int optatmost(lua_State *L, int arg) {
  return (int)lev_optcount(L, arg, LEV_MOST);
}

/***
Reads once from a descriptor and adds what came: libevent 2.1 reads 4096 bytes
at most. Wraps `evbuffer_read`.
@function evbuffer:read
@param fd integer|file*|libevent.object One that blocks may hold up the loop.
@param n? integer At most so many.
@return integer? n How many; nil alone at the end.
@return string? message
@return integer? code An errno value, `EAGAIN` if there is nothing yet.
*/
int l_evbuffer_read(lua_State *L) {
  lev_evbuffer *self = lev_checktarget(L, 1);
  int fd = lev_checkfd(L, 2);
  int most = optatmost(L, 3);
  int n = 0;
  do {
    errno = 0;
    n = most > 0 ? evbuffer_read(self->ptr, fd, most) : 0;
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    return lev_failure(L, "read", errno);
  lev_evbuffer_changed(L, self, 1);
  if (n > 0 || most == 0)
    lua_pushinteger(L, n);
  else
    lua_pushnil(L);
  return 1;
}

/***
Writes to a descriptor from the start, and removes what it took. Wraps
`evbuffer_write_atmost`. Does the work of `evbuffer_write`.
@function evbuffer:write
@param fd integer|file*|libevent.object One that blocks may hold up the loop.
@param n? integer At most so many.
@return integer? n How many.
@return string? message
@return integer? code An errno value, `EAGAIN` if there is no room.
*/
int l_evbuffer_write(lua_State *L) {
  lev_evbuffer *self = lev_checksource(L, 1);
  int fd = lev_checkfd(L, 2);
  int most = optatmost(L, 3);
  bool some = most > 0 && evbuffer_get_length(self->ptr) > 0;
  int n = 0;
  do {
    errno = 0;
    n = some ? evbuffer_write_atmost(self->ptr, fd, most) : 0;
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    return lev_failure(L, "write", errno);
  lev_evbuffer_changed(L, self, 1);
  lua_pushinteger(L, n);
  return 1;
}
