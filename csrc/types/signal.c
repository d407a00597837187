/***
Calls back when the process gets a signal. The signals of a process can be
watched by one base at a time. Made by @{event_base:signal}.
@classmod libevent.signal
*/

#include "types/signal.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base.h"
#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/interrupt.h"
#include "kernel/pin.h"
#include "kernel/process.h"
#include "kernel/result.h"
#include "kernel/traceback.h"

typedef struct lev_signalobject {
  lev_object head;
  struct event event;
} lev_signalobject;

enum { LEV_UV_SIGNAL = 3, LEV_SIGNAL_UVS = 3 };

static const struct {
  const char *name;
  int number;
} names[] = {
  { "ABRT", SIGABRT },     { "ALRM", SIGALRM },     { "BUS", SIGBUS },
  { "CHLD", SIGCHLD },     { "CONT", SIGCONT },     { "FPE", SIGFPE },
  { "HUP", SIGHUP },       { "ILL", SIGILL },       { "INT", SIGINT },
  { "IO", SIGIO },         { "KILL", SIGKILL },     { "PIPE", SIGPIPE },
  { "PROF", SIGPROF },     { "QUIT", SIGQUIT },     { "SEGV", SIGSEGV },
  { "STOP", SIGSTOP },     { "SYS", SIGSYS },       { "TERM", SIGTERM },
  { "TRAP", SIGTRAP },     { "TSTP", SIGTSTP },     { "TTIN", SIGTTIN },
  { "TTOU", SIGTTOU },     { "URG", SIGURG },       { "USR1", SIGUSR1 },
  { "USR2", SIGUSR2 },     { "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH },
  { "XCPU", SIGXCPU },     { "XFSZ", SIGXFSZ },
#ifdef SIGPWR
  { "PWR", SIGPWR },
#endif
#ifdef SIGSTKFLT
  { "STKFLT", SIGSTKFLT },
#endif
};

enum { NAMES = sizeof names / sizeof names[0] };

#ifdef SIGRTMIN
/* "RTMIN" or "RTMIN+n"; 0 for anything else. */
static int realtime(const char *name) {
  char *end = NULL;
  long n = 0;
  if (strncmp(name, "RTMIN", 5) != 0)
    return 0;
  if (name[5] == '\0')
    return SIGRTMIN;
  if (name[5] != '+' || !isdigit((unsigned char)name[6]))
    return 0;
  n = strtol(name + 6, &end, 10);
  return *end == '\0' && n <= SIGRTMAX - SIGRTMIN ? SIGRTMIN + (int)n : 0;
}
#else
static int realtime(const char *name) {
  (void)name;
  return 0;
}
#endif

static int byname(const char *name) {
  if (strncmp(name, "SIG", 3) == 0)
    name += 3;
  for (int i = 0; i < NAMES; i++) {
    if (strcmp(names[i].name, name) == 0)
      return names[i].number;
  }
  return realtime(name);
}

void lev_signal_push(lua_State *L, int number) {
  for (int i = 0; i < NAMES; i++) {
    if (names[i].number == number) {
      lua_pushstring(L, names[i].name);
      return;
    }
  }
#ifdef SIGRTMIN
  if (number >= SIGRTMIN && number <= SIGRTMAX) {
    lua_pushfstring(L, "RTMIN+%d", number - SIGRTMIN);
    return;
  }
#endif
  lua_pushfstring(L, "%d", number);
}

int lev_signal_check(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TSTRING) {
    int number = byname(lua_tostring(L, arg));
    if (number == 0)
      luaL_argerror(
          L, arg,
          lua_pushfstring(L, "unknown signal '%s'", lua_tostring(L, arg)));
    return number;
  }
  if (!lua_isinteger(L, arg))
    luaL_typeerror(L, arg, "name or number of a signal");
  return lev_checkint(L, arg, 1, NSIG - 1);
}

static void on_signal(evutil_socket_t number, short what, void *arg) {
  lev_frame f;
  (void)number, (void)what;
  if (lev_interrupt_watches(arg))
    lev_interrupt_take();
  if (lev_enter(&f, arg, LEV_UV_CALLBACK)) {
    lua_getiuservalue(f.L, -1, LEV_UV_SIGNAL);
    lev_leave(&f, arg, 1);
  }
}

