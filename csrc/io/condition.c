/***
What tasks wait for until another task or a callback says so. Made by
@{event_base:condition}.
@classmod libevent.condition
*/

#include <errno.h>

#include "io/task.h"
#include "kernel/convert.h"
#include "kernel/result.h"

typedef struct lev_condition {
  lev_object head;
  lev_waiters waiters;
} lev_condition;

/***
Creates a condition that nobody waits for.
@function event_base:condition
@return libevent.condition condition
*/
static int l_condition_new(lua_State *L) {
  lev_self(L, &lev_event_base);
  lev_condition *self = lev_new(L, 1, &lev_condition_type);
  self->waiters.end = &self->waiters.first;
  lev_open(&self->head);
  return 1;
}

static int waitk(lua_State *L, int status, lua_KContext ctx) {
  const lev_condition *self = lua_touserdata(L, 1);
  (void)status, (void)ctx;
  switch (lev_task_woken(L, self->head.base)) {
  case LEV_TIMEDOUT:
    return lev_because(L, "timed out", ETIMEDOUT);
  case LEV_CLOSED:
    return lev_because(L, "closed", ECANCELED);
  default:
    lua_pushboolean(L, 1);
    return 1;
  }
}

static const lev_waitkind waiting = {
  .what = "wait",
  .k = waitk,
  .parked = true,
  .listed = true,
};

/***
Waits until @{condition:signal}; who waits longest is woken first. Only a task
can.
@function condition:wait
@param timeout? number Seconds.
@return boolean? ok nil if it was closed, or the time is over.
@return string? message `"closed"` or `"timed out"`
@return integer? code `ECANCELED` or `ETIMEDOUT`
*/
static int l_condition_wait(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  double timeout = lev_opttimeout(L, 2);
  lev_task *task = lev_task_check(L, self->head.base->state);
  lua_settop(L, 1);
  return lev_task_wait(L, task, &waiting, &self->waiters.first, &self->head,
                       timeout);
}

/***
Wakes tasks that wait now; they run in this turn of the loop, after the callback
or task that runs now.
@function condition:signal
@param n? integer How many at most; 1 by default.
@return integer woken
*/
static int l_condition_signal(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  lua_Integer n = luaL_optinteger(L, 2, 1), woken = 0;
  luaL_argcheck(L, n >= 0, 2, "must not be negative");
  for (; woken < n && self->waiters.first != NULL; woken++)
    lev_task_wake(self->waiters.first, LEV_HAPPENED);
  lua_pushinteger(L, woken);
  return 1;
}

/***
Wakes all tasks that wait now.
@function condition:broadcast
@return integer woken
*/
static int l_condition_broadcast(lua_State *L) {
  lua_settop(L, 1);
  lua_pushinteger(L, LUA_MAXINTEGER);
  return l_condition_signal(L);
}

static void free_condition(lua_State *L, lev_object *object) {
  (void)L;
  lev_task_wakeall(&((lev_condition *)object)->waiters, LEV_CLOSED);
}

static bool pending_condition(const lev_object *object) {
  return ((const lev_condition *)object)->waiters.first != NULL;
}

static const luaL_Reg methods[] = {
  { "wait", l_condition_wait },
  { "signal", l_condition_signal },
  { "broadcast", l_condition_broadcast },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "condition", l_condition_new },
  { NULL, NULL },
};

const lev_type lev_condition_type = {
  .name = "libevent.condition",
  .size = sizeof(lev_condition),
  .uservalues = 1,
  .methods = methods,
  .constructors = constructors,
  .free = free_condition,
  .pending = pending_condition,
};
