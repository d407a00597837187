/* What the running task calls: who it is, sleep, deadlines, and errors. */

#include "io/task.h"
#include "kernel/convert.h"
#include "kernel/result.h"

/***
Tells whether the loop of any base runs, so that this is called by a task or a
callback.
@function libevent.in_loop
@return boolean running
*/
int l_in_loop(lua_State *L) {
  lua_pushboolean(L, lev_getstate(L)->loops > 0);
  return 1;
}

/***
Returns the task that runs now.
@function libevent.running
@return libevent.task? task nil outside of tasks.
*/
int l_running(lua_State *L) {
  const lev_state *state = lev_getstate(L);
  if (lev_istask(L, state) && state->running->head.slot != 0)
    lev_task_push(L, state->running);
  else
    lua_pushnil(L);
  return 1;
}

static int sleepk(lua_State *L, int status, lua_KContext ctx) {
  const lev_object *self = lua_touserdata(L, 1);
  (void)status, (void)ctx;
  lev_task_woken(L, self->base);
  lua_pushboolean(L, 1);
  return 1;
}

static const lev_waitkind sleeping = { .what = "sleep", .k = sleepk };

/* Lets others run. */
static const lev_waitkind passing = {
  .what = "sleep",
  .k = sleepk,
  .over = true,
};

/***
Waits some time. Only a task can.
@function libevent.sleep
@param seconds number From 0, which lets others run, to 1e9.
@return boolean ok
*/
int l_sleep(lua_State *L) {
  double seconds = lev_checkseconds(L, 1);
  lev_task *task = lev_task_check(L, lev_getstate(L));
  lua_settop(L, 0);
  lev_task_push(L, task);
  if (seconds <= 0)
    return lev_task_wait(L, task, &passing, NULL, NULL, -1);
  return lev_task_wait(L, task, &sleeping, NULL, NULL, seconds);
}

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
  task->deadline = lua_tonumber(L, LEV_OUTER);
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
    task->deadline = own;
  int status = lua_pcallk(L, lua_gettop(L) - LEV_WAS - 1, LUA_MULTRET,
                          LEV_HANDLER, 0, timeoutk);
  return timeoutk(L, status, 0);
}

/* What stands on the stack of a protected call: the message handler, and what was
 * on its way out of the task already, while <close> handlers run: the error and
 * its traceback in a table; else false; nil outside of tasks. */
enum { LEV_CAUGHT = 1, LEV_UNWOUND = 2 };

static void pushunwound(lua_State *L, const lev_task *task) {
  if (task == NULL) {
    lua_pushnil(L);
    return;
  }
  if (!task->unwinding || task->head.slot == 0) {
    lua_pushboolean(L, 0);
    return;
  }
  lua_createtable(L, 2, 0);
  lev_task_push(L, task);
  lua_getiuservalue(L, -1, LEV_UV_FAILURE);
  lua_rawseti(L, -3, 1);
  lua_getiuservalue(L, -1, LEV_UV_TRACE);
  lua_rawseti(L, -3, 2);
  lua_pop(L, 1);
}

/* Pushes the traceback of the error on top of the stack, and gives the task back
 * what it had before. [-0, +1, -] */
static void pushtrace(lua_State *L, const lev_task *task) {
  int error = lua_gettop(L), self = error + 1;
  lev_task_push(L, task);
  lua_getiuservalue(L, self, LEV_UV_FAILURE);
  bool known = lua_rawequal(L, error, -1);
  if (lua_getiuservalue(L, self, LEV_UV_TRACE) != LUA_TSTRING || !known)
    lua_pushnil(L); /* there was no memory for it */
  for (int i = 0; i < 2; i++) {
    if (lua_istable(L, LEV_UNWOUND))
      lua_rawgeti(L, LEV_UNWOUND, i + 1);
    else
      lua_pushnil(L);
    lua_setiuservalue(L, self, LEV_UV_FAILURE + i);
  }
  lua_replace(L, self);
  lua_settop(L, self);
}

static int pcallk(lua_State *L, int status, lua_KContext ctx) {
  const lev_state *state = lev_getstate(L);
  lev_task *task = lev_istask(L, state) ? state->running : NULL;
  bool ok = status == LUA_OK || status == LUA_YIELD;
  (void)ctx;
  if (ok) {
    lua_pushboolean(L, 1);
    lua_replace(L, LEV_UNWOUND);
    return lua_gettop(L) - LEV_CAUGHT;
  }
  if (task != NULL) {
    task->unwinding = lua_toboolean(L, LEV_UNWOUND);
    if (lev_task_interruption(L, state, -1) != LEV_NOTHING &&
        (task->doomed > 0 || task->expired))
      return lua_error(L);
  } else if (!lua_isnil(L, LEV_UNWOUND)) {
    return lua_error(L); /* in the hands of a foreign resume */
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  if (task != NULL && task->head.slot != 0)
    pushtrace(L, task);
  else if (status != LUA_ERRRUN ||
           lev_pushat(L, state, LEV_AT_TRACEBACK) != LUA_TSTRING)
    lua_pushnil(L);
  return 3;
}

/***
Calls a function as `pcall` does, but does not catch what ends the task itself: a
cancel, and a deadline that is over. So `<close>` variables of the function may
still wait then.
@function libevent.pcall
@param fn function
@param ... any Its arguments.
@return boolean ok
@return any ... What it returned; where it failed, the error.
@return string? traceback Of the error.
*/
int l_pcall(lua_State *L) {
  const lev_state *state = lev_getstate(L);
  luaL_checkany(L, 1);
  bool task = lev_istask(L, state);
  lua_pushcfunction(L, task ? lev_task_unwind : lev_handler);
  lua_insert(L, LEV_CAUGHT);
  pushunwound(L, task ? state->running : NULL);
  lua_insert(L, LEV_UNWOUND);
  int status = lua_pcallk(L, lua_gettop(L) - LEV_UNWOUND - 1, LUA_MULTRET,
                          LEV_CAUGHT, 0, pcallk);
  return pcallk(L, status, 0);
}
