#include "kernel/traceback.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kernel/process.h"
#include "kernel/task.h"

enum {
  LEV_THREADS = 8,  /* that are told, and whose hooks are kept */
  LEV_NESTED = 200, /* coroutines within each other: Lua's own limit */
  LEV_LEVELS = 40
};

atomic_bool lev_traceback_due;

static struct {
  atomic_int number; /* the signal; or 0 */
  char name[16];     /* of it */
  _Atomic(const lev_state *) state;
  pthread_t thread; /* that the state runs in */
  struct sigaction before;
  unsigned next; /* the place of the next hook that is kept */
  struct {
    const lua_State *L; /* perhaps gone since */
    lua_Hook hook;
    int mask, count;
  } hooks[LEV_THREADS];
} traced;

/* Threads of which each has resumed the next, and the last runs. */
typedef struct lev_chain {
  int n;
  lua_State *threads[LEV_THREADS];
} lev_chain;

/* Reading stacks: nothing here allocates or pushes, so that a handler may. */

/* Whether the thread is in a C function, at its innermost level. */
static bool in_c(lua_State *L) {
  lua_Debug ar;
  return lua_getstack(L, 0, &ar) && lua_getinfo(L, "S", &ar) &&
         ar.what[0] == 'C';
}

/* The coroutine that the C function which the thread is in has resumed. */
static lua_State *resumed(lua_State *L) {
  lua_Debug ar;
  if (!in_c(L))
    return NULL;
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL)
    co = lua_tothread(L, lua_upvalueindex(1));
  bool active = co != NULL && co != L && lua_status(co) == LUA_OK &&
                lua_getstack(co, 0, &ar);
  return active ? co : NULL;
}

/* Whether the thread is in a loop, and not in what that calls. */
static bool loops(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 0, &ar))
    return true; /* that of a host */
  if (!in_c(L))
    return false;
  const lev_base *base = lev_totype(L, 1, &lev_event_base);
  return base != NULL && base->running;
}

/* Finds the threads that run, from the task on, or from the main thread. What a
 * loop within a task calls stands on the main thread. Returns the last. */
static lua_State *follow(lev_chain *chain, const lev_state *state) {
  const lev_task *task = state->running;
  lua_State *next = task != NULL && task->co != NULL ? task->co : state->main;
  lua_State *L;
  int i = 0;
  chain->n = 0;
  do {
    L = next;
    chain->threads[chain->n < LEV_THREADS ? chain->n++ : LEV_THREADS - 1] = L;
    next = resumed(L);
    if (next == NULL && chain->threads[0] != state->main && L != state->main &&
        loops(L))
      next = state->main;
  } while (next != NULL && ++i < LEV_NESTED);
  return L;
}

/* Writing. */

static void writeall(const char *text, size_t length) {
  while (length > 0) {
    ssize_t n = write(STDERR_FILENO, text, length);
    if (n < 0 && errno != EINTR)
      return;
    text += n > 0 ? n : 0;
    length -= n > 0 ? (size_t)n : 0;
  }
}

typedef struct lev_text {
  size_t length;
  char bytes[1000];
} lev_text;

static void flush(lev_text *t) {
  writeall(t->bytes, t->length);
  t->length = 0;
}

static void add(lev_text *t, const char *s) {
  size_t length = strnlen(s, 200);
  if (length > sizeof t->bytes - t->length)
    flush(t);
  memcpy(t->bytes + t->length, s, length);
  t->length += length;
}

static void addnumber(lev_text *t, int n) {
  char digits[12];
  char *at = digits + sizeof digits - 1;
  *at = '\0';
  do
    *--at = (char)('0' + n % 10);
  while ((n /= 10) > 0);
  add(t, at);
}

/* Adds where the levels of a thread are. */
static void addlevels(lev_text *t, lua_State *L) {
  lua_Debug ar;
  int level = 0;
  for (; level < LEV_LEVELS && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    add(t, "\t");
    add(t, ar.short_src);
    if (ar.currentline > 0) {
      add(t, ":");
      addnumber(t, ar.currentline);
    }
    add(t, "\n");
  }
  if (level == LEV_LEVELS)
    add(t, "\t...\n");
}

/* Tells of the lines alone; 'what' is told of Lua code. */
static void tellraw(const lev_chain *chain, const char *what) {
  lev_text t = { .length = 0 };
  lua_State *last = chain->threads[chain->n - 1];
  add(&t, "libevent: signal ");
  add(&t, traced.name);
  if (loops(last)) {
    add(&t, "; no Lua code runs, the loop waits\n");
  } else {
    add(&t, "; ");
    add(&t, in_c(last) ? "a C function does not return; it was called" : what);
    add(&t, " here:\n");
    for (int i = chain->n - 1; i >= 0; i--) {
      addlevels(&t, chain->threads[i]);
      if (i > 0)
        add(&t, "resumed from:\n");
    }
  }
  flush(&t);
}

/* Pushes who runs, alone on the stack. [-n, +1, m] */
static void pushtitle(lua_State *L, const lev_task *task) {
  const char *name = NULL;
  lua_settop(L, 0);
  if (task != NULL && task->head.slot != 0) {
    lev_task_push(L, task);
    name = lev_task_name(L, -1);
  }
  if (name != NULL)
    lua_pushfstring(
        L, "libevent: signal %s; the task '%s' runs here:", traced.name, name);
  else
    lua_pushfstring(L, "libevent: signal %s; %s runs here:", traced.name,
                    task != NULL ? "a task" : "Lua code");
  lua_insert(L, 1);
  lua_settop(L, 1);
}

