/***
What tasks wait for until another task or a callback says so. Made by
@{libevent.condition}, and by @{event_base:condition} one that is closed with
its base.

Who waits longest is woken first. A task that was woken by
@{condition:signal} and is ended before it runs, by `close "now"` or with its
coroutine, hands the signal on to the next.
@classmod libevent.condition
*/

#include <stddef.h>
#include <string.h>

#include "io/task.h"
#include "kernel/convert.h"
#include "kernel/result.h"

typedef struct lev_condition {
  lev_object head;
  lev_waiters waiters;
  lev_waiters served; /* signaled, but have not run yet */
  lua_Integer nserved;
  lev_hold hold;
  char name[32];
} lev_condition;

/* Signals one that waits, if any does. */
static void serve(lev_condition *self) {
  if (self->waiters.first == NULL)
    return;
  self->nserved++;
  lev_task_serve(self->waiters.first, &self->served);
}

static void unserve(lev_condition *self, lev_task *task) {
  lev_waiters_del(task);
  self->nserved--;
}

static void lost(lev_task *task) {
  char *served = (char *)task->wait.list;
  lev_condition *self = (void *)(served - offsetof(lev_condition, served));
  unserve(self, task);
  serve(self);
}

static void left(lev_hold *hold) {
  serve((void *)((char *)hold - offsetof(lev_condition, hold)));
}

/* Makes a condition of the base at an index, or of none if that is 0. */
static int create(lua_State *L, int base, int arg) {
  const char *name = "";
  if (!lua_isnoneornil(L, arg)) {
    luaL_checktype(L, arg, LUA_TSTRING);
    name = lua_tostring(L, arg);
  }
  size_t size = strlen(name) + 1;
  luaL_argcheck(L, size <= sizeof((lev_condition *)0)->name, arg,
                "longer than 31 bytes");
  lev_condition *self = lev_new(L, base, &lev_condition_type);
  memcpy(self->name, name, size);
  self->waiters.end = &self->waiters.first;
  self->served.end = &self->served.first;
  self->hold.left = left;
  lev_open(&self->head);
  return 1;
}

/***
Creates a condition that nobody waits for; it is closed with the base.
@function event_base:condition
@param name? string At most 31 bytes: tells in listings what it is for.
@return libevent.condition condition
*/
static int l_condition_new(lua_State *L) {
  lev_self(L, &lev_event_base);
  return create(L, 1, 2);
}

/***
Creates a condition that belongs to no base: tasks of any may wait for it.
@function libevent.condition
@param name? string At most 31 bytes: tells in listings what it is for.
@return libevent.condition condition
*/
static int l_condition(lua_State *L) {
  return create(L, 0, 1);
}

static int waitk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  switch (lev_task_woken(L, state)) {
  case LEV_TIMEDOUT:
    return lev_timedout(L);
  case LEV_CLOSED:
    return lev_closed(L);
  default:
    if (lev_task_running(state)->wait.at != NULL) /* so it is open */
      unserve(lev_task_object(state), lev_task_running(state));
    lua_pushboolean(L, 1);
    return 1;
  }
}

static const lev_waitkind waiting = {
  .what = "wait",
  .k = waitk,
  .parked = true,
  .listed = true,
  .lost = lost,
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
  lev_task *task = lev_task_check(L, lev_getstate(L));
  lua_settop(L, 1);
  return lev_task_wait(L, task, &waiting, &self->waiters.first, &self->head,
                       timeout);
}

/***
Wakes tasks that wait now; they go on once the callback or task that runs now
has returned or waits. The signal to one that is ended before it runs goes to
the next that waits then.
@function condition:signal
@param n? integer How many at most; 1 by default.
@return integer woken
*/
static int l_condition_signal(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  lua_Integer n = 1, woken = 0;
  if (!lua_isnoneornil(L, 2))
    n = lev_checkrange(L, 2, 0, LUA_MAXINTEGER);
  for (; woken < n && self->waiters.first != NULL; woken++)
    serve(self);
  lua_pushinteger(L, woken);
  return 1;
}

/***
Wakes all tasks that wait now.
@function condition:broadcast
@return integer woken
*/
static int l_condition_broadcast(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  lua_Integer woken = 0;
  for (; self->waiters.first != NULL; woken++)
    lev_task_wake(self->waiters.first, LEV_HAPPENED);
  lua_pushinteger(L, woken);
  return 1;
}

/***
Returns how many tasks wait.
@function condition:waiting
@return integer count
*/
static int l_condition_waiting(lua_State *L) {
  const lev_condition *self = lev_self(L, &lev_condition_type);
  lua_Integer n = 0;
  for (const lev_task *t = self->waiters.first; t != NULL; t = t->wait.next)
    n++;
  lua_pushinteger(L, n);
  return 1;
}

/***
Returns how many tasks have been signaled and have not run since.
@function condition:served
@return integer count
*/
static int l_condition_served(lua_State *L) {
  const lev_condition *self = lev_self(L, &lev_condition_type);
  lua_pushinteger(L, self->nserved);
  return 1;
}

/***
Lets a task hold the condition, and whoever held it no more. When that task
ends, however that comes, the condition is held by nobody and signals the one
that waits longest: so a lock is not lost with its owner.
@function condition:hold
@param task libevent.task
@return boolean held False if the task has ended already.
*/
static int l_condition_hold(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  lev_task *task = lev_test(L, 2, &lev_task_type);
  if (task == NULL)
    return luaL_typeerror(L, 2, lev_task_type.name);
  lev_task_unhold(&self->hold);
  if (task->state != LEV_DONE)
    lev_task_hold(task, &self->hold);
  lua_pushboolean(L, task->state != LEV_DONE);
  return 1;
}

/***
Ends that a task holds the condition.
@function condition:unhold
@return boolean held False if none did.
*/
static int l_condition_unhold(lua_State *L) {
  lev_condition *self = lev_self(L, &lev_condition_type);
  lua_pushboolean(L, self->hold.task != NULL);
  lev_task_unhold(&self->hold);
  return 1;
}

static void free_condition(lua_State *L, lev_object *object) {
  lev_condition *self = (lev_condition *)object;
  (void)L;
  lev_task_unhold(&self->hold);
  while (self->served.first != NULL)
    unserve(self, self->served.first);
  lev_task_wakeall(&self->waiters, LEV_CLOSED);
}

static bool pending_condition(const lev_object *object) {
  return ((const lev_condition *)object)->waiters.first != NULL;
}

static void describe_condition(lua_State *L, const lev_object *object) {
  const lev_condition *self = (const lev_condition *)object;
  lua_pushstring(L, self->name[0] != '\0' ? self->name : "open");
}

static const luaL_Reg methods[] = {
  { "wait", l_condition_wait },     { "signal", l_condition_signal },
  { "hold", l_condition_hold },     { "broadcast", l_condition_broadcast },
  { "served", l_condition_served }, { "waiting", l_condition_waiting },
  { "unhold", l_condition_unhold }, { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "condition", l_condition_new },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "condition", l_condition },
  { NULL, NULL },
};

const lev_type lev_condition_type = {
  .name = "libevent.condition",
  .size = sizeof(lev_condition),
  .uservalues = 1,
  .methods = methods,
  .constructors = constructors,
  .functions = functions,
  .free = free_condition,
  .pending = pending_condition,
  .describe = describe_condition,
};
