/* Time that a function gets which the running task calls. */

#include "io/task.h"
#include "kernel/convert.h"
#include "kernel/result.h"

/* What stands on the stack of a call: the message handler, the deadline that
 * holds again afterwards, the one that was set for it, and whether <close>
 * handlers were running. */
enum { LEV_HANDLER = 1, LEV_OUTER = 2, LEV_OWN = 3, LEV_WAS = 4 };

static int timeoutk(lua_State *L, int status, lua_KContext ctx) {
  const lev_state *state = lev_getstate(L);
  bool ok = status == LUA_OK || status == LUA_YIELD;
  (void)ctx;
  if (!lev_istask(L, state)) /* in the hands of a foreign resume */
    return ok ? lua_gettop(L) - LEV_WAS : lua_error(L);
  lev_task *task = state->running;
  bool ours = !ok && lev_task_interruption(L, state, -1) == LEV_TIMEDOUT &&
              task->expired && task->deadline == lua_tonumber(L, LEV_OWN);
  lev_task_limit(task, lua_tonumber(L, LEV_OUTER));
  task->unwinding = lua_toboolean(L, LEV_WAS);
  lev_task_calm(task);
  if (ok)
    return lua_gettop(L) - LEV_WAS;
  if (ours)
    return lev_timedout(L);
  task->rethrown = true;
  return lua_error(L);
}

/***
Calls a function that has some time. When that is over, what it waits in raises
a private value, which ends the function, unless it catches that and does not
wait any more. The deadline holds in whatever it calls, and in the tasks that it
spawns; an outer one that is earlier stays.
@function libevent.timeout
@param seconds number From 0 to 1e9.
@param fn function
@param ... any Its arguments.
@return any ... What it returned; nil where the time was over.
@return string? message `"timed out"`
@return integer? code `ETIMEDOUT`
*/
int l_timeout(lua_State *L) {
  double seconds = lev_checkseconds(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lev_task *task = lev_task_check(L, lev_getstate(L));
  double outer = task->deadline, own = lev_now() + seconds;
  lua_pushcfunction(L, lev_task_unwind);
  lua_replace(L, LEV_HANDLER);
  lua_pushnumber(L, outer);
  lua_pushnumber(L, own);
  lua_pushboolean(L, task->unwinding);
  lua_rotate(L, LEV_OUTER, 3);
  if (outer == 0 || own < outer)
    lev_task_limit(task, own);
  int status = lua_pcallk(L, lua_gettop(L) - LEV_WAS - 1, LUA_MULTRET,
                          LEV_HANDLER, 0, timeoutk);
  return timeoutk(L, status, 0);
}
