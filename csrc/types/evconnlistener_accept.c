/* Accepting: what a listener does when connections wait. */

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "kernel/process.h"
#include "kernel/ready.h"
#include "kernel/result.h"
#include "types/evconnlistener.h"
#include "types/socket.h"

enum { LEV_BURST = 64 }; /* connections accepted in one turn */

static const double retry_after = 0.1;
static const double report_every = 1.0;

/* A connection on its way into Lua. */
typedef struct arrival {
  int fd; /* -1 once a socket owns it */
  lev_address peer;
  const lev_socket *socket;
  bool welcome; /* the callback did not fail */
} arrival;

static int acceptnext(int listening, arrival *a) {
  struct sockaddr *peer = (struct sockaddr *)&a->peer.storage;
  a->peer.length = sizeof a->peer.storage;
#ifdef SOCK_NONBLOCK
  return accept4(listening, peer, &a->peer.length,
                 SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  int fd = accept(listening, peer, &a->peer.length);
  if (fd >= 0)
    lev_fd_prepare(fd);
  return fd;
#endif
}

/* The callback at 1, the listener at 2, the arrival at 3. */
static int callaccept(lua_State *L) {
  arrival *a = lua_touserdata(L, 3);
  const lev_object *listener = lua_touserdata(L, 2);
  lev_socket *socket = lev_new(L, 0, &lev_socket_type);
  int fd = a->fd;
  a->fd = -1;
  if (!lev_socket_open(L, socket, fd))
    return luaL_error(L, "not enough memory");
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
  lev_object *socket = lua_touserdata(f.L, -1);
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
  lev_evconnlistener *self = lua_touserdata(L, 2);
  if (!self->head.open)
    return 0;
  lev_deadline_add(L, &self->head, 2, retry_after);
  event_del(&self->event);
  self->paused = true;
  if (!t->reports)
    return 0;
  bool told = lua_getiuservalue(L, 2, LEV_UV_ERROR_CB) == LUA_TFUNCTION;
  lua_pushvalue(L, 2);
  lev_failure(L, "accept", t->code);
  lua_remove(L, -3);
  if (told && self->head.open)
    lua_call(L, 3, 0);
  else
    lev_log_put(EVENT_LOG_WARN, lua_tostring(L, -2));
  return 0;
}

/* There are no descriptors, or something is wrong with the socket. Returns
 * whether to go on. */
static bool suffer(lev_evconnlistener *self, int code) {
  double t = lev_now();
  lev_frame f;
  trouble it = { .code = code };
  it.collects = t - self->collected >= report_every;
  it.reports = !it.collects && t - self->reported >= report_every;
  if (it.collects)
    self->collected = t;
  if (it.reports)
    self->reported = t;
  if (lev_entercall(&f, &self->head, 0, calltrouble)) {
    lua_pushlightuserdata(f.L, &it);
    lev_leave(&f, &self->head, 2);
  }
  return it.collects;
}

/* What a failed accept means: whether to go on. */
static bool goeson(lev_evconnlistener *self, int code) {
  switch (code) {
  case EAGAIN:
    return false;
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case EPERM: /* a firewall's rule */
    return true;
  default:
    return suffer(self, code);
  }
}

void lev_on_accept(evutil_socket_t listening, short what, void *arg) {
  lev_evconnlistener *self = arg;
  (void)what;
  for (int i = 0; i < LEV_BURST; i++) {
    arrival a = { .fd = -1 };
    a.fd = acceptnext((int)listening, &a);
    if (a.fd >= 0)
      welcome(self, &a);
    else if (!goeson(self, errno))
      break;
    if (!self->head.open || !self->enabled || self->paused ||
        lev_mustend(self->head.base))
      break;
  }
}

/* The deadline after no descriptors: tries again. */
void lev_evconnlistener_due(const lev_frame *f, lev_object *object) {
  lev_evconnlistener *self = (lev_evconnlistener *)object;
  if (object->open && self->paused) {
    self->paused = false;
    if (event_add(&self->event, NULL) != 0) {
      self->paused = true;
      /* Its own entry has just been taken out, so there is room. */
      lev_deadline_add(f->L, object, lua_gettop(f->L), retry_after);
    }
  }
  lua_settop(f->L, f->top);
}
