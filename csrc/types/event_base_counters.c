/* What an event_base has done, and how long that took. */

#include <math.h>

#include "kernel/convert.h"
#include "types/event_base.h"

#define LEV_NEVER 1e9 /* seconds */

static void setinteger(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void setnumber(lua_State *L, const char *name, double n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}

static void setstring(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* Adds the longest stretch to the table on top of the stack. */
static void addlongest(lua_State *L, const lev_base *base) {
  lev_stretch longest = base->measure.longest;
  if (longest.place[0] == '\0')
    return;
  lua_createtable(L, 0, 3);
  setnumber(L, "seconds", longest.seconds);
  setstring(L, "place", longest.place);
  setstring(L, "what", longest.what);
  lua_setfield(L, -2, "longest");
}

static void addlag(lua_State *L, const lev_base *base) {
  double bound = LEV_LEAST_LAG;
  lua_createtable(L, LEV_LAGS, 2);
  setinteger(L, "count", base->measure.lag.n);
  setnumber(L, "max", base->measure.lag.max);
  for (int i = 0; i < LEV_LAGS; i++) {
    lua_createtable(L, 2, 0);
    lua_pushnumber(L, i < LEV_LAGS - 1 ? bound : HUGE_VAL);
    lua_rawseti(L, -2, 1);
    lua_pushinteger(L, (lua_Integer)base->measure.lag.counts[i]);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
    bound *= 2;
  }
  lua_setfield(L, -2, "lag");
}

/***
Tells what the base has done since it was made. Nothing sets these numbers back:
who wants a rate takes the difference of two readings.
@function event_base:counters
@return table counters With
- `callbacks`: how often Lua was entered: callbacks, deferred functions, and
  tasks that went on;
- `bytes_read`, `bytes_written`: what streams and bufferevents have read, and
  sent; what is queued at a bufferevent counts as sent, and what one has read
  counts when its script takes it, or drops it;
- `accepts`: connections that listeners have accepted;
- `errors`: those given to @{event_base:on_error}, or kept for the loop;
- `tasks`: how many have not ended now;
- `objects`: how many are open now: those of @{event_base:objects} but timers.

And after @{event_base:measure}, from that moment on:
- `since`: that moment, as @{event_base:now} has it;
- `turns` of the loop in which something was called; nil where a host runs it;
- `busy`: seconds that callbacks and tasks took;
- `longest`: of these, `seconds`, `place` as `"file:line"` and `what`, the type
  of the object or the name of the task; nil before the first;
- `lag`: how late timers, and timeouts of waits, came: a list of pairs, seconds
  and how many came so late at most, but later than the pair before says; and
  the fields `count` and `max`.
*/
int l_counters(lua_State *L) {
  const lev_base *base = lev_selfcheck(L, &lev_event_base);
  const lev_counts counts = base->counts;
  lua_createtable(L, 0, 12);
  setinteger(L, "callbacks", counts.callbacks);
  setinteger(L, "bytes_read", counts.read);
  setinteger(L, "bytes_written", counts.written);
  setinteger(L, "accepts", counts.accepts);
  setinteger(L, "errors", counts.errors);
  setinteger(L, "tasks", counts.tasks);
  setinteger(L, "objects", counts.objects);
  if (base->measuring) {
    if (!base->lent)
      setinteger(L, "turns", base->measure.turns);
    setnumber(L, "since", base->measure.since);
    setnumber(L, "busy", base->measure.busy);
    addlongest(L, base);
    addlag(L, base);
  }
  return 1;
}

/***
Begins to measure, or to measure anew, for @{event_base:counters}: that costs
two looks at the clock for each callback, and something for each turn. A
callback, or a task from one wait to the next, that takes longer than `slow` is
told: it has kept everything else waiting. Its place is where the function is
defined, or where the task waited before. Log functions are not measured, and
what runs within a callback is part of it.
@function event_base:measure
@param options? table|boolean `false` ends it; else any of:
- `slow`: seconds; none by default, or 0.1 with `on_slow`;
- `on_slow`: fun(seconds, place, object), called after the callback; without
  it, libevent's log gets a line: see `libevent.set_log_callback`.
*/
int l_measure(lua_State *L) {
  static const char *const names[] = { "slow", "on_slow", NULL };
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  if (lua_isboolean(L, 2) && !lua_toboolean(L, 2)) {
    base->measuring = false;
    lua_pushnil(L);
    lua_setiuservalue(L, 1, LEV_UV_ON_SLOW);
    return 0;
  }
  lua_settop(L, 2);
  lev_checkoptions(L, 2, names);
  lev_optfunction(L, 2, "on_slow");
  double slow = lev_optseconds(L, 2, "slow", lua_isnil(L, 3) ? LEV_NEVER : 0.1);
  lev_stillopen(L, &base->head);
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, LEV_UV_ON_SLOW);
  lev_measure_on(base, slow);
  return 0;
}
