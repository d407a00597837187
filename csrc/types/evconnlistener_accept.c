/* Accepting: what a listener does when connections wait. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "kernel/process.h"
#include "kernel/ready.h"
#include "kernel/result.h"
#include "types/evconnlistener.h"
#include "types/socket.h"

const double lev_accept_retry = 0.1;

/* Seconds between two collections for descriptors, and two reports. */
static const double often = 1.0;

/* A connection on its way into Lua. */
typedef struct arrival {
  int fd; /* -1 once a socket owns it */
  lev_address peer;
  const lev_socket *socket;
  bool welcome; /* the callback did not fail */
} arrival;

int lev_accept(lev_evconnlistener *self, lev_address *a) {
  struct sockaddr *peer = (struct sockaddr *)&a->storage;
  a->length = sizeof a->storage;
#ifdef SOCK_NONBLOCK
  int fd = accept4(self->fd, peer, &a->length, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  int fd = accept(self->fd, peer, &a->length);
  if (fd >= 0)
    lev_fd_prepare(fd);
#endif
  if (fd >= 0)
    self->head.base->counts.accepts++;
  return fd;
}

/* The callback at 1, the listener at 2, the arrival at 3. */
static int callaccept(lua_State *L) {
  arrival *a = lua_touserdata(L, 3);
  const lev_object *listener = lev_toobject(L, 2);
  lev_socket *socket = lev_new(L, 0, &lev_socket_type);
  int fd = a->fd;
  a->fd = -1;
  if (!lev_socket_open(L, socket, fd))
    return lev_nomemory(L);
  socket->head.accepted = !listener->background;
  a->socket = socket;
  lev_setat(L, lev_getstate(L), LEV_AT_ACCEPTED, 4);
  lev_pushaddress(L, &a->peer);
  lua_remove(L, 3);
  if (!listener->open) /* by a finalizer: nothing calls back any more */
    return 0;
  lua_call(L, 3, 0);
  a->welcome = true;
  return 0;
}

/* Closes the socket of a callback that failed, if it is still there: the peer
 * must not wait for the collector. */
static void reject(lev_evconnlistener *self, const arrival *a) {
  lev_frame f;
  if (!lev_frame_open(&f, self->head.base))
    return;
  lev_pushat(f.L, self->head.base->state, LEV_AT_ACCEPTED);
  lev_object *socket = lev_toobject(f.L, -1);
  if (socket != NULL && (const lev_socket *)socket == a->socket)
    lev_close(f.L, socket);
  lua_pop(f.L, 1);
  lev_frame_close(&f);
}

static void welcome(lev_evconnlistener *self, arrival *a) {
  lev_frame f;
  if (lev_entercall(&f, &self->head, LEV_UV_CALLBACK, callaccept)) {
    lua_pushlightuserdata(f.L, a);
    lev_leave(&f, &self->head, 2);
  }
  if (a->fd >= 0)
    close(a->fd);
  else if (!a->welcome)
    reject(self, a);
}

void lev_accept_report(lua_State *L, int index, int code) {
  const lev_object *self = lev_toobject(L, index);
  int top = lua_gettop(L);
  bool told = lua_getiuservalue(L, index, LEV_UV_ERROR_CB) == LUA_TFUNCTION;
  lua_pushvalue(L, index);
  lev_failure(L, "accept", code);
  lua_remove(L, -3);
  if (told && self->open)
    lua_call(L, 3, 0);
  else
    lev_log_put(EVENT_LOG_WARN, lua_tostring(L, -2));
  lua_settop(L, top);
}

bool lev_accept_collects(lev_evconnlistener *self, bool *reports) {
  double now = lev_now();
  bool collects = now - self->collected >= often;
  *reports = !collects && now - self->reported >= often;
  if (collects)
    self->collected = now;
  if (*reports)
    self->reported = now;
  return collects;
}

/* Why accept failed, on its way into Lua. */
typedef struct trouble {
  int code;
  bool collects; /* try again after a collection */
  bool reports;
} trouble;

/* The listener at 2, the trouble at 3. */
static int calltrouble(lua_State *L) {
  trouble *t = lua_touserdata(L, 3);
  if (t->collects) {
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
  }
  lev_evconnlistener *self = lev_toobject(L, 2);
  if (!self->head.open)
    return 0;
  lev_deadline_add(L, &self->head, 2, lev_accept_retry);
  event_del(&self->event);
  self->paused = true;
  if (t->reports)
    lev_accept_report(L, 2, t->code);
  return 0;
}

/* There are no descriptors, or something is wrong with the socket. Returns
 * whether to go on. */
static bool suffer(lev_evconnlistener *self, int code) {
  lev_frame f;
  trouble it = { .code = code };
  it.collects = lev_accept_collects(self, &it.reports);
  if (lev_entercall(&f, &self->head, 0, calltrouble)) {
    lua_pushlightuserdata(f.L, &it);
    lev_leave(&f, &self->head, 2);
  }
  return it.collects;
}

bool lev_accept_istrouble(int code) {
  switch (code) {
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case EPERM: /* a firewall's rule */
    return false;
  default:
    return true;
  }
}

/* What a failed accept means: whether to go on. */
static bool goeson(lev_evconnlistener *self, int code) {
  return code != EAGAIN && (!lev_accept_istrouble(code) || suffer(self, code));
}

void lev_on_accept(evutil_socket_t listening, short what, void *arg) {
  lev_evconnlistener *self = arg;
  (void)listening, (void)what;
  if (self->acceptor != NULL) {
    lev_accept_resume(self);
    return;
  }
  for (int i = 0; i < LEV_BURST; i++) {
    arrival a = { .fd = -1 };
    a.fd = lev_accept(self, &a.peer);
    if (a.fd >= 0)
      welcome(self, &a);
    else if (!goeson(self, errno))
      break;
    if (!self->head.open || !self->enabled || self->paused ||
        lev_mustend(self->head.base))
      break;
  }
}

/***
Tells whether connections wait that it is about to accept, and that nobody else
can: the system would reset them if it were closed now. Who takes a listener out
of service lets the loop turn until there are none.
@function evconnlistener:waiting
@return boolean waiting False while neither the callback nor a task accepts; and
for a socket that was taken over, or came from a parent by fork: others may
accept from that, too.
*/
int l_evconnlistener_waiting(lua_State *L) {
  const lev_evconnlistener *self = lev_selfcheck(L, &lev_evconnlistener_type);
  bool accepts = (self->enabled && !self->paused) ||
                 (self->acceptor != NULL && lev_task_waits(self->acceptor));
  bool own = !self->taken && self->generation == lev_generation();
  lua_pushboolean(L, accepts && own && lev_fd_ready(self->fd, POLLIN) & POLLIN);
  return 1;
}

/* The deadline after no descriptors: tries again. */
void lev_evconnlistener_due(const lev_frame *f, lev_object *object) {
  lev_evconnlistener *self = (lev_evconnlistener *)object;
  if (object->open && self->paused) {
    self->paused = false;
    if (event_add(&self->event, NULL) != 0) {
      self->paused = true;
      /* Its own entry has just been taken out, so there is room. */
      lev_deadline_add(f->L, object, lua_gettop(f->L), lev_accept_retry);
    }
  }
  lua_settop(f->L, f->top);
}
