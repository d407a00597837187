/***
Runs the loop: waits for events and calls back. Everything else is made by its
methods and belongs to it.
@classmod libevent.event_base
*/

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/process.h"
#include "kernel/ready.h"
#include "kernel/result.h"
#include "types/event_base.h"

enum { LEV_BASE_FDS = 6 }; /* epoll, two timers, a pair for signals, a wake */

/* libevent exits when it finds no descriptors left for a base, so see to it
 * that there are. */
static bool probe(void) {
  int fds[LEV_BASE_FDS], n = 0;
  while (n < LEV_BASE_FDS &&
         (fds[n] = lev_fd_socket(AF_UNIX, SOCK_STREAM)) >= 0)
    n++;
  bool enough = n == LEV_BASE_FDS;
  while (n > 0)
    lev_fd_drop(fds[--n]);
  return enough;
}

bool lev_canwatch(const lev_base *base, int fd) {
  if (fd < FD_SETSIZE ||
      strcmp(event_base_get_method(base->ptr), "select") != 0)
    return true;
  errno = EINVAL;
  return false;
}

/* Ends a turn: see endturn in kernel/ready.c. */
static void on_stop(evutil_socket_t fd, short what, void *arg) {
  lev_base *base = arg;
  (void)fd, (void)what;
  base->turned = true;
  event_base_loopbreak(base->ptr);
}

/* Pushes a new base without an event_base. [-0, +1, m] */
static lev_base *prepare(lua_State *L) {
  lev_base *base = lev_new(L, 0, &lev_event_base);
  base->head.base = base;
  base->state = lev_getstate(L);
  base->generation = lev_generation();
  base->id = ++base->state->last_id;
  base->deadlines.fd = -1;
  base->soon.end = &base->soon.first;
  lev_slots_open(L, -1);
  lev_ready_open(L, -1);
  return base;
}

/* Opens a base that has its event_base; false with errno, and closed again, if
 * there is no descriptor for its timer. [-0, +0, -] */
static bool start(lua_State *L, lev_base *base) {
  event_assign(&base->kick, base->ptr, -1, 0, lev_onwake, base);
  event_assign(&base->stop, base->ptr, -1, 0, on_stop, base);
  event_priority_set(&base->stop, 0);
  event_assign(&base->soon.event, base->ptr, -1, 0, lev_onsoon, base);
  lev_open(&base->head);
  bool timed = lev_deadlines_open(base);
  /* It was the last to get a descriptor, so has the highest. */
  if (timed && lev_canwatch(base, base->deadlines.fd))
    return true;
  int code = timed ? EMFILE : errno;
  lev_close(L, &base->head);
  errno = code;
  return false;
}

/***
Creates a base. Wraps `event_base_new_with_config`, `event_config_avoid_method`,
`event_config_require_features`, `event_config_set_flag`,
`event_config_set_max_dispatch_interval` and `event_base_priority_init`. Does
the work of `event_base_new`.
@function libevent.event_base
@param options? table Any of:
- `avoid`: list of methods not to use, of `libevent.get_supported_methods`;
- `require`: list of features the method must have: `"et"` edge-triggered
  events, `"o1"` constant cost per event, `"fds"` any kind of descriptor,
  `"early_close"` the event `c`;
- `priorities`: integer from 1 to 255, 1 by default;
- `max_dispatch`: table that bounds a turn: `interval` in seconds, `callbacks`
  (4096 by default), and `min_priority`, the first priority it holds for;
- `precise`: boolean, finer timeouts of @{libevent.event}s for one more system
  call a turn (a @{libevent.timer} is precise always);
- `changelist`, `nolock`, `ignore_env`: booleans, libevent's flags, off;
- `no_cache_time`: boolean, on by default: a timeout counts from the moment it
  is set, however long the callbacks before it took.
@return libevent.event_base? base
@return string? message
@return integer? code An errno value: no descriptors left, or `ENOTSUP` if no
method offers what is required.
*/
static int l_event_base_new_with_config(lua_State *L) {
  lua_settop(L, 1);
  lev_base *base = prepare(L);
  if (!probe() || (base->ptr = lev_newbase(L, 1)) == NULL || !start(L, base))
    return lev_failure(L, "event_base", errno);
  return 1;
}

