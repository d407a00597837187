/***
What a block of code has spawned: it ends when all its tasks have ended. Made by
@{libevent.scope}.
@classmod libevent.scope
*/

#include <errno.h>

#include "io/task.h"
#include "kernel/result.h"
#include "kernel/scope.h"

/* What stands on the stack of a call: the message handler and the scope; when
 * the function has ended, its results or its error above. */
enum { LEV_HANDLER = 1, LEV_SCOPE = 2 };

/* Makes the scope at LEV_SCOPE, or the one outside of it, that of the task. */
static void setscope(lua_State *L, lev_task *task, bool inner) {
  lev_scope *scope = lua_touserdata(L, LEV_SCOPE);
  lev_task_push(L, task);
  if (inner) {
    lua_getiuservalue(L, -1, LEV_UV_SCOPE);
    lua_setiuservalue(L, LEV_SCOPE, LEV_UV_OUTER);
    lua_pushvalue(L, LEV_SCOPE);
  } else {
    lua_getiuservalue(L, LEV_SCOPE, LEV_UV_OUTER);
  }
  lua_setiuservalue(L, -2, LEV_UV_SCOPE);
  lua_pop(L, 1);
  task->scope = inner ? scope : scope->outer;
}

/* All have ended. The error of a child comes before one that only says that the
 * scope was canceled for it. */
static int finish(lua_State *L, lev_task *task, lev_scope *scope, bool ok) {
  setscope(L, task, false);
  bool canceled = scope->canceled;
  if (canceled)
    lev_task_spare(task);
  scope->owner = NULL;
  lev_close(L, &scope->head);
  task->unwinding = scope->unwinding;
  lev_outcome why =
      ok ? LEV_NOTHING : lev_task_interruption(L, task->head.base->state, -1);
  if (scope->failed && (ok || scope->first || why != LEV_NOTHING)) {
    lua_getiuservalue(L, LEV_SCOPE, LEV_UV_SCOPETRACE);
    lua_getiuservalue(L, LEV_SCOPE, LEV_UV_SCOPEFAILURE);
    return lev_task_raise(L);
  }
  if (ok && scope->cut) /* not all was done, and why concerns this task too */
    lev_task_interrupt(L, task);
  if (ok)
    return lua_gettop(L) - LEV_SCOPE;
  if (canceled && why == LEV_CANCELED && task->doomed == 0)
    return lev_because(L, "canceled", ECANCELED);
  task->rethrown = true;
  return lua_error(L);
}

static int joink(lua_State *L, int status, lua_KContext state);

static const lev_waitkind joining = {
  .what = "the tasks of its scope",
  .k = joink,
  .shielded = true,
  .parked = true,
};

static int join(lua_State *L, lev_task *task, bool ok) {
  lev_scope *scope = lua_touserdata(L, LEV_SCOPE);
  if (scope->children == NULL)
    return finish(L, task, scope, ok);
  scope->ok = ok;
  return lev_task_wait(L, task, &joining, &scope->joining, &scope->head, -1);
}

static int joink(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_outcome outcome = lev_task_woken(L, state);
  lev_scope *scope = lev_task_object(state);
  if (outcome == LEV_CANCELED || scope->owner->doomed > 0) {
    scope->cut = true;
    lev_scope_cancelchildren(scope);
  }
  return join(L, scope->owner, scope->ok);
}

/* The function of the scope has ended. */
static int scopek(lua_State *L, int status, lua_KContext ctx) {
  const lev_state *state = lev_getstate(L);
  lev_scope *scope = lua_touserdata(L, LEV_SCOPE);
  bool ok = status == LUA_OK || status == LUA_YIELD;
  (void)ctx;
  if (!lev_istask(L, state) || scope->owner != state->running) {
    lev_scope_cancelchildren(scope); /* in the hands of a foreign resume */
    return ok ? lua_gettop(L) - LEV_SCOPE : lua_error(L);
  }
  scope->first = scope->failed;
  if (!ok || state->running->doomed > 0)
    lev_scope_cancelchildren(scope);
  return join(L, state->running, ok);
}

/***
Calls a function in a scope: it returns when the function and all tasks spawned
in it have ended. If the function or one of the tasks fails, the others are
canceled, and the first error is raised when all have ended.
@function libevent.scope
@param fn fun(scope: libevent.scope, ...: any): ... Tasks that it spawns belong
to the scope, by `libevent.spawn` too.
@param ... any Its further arguments.
@return any ... What it returned; nil if it was ended by @{scope:cancel}.
@return string? message `"canceled"`
@return integer? code `ECANCELED`
*/
static int l_scope(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lev_task *task = lev_task_check(L, lev_getstate(L));
  lua_pushcfunction(L, lev_task_unwind);
  lua_insert(L, LEV_HANDLER);
  lev_task_push(L, task);
  lua_getiuservalue(L, -1, LEV_UV_BASE);
  lua_replace(L, -2);
  lev_scope *scope = lev_new(L, lua_gettop(L), &lev_scope_type);
  lev_task_check(L, lev_getstate(L)); /* a finalizer may have closed it */
  scope->owner = task;
  scope->outer = task->scope;
  scope->deadline = task->deadline;
  scope->unwinding = task->unwinding;
  lua_insert(L, LEV_SCOPE);
  lua_pop(L, 1); /* the base */
  lua_pushvalue(L, LEV_SCOPE);
  lua_insert(L, LEV_SCOPE + 2); /* the first argument of the function */
  lev_open(&scope->head);
  setscope(L, task, true);
  int status = lua_pcallk(L, lua_gettop(L) - LEV_SCOPE - 1, LUA_MULTRET,
                          LEV_HANDLER, 0, scopek);
  return scopek(L, status, 0);
}

/***
Starts a task in the scope.
@function scope:spawn
@param fn function
@param ... any Its arguments.
@return libevent.task task
*/
static int l_scope_spawn(lua_State *L) {
  lev_selfcheck(L, &lev_scope_type);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_getiuservalue(L, 1, LEV_UV_BASE);
  lua_insert(L, 1);
  return lev_task_spawn(L);
}

/***
Cancels the tasks of the scope, and what its function waits in.
@function scope:cancel
*/
static int l_scope_cancel(lua_State *L) {
  lev_scope_cancel(lev_selfcheck(L, &lev_scope_type));
  return 0;
}

/* Closing a scope cancels it. */
static void free_scope(lua_State *L, lev_object *self) {
  (void)L;
  lev_scope_cancel((lev_scope *)self);
}

static const luaL_Reg methods[] = {
  { "spawn", l_scope_spawn },
  { "cancel", l_scope_cancel },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "scope", l_scope },
  { NULL, NULL },
};

const lev_type lev_scope_type = {
  .name = "libevent.scope",
  .size = sizeof(lev_scope),
  .uservalues = LEV_UV_SCOPETRACE,
  .life = LEV_PLAIN,
  .methods = methods,
  .functions = functions,
  .free = free_scope,
};
