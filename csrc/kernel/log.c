#include "kernel/log.h"

#include "kernel/callback.h"
#include "kernel/process.h"

enum { LEV_ONCE = 64 }; /* lines that are delivered at once */

static const char log_key = 0;

typedef struct line {
  int severity;
  unsigned lost;
  char text[LEV_LOG_LINE];
} line;

/* Calls the log function with one line: light userdata at 1. */
static int call(lua_State *L) {
  static const char *const severities[] = { "debug", "msg", "warn", "err" };
  const line *l = lua_touserdata(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &log_key) != LUA_TFUNCTION)
    return 0;
  lua_pushstring(L, l->severity >= 0 && l->severity <= 3
                        ? severities[l->severity]
                        : "warn");
  if (l->lost > 0)
    lua_pushfstring(L, "%s (after %d lines that were lost)", l->text,
                    (int)l->lost);
  else
    lua_pushstring(L, l->text);
  lua_call(L, 2, 0);
  return 0;
}

void lev_log_deliver(lua_State *L, lev_base *base) {
  line l = { .lost = 0 };
  for (int i = 0; i < LEV_ONCE; i++) {
    l.severity = lev_log_next(l.text, sizeof l.text, &l.lost);
    if (l.severity < 0)
      break;
    lev_pushhandler(L);
    int index = lua_gettop(L);
    lua_pushcfunction(L, call);
    lua_pushlightuserdata(L, &l);
    bool telling = base->measure.telling;
    base->measure.telling = true; /* a slow one would be one more line */
    base->depth++;
    base->counts.callbacks++;
    int status = lua_pcall(L, 1, 0, index);
    if (status != LUA_OK)
      lev_report(L, base, 0, status);
    base->depth--;
    base->measure.telling = telling;
    lua_settop(L, index - 1);
  }
}

/***
Gives libevent's own log lines to a function; without one they are dropped.
The lines belong to the process: the last Lua state that asks gets them, while
it runs a loop. Wraps `event_set_log_callback`.
@function libevent.set_log_callback
@param callback? fun(severity: string, message: string) Severities are
`"debug"`, `"msg"`, `"warn"` and `"err"`.
*/
int l_event_set_log_callback(lua_State *L) {
  bool take = !lua_isnoneornil(L, 1);
  if (take)
    luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &log_key);
  lev_state *state = lev_getstate(L);
  lev_log_take(state, take && !state->closed);
  return 0;
}
