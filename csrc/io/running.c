/* Who runs now, and how it lets others run. */

#include "io/task.h"
#include "kernel/convert.h"

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

static int sleepk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_task_woken(L, state);
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
  if (seconds <= 0)
    return lev_task_wait(L, task, &passing, NULL, NULL, -1);
  return lev_task_wait(L, task, &sleeping, NULL, NULL, seconds);
}
