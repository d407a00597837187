/* Accepting in a task. Nothing is accepted while no task asks for it: what
 * comes meanwhile waits in the system. */

#include <errno.h>

#include "kernel/convert.h"
#include "kernel/result.h"
#include "kernel/task.h"
#include "types/evconnlistener.h"
#include "types/socket.h"

/* What stands on the stack of a call: when it must end, or a negative number,
 * and the socket that is to own what comes. */
enum { LEV_UNTIL = 2, LEV_SOCKET = 3 };

static int acceptk(lua_State *L, int status, lua_KContext state);

static void left(lev_task *task) {
  event_del(&((lev_evconnlistener *)task->object)->event);
}

static const lev_waitkind accepting = {
  .what = "accept",
  .k = acceptk,
  .left = left,
};

static void resumed(lev_task *task) {
  ((lev_evconnlistener *)task->object)->paused = false;
}

/* Until there may be descriptors again. */
static const lev_waitkind pausing = {
  .what = "accept",
  .k = acceptk,
  .left = resumed,
};

/* Waits for a connection; where there are no descriptors, some time. */
static int await(lua_State *L, lev_evconnlistener *self, bool pause) {
  double until = lua_tonumber(L, LEV_UNTIL), now = until < 0 ? 0 : lev_now();
  double timeout = until < 0 ? -1 : until > now ? until - now : 0;
  const lev_waitkind *kind = pause ? &pausing : &accepting;
  lev_task *task = lev_task_checkat(L, &self->head);
  if (pause && (timeout < 0 || timeout > lev_accept_retry))
    timeout = lev_accept_retry;
  lev_task_prepare(L, task, kind, timeout);
  errno = ENOMEM;
  if (!pause && event_add(&self->event, NULL) != 0)
    return lev_failure(L, "accept", errno);
  self->paused = pause;
  self->direct = 0;
  return lev_task_yield(L, task, kind, &self->acceptor, &self->head);
}

/* There are no descriptors. Returns whether a collection may have freed
 * some. */
static bool suffer(lua_State *L, lev_evconnlistener *self, int code) {
  bool reports;
  bool collects = lev_accept_collects(self, &reports);
  if (collects)
    lua_gc(L, LUA_GCCOLLECT);
  else if (reports)
    lev_accept_report(L, 1, code);
  return collects;
}

static int accept1(lua_State *L, lev_evconnlistener *self) {
  lev_address peer;
  while (self->head.open) {
    if (self->direct >= LEV_BURST) /* others come first */
      return await(L, self, false);
    int fd = lev_accept(self, &peer);
    if (fd >= 0) {
      self->direct++;
      lev_socket *socket = lev_toobject(L, LEV_SOCKET);
      if (!lev_socket_open(L, socket, fd))
        return lev_nomemory(L);
      socket->head.accepted = !self->head.background;
      lev_pushaddress(L, &peer);
      return 2;
    }
    if (errno == EAGAIN)
      return await(L, self, false);
    if (lev_accept_istrouble(errno) && !suffer(L, self, errno) &&
        self->head.open)
      return await(L, self, true);
  }
  return lev_closed(L);
}

/* The collector may have found the socket that is to be opened, and a finalizer
 * have brought the task back. */
static void renew(lua_State *L) {
  const lev_object *socket = lev_toobject(L, LEV_SOCKET);
  if (!socket->dead)
    return;
  lev_new(L, 0, &lev_socket_type);
  lua_replace(L, LEV_SOCKET);
}

static int acceptk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_outcome outcome = lev_task_woken(L, state);
  lev_evconnlistener *self = lev_task_object(state);
  renew(L);
  double until = lua_tonumber(L, LEV_UNTIL);
  if (outcome == LEV_CLOSED || !self->head.open)
    return lev_closed(L);
  if (outcome == LEV_TIMEDOUT && until >= 0 && lev_now() >= until)
    return lev_timedout(L);
  return accept1(L, self);
}

/***
Waits for a connection, and accepts it. Only a task can, and one at a time, of a
listener without a callback or one that is disabled. What comes while no task
asks waits in the system. Where there are no descriptors it goes on waiting for
some, as with a callback.
@function evconnlistener:accept
@param timeout? number Seconds.
@return libevent.socket? socket
@return string peer The address it came from; the message where the first is
nil: `"closed"`, `"timed out"` or why.
@return integer? code `ECANCELED`, `ETIMEDOUT` or another errno value.
*/
int l_evconnlistener_accept(lua_State *L) {
  lev_evconnlistener *self = lev_self(L, &lev_evconnlistener_type);
  double timeout = lev_opttimeout(L, 2);
  lev_task_checkat(L, &self->head);
  if (self->enabled)
    return luaL_error(L, "the callback of this listener accepts");
  if (self->acceptor != NULL && lev_task_waits(self->acceptor))
    return lev_task_busy(L, self->acceptor, "listener");
  lua_settop(L, 1);
  lua_pushnumber(L, timeout < 0 ? -1 : lev_now() + timeout);
  lev_new(L, 0, &lev_socket_type);
  return accept1(L, self);
}

void lev_accept_resume(lev_evconnlistener *self) {
  event_del(&self->event);
  lev_task_resume(self->acceptor);
}
