/***
Watches a descriptor, or calls back after a timeout, or when it is made active.
Made by @{event_base:event}.
@classmod libevent.event
*/

#include "types/event.h"

#include <errno.h>
#include <fcntl.h>

#include "kernel/base.h"
#include "kernel/callback.h"
#include "kernel/convert.h"
#include "kernel/pin.h"
#include "kernel/process.h"
#include "kernel/result.h"
#include "kernel/task.h"

enum {
  LEV_UV_FILE = 3, /* keeps an io file whose descriptor is watched */
  LEV_EVENT_UVS = 3,
  LEV_IO = EV_READ | EV_WRITE | EV_CLOSED
};

/* No task waits. */
static void unawaited(lev_eventobject *self, short what) {
  if (self->calls && !self->borrowed)
    lev_callwhat(&self->head, LEV_UV_CALLBACK, what);
  else
    lev_event_idle(self);
}

/* Resumes the task that waits, or calls back. One that persists stays pending
 * after a wait: a task that waits again finds it there. */
static void on_event(evutil_socket_t fd, short what, void *arg) {
  lev_eventobject *self = arg;
  lev_task *waiter = self->waiter;
  (void)fd;
  if (waiter == NULL) {
    unawaited(self, what);
    return;
  }
  self->happened = what;
  if (!lev_event_pending(&self->head))
    lev_event_idle(self);
  lev_task_resume(waiter); /* the object may be gone afterwards */
}

/* libevent's tables grow with the number of a descriptor, and its debug mode
 * aborts on one that blocks. */
static bool checkopen(const lev_base *base, int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return false;
  errno = EBUSY;
  if (fd == base->deadlines.fd) /* what is done with it would stop its timers */
    return false;
  errno = EINVAL;
  return (!lev_debugmode() || flags & O_NONBLOCK) && lev_canwatch(base, fd);
}

/* Without the feature these would be ignored. */
static bool checkfeatures(const lev_base *base, int events) {
  int needed = (events & EV_ET ? EV_FEATURE_ET : 0) |
               (events & EV_CLOSED ? EV_FEATURE_EARLY_CLOSE : 0);
  errno = ENOTSUP;
  return (event_base_get_features(base->ptr) & needed) == needed;
}

/***
Creates an event, idle until @{event:add}. Remove the event before you close
its descriptor. Wraps `event_assign`. Does the work of `event_new`.
@function event_base:event
@param fd integer|file*|libevent.object A descriptor; -1 for a pure timeout or
for @{event:active}.
@param events string Letters: `r` readable, `w` writable, `c` closed by the
peer (where the method has early_close), `p` persist: call back until it is
deleted, not once, `e` edge-triggered.
@param callback? fun(event: libevent.event, what: string) What happened:
letters of `r`, `w`, `c`, and `t` for a timeout. None: tasks @{event:wait} for
it.
@return libevent.event? event
@return string? message
@return integer? code An errno value: `EBADF` if the descriptor is not open,
`EBUSY` if it is one of the base's own, `ENOTSUP` if the method lacks a feature
that `c` or `e` needs.
*/
static int l_event_new(lua_State *L) {
  lev_base *base = lev_self(L, &lev_event_base);
  int fd = lev_checkfd(L, 2);
  short events = lev_checkmask(L, 3, "rwcpe");
  if (!lua_isnoneornil(L, 4))
    luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  luaL_argcheck(L, fd >= 0 || !(events & (LEV_IO | EV_ET)), 2,
                "descriptor expected for these events");
  if ((fd >= 0 && !checkopen(base, fd)) || !checkfeatures(base, events))
    return lev_failure(L, "event", errno);
  lev_eventobject *self = lev_new(L, 1, &lev_event);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, -2, LEV_UV_CALLBACK);
  self->calls = !lua_isnil(L, 4);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, LEV_UV_FILE);
  errno = 0;
  if (event_assign(&self->event, base->ptr, fd, events, on_event, self) != 0)
    return lev_failure(L, "event", errno);
  lev_open(&self->head);
  return 1;
}

/* Ends a method that may have made the event idle. */
int lev_event_done(lua_State *L, lev_eventobject *self, int status,
                   const char *what) {
  int code = errno;
  lev_unpinidle(L, &self->head);
  errno = code;
  return lev_result(L, status == 0, what);
}

/***
Makes the event pending; adding it again replaces the timeout. Wraps
`event_add`.
@function event:add
@param timeout? number Seconds; a persistent event takes no 0. None: it waits
for ever, or goes on with the timeout it has.
@return boolean? ok
@return string? message
@return integer? code An errno value, such as `EPERM` for a regular file.
*/
static int l_event_add(lua_State *L) {
  struct timeval tv;
  lev_eventobject *self = lev_self(L, &lev_event);
  struct timeval *timeout = lev_opttimeval(L, 2, &tv);
  if (timeout != NULL && event_get_events(&self->event) & EV_PERSIST)
    luaL_argcheck(L, tv.tv_sec > 0 || tv.tv_usec > 0, 2,
                  "the timeout of a persistent event must not be 0");
  lev_pin(L, &self->head, 1);
  self->borrowed = false;
  errno = 0;
  return lev_event_done(L, self, event_add(&self->event, timeout), "event_add");
}

