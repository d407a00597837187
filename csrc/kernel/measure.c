#include "kernel/measure.h"

#include <stdio.h>
#include <string.h>

#include "kernel/callback.h"
#include "kernel/process.h"
#include "kernel/task.h"

void lev_measure_start(lev_base *base, double slow) {
  bool telling = base->measure.telling;
  memset(&base->measure, 0, sizeof base->measure);
  base->measure.telling = telling;
  base->measure.slow = slow;
  base->measure.since = lev_now();
}

void lev_measure_lag(lev_base *base, double seconds) {
  lev_measure *m = &base->measure;
  int i = 0;
  double bound = LEV_LEAST_LAG;
  for (; i < LEV_LAGS - 1 && seconds > bound; i++)
    bound *= 2;
  m->lag.counts[i]++;
  m->lag.n++;
  if (seconds > m->lag.max)
    m->lag.max = seconds;
}

/* Begins a stretch; false within another. */
static bool begin(lev_base *base, int object, int function) {
  lev_measure *m = &base->measure;
  if (m->telling || m->nested++ > 0)
    return false;
  m->object = object;
  m->function = function;
  m->began = lev_now();
  return true;
}

void lev_measure_call(lua_State *L, lev_base *base, int object) {
  lua_pushvalue(L, -1);
  if (object == 0) {
    lev_pushbase(L, base);
    lua_insert(L, -3);
    object = lua_gettop(L) - 2;
  }
  const lev_deadlines *d = &base->deadlines;
  if (begin(base, object, object + 1) && d->running != NULL &&
      d->running == lev_toobject(L, object))
    lev_measure_lag(base, base->measure.began - (double)d->reached / 1e3);
}

static void setplace(char *place, const lua_Debug *ar, int line) {
  if (line > 0)
    snprintf(place, LEV_PLACE, "%s:%d", ar->short_src, line);
  else
    snprintf(place, LEV_PLACE, "%s", ar->short_src);
}

void lev_measure_resume(lua_State *L, const lev_task *task) {
  lev_base *base = task->head.base;
  lev_task_push(L, task);
  if (begin(base, lua_gettop(L), 0))
    lev_task_place(task, &base->measure.where);
}

/* Says what the stretch was whose object and function stand where noted. */
static void describe(lua_State *L, const lev_base *base, lev_stretch *s) {
  const lev_measure *m = &base->measure;
  const lev_object *object = lev_toobject(L, m->object);
  const char *what = object == NULL || object == &base->head
                         ? "defer"
                         : lev_typename(object->type);
  lua_Debug ar = { .short_src = "?" };
  if (m->function == 0) {
    const char *name = lev_task_name(L, m->object);
    what = name != NULL ? name : what;
    setplace(s->place, &m->where, m->where.currentline);
  } else {
    lua_pushvalue(L, m->function);
    if (lua_isfunction(L, -1)) {
      lua_getinfo(L, ">S", &ar);
      lua_pushnil(L);
    }
    setplace(s->place, &ar, ar.linedefined);
  }
  snprintf(s->what, sizeof s->what, "%s", what);
  lua_pop(L, 1);
}

/* on_slow at 1, the object at 2, the stretch at 3. */
static int callslow(lua_State *L) {
  const lev_stretch *s = lua_touserdata(L, 3);
  lua_settop(L, 2);
  lua_pushnumber(L, s->seconds);
  lua_insert(L, 2);
  lua_pushstring(L, s->place);
  lua_insert(L, 3);
  lua_call(L, 3, 0);
  return 0;
}

/* Calls on_slow, which is on top of the stack. */
static void call(lua_State *L, lev_base *base, lev_stretch *s, int object) {
  int handler = lua_gettop(L);
  lev_pushhandler(L);
  lua_insert(L, handler);
  lua_pushcfunction(L, callslow);
  lua_insert(L, -2);
  lua_pushvalue(L, object);
  lua_pushlightuserdata(L, s);
  base->measure.telling = true;
  int status = lua_pcall(L, 3, 0, handler);
  base->measure.telling = false;
  lua_remove(L, handler);
  if (status != LUA_OK)
    lev_report(L, base, object, status);
}

static void tell(lua_State *L, lev_base *base, lev_stretch *s, int object) {
  char line[LEV_PLACE + LEV_WHAT + 64];
  lev_pushbase(L, base);
  if (!lua_isuserdata(L, -1))
    return;
  int type = lua_getiuservalue(L, -1, LEV_UV_ON_SLOW);
  lua_replace(L, -2);
  if (type == LUA_TFUNCTION) {
    call(L, base, s, object);
    return;
  }
  snprintf(line, sizeof line, "slow callback: %.3f s at %s (%s)", s->seconds,
           s->place, s->what);
  lev_log_put(EVENT_LOG_WARN, line);
}

void lev_measure_end(lua_State *L, lev_base *base) {
  lev_measure *m = &base->measure;
  if (m->telling || m->nested == 0 || --m->nested > 0)
    return;
  lev_stretch s = { .seconds = lev_now() - m->began };
  int object = m->object;
  m->busy += s.seconds;
  if (s.seconds <= m->longest.seconds && s.seconds <= m->slow)
    return;
  lua_settop(L, m->function != 0 ? m->function : object);
  describe(L, base, &s);
  if (s.seconds > m->longest.seconds)
    m->longest = s;
  if (s.seconds > m->slow)
    tell(L, base, &s, object);
}
