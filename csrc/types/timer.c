/***
Calls back once, some time after it was added; adding it again in its callback
makes it a loop. Made by @{event_base:timer}.
@classmod libevent.timer
*/

#include "types/timer.h"

#include "kernel/base.h"
#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/pin.h"

static void due_timer(const lev_frame *f, lev_object *self) {
  if (lev_entertop(f, self, LEV_UV_CALLBACK))
    lev_leavetop(f, self, 0);
}

/***
Creates a timer, idle until @{timer:add}. It is our own: as precise as the
system's clock, and cheap where there are many.
@function event_base:timer
@param callback fun(timer: libevent.timer)
@return libevent.timer timer
*/
static int l_timer_new(lua_State *L) {
  lev_self(L, &lev_event_base);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lev_object *self = lev_new(L, 1, &lev_timer);
  lev_setcallback(L, -1, LEV_UV_CALLBACK, 2);
  lev_open(self);
  return 1;
}

/***
Sets the timer to call back after a time; adding it again replaces the time.
Times are rounded up to whole milliseconds. A timer that adds itself again
within a millisecond of the moment it was due counts from that moment, so that
it keeps its rate.
@function timer:add
@param seconds number From 0, the next turn of the loop, to 1e9.
@return boolean ok
*/
static int l_timer_add(lua_State *L) {
  lev_object *self = lev_selfwithin(L, &lev_timer);
  lev_deadline_add(L, self, 1, lev_checkseconds(L, 2));
  lua_pushboolean(L, 1);
  return 1;
}

/***
Stops the timer; no effect if it is not pending.
@function timer:del
@return boolean ok
*/
static int l_timer_del(lua_State *L) {
  lev_object *self = lev_selfwithin(L, &lev_timer);
  lev_deadline_del(self);
  lev_unpin(L, self);
  lua_pushboolean(L, 1);
  return 1;
}

/***
Tells whether the timer is going to call back.
@function timer:pending
@return string? what `"t"`, or nil if it is not.
@return number? seconds What is left, at least 0.
*/
static int l_timer_pending(lua_State *L) {
  double left;
  lev_object *self = lev_selfwithin(L, &lev_timer);
  if (!lev_deadline_pending(self, &left)) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushliteral(L, "t");
  lua_pushnumber(L, left);
  return 2;
}

/***
Replaces the callback.
@function timer:setcb
@param callback fun(timer: libevent.timer)
*/
static int l_timer_setcb(lua_State *L) {
  lev_selfwithin(L, &lev_timer);
  lev_setcallback(L, 1, LEV_UV_CALLBACK, 2);
  return 0;
}

static bool pending_timer(const lev_object *self) {
  return lev_deadline_pending(self, NULL);
}

static void describe_timer(lua_State *L, const lev_object *self) {
  double left;
  if (lev_deadline_pending(self, &left))
    lua_pushfstring(L, "due in %f s", left);
  else
    lua_pushliteral(L, "idle");
}

static const luaL_Reg methods[] = {
  { "add", l_timer_add },
  { "del", l_timer_del },
  { "pending", l_timer_pending },
  { "setcb", l_timer_setcb },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "timer", l_timer_new },
  { NULL, NULL },
};

const lev_type lev_timer = {
  .name = "libevent.timer",
  .size = sizeof(lev_object),
  .uservalues = 2,
  .life = LEV_PLAIN,
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .pending = pending_timer,
  .due = due_timer,
  .describe = describe_timer,
};
