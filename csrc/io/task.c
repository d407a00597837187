/***
A coroutine that the loop resumes when what it waits for has happened. Made by
@{libevent.spawn} and @{event_base:task}.

A task runs until it waits; nothing else runs meanwhile. It waits in functions
such as @{libevent.sleep} and @{stream:read}. Closing a task cancels it.
@classmod libevent.task
*/

#include "io/task.h"

#include <errno.h>

#include "kernel/convert.h"
#include "kernel/interrupt.h"
#include "kernel/result.h"
#include "kernel/scope.h"

int lev_task_spawn(lua_State *L) {
  const lev_base *base = lev_toobject(L, 1);
  lev_scope *home = lua_touserdata(L, 2);
  const lev_task *running = base->state->running;
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lev_task *task = lev_new(L, 1, &lev_task_type);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, LEV_UV_SCOPE);
  if (home != NULL)
    lev_task_limit(task, home->deadline);
  if (running != NULL && running->head.base == base && running->deadline > 0 &&
      (task->deadline == 0 || running->deadline < task->deadline))
    lev_task_limit(task, running->deadline);
  lev_task_start(L, task, 3);
  lev_scope_enter(home, task);
  if (home != NULL && (home->closing || !home->head.open))
    lev_task_cancel(task);
  return 1;
}

/***
Starts a task: it begins once the callback or task that runs now has returned or
waits, and before a sleep ends that begins later. Called by a task of the same
base, the new one belongs to its scope and inherits its deadline.
@function event_base:task
@param fn function Its results are those of @{task:wait}.
@param ... any Its arguments.
@return libevent.task task
*/
static int l_task_new(lua_State *L) {
  const lev_base *base = lev_self(L, &lev_event_base);
  const lev_task *running = base->state->running;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (running != NULL && running->head.base == base &&
      running->head.slot != 0) {
    lev_task_push(L, running);
    lua_getiuservalue(L, -1, LEV_UV_SCOPE);
    lua_replace(L, -2);
  } else {
    lua_pushnil(L);
  }
  lua_insert(L, 2);
  return lev_task_spawn(L);
}

/* Pushes what became of a task that has ended, which stands at 1; raises its
 * error. */
static int pushending(lua_State *L, lev_task *task) {
  task->observed = true;
  int n;
  switch (task->ending) {
  case LEV_FAILED:
    lua_getiuservalue(L, 1, LEV_UV_TRACE);
    lua_getiuservalue(L, 1, LEV_UV_FAILURE);
    return lev_task_raise(L);
  case LEV_WASCANCELED:
    return lev_because(L, "canceled", ECANCELED);
  case LEV_WASTIMEDOUT:
    return lev_timedout(L);
  default:
    n = task->results;
    luaL_checkstack(L, n, "too many results");
    if (n > 0)
      lua_getiuservalue(L, 1, LEV_UV_FAILURE);
    for (int i = 1; n > 1 && i <= n; i++)
      lua_rawgeti(L, -i, i);
    return n;
  }
}

static int waitk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  if (lev_task_woken(L, state) == LEV_TIMEDOUT)
    return lev_timedout(L);
  return pushending(L, lev_task_object(state));
}

static const lev_waitkind waiting = {
  .what = "the end of",
  .k = waitk,
  .parked = true,
  .listed = true,
};

/***
Waits until a task has ended. If it failed, its error is raised here, the very
same value.
@function task:wait
@param timeout? number Seconds.
@return any ... What its function returned; nil if it was canceled, or where the
time is over first.
@return string? message `"canceled"` or `"timed out"`.
@return integer? code `ECANCELED` or `ETIMEDOUT`.
*/
static int l_task_wait(lua_State *L) {
  lev_task *task = lev_self(L, &lev_task_type);
  double timeout = lev_opttimeout(L, 2);
  lua_settop(L, 1);
  if (task->state == LEV_DONE)
    return pushending(L, task);
  lev_task *self = lev_task_check(L, task->head.base->state);
  if (self == task)
    return luaL_error(L, "a task cannot wait for its own end");
  return lev_task_wait(L, self, &waiting, &task->waiters.first, &task->head,
                       timeout);
}