/***
Creates a signal, idle until @{signal:add}; it calls back for each delivery
until it is deleted. Wraps `evsignal_new`.
@function event_base:signal
@param signal string|integer A name, with or without SIG, such as `"INT"` or
`"RTMIN+1"`, or a number.
@param callback fun(signal: libevent.signal, name: string) The name is without
SIG.
@return libevent.signal signal
*/
static int l_evsignal_new(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  int number = lev_signal_check(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lev_signalobject *self = lev_new(L, 1, &lev_signal);
  lev_setcallback(L, -1, LEV_UV_CALLBACK, 3);
  lev_signal_push(L, number);
  lua_setiuservalue(L, -2, LEV_UV_SIGNAL);
  event_assign(&self->event, base->ptr, number, EV_SIGNAL | EV_PERSIST,
               on_signal, self);
  lev_open(&self->head);
  return 1;
}

static bool added(const lev_signalobject *self) {
  return event_pending(&self->event, EV_SIGNAL, NULL) != 0;
}

/***
Begins to watch the signal; raises while another base of the process watches
signals. Wraps `evsignal_add`.
@function signal:add
@return boolean? ok
@return string? message
@return integer? code An errno value, `EINVAL` for a signal that cannot be
caught, `EBUSY` for that of @{libevent.traceback_on}.
*/
static int l_evsignal_add(lua_State *L) {
  lev_signalobject *self = lev_selfcheck(L, &lev_signal);
  lev_base *base = self->head.base;
  luaL_argcheck(L, lua_isnoneornil(L, 2), 2, "a signal takes no timeout");
  if (added(self))
    return lev_result(L, 1, "evsignal_add");
  if (lev_traceback_has(event_get_signal(&self->event)))
    return lev_failure(L, "evsignal_add", EBUSY);
  lev_pin(L, &self->head, 1);
  if (!lev_signals_claim(base)) {
    lev_unpin(L, &self->head);
    return luaL_error(L, "signals are watched by another event_base of this "
                         "process");
  }
  lev_signals_watch(event_get_signal(&self->event));
  errno = 0;
  int ok = event_add(&self->event, NULL) == 0;
  int code = errno;
  if (ok) {
    base->signals++;
  } else {
    lev_signals_unwatch(event_get_signal(&self->event));
    lev_unpin(L, &self->head);
  }
  if (base->signals == 0)
    lev_signals_release(base);
  errno = code;
  return lev_result(L, ok, "evsignal_add");
}

static void stop(lev_signalobject *self) {
  lev_base *base = self->head.base;
  bool was = added(self);
  lev_interrupt_unwatch(self);
  event_del(&self->event);
  if (was)
    lev_signals_unwatch(event_get_signal(&self->event));
  if (was && --base->signals == 0)
    lev_signals_release(base);
}

/***
Stops watching the signal, which does again what it did before; no effect if
it is not watched. Wraps `evsignal_del`.
@function signal:del
@return boolean ok
*/
static int l_evsignal_del(lua_State *L) {
  lev_signalobject *self = lev_selfcheck(L, &lev_signal);
  stop(self);
  lev_unpinidle(L, &self->head);
  return lev_result(L, 1, "evsignal_del");
}

/***
Lets a signal that is watched also stop Lua code that does not come back to the
loop: a task that is limited (see @{task:limit}) at once; where the signal comes
again before the loop could call back, any task or callback. It is raised an
error that says `"interrupted"`. It ends with @{signal:del}; a forked child asks
for it again. Finalizers and message handlers of Lua are not stopped.
@function signal:interrupts
@return boolean? ok
@return string? message
@return integer? code `EINVAL` if the signal is not watched, `EBUSY` where
another one of the process does it.
*/
static int l_interrupts(lua_State *L) {
  lev_signalobject *self = lev_selfcheck(L, &lev_signal);
  bool ok = lev_interrupt_watches(self);
  errno = EINVAL;
  if (!ok && added(self)) {
    ok = lev_interrupt_watch(self->head.base->state, self,
                             event_get_signal(&self->event));
    errno = EBUSY;
  }
  return lev_result(L, ok, "interrupts");
}

/***
Tells whether the signal is watched. Wraps `evsignal_pending`.
@function signal:pending
@return string? what `"s"`, or nil if it is not.
*/
static int l_evsignal_pending(lua_State *L) {
  lev_signalobject *self = lev_selfcheck(L, &lev_signal);
  if (added(self))
    lua_pushliteral(L, "s");
  else
    lua_pushnil(L);
  return 1;
}

/***
Returns the number of the signal. Wraps `event_get_signal`.
@function signal:number
@return integer number
*/
static int l_event_get_signal(lua_State *L) {
  lev_signalobject *self = lev_selfcheck(L, &lev_signal);
  lua_pushinteger(L, event_get_signal(&self->event));
  return 1;
}

/***
Returns the name of the signal without SIG.
@function signal:name
@return string name
*/
static int l_name(lua_State *L) {
  lev_selfcheck(L, &lev_signal);
  lua_getiuservalue(L, 1, LEV_UV_SIGNAL);
  return 1;
}

/***
Replaces the callback.
@function signal:setcb
@param callback fun(signal: libevent.signal, name: string) As for
@{event_base:signal}.
*/
static int l_signal_setcb(lua_State *L) {
  lev_selfcheck(L, &lev_signal);
  lev_setcallback(L, 1, LEV_UV_CALLBACK, 2);
  return 0;
}

/***
Lets a signal write to standard error where the Lua code is that then runs, and
after that do what it does by default: most signals, such as `"ABRT"`, end the
process. That shows where a process hangs.

The traceback is that of the task, and of coroutines in it, and is written as
soon as Lua code goes on. If the signal comes again before that, the code is in
a C function that does not return, such as `os.execute`, or the loop waits: then
it says so, and writes the lines alone. Coroutines that C code other than Lua's
`coroutine` has resumed are not found; only where that was called is told then.

One Lua state of a process can have one such signal; a forked child begins
without.
@function libevent.traceback_on
@param signal? string|integer As for @{event_base:signal}. It takes the place of
the one before; none ends that.
@return boolean? ok
@return string? message
@return integer? code An errno value: `EINVAL` for a signal that cannot be
caught, `EBUSY` where it is watched, or another Lua state has one.
*/
int l_traceback_on(lua_State *L) {
  lev_state *state = lev_getstate(L);
  if (lua_isnoneornil(L, 1)) {
    lev_traceback_off(state);
    return lev_result(L, 1, "traceback_on");
  }
  int number = lev_signal_check(L, 1);
  lev_signal_push(L, number);
  bool ok = lev_traceback_on(state, number, lua_tostring(L, -1));
  return lev_result(L, ok, "traceback_on");
}

static void free_signal(lua_State *L, lev_object *self) {
  lev_signalobject *s = (lev_signalobject *)self;
  (void)L;
  stop(s);
  event_debug_unassign(&s->event);
}

static bool pending_signal(const lev_object *self) {
  return added((const lev_signalobject *)self);
}

static void describe_signal(lua_State *L, const lev_object *self) {
  const lev_signalobject *s = (const lev_signalobject *)self;
  const char *state = added(s) ? " pending" : " idle";
  lev_signal_push(L, event_get_signal(&s->event));
  lua_pushstring(L, state);
}

static const luaL_Reg methods[] = {
  { "add", l_evsignal_add },        { "del", l_evsignal_del },
  { "interrupts", l_interrupts },   { "pending", l_evsignal_pending },
  { "number", l_event_get_signal }, { "name", l_name },
  { "setcb", l_signal_setcb },      { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "signal", l_evsignal_new },
  { NULL, NULL },
};

const lev_type lev_signal = {
  .name = "libevent.signal",
  .size = sizeof(lev_signalobject),
  .uservalues = LEV_SIGNAL_UVS,
  .life = LEV_LONE,
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = free_signal,
  .pending = pending_signal,
  .describe = describe_signal,
};
