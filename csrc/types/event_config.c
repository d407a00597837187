/* The options of an event_base: libevent's event_config as one table. */

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <string.h>

#include "kernel/convert.h"
#include "kernel/result.h"
#include "types/event_base.h"

enum {
  /* By default a turn polls again after so many callbacks: an event that
   * activates itself must not starve the others. */
  LEV_TURN = 4096
};

static const char *const names[] = {
  "avoid",         "require",    "precise",    "changelist",   "nolock",
  "no_cache_time", "ignore_env", "priorities", "max_dispatch", NULL
};

static const char *const dispatch_names[] = { "interval", "callbacks",
                                              "min_priority", NULL };

typedef struct options {
  int flags, features, priorities;
  struct timeval interval, *has_interval;
  int callbacks, min_priority;
} options;

/* Pushes the next string of the list on top of the stack; false at its end.
 * [-0, +1 or +0, v] */
static bool nextname(lua_State *L, int arg, const char *option, int i) {
  int type = lua_rawgeti(L, -1, i);
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  if (type != LUA_TSTRING)
    lev_optionerror(L, arg, option, "list of strings expected");
  return true;
}

/* Pushes the list; false if the option is absent. [-0, +1 or +0, v] */
static bool getlist(lua_State *L, int arg, const char *option) {
  int type = lua_getfield(L, arg, option);
  if (type == LUA_TNIL)
    lua_pop(L, 1);
  else if (type != LUA_TTABLE)
    lev_optionerror(L, arg, option, "list of strings expected");
  return type != LUA_TNIL;
}

static bool ismethod(lua_State *L, const char *name) {
  const char **methods = event_get_supported_methods();
  if (methods == NULL)
    return lev_nomemory(L) != 0;
  for (int i = 0; methods[i] != NULL; i++) {
    if (strcmp(methods[i], name) == 0)
      return true;
  }
  return false;
}

/* Pushes a list of the methods to avoid, checked. [-0, +1, v] */
static void pushavoid(lua_State *L, int arg) {
  lua_newtable(L);
  int list = lua_gettop(L);
  if (!getlist(L, arg, "avoid"))
    return;
  for (int i = 1; nextname(L, arg, "avoid", i); i++) {
    const char *name = lua_tostring(L, -1);
    if (!ismethod(L, name))
      lev_optionerror(L, arg, "avoid",
                      lua_pushfstring(L, "unknown method '%s'", name));
    lua_rawseti(L, list, i);
  }
  lua_settop(L, list);
}

const lev_feature lev_features[] = {
  { "et", EV_FEATURE_ET },
  { "o1", EV_FEATURE_O1 },
  { "fds", EV_FEATURE_FDS },
  { "early_close", EV_FEATURE_EARLY_CLOSE },
  { NULL, 0 },
};

static int feature(lua_State *L, int arg, const char *name) {
  for (const lev_feature *f = lev_features; f->name != NULL; f++) {
    if (strcmp(f->name, name) == 0)
      return f->bit;
  }
  return lev_optionerror(L, arg, "require",
                         lua_pushfstring(L, "unknown feature '%s'", name));
}

static int checkrequire(lua_State *L, int arg) {
  int features = 0;
  if (!getlist(L, arg, "require"))
    return 0;
  for (int i = 1; nextname(L, arg, "require", i); i++) {
    features |= feature(L, arg, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return features;
}

static int flag(lua_State *L, int arg, const char *name, bool absent,
                int value) {
  return lev_optboolean(L, arg, name, absent) ? value : 0;
}

static void checkdispatch(lua_State *L, int arg, options *o) {
  int type = lua_getfield(L, arg, "max_dispatch");
  o->callbacks = LEV_TURN;
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (type != LUA_TTABLE)
    lev_optionerror(L, arg, "max_dispatch", "table expected");
  lua_insert(L, arg); /* so that errors name the argument */
  lev_checkoptions(L, arg, dispatch_names);
  double interval = lev_optseconds(L, arg, "interval", -1);
  if (interval >= 0) {
    o->interval = lev_timeval(interval);
    o->has_interval = &o->interval;
  }
  o->callbacks = (int)lev_optrange(L, arg, "callbacks", LEV_TURN, 1, INT_MAX);
  o->min_priority =
      (int)lev_optrange(L, arg, "min_priority", 0, 0, EVENT_MAX_PRIORITIES - 1);
  lua_remove(L, arg);
}

/* Leaves the list of methods to avoid on the stack. [-0, +1, v] */
static void check(lua_State *L, int arg, options *o) {
  lev_checkoptions(L, arg, names);
  o->flags =
      flag(L, arg, "precise", false, EVENT_BASE_FLAG_PRECISE_TIMER) |
      flag(L, arg, "changelist", false, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) |
      flag(L, arg, "nolock", false, EVENT_BASE_FLAG_NOLOCK) |
      flag(L, arg, "no_cache_time", true, EVENT_BASE_FLAG_NO_CACHE_TIME) |
      flag(L, arg, "ignore_env", false, EVENT_BASE_FLAG_IGNORE_ENV);
  o->priorities =
      (int)lev_optrange(L, arg, "priorities", 1, 1, EVENT_MAX_PRIORITIES - 1);
  o->features = checkrequire(L, arg);
  checkdispatch(L, arg, o);
  pushavoid(L, arg);
}

/* Avoids each method of the list on top of the stack. [-0, +0, -] */
static bool avoid(lua_State *L, struct event_config *config) {
  bool ok = true;
  for (int i = 1; ok && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    ok = event_config_avoid_method(config, lua_tostring(L, -1)) == 0;
    lua_pop(L, 1);
  }
  return ok;
}

static struct event_base *configured(lua_State *L, const options *o) {
  struct event_base *base = NULL;
  struct event_config *config = event_config_new();
  errno = ENOMEM;
  if (config == NULL)
    return NULL;
  if (avoid(L, config) && event_config_set_flag(config, o->flags) == 0 &&
      event_config_require_features(config, o->features) == 0 &&
      event_config_set_max_dispatch_interval(
          config, o->has_interval, o->callbacks, o->min_priority) == 0) {
    errno = 0;
    base = event_base_new_with_config(config);
    if (base == NULL && errno == 0)
      errno = ENOTSUP; /* no method offers what is required */
  }
  int code = errno;
  event_config_free(config);
  errno = code;
  return base;
}

struct event_base *lev_newbase(lua_State *L, int arg) {
  int top = lua_gettop(L);
  options o = { 0 };
  check(L, arg, &o);
  struct event_base *base = configured(L, &o);
  if (base != NULL && o.priorities > 1 &&
      event_base_priority_init(base, o.priorities) != 0) {
    event_base_free(base);
    base = NULL;
    errno = ENOMEM;
  }
  lua_settop(L, top < arg ? arg : top);
  return base;
}