/***
Cancels the task: what it waits in raises a private value, now and, if that is
caught, whenever it waits again. Its `<close>` variables may still wait, for a
second at most.
@function task:cancel
@return boolean running False if it has ended already.
*/
static int l_task_cancel(lua_State *L) {
  lev_task *task = lev_self(L, &lev_task_type);
  lua_pushboolean(L, lev_task_cancel(task));
  return 1;
}

static const char *const states[] = {
  [LEV_NEW] = "new",     [LEV_RUNNING] = "running", [LEV_WAITING] = "waiting",
  [LEV_READY] = "ready", [LEV_DONE] = "done",
};

static const char *const endings[] = {
  [LEV_RETURNED] = "done",
  [LEV_FAILED] = "failed",
  [LEV_WASCANCELED] = "canceled",
  [LEV_WASTIMEDOUT] = "timed out",
};

static const char *statusof(const lev_task *task) {
  return task->state == LEV_DONE ? endings[task->ending] : states[task->state];
}

/***
Tells how the task is.
@function task:status
@return string status `"new"`, `"running"`, `"waiting"`, `"ready"` to run again,
`"done"`, `"failed"`, `"canceled"` or `"timed out"`.
*/
static int l_task_status(lua_State *L) {
  lua_pushstring(L, statusof(lev_self(L, &lev_task_type)));
  return 1;
}

/***
Lets the task be stopped though it never waits: by a signal (see
@{signal:interrupts}), and when it has run so many instructions. An error is
raised in it, again and again until it ends; what a function of this library has
begun is done first. To be called before the task runs, or by itself; it runs at
half the speed then. Tasks that it spawns are not limited, nor is `on_error`;
coroutines that it makes are, but one that ends within a thousand instructions
does not count.
@function task:limit
@param instructions? integer About as many, from 1; none: any number.
*/
static int l_task_limit(lua_State *L) {
  const lev_task *task = lev_self(L, &lev_task_type);
  lua_Integer limit = 0;
  if (!lua_isnoneornil(L, 2))
    limit = lev_checkrange(L, 2, 1, LUA_MAXINTEGER);
  if (task->state != LEV_DONE && task->co != NULL)
    lev_interrupt_arm(L, task, limit);
  return 0;
}

/***
Tells whether the task has ended.
@function task:is_done
@return boolean done
*/
static int l_task_is_done(lua_State *L) {
  const lev_task *task = lev_self(L, &lev_task_type);
  lua_pushboolean(L, task->state == LEV_DONE);
  return 1;
}

/***
Tells what the task waits for.
@function task:waits
@return string? what Such as `"read"`; nil if it does not wait.
@return string? object What it waits at, as tostring shows it.
*/
static int l_task_waits(lua_State *L) {
  const lev_task *task = lev_self(L, &lev_task_type);
  if (task->state != LEV_WAITING) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushstring(L, task->kind->what);
  if (task->state != LEV_WAITING || task->object == NULL) /* a finalizer */
    return 1;
  lev_pushdescription(L, task->object);
  return 2;
}

/***
Returns the name of the task, or sets it.
@function task:name
@param name? string
@return string? name
*/
static int l_task_name(lua_State *L) {
  lev_self(L, &lev_task_type);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TSTRING);
    lua_settop(L, 2);
    lev_task_setname(L, 1);
  }
  lev_task_name(L, 1);
  return 1;
}

/***
Returns a traceback of the task: where it is, or if it failed, where that was.
@function task:traceback
@return string? traceback nil if it has ended otherwise.
*/
static int l_task_traceback(lua_State *L) {
  const lev_task *task = lev_self(L, &lev_task_type);
  if (task->state == LEV_DONE)
    lua_getiuservalue(L, 1, LEV_UV_TRACE);
  else
    lev_task_traceback(L, task);
  if (!lua_isstring(L, -1))
    lua_pushnil(L);
  return 1;
}

