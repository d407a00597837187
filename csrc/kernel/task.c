#include "kernel/task.h"

#include "kernel/pin.h"
#include "kernel/scope.h"
#include "kernel/traceback.h"

void lev_task_push(lua_State *L, const lev_task *task) {
  if (lev_slots_push(L, task->head.base)) {
    lua_rawgeti(L, -1, task->head.slot);
    lua_replace(L, -2);
  }
}

void lev_task_setname(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lev_names_key);
  lua_insert(L, -2);
  lua_pushvalue(L, index);
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

const char *lev_task_name(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lev_names_key);
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  lua_replace(L, -2);
  return lua_tostring(L, -1);
}

/* Ending. */

/* Lets a task that has ended go; it is at 'index' of the main stack. */
static void release(const lev_frame *f, lev_task *task) {
  if (task->head.lingering) {
    lev_end(f->L, &task->head);
  } else if (task->head.open) {
    lev_retire(&task->head);
    lev_unpinat(f->L, &task->head, f->handler + 1);
  }
}

/* Notes that the task, at 'index' of the main stack, failed with the error on
 * top of it. [-1, +0, -] */
static void fail(lua_State *L, lev_task *task, int index) {
  lua_getiuservalue(L, index, LEV_UV_FAILURE);
  if (!lua_rawequal(L, -1, -2)) { /* the handler did not see it */
    lua_pushboolean(L, 0);
    lua_setiuservalue(L, index, LEV_UV_TRACE);
  }
  lua_pop(L, 1);
  lev_outcome why = lev_task_interruption(L, task->head.base->state, -1);
  if (task->doomed == 0 && !task->expired) /* it is another task's */
    why = LEV_NOTHING;
  task->ending = why == LEV_CANCELED   ? LEV_WASCANCELED
                 : why == LEV_TIMEDOUT ? LEV_WASTIMEDOUT
                                       : LEV_FAILED;
  lua_setiuservalue(L, index, LEV_UV_FAILURE);
}

/* A child's error is its scope's, if that has none yet. */
static void failscope(lua_State *L, const lev_task *task, int index) {
  lev_scope *scope = task->home;
  if (scope->failed)
    return;
  scope->failed = true;
  lua_getiuservalue(L, index, LEV_UV_SCOPE);
  while (lua_touserdata(L, -1) != scope) { /* one that it has not ended */
    lua_getiuservalue(L, -1, LEV_UV_OUTER);
    lua_replace(L, -2);
  }
  lua_getiuservalue(L, index, LEV_UV_FAILURE);
  lua_setiuservalue(L, -2, LEV_UV_SCOPEFAILURE);
  lua_getiuservalue(L, index, LEV_UV_TRACE);
  lua_setiuservalue(L, -2, LEV_UV_SCOPETRACE);
  lua_pop(L, 1);
  lev_scope_cancel(scope);
}

/* The scopes that the task has opened and not ended lose their owner. */
static void abandon(lev_task *task) {
  for (lev_scope *s = task->scope; s != task->home; s = s->outer) {
    lev_scope_cancelchildren(s);
    s->owner = NULL;
  }
  task->scope = task->home;
}

/* The loop ends with the task, unless that has returned. */
static void breakloop(const lev_task *task) {
  lev_base *base = task->head.base;
  if (task->breaks && task->ending != LEV_RETURNED && base->head.open)
    event_base_loopbreak(base->ptr);
}

/* The task on top of the main stack has ended; its ending is noted. */
static void conclude(const lev_frame *f, lev_task *task) {
  int index = lua_gettop(f->L);
  task->state = LEV_DONE;
  task->head.base->counts.tasks--;
  lev_deadline_del(&task->head);
  abandon(task);
  task->observed = task->ending != LEV_FAILED || task->breaks ||
                   (task->home != NULL && task->home->owner != NULL);
  breakloop(task);
  if (task->home != NULL && task->ending == LEV_FAILED)
    failscope(f->L, task, index);
  if (task->home != NULL && task->ending == LEV_WASTIMEDOUT)
    task->home->cut = true;
  lev_scope_leave(task);
  lev_task_leave(task);
  lev_task_wakeall(&task->waiters, LEV_HAPPENED);
  task->co = NULL;
  lua_pushnil(f->L);
  lua_setiuservalue(f->L, index, LEV_UV_THREAD);
  if (!task->observed) /* told after those who wait have been */
    lev_soon_add(&task->soon, &task->head);
  else
    release(f, task);
}

void lev_task_traceback(lua_State *L, const lev_task *task) {
  bool ran = lev_gc_stop(L); /* a finalizer could close the coroutine */
  luaL_traceback(L, task->co, NULL, 0);
  lev_gc_restart(L, ran);
}

/* Notes where a coroutine is that has yielded where it must not. */
static int traceco(lua_State *L) {
  const lev_task *task = lev_toobject(L, 1);
  lev_task_traceback(L, task);
  lua_setiuservalue(L, 1, LEV_UV_TRACE);
  return 0;
}

