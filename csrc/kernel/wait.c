/* Waiting: into a wait and out of it, in the coroutine of a task. */

#include "kernel/pin.h"
#include "kernel/result.h"
#include "kernel/task.h"

static const double grace = 1.0; /* seconds for <close> handlers to wait */

/* Interruptions: what a wait raises in a task that is to end. */

lev_outcome lev_task_interruption(lua_State *L, const lev_state *state,
                                  int index) {
  index = lua_absindex(L, index);
  if (!lua_istable(L, index))
    return LEV_NOTHING;
  lev_pushat(L, state, LEV_AT_CANCELED);
  lev_pushat(L, state, LEV_AT_DEADLINE);
  lev_outcome outcome = lua_rawequal(L, index, -2)   ? LEV_CANCELED
                        : lua_rawequal(L, index, -1) ? LEV_TIMEDOUT
                                                     : LEV_NOTHING;
  lua_pop(L, 2);
  return outcome;
}

/* Raises what interrupts the task. */
static void interrupt(lua_State *L, lev_task *task, double now) {
  if (task->grace == 0)
    task->grace = now + grace;
  task->expired = task->doomed == 0;
  lev_pushat(L, task->head.base->state,
             task->doomed > 0 ? LEV_AT_CANCELED : LEV_AT_DEADLINE);
  lua_error(L);
}

lev_task *lev_task_refuse(lua_State *L, const lev_state *state) {
  if (!lev_istask(L, state))
    luaL_error(L, "only a task can wait (see libevent.run and libevent.spawn)");
  lev_task *task = state->running;
  if (!task->head.open && !task->head.lingering)
    luaL_error(L, "attempt to wait in a closed task");
  if (!lua_isyieldable(L))
    luaL_error(L, "attempt to wait across a C-call boundary");
  return task;
}

lev_task *lev_task_refuseat(lua_State *L, const lev_object *object) {
  lev_task *task = lev_task_refuse(L, object->base->state);
  if (task->head.base != object->base)
    luaL_error(L, "a task waits only for objects of its own event_base");
  return task;
}

bool lev_task_waits(lev_task *task) {
  if (lua_status(task->co) == LUA_YIELD)
    return true;
  if (task->kind->left != NULL)
    task->kind->left(task);
  lev_task_wake(task, LEV_CANCELED);
  return false;
}

int lev_task_busy(lua_State *L, const lev_task *other, const char *what) {
  lev_task_push(L, other);
  const char *name = lev_task_name(L, -1);
  return luaL_error(L, "a task waits for this %s already: %s", what,
                    name != NULL ? name : luaL_tolstring(L, -2, NULL));
}

void lev_task_interrupt(lua_State *L, lev_task *task) {
  double now = lev_now();
  if (task->doomed > 0 || (task->deadline > 0 && now >= task->deadline))
    interrupt(L, task, now);
}

/* When the wait must end; 0 for never. Raises if there must be none. */
static double limit(lua_State *L, lev_task *task, bool shielded,
                    double timeout) {
  bool interrupted = task->doomed > 0 || task->deadline > 0;
  task->raises = false;
  if ((timeout < 0 && !interrupted) || shielded)
    return 0;
  double now = lev_now();
  double most = task->deadline;
  if (task->doomed > 0 || (most > 0 && now >= most)) {
    if (!task->unwinding || (task->grace > 0 && now >= task->grace))
      interrupt(L, task, now);
    if (task->grace == 0)
      task->grace = now + grace;
    most = task->grace;
  }
  double own = timeout >= 0 ? now + timeout : 0;
  task->raises = most > 0 && (own == 0 || most <= own);
  return task->raises ? most : own;
}

/* Lets the deadline come at 'due' or before: one that comes too early is set
 * again then, so that a task that waits again and again hardly sets any. */
static void schedule(lua_State *L, lev_task *task, double due) {
  double set = lev_deadline_moment(&task->head);
  task->due = due;
  if (due == 0) {
    if (set > 0)
      lev_deadline_del(&task->head);
  } else if (set == 0 || set > due) {
    double now = lev_now();
    task->due = lev_deadline_add(L, &task->head, 0, due > now ? due - now : 0);
  }
}

void lev_task_schedule(lua_State *L, lev_task *task, const lev_waitkind *kind,
                       double timeout) {
  task->limited = true; /* if this raises, too */
  schedule(L, task, limit(L, task, kind->shielded, timeout));
  task->limited = task->due > 0 || task->doomed > 0 || task->deadline > 0;
}

void lev_task_park(lev_task *task) {
  lev_base *base = task->head.base;
  task->parked = true;
  base->parked++;
  lev_slots_idle(base);
}

int lev_task_wait(lua_State *L, lev_task *task, const lev_waitkind *kind,
                  lev_task **place, lev_object *object, double timeout) {
  lev_task_prepare(L, task, kind, timeout);
  return lev_task_yield(L, task, kind, place, object);
}

/* The task of a base whose coroutine is L, if it is in a wait. */
static lev_task *find(lua_State *L, const lev_base *base) {
  for (lev_object *o = base->children; base->head.open && o != NULL;
       o = o->next) {
    lev_task *task = (lev_task *)o;
    if (o->type->soon == lev_task_soon && task->co == L &&
        (task->state == LEV_WAITING || task->state == LEV_READY))
      return task;
  }
  return NULL;
}

/* L was resumed by somebody else: its task is lost. */
static int intruded(lua_State *L, const lev_state *state) {
  lev_task *task = NULL;
  for (uint32_t id = LEV_AT_BASES + 1; task == NULL && id <= state->last_id;
       id++) {
    if (lev_pushat(L, state, id) == LUA_TTABLE) {
      lua_rawgeti(L, -1, LEV_SLOT_BASE);
      task = find(L, lev_toobject(L, -1));
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  if (task != NULL) {
    task->lost = true;
    if (task->state == LEV_WAITING && task->kind->left != NULL)
      task->kind->left(task);
    lev_task_wake(task, LEV_NOTHING);
  }
  lev_pushat(L, state, LEV_AT_RESUMED);
  return lua_error(L);
}

lev_outcome lev_task_outcome(lua_State *L, lua_KContext state) {
  lev_task *task = lev_task_running(state);
  if (task == NULL || task->co != L || task->outcome == LEV_NOTHING)
    return (lev_outcome)intruded(L, (const lev_state *)state);
  lev_outcome outcome = task->outcome;
  task->outcome = LEV_NOTHING;
  if (task->kind->shielded)
    return outcome;
  if (outcome == LEV_CANCELED || (outcome == LEV_TIMEDOUT && task->raises))
    interrupt(L, task, lev_now());
  return outcome;
}

int lev_task_unhappened(lua_State *L, lua_KContext state) {
  return lev_task_outcome(L, state) == LEV_TIMEDOUT ? lev_timedout(L)
                                                    : lev_closed(L);
}