/***
Lets the loop end with the task unless that returns: as by
@{event_base:loopbreak}, when it fails, is canceled or closed, or runs out of
time. An error of it is told to nobody else, then. @{libevent.run} does so with
its main task.
@function task:breaks_loop
@param on? boolean True by default.
*/
static int l_task_breaks_loop(lua_State *L) {
  lev_task *task = lev_self(L, &lev_task_type);
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TBOOLEAN);
  task->breaks = lua_isnoneornil(L, 2) || lua_toboolean(L, 2);
  return 0;
}

/***
Returns where the task is: the line that waits, or where its function begins.
@function task:where
@return string? place As `"file:line"`; nil if it has ended.
*/
static int l_task_where(lua_State *L) {
  const lev_task *task = lev_self(L, &lev_task_type);
  lua_Debug ar;
  if (!lev_task_place(task, &ar)) {
    lua_pushnil(L);
    return 1;
  }
  if (ar.currentline > 0)
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
  else
    lua_pushstring(L, ar.short_src);
  return 1;
}

/* Makes the list of base:tasks. The collector is stopped: it could end what is
 * being listed. */
static int list(lua_State *L) {
  const lev_base *base = lev_toobject(L, 1);
  lua_Integer n = 0;
  lua_newtable(L);
  for (const lev_object *o = base->children; o != NULL; o = o->next) {
    if (o->type != &lev_task_type || o->slot == 0 || !o->open)
      continue;
    lev_task_push(L, (const lev_task *)o);
    lua_rawseti(L, 2, ++n);
  }
  return 1;
}

/***
Returns the tasks of the base that have not ended, the newest first.
@function event_base:tasks
@return libevent.task[] tasks
*/
static int l_tasks(lua_State *L) {
  lev_self(L, &lev_event_base);
  lua_settop(L, 1);
  return lev_uncollected(L, list);
}

/* A task that waits for the end of another is not told: that one is. */
static bool left_task(lua_State *L, const lev_object *self) {
  lua_Debug ar;
  const lev_task *task = (const lev_task *)self;
  if ((task->state != LEV_WAITING && task->state != LEV_READY) ||
      task->kind == &waiting || !lev_task_place(task, &ar))
    return false;
  lev_pushdescription(L, self);
  const char *name = lev_task_name(L, 1);
  if (name != NULL)
    lua_pushfstring(L, " (%s)", name);
  else
    lua_pushliteral(L, "");
  lua_remove(L, -2);
  lua_pushfstring(L, " at %s:%d has not ended", ar.short_src, ar.currentline);
  lua_concat(L, 3);
  return true;
}

static void describe_task(lua_State *L, const lev_object *self) {
  const lev_task *task = (const lev_task *)self;
  bool waits = task->state == LEV_WAITING;
  const char *what = waits ? task->kind->what : NULL;
  const lev_object *at = waits ? task->object : NULL;
  const char *name = at != NULL ? at->type->name : "";
  lua_pushstring(L, statusof(task));
  if (what != NULL)
    lua_pushfstring(L, ": %s", what);
  if (at != NULL)
    lua_pushfstring(L, " %s: %p", name, at);
}

static const luaL_Reg methods[] = {
  { "wait", l_task_wait },
  { "cancel", l_task_cancel },
  { "status", l_task_status },
  { "waits", l_task_waits },
  { "name", l_task_name },
  { "traceback", l_task_traceback },
  { "where", l_task_where },
  { "is_done", l_task_is_done },
  { "limit", l_task_limit },
  { "breaks_loop", l_task_breaks_loop },
  { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "task", l_task_new },
  { "tasks", l_tasks },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "running", l_running }, { "in_loop", l_in_loop }, { "sleep", l_sleep },
  { "timeout", l_timeout }, { "pcall", l_pcall },     { NULL, NULL },
};

const lev_type lev_task_type = {
  .name = "libevent.task",
  .size = sizeof(lev_task),
  .uservalues = LEV_TASK_UVS,
  .life = LEV_LONE,
  .methods = methods,
  .constructors = constructors,
  .functions = functions,
  .free = lev_task_free,
  .linger = lev_task_linger,
  .pending = lev_task_pending,
  .due = lev_task_due,
  .soon = lev_task_soon,
  .describe = describe_task,
  .left = left_task,
};