/* Nothing of Lua's is left to be called, unless it was given up and could not
 * be freed; but libevent may have deferred callbacks that hold bufferevents: it
 * would forget them. */
void lev_freebase(lev_base *base) {
  if (!base->lent && base->givenup == 0)
    event_base_loop(base->ptr, EVLOOP_ONCE | EVLOOP_NONBLOCK);
  if (!base->lent)
    event_base_free(base->ptr);
  base->ptr = NULL;
}

/* In a callback of this base, or in a lua_close that one of them called, the
 * memory must stay until event_base_loop returns. */
static void free_event_base(lua_State *L, lev_object *self) {
  lev_base *base = (lev_base *)self;
  lev_closechildren(L, base);
  lev_deadlines_close(L, base);
  lev_slots_close(L, base);
  free(base->area.bytes);
  base->area.bytes = NULL;
  free(base->datagrams);
  base->datagrams = NULL;
  event_del(&base->kick);
  event_debug_unassign(&base->kick);
  event_del(&base->stop);
  event_debug_unassign(&base->stop);
  event_del(&base->soon.event);
  event_debug_unassign(&base->soon.event);
  lev_signals_release(base);
  if (base->running)
    event_base_loopbreak(base->ptr);
  else
    lev_freebase(base);
}

static void describe_event_base(lua_State *L, const lev_object *self) {
  const lev_base *base = (const lev_base *)self;
  lua_pushfstring(L, "%s%s", event_base_get_method(base->ptr),
                  base->running ? " running" : "");
}

/* Where libevent cannot watch everything again, the base stays the parent's:
 * nothing is used that would never come, and it can be tried again. */
bool lev_reinit(lev_base *base) {
  bool foreign = lev_isforeign(base);
  if (!probe()) /* libevent exits where it finds none */
    return false;
  errno = EBUSY; /* the child has a base of its own that watches signals */
  if (foreign && base->signals > 0 && !lev_signals_claim(base))
    return false;
  bool timerfd = lev_deadlines_reinit(base);
  errno = 0;
  bool ok = event_reinit(base->ptr) == 0;
  int code = errno != 0 ? errno : ENOMEM;
  if (ok) {
    base->generation = lev_generation();
    if (!timerfd)
      lev_deadlines_drop(base);
  } else if (foreign) {
    lev_signals_release(base);
  }
  lev_unsettle(base);
  errno = code;
  return ok;
}

/***
Calls a function when the callback that is running now has returned, or in the
next turn of the loop. What is deferred in such a function waits for the turn
after, so that input and output go on.
@function event_base:defer
@param callback fun()
*/
static int l_event_base_defer(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lev_ready_put(L, 1);
  return 0;
}

/***
Sets what is told of errors in callbacks; the loop goes on after it. An error
in that function itself ends the loop and is raised by it.
@function event_base:on_error
@param callback? fun(err: any, traceback: string, object: any) The object
is the one that called back, the base itself for a deferred or a log function.
None: the loop ends with the first error and raises it.
@return function? previous
*/
static int l_on_error(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  if (!lua_isnoneornil(L, 2))
    luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_getiuservalue(L, 1, LEV_UV_ON_ERROR);
  lua_insert(L, 2);
  lua_setiuservalue(L, 1, LEV_UV_ON_ERROR);
  return 1;
}