/***
Makes the event idle; no effect if it is. Wraps `event_del`.
@function event:del
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_event_del(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  errno = 0;
  return lev_event_done(L, self, event_del(&self->event), "event_del");
}

/***
Removes the timeout and leaves the rest as it is. Wraps `event_remove_timer`.
@function event:remove_timer
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
static int l_event_remove_timer(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  errno = 0;
  return lev_event_done(L, self, event_remove_timer(&self->event),
                        "event_remove_timer");
}

/***
Tells what the event is pending or active for. Wraps `event_pending`.
@function event:pending
@return string? what Letters of `r`, `w`, `c` and `t`, or nil if it is idle.
@return number? seconds What is left of the timeout, if there is one.
*/
static int l_event_pending(lua_State *L) {
  struct timeval now;
  lev_eventobject *self = lev_self(L, &lev_event);
  int what = event_pending(&self->event, LEV_IO | EV_TIMEOUT, NULL);
  if (what == 0) {
    lua_pushnil(L);
    return 1;
  }
  event_gettime_monotonic(self->head.base->ptr, &now);
  double left = lev_seconds(&self->event.ev_timeout) - lev_seconds(&now);
  lev_pushmask(L, what);
  if (!(what & EV_TIMEOUT))
    return 1;
  lua_pushnumber(L, left > 0 ? left : 0);
  return 2;
}

/***
Makes the event active, so that it calls back in this turn of the loop, whether
it is added or not. Wraps `event_active`.
@function event:active
@param what? string Letters of `r`, `w`, `c` and `t` for the callback; `"r"` by
default.
@return boolean ok
*/
static int l_event_active(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  short what = EV_READ;
  if (!lua_isnoneornil(L, 2)) {
    what = lev_checkmask(L, 2, "rwct");
    luaL_argcheck(L, what != 0, 2, "at least one letter expected");
  }
  lev_pin(L, &self->head, 1);
  self->borrowed = self->borrowed && self->waiter != NULL;
  event_active(&self->event, what, 1);
  lua_pushboolean(L, 1);
  return 1;
}

/***
Sets the priority; 0 comes first. A turn of the loop calls back what is active
of one priority, and looks for new events before it goes on to the next. Wraps
`event_priority_set`.
@function event:priority_set
@param priority integer From 0 to one less than the base has.
@return boolean? ok
@return string? message
@return integer? code `EBUSY` while the event is active.
*/
static int l_event_priority_set(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  int most = event_base_get_npriorities(self->head.base->ptr) - 1;
  int priority = lev_checkint(L, 2, 0, most);
  errno = EBUSY;
  return lev_result(L, event_priority_set(&self->event, priority) == 0,
                    "event_priority_set");
}

/***
Returns the priority. Wraps `event_get_priority`.
@function event:priority
@return integer priority
*/
static int l_event_get_priority(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  lua_pushinteger(L, event_get_priority(&self->event));
  return 1;
}

/***
Returns the descriptor. Wraps `event_get_fd`.
@function event:fd
@return integer fd -1 if it has none.
*/
static int l_event_get_fd(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  lua_pushinteger(L, event_get_fd(&self->event));
  return 1;
}

/***
Returns the letters the event was made with. Wraps `event_get_events`.
@function event:events
@return string events
*/
static int l_event_get_events(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  lev_pushmask(L, event_get_events(&self->event));
  return 1;
}

/***
Replaces the callback.
@function event:setcb
@param callback fun(event: libevent.event, what: string) As for
@{event_base:event}.
*/
static int l_event_setcb(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  lev_setcallback(L, 1, LEV_UV_CALLBACK, 2);
  self->calls = true;
  return 0;
}

/***
Returns the callback. Does the work of `event_get_callback`.
@function event:callback
@return function? callback nil where tasks wait for the event.
*/
static int l_event_get_callback(lua_State *L) {
  lev_self(L, &lev_event);
  lua_getiuservalue(L, 1, LEV_UV_CALLBACK);
  return 1;
}

static void free_event(lua_State *L, lev_object *self) {
  lev_eventobject *e = (lev_eventobject *)self;
  (void)L;
  if (e->waiter != NULL)
    lev_task_wake(e->waiter, LEV_CLOSED);
  event_del(&e->event);
  event_debug_unassign(&e->event);
}

static int fd_event(const lev_object *self) {
  return event_get_fd(&((const lev_eventobject *)self)->event);
}

static void describe_event(lua_State *L, const lev_object *self) {
  const lev_eventobject *e = (const lev_eventobject *)self;
  const char *state = lev_event_pending(self) ? " pending" : " idle";
  lua_pushfstring(L, "fd %d ", event_get_fd(&e->event));
  lev_pushmask(L, event_get_events(&e->event));
  lua_pushstring(L, state);
}

static const luaL_Reg methods[] = {
  { "add", l_event_add },
  { "wait", l_event_wait },
  { "del", l_event_del },
  { "remove_timer", l_event_remove_timer },
  { "pending", l_event_pending },
  { "active", l_event_active },
  { "priority_set", l_event_priority_set },
  { "priority", l_event_get_priority },
  { "fd", l_event_get_fd },
  { "events", l_event_get_events },
  { "setcb", l_event_setcb },
  { "callback", l_event_get_callback },
  { NULL, NULL },
};

/* The sets of what can happen: see lev_whatset. */
static const char *const strings[] = {
  "",   "t",  "r",   "rt", "w",   "wt",  "rw",   "rwt", "c",
  "ct", "rc", "rct", "wc", "wct", "rwc", "rwct", NULL,
};

static const luaL_Reg constructors[] = {
  { "event", l_event_new },
  { NULL, NULL },
};

const lev_type lev_event = {
  .name = "libevent.event",
  .size = sizeof(lev_eventobject),
  .uservalues = LEV_EVENT_UVS,
  .life = LEV_LONE,
  .retiring = true,
  .methods = methods,
  .strings = strings,
  .constructors = constructors,
  .free = free_event,
  .pending = lev_event_pending,
  .describe = describe_event,
  .fd = fd_event,
  .borrows = true,
};