/* Returns what there is to tell. It stands itself at level 0 of the thread. */
static int l_text(lua_State *L) {
  lev_chain chain;
  luaL_Buffer text;
  const lev_state *state = lev_getstate(L);
  const lev_task *task = state->running;
  if (follow(&chain, state) != L)
    chain = (lev_chain){ 1, { L } };
  bool istask = task != NULL && chain.threads[0] == task->co;
  pushtitle(L, istask ? task : NULL);
  luaL_buffinit(L, &text);
  for (int i = chain.n - 1; i >= 0; i--) {
    lua_State *at = chain.threads[i];
    const char *title = i == chain.n - 1 ? lua_tostring(L, 1) : "resumed from:";
    luaL_traceback(L, at, title, at == L ? 1 : 0);
    luaL_addvalue(&text);
    luaL_addchar(&text, '\n');
  }
  luaL_pushresult(&text);
  return 1;
}

/* Signals and hooks. */

static sigset_t block(int how, int number) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(how, &set, &before);
  return before;
}

/* Lets a signal do what it does by default; returns if that does not end the
 * process. */
static void act(int number) {
  struct sigaction inborn = { .sa_handler = SIG_DFL }, ours;
  sigemptyset(&inborn.sa_mask);
  sigaction(number, &inborn, &ours);
  sigset_t before = block(SIG_UNBLOCK, number);
  raise(number);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  sigaction(number, &ours, NULL);
}

/* Gives a thread back the hook that it had. */
static void restore(lua_State *L) {
  int number = atomic_load(&traced.number), i = 0;
  sigset_t before = block(SIG_BLOCK, number > 0 ? number : SIGURG);
  while (i < LEV_THREADS && traced.hooks[i].L != L)
    i++;
  if (i < LEV_THREADS) {
    lua_sethook(L, traced.hooks[i].hook, traced.hooks[i].mask,
                traced.hooks[i].count);
    traced.hooks[i].L = NULL;
  } else {
    lua_sethook(L, NULL, 0, 0); /* it was inherited */
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The hook: tells where the thread is, if that is still to be done. */
static void tell(lua_State *L, lua_Debug *ar) {
  (void)ar;
  restore(L);
  if (atomic_load(&traced.state) != lev_getstate(L) ||
      !atomic_exchange(&lev_traceback_due, false))
    return;
  bool ran = lev_gc_stop(L); /* a finalizer could close what is told of */
  lua_pushcfunction(L, l_text);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    writeall(text, length);
  } else {
    lev_chain chain;
    follow(&chain, atomic_load(&traced.state));
    tellraw(&chain, "Lua code runs");
  }
  lua_pop(L, 1);
  lev_gc_restart(L, ran);
  act(atomic_load(&traced.number));
}

/* Sets the hook, and keeps the one that is there. */
static void hook(lua_State *L) {
  unsigned i = 0;
  if (lua_gethook(L) != tell) {
    while (i < LEV_THREADS && traced.hooks[i].L != L)
      i++;
    if (i == LEV_THREADS)
      i = traced.next++ % LEV_THREADS;
    traced.hooks[i].L = L;
    traced.hooks[i].hook = lua_gethook(L);
    traced.hooks[i].mask = lua_gethookmask(L);
    traced.hooks[i].count = lua_gethookcount(L);
  }
  lua_sethook(L, tell, LUA_MASKCOUNT, 1);
}

void lev_traceback_hook(const lev_state *state, lua_State *L) {
  int number = atomic_load(&traced.number);
  if (number == 0 || atomic_load(&traced.state) != state)
    return;
  sigset_t before = block(SIG_BLOCK, number);
  if (atomic_load(&lev_traceback_due))
    hook(L);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_signal(int number) {
  int code = errno;
  lev_chain chain;
  const lev_state *state = atomic_load(&traced.state);
  if (state == NULL) {
    act(number);
  } else if (!pthread_equal(traced.thread, pthread_self())) {
    pthread_kill(traced.thread, number);
  } else {
    lua_State *L = follow(&chain, state);
    if (loops(L))
      L = state->main; /* where it calls back */
    if (!atomic_exchange(&lev_traceback_due, true) || lua_gethook(L) != tell) {
      hook(L);
    } else {
      atomic_store(&lev_traceback_due, false);
      tellraw(&chain, "Lua code that no hook reaches runs");
      act(number);
    }
  }
  errno = code;
}

static void undo(void) {
  int number = atomic_exchange(&traced.number, 0);
  if (number > 0)
    sigaction(number, &traced.before, NULL);
  atomic_store(&lev_traceback_due, false);
}

bool lev_traceback_on(lev_state *state, int number, const char *name) {
  struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  struct sigaction before;
  const lev_state *owner = NULL;
  sigemptyset(&ours.sa_mask);
  errno = EBUSY;
  if (lev_signals_watched(number) ||
      (!atomic_compare_exchange_strong(&traced.state, &owner, state) &&
       owner != state))
    return false;
  if (lev_traceback_has(number))
    return true;
  if (sigaction(number, NULL, &before) != 0 ||
      sigaction(number, &before, NULL) != 0) { /* it cannot be changed */
    if (owner == NULL)
      atomic_store(&traced.state, NULL);
    return false;
  }
  undo();
  traced.before = before;
  traced.thread = pthread_self();
  strncpy(traced.name, name, sizeof traced.name - 1);
  atomic_store(&traced.number, number);
  return sigaction(number, &ours, NULL) == 0;
}

void lev_traceback_off(const lev_state *state) {
  if (atomic_load(&traced.state) == state)
    lev_traceback_forget();
}

void lev_traceback_forget(void) {
  undo();
  atomic_store(&traced.state, NULL);
}

bool lev_traceback_has(int number) {
  return atomic_load(&traced.number) == number;
}
