/* Calls that catch errors, but not what ends the task that runs. */

#include "io/task.h"

/* What stands on the stack of a protected call: the message handler, and what
 * was on its way out of the task already, while <close> handlers run: the error
 * and its traceback in a table; else false; nil outside of tasks. */
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

/* Pushes the traceback of the error on top of the stack, and gives the task
 * back what it had before. [-0, +1, -] */
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
  else if (status == LUA_ERRRUN)
    lev_pushat(L, state, LEV_AT_TRACEBACK);
  else
    lua_pushnil(L);
  if (!lua_isstring(L, -1)) { /* there was no memory for it */
    lua_pushnil(L);
    lua_replace(L, -2);
  }
  return 3;
}

/***
Calls a function as `pcall` does, but does not catch what ends the task itself:
a cancel, and a deadline that is over. So `<close>` variables of the function
may still wait then.
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
