/* Running the loop of an event_base, and ending it. */

#include <errno.h>

#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/pin.h"
#include "kernel/process.h"
#include "kernel/ready.h"
#include "kernel/result.h"
#include "types/event_base.h"

enum {
  /* A loop in a callback of another is rare, and each takes a share of the C
   * stack that Lua cannot count. */
  LEV_LOOPS = 10
};

/* Raises what a callback left for loop. [-0, +0, v] */
static void raise(lua_State *L, lev_base *base) {
  if (base->failed) {
    base->failed = base->exhausted = false;
    lua_getiuservalue(L, 1, LEV_UV_ERROR);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, LEV_UV_ERROR);
    lua_error(L);
  }
  if (base->exhausted) {
    base->exhausted = false;
    lev_pushat(L, base->state, LEV_AT_STACK);
    lua_error(L);
  }
}

/* Returns from loop: why it ended, or the mode. */
static int ended(lua_State *L, lev_base *base, int result, int code,
                 const char *mode) {
  bool exited = event_base_got_exit(base->ptr);
  bool broken = lev_isbroken(base);
  bool foreign = lev_isforeign(base);
  if (base->head.open && foreign)
    return luaL_error(L, "this process was forked in a callback and came back "
                         "to its parent's loop (call reinit, or end it)");
  if (base->head.open)
    event_del(&base->stop);
  else if (!foreign)
    lev_freebase(base);
  raise(L, base);
  if (result < 0)
    return lev_failure(L, "loop", code);
  lua_pushstring(L, broken                         ? "break"
                    : exited                       ? "exit"
                    : result == 1 || base->emptied ? "empty"
                                                   : mode);
  return 1;
}

/* Whether a turn that was one of many is over, and nothing has ended the loop:
 * see lev_measure_on. */
static bool goeson(const lev_base *base, int result) {
  return result == 0 && base->head.open && !lev_isforeign(base) &&
         !base->failed && !base->exhausted && !base->emptied &&
         !event_base_got_exit(base->ptr) &&
         (!event_base_got_break(base->ptr) || base->turned);
}

/* Runs the loop. While the base measures, the turns are ours: libevent does not
 * tell them apart. */
static int turns(lev_base *base, int flags) {
  int result;
  bool once = (flags & EVLOOP_ONCE) != 0, ours;
  do {
    uint64_t callbacks = base->counts.callbacks;
    ours = base->measuring && !once;
    base->turn = base->unsettled = once || ours;
    base->turned = base->emptied = false;
    event_del(&base->stop); /* of an earlier turn */
    errno = 0;
    result = event_base_loop(base->ptr, flags | (ours ? EVLOOP_ONCE : 0));
    if (base->measuring && base->counts.callbacks != callbacks)
      base->measure.turns++;
  } while (!once && (ours || base->turned) && goeson(base, result));
  return result;
}

void lev_measure_on(lev_base *base, double slow) {
  lev_measure_start(base, slow);
  if (base->running && !base->measuring && !base->turn &&
      !event_base_got_break(base->ptr))
    base->turned = event_base_loopbreak(base->ptr) == 0;
  base->measuring = true;
}

/* Runs the loop of the base at index 1, the only value on the stack: there it
 * stays for as long as the loop runs. */
static int loop(lua_State *L, lev_base *base, int flags, const char *mode) {
  if (base->lent)
    return luaL_error(L, "the host runs the loop of this event_base");
  if (base->running)
    return luaL_error(L, "the loop of this event_base is running already");
  if (base->state->loops >= LEV_LOOPS)
    return luaL_error(L, "loops in callbacks of loops are too deep (limit %d)",
                      LEV_LOOPS);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  raise(L, base);
  if (!lev_deadlines_arm(base, true) ||
      ((lev_ready_count(base) > 0 || lev_log_waiting(base->state)) &&
       !lev_kick(base)))
    return lev_failure(L, "loop", ENOMEM);
  base->forever = (flags & EVLOOP_NO_EXIT_ON_EMPTY) != 0;
  if (base->watching > 0 && lev_isidle(base) && !base->forever &&
      !lev_log_waiting(base->state)) {
    base->emptied = true; /* an earlier break is over */
    lua_pushliteral(L, "empty");
    return 1;
  }
  lev_slots_list(L, 1); /* the collector may have cleared it */
  lev_frame_begin(L, base);
  base->running = true;
  base->state->loops++;
  int result = turns(base, flags);
  int code = errno;
  base->state->loops--;
  base->running = false;
  lev_frame_end(base);
  return ended(L, base, result, code, mode);
}

/***
Runs the loop until nothing is pending, or until loopexit or loopbreak. An
error in a callback, where @{event_base:on_error} is not set, ends the loop
and is raised here, the very same value; the loop can be run again. It raises
where this loop runs already, in a callback or a task. Wraps `event_base_loop`.
@function event_base:loop
@param mode? string `"once"` waits for events, calls back, and returns;
`"nowait"` does so without waiting; `"forever"` goes on when nothing is
pending.
@return string? why `"empty"`, `"exit"` or `"break"`; else the mode, whose turn
is over.
@return string? message
@return integer? code An errno value, if the system cannot wait.
*/
int l_event_base_loop(lua_State *L) {
  static const char *const modes[] = { "", "once", "nowait", "forever", NULL };
  static const int flags[] = { 0, EVLOOP_ONCE, EVLOOP_ONCE | EVLOOP_NONBLOCK,
                               EVLOOP_NO_EXIT_ON_EMPTY };
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  int mode = 0;
  if (!lua_isnoneornil(L, 2)) {
    mode = luaL_checkoption(L, 2, NULL, modes);
    luaL_argcheck(L, mode != 0, 2, "invalid option ''");
  }
  lua_settop(L, 1);
  return loop(L, base, flags[mode], modes[mode]);
}

/***
Runs the loop: @{event_base:loop} without a mode. Does the work of
`event_base_dispatch`.
@function event_base:dispatch
@return string? why `"empty"`, `"exit"` or `"break"`.
@return string? message
@return integer? code An errno value, if the system cannot wait.
*/
int l_event_base_dispatch(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  return loop(L, base, 0, "");
}

/***
Lets the loop end after the callbacks that are due, at once or after a time;
called before the loop runs, it ends the next one. Wraps `event_base_loopexit`.
@function event_base:loopexit
@param seconds? number From 0 to 1e9; none ends it at once.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_event_base_loopexit(lua_State *L) {
  struct timeval tv;
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  struct timeval *after = lev_opttimeval(L, 2, &tv);
  errno = 0;
  return lev_result(L, event_base_loopexit(base->ptr, after) == 0, "loopexit");
}

/***
Ends the loop after the callback that is running. Called while the loop does
not run, it has no effect. Wraps `event_base_loopbreak`.
@function event_base:loopbreak
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_event_base_loopbreak(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  if (base->running) /* not ours: see lev_measure_on */
    base->turned = false;
  return lev_result(L, event_base_loopbreak(base->ptr) == 0, "loopbreak");
}

/***
Makes the loop look for new events at once, before what is active but of less
priority. Wraps `event_base_loopcontinue`.
@function event_base:loopcontinue
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_event_base_loopcontinue(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  return lev_result(L, event_base_loopcontinue(base->ptr) == 0, "loopcontinue");
}
