#include "kernel/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "kernel/task.h"

/* Instructions between two looks, and errors that a task may catch. */
enum { LEV_PERIOD = 1000, LEV_PATIENCE = 10 };

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

/* Raises; if that has been caught too often, with every instruction. */
static void complain(lua_State *L, const lev_task *task, lua_Integer left) {
  bool used = left > LEV_INTERRUPTED;
  lua_Integer times = used ? LEV_USED_UP - left : LEV_INTERRUPTED - left;
  if (times >= LEV_PATIENCE) {
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    lua_sethook(task->co, look, LUA_MASKCOUNT, 1);
  } else {
    setleft(L, task, left - 1);
  }
  raiseat(L, used ? "stopped: too many instructions" : "interrupted");
}

/* Looks whether the armed task that runs has to stop. */
static void look(lua_State *L, lua_Debug *ar) {
  const lev_task *task = lev_getstate(L)->running;
  (void)ar;
  if (task == NULL || !lua_checkstack(L, 8)) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_Integer left = pushleft(L, task);
  if (lua_isnil(L, -1)) { /* a coroutine that has got into other hands */
    lua_sethook(L, NULL, 0, 0);
  } else if (left < 0) {
    complain(L, task, left);
  } else if (atomic_load(&watched.came) > 0) {
    complain(L, task, LEV_INTERRUPTED);
  } else if (left > 0 && left <= LEV_PERIOD) {
    complain(L, task, LEV_USED_UP);
  } else if (left > 0) {
    setleft(L, task, left - LEV_PERIOD);
  }
}

/* Stops what runs, once. */
static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
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
      lua_sethook(L, stop, LUA_MASKCOUNT, 1);
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

void lev_interrupt_spare(lua_State *co) {
  if (lua_gethook(co) == look)
    lua_sethook(co, NULL, 0, 0);
}