/***
Hands an error to what @{event_base:on_error} has set, as the loop does with the
error of a callback: for code that catches errors and goes on.
@function event_base:report
@param err any
@param traceback string|nil
@param object any The third argument of the function; the base itself if absent.
@return boolean told False if nothing is set.
*/
static int l_report(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  luaL_checkany(L, 2);
  luaL_optstring(L, 3, NULL);
  lua_settop(L, 4);
  bool told = lua_getiuservalue(L, 1, LEV_UV_ON_ERROR) == LUA_TFUNCTION;
  if (told) {
    lev_setat(L, base->state, LEV_AT_TRACEBACK, 3);
    lua_pushvalue(L, 2);
    lev_report(L, base, lua_isnil(L, 4) ? 0 : 4, LUA_ERRRUN);
  }
  lua_pushboolean(L, told);
  return 1;
}

/***
Returns the traceback of the last error in a callback.
@function event_base:traceback
@return string? traceback
*/
static int l_traceback(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  if (lua_getiuservalue(L, 1, LEV_UV_TRACEBACK) != LUA_TSTRING)
    lua_pushnil(L);
  return 1;
}

/***
Makes the base usable in a forked child: a backend, a signal pair and a timer of
its own, with the same events pending. Until then every method raises there but
close, which does the same first. Where it fails all of that stays so, and it
can be tried again. Wraps `event_reinit`.
@function event_base:reinit
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_event_reinit(lua_State *L) {
  lev_base *base = lev_test(L, 1, &lev_event_base);
  if (base == NULL)
    return luaL_typeerror(L, 1, lev_event_base.name);
  lev_stillopen(L, &base->head);
  errno = 0;
  bool ok = lev_reinit(base);
  int code = errno;
  if (ok)
    lev_freegivenup(L, base, NULL);
  errno = code;
  return lev_result(L, ok, "reinit");
}

/* The key is the event_base itself. */

bool lev_base_lend(lua_State *L, struct event_base *ptr) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, ptr);
  if (lev_base_ptr(L, -1) == ptr)
    return true;
  lua_pop(L, 1);
  lev_base *base = prepare(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, ptr);
  base->ptr = ptr;
  base->lent = true;
  if (start(L, base))
    return true;
  int code = errno;
  lev_base_takeback(L, ptr);
  lua_pop(L, 1);
  errno = code;
  return false;
}

void lev_base_takeback(lua_State *L, struct event_base *ptr) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, ptr) == LUA_TUSERDATA) {
    lev_close(L, lev_toobject(L, -1));
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, ptr);
  }
  lua_pop(L, 1);
}

struct event_base *lev_base_ptr(lua_State *L, int index) {
  lev_base *base = lev_test(L, index, &lev_event_base);
  return base != NULL && base->head.open ? base->ptr : NULL;
}

static const luaL_Reg methods[] = {
  { "loop", l_event_base_loop },
  { "dispatch", l_event_base_dispatch },
  { "loopexit", l_event_base_loopexit },
  { "loopbreak", l_event_base_loopbreak },
  { "loopcontinue", l_event_base_loopcontinue },
  { "defer", l_event_base_defer },
  { "on_error", l_on_error },
  { "report", l_report },
  { "traceback", l_traceback },
  { "reinit", l_event_reinit },
  { "method", l_event_base_get_method },
  { "features", l_event_base_get_features },
  { "priorities", l_event_base_get_npriorities },
  { "num_events", l_event_base_get_num_events },
  { "max_events", l_event_base_get_max_events },
  { "now", l_now },
  { "gettimeofday_cached", l_event_base_gettimeofday_cached },
  { "update_time", l_event_base_update_cache_time },
  { "got_exit", l_event_base_got_exit },
  { "got_break", l_event_base_got_break },
  { "dump", l_event_base_dump_events },
  { "objects", l_objects },
  { "num_objects", l_num_objects },
  { "counters", l_counters },
  { "measure", l_measure },
  { NULL, NULL },
};

static const luaL_Reg functions[] = {
  { "event_base", l_event_base_new_with_config },
  { NULL, NULL },
};

const lev_type lev_event_base = {
  .name = "libevent.event_base",
  .size = sizeof(lev_base),
  .uservalues = LEV_BASE_UVS,
  .life = LEV_HELD,
  .methods = methods,
  .functions = functions,
  .free = free_event_base,
  .describe = describe_event_base,
};
