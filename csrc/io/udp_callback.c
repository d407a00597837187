/* The callback style of the datagram socket. */

#include <errno.h>

#include "io/udp.h"
#include "kernel/convert.h"
#include "kernel/ready.h"
#include "kernel/result.h"

/* Tells of an error; the read callback is at 1, the socket at 2. */
static void tellerror(lua_State *L, lev_udp *self, int code) {
  if (!self->listens)
    return;
  lua_getiuservalue(L, 2, LEV_UV_ERRORCB);
  lua_pushvalue(L, 2);
  lev_pushreason(L, code);
  lua_pushinteger(L, code);
  if (self->head.open)
    lua_call(L, 3, 0);
}

/* The callback at 1, the socket at 2. */
static int callread(lua_State *L) {
  lev_datagram one;
  lev_udp *self = lev_toobject(L, 2);
  if (!self->head.open || !lev_udp_calls(self)) /* a finalizer was here */
    return 0;
  if (!lev_udp_receive(self, &one)) {
    self->drained = true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
      tellerror(L, self, errno);
    return 0;
  }
  lua_pushlstring(L, one.bytes, one.n);
  lev_udp_pushsource(L, self, 2, &one.from);
  if (self->head.open)
    lua_call(L, 3, 0);
  return 0;
}

void lev_udp_callback(lev_udp *self) {
  lev_base *base = self->head.base;
  base->calling = &self->head;
  self->drained = false;
  for (int i = 0; i < LEV_UDP_BURST; i++) {
    lev_frame f;
    if (!lev_entercall(&f, &self->head, LEV_UV_DATAGRAMCB, callread))
      break;
    lev_leave(&f, &self->head, 1);
    if (base->calling == NULL || self->drained || !lev_udp_calls(self) ||
        self->reader != NULL || lev_mustend(base))
      break;
  }
  base->calling = NULL;
}

/* Ends a method, that of a name, which has changed what callbacks want of the
 * socket at 1. */
static int wanted(lua_State *L, lev_udp *self, const char *what) {
  bool calls = lev_udp_calls(self);
  if (calls)
    lev_pin(L, &self->head, 1);
  bool ok = !calls || lev_udp_watch(self);
  int code = errno;
  self->enabled = self->enabled && ok; /* else nothing would ever come */
  lev_unpinidle(L, &self->head);
  errno = code;
  return lev_result(L, ok, what);
}

/***
Sets the callbacks; those that are absent come no more. Up to 64 datagrams come
before others have their turn.
@function udp:setcb
@param callbacks? table Any of:
- `read`: fun(udp, data, peer), for each datagram;
- `error`: fun(udp, message, code), where there was an error instead of one;
  the socket stays what it was.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_udp_setcb(lua_State *L) {
  static const char *const names[] = { "read", "error", NULL };
  lev_udp *self = lev_udp_self(L);
  lev_checkoptions(L, 2, names);
  lua_settop(L, 2);
  for (int i = 0; names[i] != NULL; i++)
    lev_optfunction(L, 2, names[i]);
  if (!lua_isnil(L, 3))
    lev_udp_checkfree(L, self);
  lev_stillopen(L, &self->head);
  self->called = !lua_isnil(L, 3);
  self->listens = !lua_isnil(L, 4);
  lua_setiuservalue(L, 1, LEV_UV_ERRORCB);
  lua_setiuservalue(L, 1, LEV_UV_DATAGRAMCB);
  return wanted(L, self, "setcb");
}

/* What of a socket for datagrams can be enabled. */
static lev_udp *checkwhat(lua_State *L) {
  lev_udp *self = lev_udp_self(L);
  if (!lua_isnoneornil(L, 2))
    lev_checkmask(L, 2, "r");
  return self;
}

/***
Lets datagrams come to the callbacks again; they do from the beginning.
@function udp:enable
@param what? string `"r"`
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_udp_enable(lua_State *L) {
  lev_udp *self = checkwhat(L);
  self->enabled = true;
  return wanted(L, self, "enable");
}

/***
Lets no datagram come to the callbacks; the system keeps some, and drops what is
more.
@function udp:disable
@param what? string `"r"`
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_udp_disable(lua_State *L) {
  lev_udp *self = checkwhat(L);
  self->enabled = false;
  return wanted(L, self, "disable");
}
