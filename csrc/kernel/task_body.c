/* The coroutine of a task: what it calls, what becomes of the results, and
 * where an error was raised. */

#include <string.h>

#include "kernel/interrupt.h"
#include "kernel/pin.h"
#include "kernel/task.h"
#include "kernel/where.h"

/* Stores the error at 1 and its traceback in the task, where the loop finds it
 * if nobody catches it: the first traceback of an error is the true one. */
static void trace(lua_State *L, lev_state *state, lev_task *task) {
  lev_task_push(L, task);
  lua_getiuservalue(L, -1, LEV_UV_FAILURE);
  bool known = task->rethrown && lua_rawequal(L, 1, -1);
  task->rethrown = false;
  lua_pop(L, 1);
  if (!known) {
    lua_pushcfunction(L, lev_handler);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, 1); /* lev_task_unwind calls it */
    if (lua_pcall(L, 2, 0, 0) == LUA_OK)
      lev_pushat(L, state, LEV_AT_TRACEBACK);
    lua_setiuservalue(L, 2, LEV_UV_TRACE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, LEV_UV_FAILURE);
  }
}

int lev_task_unwind(lua_State *L) {
  lev_state *state = lev_getstate(L);
  lua_settop(L, 1);
  if (!lev_istask(L, state) || state->running->head.slot == 0)
    return lev_handler(L); /* it cannot keep a traceback */
  state->running->unwinding = true;
  if (lev_task_interruption(L, state, 1) == LEV_NOTHING)
    trace(L, state, state->running);
  lua_settop(L, 1);
  return 1;
}

int lev_task_raise(lua_State *L) {
  const lev_state *state = lev_getstate(L);
  if (lev_istask(L, state) && state->running->head.slot != 0) {
    lev_task_push(L, state->running);
    lua_pushvalue(L, -3);
    lua_setiuservalue(L, -2, LEV_UV_TRACE);
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, LEV_UV_FAILURE);
    lua_pop(L, 1);
    state->running->rethrown = true;
  }
  return lua_error(L);
}

/* The coroutine: the message handler stands at 1, the function and its
 * arguments above it. An error is raised again; its traceback is noted. The
 * results become one value, so that nothing stays on the coroutine's stack,
 * which scripts could resume. */
static int bodyk(lua_State *L, int status, lua_KContext ctx) {
  const lev_state *state = lev_getstate(L);
  int n = lua_gettop(L) - 1;
  (void)ctx;
  if (lev_istask(L, state))
    state->running->rethrown = true;
  if (status != LUA_OK && status != LUA_YIELD)
    return lua_error(L);
  if (lev_istask(L, state))
    state->running->results = n;
  if (n <= 1)
    return n;
  lua_createtable(L, n, 0);
  lua_insert(L, 2);
  while (lua_gettop(L) > 2)
    lua_rawseti(L, 2, lua_gettop(L) - 2);
  return 1;
}

static int body(lua_State *L) {
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, bodyk);
  return bodyk(L, status, 0);
}

bool lev_task_place(const lev_task *task, lua_Debug *ar) {
  lua_State *co = task->state == LEV_DONE ? NULL : task->co;
  ar->currentline = -1;
  memcpy(ar->short_src, "?", 2);
  if (co == NULL)
    return false;
  if (task->state == LEV_NEW && lua_checkstack(co, 2)) {
    lua_pushvalue(co, 3);
    lua_getinfo(co, ">S", ar);
    ar->currentline = ar->linedefined;
    return true;
  }
  return lev_where(co, task->head.base->state, ar) ||
         (lua_getstack(co, 0, ar) && lua_getinfo(co, "Sl", ar));
}

void lev_task_start(lua_State *L, lev_task *task, int first) {
  int self = lua_gettop(L);
  lua_State *co = lua_newthread(L);
  lev_interrupt_spare(co);
  lua_setiuservalue(L, self, LEV_UV_THREAD);
  int n = self - first;
  if (!lua_checkstack(co, n + 2))
    luaL_error(L, "too many arguments");
  lev_stillopen(L, &task->head.base->head);
  lua_pushcfunction(co, body);
  lua_pushcfunction(co, lev_task_unwind);
  lua_rotate(L, first, 1);
  lua_xmove(L, co, n);
  task->co = co;
  task->waiters.end = &task->waiters.first;
  lev_pin(L, &task->head, first);
  lev_open(&task->head);
  task->head.base->counts.tasks++;
  lev_soon_add(&task->soon, &task->head);
}
