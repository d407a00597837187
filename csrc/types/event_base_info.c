/* What an event_base tells about itself. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/address.h"
#include "kernel/convert.h"
#include "kernel/pin.h"
#include "kernel/ready.h"
#include "kernel/result.h"
#include "types/event_base.h"

/***
Returns the name of the kernel mechanism in use, such as `"epoll"` or `"poll"`.
Wraps `event_base_get_method`.
@function event_base:method
@return string method
*/
int l_event_base_get_method(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_pushstring(L, event_base_get_method(base->ptr));
  return 1;
}

/***
Returns the features of the method as a set. Wraps `event_base_get_features`.
@function event_base:features
@return table<string,boolean> features With `et`, `o1`, `fds` and `early_close`
true where the method offers it.
*/
int l_event_base_get_features(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  int has = event_base_get_features(base->ptr);
  lua_createtable(L, 0, 4);
  for (const lev_feature *f = lev_features; f->name != NULL; f++) {
    if (has & f->bit) {
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, f->name);
    }
  }
  return 1;
}

/***
Returns how many priorities the base has. Wraps `event_base_get_npriorities`.
@function event_base:priorities
@return integer n
*/
int l_event_base_get_npriorities(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_pushinteger(L, event_base_get_npriorities(base->ptr));
  return 1;
}

/* Returns libevent's flags for a kind of count. */
static unsigned checkkind(lua_State *L, int arg) {
  static const char *const kinds[] = { "added", "active", "virtual", "all",
                                       NULL };
  static const unsigned flags[] = {
    EVENT_BASE_COUNT_ADDED, EVENT_BASE_COUNT_ACTIVE, EVENT_BASE_COUNT_VIRTUAL,
    EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE | EVENT_BASE_COUNT_VIRTUAL
  };
  return flags[luaL_checkoption(L, arg, "added", kinds)];
}

/***
Returns how many events are pending, timers and deferred functions included.
Wraps `event_base_get_num_events`.
@function event_base:num_events
@param kind? string `"added"`, the default; `"active"`: about to call back;
`"virtual"`: what else keeps the loop running; or `"all"` of these.
@return integer n
*/
int l_event_base_get_num_events(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  unsigned flags = checkkind(L, 2);
  lua_Integer n = event_base_get_num_events(base->ptr, flags);
  if (flags & EVENT_BASE_COUNT_ADDED) {
    /* Ours stand for the timers and deferred functions, which count. */
    n -= base->deadlines.added ? 1 : 0;
    n -= event_pending(&base->kick, EV_TIMEOUT, NULL) ? 1 : 0;
    n -= event_pending(&base->stop, EV_TIMEOUT, NULL) ? 1 : 0;
    n += lev_deadlines_count(base) + lev_ready_count(base);
  }
  lua_pushinteger(L, n);
  return 1;
}

/***
Returns the highest number of libevent's events that were pending at a time;
all timers together count as one. Wraps `event_base_get_max_events`.
@function event_base:max_events
@param kind? string As for @{event_base:num_events}.
@param clear? boolean Begins counting anew.
@return integer n
*/
int l_event_base_get_max_events(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  unsigned flags = checkkind(L, 2);
  int clear = lua_toboolean(L, 3);
  lua_pushinteger(L, event_base_get_max_events(base->ptr, flags, clear));
  return 1;
}

/***
Returns the time on the clock of the timers, which never goes back. Does the
work of `event_gettime_monotonic`.
@function event_base:now
@return number seconds Since some moment in the past.
*/
int l_now(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  lua_pushnumber(L, lev_now());
  return 1;
}

/***
Returns the time of day, as of the start of the turn if the base was created
with `no_cache_time = false`: exact to some milliseconds then, unless it is
`precise` too. Wraps `event_base_gettimeofday_cached`.
@function event_base:gettimeofday_cached
@return number seconds Since 1970.
*/
int l_event_base_gettimeofday_cached(lua_State *L) {
  struct timeval tv = { 0, 0 };
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  event_base_gettimeofday_cached(base->ptr, &tv);
  lua_pushnumber(L, lev_seconds(&tv));
  return 1;
}

/***
Takes a new look at the clock, where the base was created with
`no_cache_time = false` and a callback has taken long. Wraps
`event_base_update_cache_time`.
@function event_base:update_time
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_event_base_update_cache_time(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  int ok = event_base_update_cache_time(base->ptr) == 0;
  return lev_result(L, ok, "update_time");
}

/***
Tells whether the loop ended, or is about to, by loopexit. Wraps
`event_base_got_exit`.
@function event_base:got_exit
@return boolean exited
*/
int l_event_base_got_exit(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_pushboolean(L, event_base_got_exit(base->ptr));
  return 1;
}

/***
Tells whether the loop ended, or is about to, by loopbreak. Wraps
`event_base_got_break`.
@function event_base:got_break
@return boolean broken
*/
int l_event_base_got_break(lua_State *L) {
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_pushboolean(L, lev_isbroken(base));
  return 1;
}

