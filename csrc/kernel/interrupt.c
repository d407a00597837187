#include "kernel/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "kernel/task.h"
#include "kernel/where.h"

/* Instructions between two looks: many, or one where something has to stop.
 * Errors that a task may catch; and instructions of our own Lua layer that may
 * follow where it has to stop. */
enum {
  LEV_PERIOD = 1000,
  LEV_EACH = 1,
  LEV_PATIENCE = 10,
  LEV_SPARED = 100000
};

static const char limits_key = 0;

static struct {
  _Atomic(const void *) owner; /* that watches it; or NULL */
  int number;                  /* the signal */
  atomic_int came;             /* how often, since it was taken */
  _Atomic(lev_state *) state;
  pthread_t thread;       /* that the state runs in: hooks are set there */
  struct sigaction inner; /* libevent's, which is called, too */
} watched;

/* Pushes what a task may still do: nil if it is not armed, 0 for any number of
 * instructions, a negative number if it has to stop. [-0, +2, -] */
static lua_Integer pushleft(lua_State *L, const lev_task *task) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &limits_key) != LUA_TTABLE) {
    lua_pushnil(L);
    return 0;
  }
  lua_pushthread(task->co);
  lua_xmove(task->co, L, 1);
  lua_rawget(L, -2);
  return lua_tointeger(L, -1);
}

static void setleft(lua_State *L, const lev_task *task, lua_Integer left) {
  lua_pushthread(task->co);
  lua_xmove(task->co, L, 1);
  lua_pushinteger(L, left);
  lua_rawset(L, -4); /* it is there already */
}

static void look(lua_State *L, lua_Debug *ar);

/* Raises an error that says where the code is that is stopped: in a hook that
 * is level 0. */
static void raiseat(lua_State *L, const char *message) {
  luaL_where(L, 0);
  lua_pushstring(L, message);
  lua_concat(L, 2);
  lua_error(L);
}

/* What is left when a task has to stop: it goes down from here with each
 * error. */
enum { LEV_USED_UP = -1, LEV_INTERRUPTED = -1000 };

/* Whether what has to stop goes on for now. Our Lua layer does, since an error
 * in its middle would leave something undone; and one instruction more, which
 * may be the one that marks what we have returned to be closed. */
static bool spares(lua_State *L, lev_state *state, lua_Debug *ar) {
  uint32_t before = state->spared;
  lua_getinfo(L, "S", ar);
  bool ours = lev_where_isours(state, ar);
  bool spared = ours ? before < LEV_SPARED
                     : before > 0 || lua_gethookcount(L) != LEV_EACH;
  state->spared = ours && spared ? before + 1 : 0;
  if (spared)
    lua_sethook(L, lua_gethook(L), LUA_MASKCOUNT, LEV_EACH);
  return spared;
}

/* Raises; if that has been caught too often, with every instruction. */
static void complain(lua_State *L, const lev_task *task, lua_Integer left) {
  bool used = left > LEV_INTERRUPTED;
  lua_Integer times = used ? LEV_USED_UP - left : LEV_INTERRUPTED - left;
  if (times >= LEV_PATIENCE) {
    lua_sethook(L, look, LUA_MASKCOUNT, LEV_EACH);
    lua_sethook(task->co, look, LUA_MASKCOUNT, LEV_EACH);
  } else {
    setleft(L, task, left - 1);
    lua_sethook(L, look, LUA_MASKCOUNT, LEV_PERIOD);
  }
  raiseat(L, used ? "stopped: too many instructions" : "interrupted");
}

/* What is left to a task that runs: a negative number if it has to stop. */
static lua_Integer judge(lua_Integer left) {
  if (left < 0)
    return left;
  if (atomic_load(&watched.came) > 0)
    return LEV_INTERRUPTED;
  return left > 0 && left <= LEV_PERIOD ? LEV_USED_UP : left;
}

