/* Tasks that wait for an event. */

#include <errno.h>
#include <poll.h>

#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "types/event.h"

void lev_event_idle(lev_eventobject *self) {
  lua_State *L = self->head.base->state->main;
  event_del(&self->event);
  if (lua_checkstack(L, LUA_MINSTACK))
    lev_unpin(L, &self->head); /* the coroutine that waits holds it */
}

static int waitk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  if (!lev_task_happened(L, state))
    return lev_task_unhappened(L, state);
  const lev_eventobject *self = lev_task_object(state);
  lua_pushvalue(L, lua_upvalueindex(2 + lev_whatset(self->happened)));
  return 1;
}

static void left(lev_task *task) {
  lev_eventobject *self = (lev_eventobject *)task->object;
  lua_State *L = self->head.base->state->main;
  if (!self->calls || self->borrowed)
    event_del(&self->event);
  if (lua_checkstack(L, LUA_MINSTACK))
    lev_unpinidle(L, &self->head);
}

/* What of the letters has happened already, whatever libevent knows of it. */
static short look(const struct event *event) {
  short what = 0, wanted = event_get_events(event);
  short asked = 0;
  int fd = event_get_fd(event);
  if (wanted & EV_READ)
    asked |= POLLIN;
  if (wanted & EV_WRITE)
    asked |= POLLOUT;
#ifdef POLLRDHUP
  if (wanted & EV_CLOSED)
    asked |= POLLRDHUP;
#endif
  if (fd < 0 || wanted & EV_ET)
    return 0;
  short ready = lev_fd_ready(fd, asked);
  if (ready & (POLLIN | POLLHUP | POLLERR))
    what |= EV_READ;
  if (ready & (POLLOUT | POLLHUP | POLLERR))
    what |= EV_WRITE;
#ifdef POLLRDHUP
  if (ready & POLLRDHUP)
    what |= EV_CLOSED;
#endif
  return what & wanted;
}

/* The time is over: what is ready in the same turn comes first. */
static bool late(lev_task *task) {
  lev_eventobject *self = (lev_eventobject *)task->object;
  short what = !self->calls || self->borrowed ? look(&self->event) : 0;
  if (what == 0)
    return false;
  self->happened = what;
  left(task);
  return true;
}

static const lev_waitkind waiting = {
  .what = "wait",
  .k = waitk,
  .left = left,
  .late = late,
};

/* Makes the event at 1 pending for who waits; false with errno. One that is
 * pending already is pinned, too. */
static bool lend(lua_State *L, lev_eventobject *self) {
  lev_pin(L, &self->head, 1);
  self->borrowed = true;
  errno = 0;
  return event_add(&self->event, NULL) == 0;
}

/***
Waits until the event happens, which it is added for if it is not. Only a task
can. While one waits the callback is not called.
@function event:wait
@param timeout? number Seconds.
@return string? what Letters, as the callback gets them; nil if it was closed,
or the time is over.
@return string? message `"closed"` or `"timed out"`, or why it cannot be added.
@return integer? code `ECANCELED`, `ETIMEDOUT` or another errno value.
*/
int l_event_wait(lua_State *L) {
  lev_eventobject *self = lev_self(L, &lev_event);
  lev_task *task = lev_task_checkat(L, &self->head);
  if (self->waiter != NULL && lev_task_waits(self->waiter))
    return lev_task_busy(L, self->waiter, "event");
  if (lua_gettop(L) > 1 || task->limited) /* as lev_task_prepare does */
    lev_task_schedule(L, task, &waiting, lev_opttimeout(L, 2));
  if (!lev_event_pending(&self->head) && !lend(L, self))
    return lev_event_done(L, self, -1, "wait");
  return lev_task_yield(L, task, &waiting, &self->waiter, &self->head);
}