/***
Returns libevent's list of the events that are added and active, for reading.
Wraps `event_base_dump_events`.
@function event_base:dump
@return string? text
@return string? message
@return integer? code An errno value.
*/
int l_event_base_dump_events(lua_State *L) {
  char *text = NULL;
  size_t length = 0;
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  FILE *stream = open_memstream(&text, &length);
  if (stream == NULL)
    return lev_failure(L, "dump", errno);
  event_base_dump_events(base->ptr, stream);
  if (fclose(stream) != 0 || text == NULL) {
    int code = errno;
    free(text);
    return lev_failure(L, "dump", code);
  }
  lev_pushowned(L, text, length);
  return 1;
}

/* Adds what the state remembers of the object to the entry on top of the
 * stack; 'origins' is the table of lev_pushorigins. [-0, +0, m] */
static void addorigin(lua_State *L, const lev_object *self, int origins,
                      lua_Number now) {
  if (lua_rawgetp(L, origins, self) == LUA_TTABLE) {
    lua_getfield(L, -1, "created");
    lua_setfield(L, -3, "created");
    lua_getfield(L, -1, "since");
    lua_pushnumber(L, now - lua_tonumber(L, -1));
    lua_setfield(L, -4, "age");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Adds who is at the other side of a connection. */
static void addpeer(lua_State *L, int fd) {
  int top = lua_gettop(L);
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "accepted");
  lev_pushname(L, fd, true);
  lua_settop(L, top + 1);
  lua_setfield(L, -2, "peer");
}

static void pushentry(lua_State *L, const lev_object *self) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, lev_typename(self->type));
  lua_setfield(L, -2, "type");
  lev_pushdescription(L, self);
  lua_setfield(L, -2, "description");
  lua_pushboolean(L, self->type->pending(self));
  lua_setfield(L, -2, "pending");
  int fd = self->type->fd != NULL ? self->type->fd(self) : -1;
  if (fd >= 0) {
    lua_pushinteger(L, fd);
    lua_setfield(L, -2, "fd");
  }
  if (self->accepted && fd >= 0)
    addpeer(L, fd);
}

/* Appends an entry to the list at 3, with origins at 2 and the slot array at 4.
 * [-0, +0, m] */
static void addentry(lua_State *L, const lev_object *self, lua_Number now,
                     lua_Integer n) {
  pushentry(L, self);
  if (self->slot != 0 && lua_istable(L, 4)) {
    lua_rawgeti(L, 4, self->slot);
    lua_setfield(L, -2, "object");
  }
  addorigin(L, self, 2, now);
  lua_rawseti(L, 3, n);
}

/* Makes the list of base:objects. The collector is stopped: it could close
 * what is being read. */
static int list(lua_State *L) {
  lev_base *base = lev_toobject(L, 1);
  lev_pushorigins(L);
  lua_newtable(L);
  lua_Number t = lev_now();
  lua_Integer n = 0;
  bool slots = lev_slots_push(L, base);
  for (const lev_object *o = base->children; o != NULL; o = o->next)
    addentry(L, o, t, ++n);
  for (uint32_t slot = LEV_SLOT_LAST + 1; slots && slot <= base->slots.last;
       slot++) {
    lua_rawgeti(L, 4, slot);
    const lev_object *o = lev_toobject(L, -1);
    lua_pop(L, 1);
    if (o != NULL && o->slot == slot && o->type->life == LEV_PLAIN)
      addentry(L, o, t, ++n);
  }
  lua_settop(L, 3);
  return 1;
}

/***
Returns what the base has open: all but idle timers.
@function event_base:objects
@return table[] objects Each with `type`, `description` (what tostring says),
`pending`, `fd` where it has one, the `object` itself if it may call back;
`accepted` is true, and `peer` its address, for a connection that has come to a
listener, unless that is of the background; and, if it was made while
`libevent.track(true)` held, `created` as `"file:line"` and its `age` in
seconds.
*/
int l_objects(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  return lev_uncollected(L, list);
}

/* Adds one to the field of the table on top of the stack that a type has. */
static void count(lua_State *L, const lev_type *type) {
  lua_pushstring(L, lev_typename(type));
  lua_pushvalue(L, -1);
  lua_rawget(L, -3);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_pushinteger(L, n + 1);
  lua_rawset(L, -3);
}

/* Makes the table of base:num_objects. The collector is stopped. */
static int numbers(lua_State *L) {
  const lev_base *base = lev_toobject(L, 1);
  lua_newtable(L);
  for (const lev_object *o = base->children; o != NULL; o = o->next)
    count(L, o->type);
  return 1;
}

/***
Returns how many objects of each type the base has open; cheap beside
@{event_base:objects}, which describes them.
@function event_base:num_objects
@return table<string,integer> numbers By type, such as `stream`; timers are not
counted.
*/
int l_num_objects(lua_State *L) {
  lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 1);
  return lev_uncollected(L, numbers);
}