/* Looks whether the armed task that runs has to stop. */
static void look(lua_State *L, lua_Debug *ar) {
  lev_state *state = lev_getstate(L);
  const lev_task *task = state->running;
  if (task == NULL || !lua_checkstack(L, 8)) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_Integer left = judge(pushleft(L, task));
  if (lua_isnil(L, -1)) { /* a coroutine that has got into other hands */
    lua_sethook(L, NULL, 0, 0);
  } else if (left < 0) {
    if (!spares(L, state, ar))
      complain(L, task, left);
  } else if (lua_gethookcount(L) != LEV_PERIOD) { /* it was spared */
    state->spared = 0;
    lua_sethook(L, look, LUA_MASKCOUNT, LEV_PERIOD);
  } else if (left > 0) {
    setleft(L, task, left - LEV_PERIOD);
  }
}

/* Stops what runs, once, unless the loop has come back meanwhile. */
static void stop(lua_State *L, lua_Debug *ar) {
  lev_state *state = lev_getstate(L);
  bool came = atomic_load(&watched.came) > 0;
  if (came && spares(L, state, ar))
    return;
  state->spared = 0;
  lua_sethook(L, NULL, 0, 0);
  if (came)
    raiseat(L, "interrupted");
}

static void on_signal(int number) {
  lev_state *state = atomic_load(&watched.state);
  if (state != NULL && !pthread_equal(watched.thread, pthread_self())) {
    int code = errno;
    pthread_kill(watched.thread, number);
    errno = code;
    return;
  }
  int before = atomic_fetch_add(&watched.came, 1);
  if (before > 0 && state != NULL) {
    lua_State *L = state->running != NULL ? state->running->co : state->main;
    if (lua_gethook(L) == NULL)
      lua_sethook(L, stop, LUA_MASKCOUNT, LEV_EACH);
  }
  if (watched.inner.sa_handler != SIG_DFL &&
      watched.inner.sa_handler != SIG_IGN)
    watched.inner.sa_handler(number);
}

bool lev_interrupt_watch(lev_state *state, const void *owner, int number) {
  struct sigaction outer = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  const void *none = NULL;
  sigfillset(&outer.sa_mask);
  if (!atomic_compare_exchange_strong(&watched.owner, &none, owner))
    return false;
  watched.number = number;
  watched.thread = pthread_self();
  atomic_store(&watched.state, state);
  atomic_store(&watched.came, 0);
  return sigaction(number, NULL, &watched.inner) == 0 &&
         sigaction(number, &outer, NULL) == 0;
}

bool lev_interrupt_watches(const void *owner) {
  return atomic_load(&watched.owner) == owner;
}

void lev_interrupt_unwatch(const void *owner) {
  if (!lev_interrupt_watches(owner))
    return;
  sigaction(watched.number, &watched.inner, NULL);
  lev_interrupt_forget();
}

void lev_interrupt_off(const lev_state *state) {
  if (atomic_load(&watched.state) == state)
    lev_interrupt_unwatch(atomic_load(&watched.owner));
}

void lev_interrupt_forget(void) {
  atomic_store(&watched.state, NULL);
  atomic_store(&watched.came, 0);
  atomic_store(&watched.owner, NULL);
}

bool lev_interrupt_take(void) {
  return atomic_exchange(&watched.came, 0) > 0;
}

void lev_interrupt_arm(lua_State *L, const lev_task *task, lua_Integer limit) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &limits_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &limits_key);
  }
  lua_pushthread(task->co);
  lua_xmove(task->co, L, 1);
  lua_pushinteger(L, limit);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  lua_sethook(task->co, look, LUA_MASKCOUNT, LEV_PERIOD);
}

int lev_interrupt_pause(lua_State *L) {
  int period = lua_gethook(L) == look ? lua_gethookcount(L) : 0;
  if (period > 0)
    lua_sethook(L, NULL, 0, 0);
  return period;
}

void lev_interrupt_resume(lua_State *L, int period) {
  if (period > 0)
    lua_sethook(L, look, LUA_MASKCOUNT, period);
}

void lev_interrupt_spare(lua_State *co) {
  if (lua_gethook(co) == look)
    lua_sethook(co, NULL, 0, 0);
}