/* Ends the task on top of the main stack from outside, with an error of the
 * state's table. Its <close> handlers run, if the coroutine is suspended. */
static void kill(const lev_frame *f, lev_task *task, int place) {
  lua_State *L = f->L;
  int index = lua_gettop(L);
  bool suspended = lua_status(task->co) == LUA_YIELD;
  if (suspended) {
    lua_pushcfunction(L, traceco);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
      lua_pop(L, 1);
  }
  lev_pushat(L, task->head.base->state, place);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, LEV_UV_FAILURE);
  fail(L, task, index);
  lua_State *co = task->co;
  if (suspended && lua_resetthread(co) != LUA_OK)
    lua_settop(co, 0); /* an error there would look like a new coroutine */
  if (task->head.slot != 0)
    conclude(f, task);
}

/* A task that was closed while it ran has failed: nobody waits for it. */
static void reportlate(const lev_frame *f, lev_task *task, int status) {
  lev_base *base = task->head.base;
  lua_xmove(task->co, f->L, 1);
  if (lev_task_interruption(f->L, base->state, -1) == LEV_NOTHING)
    lev_report(f->L, base, 0, status);
}

/* Pushes the task onto the main stack. */
static void push(const lev_frame *f, const lev_task *task) {
  lua_rawgeti(f->L, f->handler + 1, task->head.slot);
}

/* lua_resume has returned, and the task does not simply wait again. */
static void returned(const lev_frame *f, lev_task *task, int status) {
  if (task->head.slot == 0) { /* closed while it ran */
    if (status != LUA_OK && status != LUA_YIELD)
      reportlate(f, task, status);
    return;
  }
  push(f, task);
  if (status == LUA_YIELD && task->state != LEV_RUNNING) {
    lua_pop(task->co, task->left);
  } else if (status == LUA_YIELD) {
    kill(f, task, LEV_AT_YIELDED);
  } else if (status == LUA_OK) {
    if (task->left > 0) {
      lua_xmove(task->co, f->L, 1);
      lua_setiuservalue(f->L, -2, LEV_UV_FAILURE);
    }
    conclude(f, task);
  } else {
    lua_xmove(task->co, f->L, 1);
    fail(f->L, task, lua_gettop(f->L) - 1);
    conclude(f, task);
  }
}

/* Ends a task that cannot be resumed. */
static void giveup(const lev_frame *f, lev_task *task) {
  push(f, task);
  lev_task_lose(task);
  if (task->lost) {
    kill(f, task, LEV_AT_RESUMED);
  } else { /* canceled before it began, or gone by coroutine.close */
    task->ending = LEV_WASCANCELED;
    conclude(f, task);
  }
}

static bool canrun(const lev_task *task) {
  if (task->state == LEV_NEW)
    return task->doomed == 0;
  return !task->lost && lua_status(task->co) == LUA_YIELD;
}

/* Resumes a coroutine that can run. A task that is closed while it runs stays
 * alive: see lev_task_free. */
static inline int resume(lev_base *base, lev_task *task, int nargs) {
  lev_state *state = base->state;
  lev_task *outer = state->running;
  base->counts.callbacks++;
  task->state = LEV_RUNNING;
  state->running = task;
  lev_traceback_resume(state, task->co);
  int status = lua_resume(task->co, state->main, nargs, &task->left);
  state->running = outer;
  return status;
}

/* Whether the task has simply begun to wait again, after lua_resume: nothing
 * but lev_task_yield makes it wait, whose lua_yieldk comes straight here. */
static inline bool waits(const lev_task *task) {
  return task->state == LEV_WAITING;
}

/* The frame is that of a callback: what is pushed beyond its top goes again. */
static void run(const lev_frame *f, lev_task *task) {
  lev_base *base = task->head.base;
  base->depth++;
  if (canrun(task)) {
    int nargs = task->state == LEV_NEW ? lua_gettop(task->co) - 1 : 0;
    if (base->measuring)
      lev_measure_resume(f->L, task);
    int status = resume(base, task, nargs);
    if (!waits(task))
      returned(f, task, status);
    if (base->measuring)
      lev_measure_end(f->L, base);
  } else {
    giveup(f, task);
  }
  lev_depart(base);
}

/* Resuming. */

void lev_task_wake(lev_task *task, lev_outcome outcome) {
  lev_task_unwait(task);
  task->outcome = (uint8_t)outcome;
  task->state = LEV_READY;
  if (task->head.base->head.open)
    lev_soon_add(&task->soon, &task->head);
}

void lev_task_wakeall(lev_waiters *list, lev_outcome outcome) {
  while (list->first != NULL)
    lev_task_wake(list->first, outcome);
}

/* The task has not simply begun to wait again. */
static LEV_COLD void ended(lev_task *task, int status) {
  lev_frame f = lev_frame_straight(task->head.base);
  returned(&f, task, status);
  lua_settop(f.L, f.top);
}

static LEV_COLD void resumeany(lev_task *task) {
  lev_frame f = lev_frame_straight(task->head.base);
  run(&f, task);
  lua_settop(f.L, f.top);
}

/* The way from a ready descriptor to a task that waits for it, as short as it
 * can be: what lev_task_unwait and 'run' do for all tasks, for one that waits
 * in a place of its own. */
void lev_task_resume(lev_task *task) {
  lev_base *base = task->head.base;
  if (!lev_isstraight(base)) {
    lev_task_wake(task, LEV_HAPPENED);
    return;
  }
  *task->wait.at = NULL;
  task->wait.at = NULL;
  task->state = LEV_READY;
  task->outcome = LEV_HAPPENED;
  if (base->measuring || lua_status(task->co) != LUA_YIELD) {
    resumeany(task);
    return;
  }
  base->depth++;
  int status = resume(base, task, 0);
  if (!waits(task))
    ended(task, status);
  lev_depart(base);
}

/* Tells on_error of a task that failed, if nobody has waited for it. */
static void report(const lev_frame *f, lev_task *task) {
  lua_State *L = f->L;
  lev_base *base = task->head.base;
  push(f, task);
  int index = lua_gettop(L);
  base->depth++;
  if (!task->observed) {
    task->observed = true;
    lua_getiuservalue(L, index, LEV_UV_TRACE);
    lev_setat(L, base->state, LEV_AT_TRACEBACK, -1);
    lua_pop(L, 1);
    lua_getiuservalue(L, index, LEV_UV_FAILURE);
    lev_report(L, base, index, LUA_ERRRUN);
  }
  if (task->head.slot != 0)
    release(f, task);
  lev_depart(base);
}

void lev_task_soon(lev_object *self) {
  lev_frame f;
  lev_task *task = (lev_task *)self;
  if (!lev_frame_open(&f, self->base)) {
    lev_soon_add(&task->soon, self);
    return;
  }
  if (task->state == LEV_DONE)
    report(&f, task);
  else
    run(&f, task);
  lua_settop(f.L, f.top);
  lev_frame_close(&f);
}

void lev_task_due(const lev_frame *f, lev_object *self) {
  lev_task *task = (lev_task *)self;
  double left = task->due - lev_now();
  self->base->deadlines.running = NULL; /* only a timer keeps its rate */
  if (task->state == LEV_WAITING && task->due > 0 && left > 0) {
    /* Its own entry has just been taken out, so there is room. */
    lev_deadline_add(f->L, self, lua_gettop(f->L), left);
  } else if (task->state == LEV_WAITING && task->due > 0) {
    /* Of a coroutine that was closed nothing may be left to look at. */
    bool late = task->kind->late != NULL && lua_status(task->co) == LUA_YIELD &&
                task->kind->late(task);
    if (!late && task->kind->left != NULL)
      task->kind->left(task);
    lev_task_unwait(task);
    task->outcome = late ? LEV_HAPPENED : LEV_TIMEDOUT;
    if (self->base->measuring)
      lev_measure_lag(self->base, -left);
    run(f, task);
  }
  lua_settop(f->L, f->top);
}

/* Hooks of the type. */

bool lev_task_pending(const lev_object *self) {
  return ((const lev_task *)self)->state != LEV_DONE;
}

bool lev_task_linger(lua_State *L, lev_object *self, bool now) {
  lev_task *task = (lev_task *)self;
  (void)L;
  if (task->state == LEV_DONE) /* its error is to be told still */
    return !now && lev_soon_pending(&task->soon);
  return !now && lev_task_cancel(task);
}

/* A running coroutine must not be collected, even if nothing holds it any more:
 * the base does until the next one. Where it closes the Lua state, finalizers
 * may still ask which task runs. */
static void hold(lua_State *L, lev_task *task) {
  task->head.awaited = true;
  if (lev_slots_push(L, task->head.base)) {
    lua_rawgeti(L, -1, LEV_SLOT_BASE);
    lua_rawgeti(L, -2, task->head.slot);
    lua_setiuservalue(L, -2, LEV_UV_RUNNING);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void lev_task_free(lua_State *L, lev_object *self) {
  lev_task *task = (lev_task *)self;
  if (task->state == LEV_RUNNING)
    hold(L, task);
  if (task->state == LEV_WAITING && task->kind->left != NULL)
    task->kind->left(task);
  lev_task_unwait(task);
  lev_task_lose(task);
  lev_soon_del(&task->soon);
  if (task->state != LEV_DONE) {
    task->ending = LEV_WASCANCELED;
    self->base->counts.tasks--;
    breakloop(task);
  }
  task->state = LEV_DONE;
  abandon(task);
  lev_scope_leave(task);
  lev_task_leave(task);
  lev_task_wakeall(&task->waiters, LEV_HAPPENED);
}
