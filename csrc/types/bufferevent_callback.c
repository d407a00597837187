/* From libevent into Lua: the three callbacks of a bufferevent. */

#include <errno.h>
#include <poll.h>

#include "kernel/callback.h"
#include "kernel/pin.h"
#include "kernel/result.h"
#include "types/bufferevent.h"

/* After something that no callback of the script was told of. [-0, +0, -] */
static void letgo(lev_bufferevent *self) {
  lev_frame f;
  if (self->head.slot != 0 && !self->head.type->pending(&self->head) &&
      lev_frame_open(&f, self->head.base)) {
    lev_unpinat(f.L, &self->head, f.handler + 1);
    lev_frame_close(&f);
  }
}

/* libevent calls the reading end of a pair when the other end flushes nothing,
 * too. */
static bool isvain(const lev_bufferevent *self) {
  return self->pair && !(self->deferred & EV_READ) &&
         evbuffer_get_length(bufferevent_get_input(self->ptr)) == 0;
}

static void on_read(struct bufferevent *ptr, void *arg) {
  lev_bufferevent *self = arg;
  lev_frame f;
  (void)ptr;
  if (self->head.lingering) {
    lev_lingering_read(self);
    return;
  }
  bool vain = isvain(self);
  self->deferred &= ~EV_READ;
  if (!vain && self->head.slot != 0 && self->called & EV_READ &&
      lev_enter(&f, &self->head, LEV_UV_READ))
    lev_leave(&f, &self->head, 0);
  else
    letgo(self);
  if (self->high > 0 && self->head.open)
    lev_bufferevent_watermark(self);
}

static void on_write(struct bufferevent *ptr, void *arg) {
  lev_bufferevent *self = arg;
  lev_frame f;
  (void)ptr;
  if (self->head.lingering) {
    lev_lingering_written(self);
    return;
  }
  self->deferred &= ~EV_WRITE;
  if (self->shut && self->fd >= 0 && lev_unsent(self) == 0)
    lev_bufferevent_shut(self);
  if (self->head.slot != 0 && self->called & EV_WRITE &&
      lev_enter(&f, &self->head, LEV_UV_WRITE))
    lev_leave(&f, &self->head, 0);
  else
    letgo(self);
}

/* What the event callback is told. */
typedef struct occurrence {
  short what;
  int code;
  bool connecting;
} occurrence;

/* Pushes the name of what happened, and why. Returns the code, or 0. */
static int pushwhat(lua_State *L, const occurrence *o) {
  if (o->what & BEV_EVENT_ERROR)
    lua_pushliteral(L, "error");
  else if (o->what & BEV_EVENT_EOF)
    lua_pushliteral(L, "eof");
  else if (o->what & BEV_EVENT_TIMEOUT)
    lua_pushliteral(L, "timeout");
  else
    lua_pushliteral(L, "connected");
  return o->what & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT) ? o->code : 0;
}

static const char *direction(const occurrence *o) {
  return o->what & BEV_EVENT_READING   ? "r"
         : o->what & BEV_EVENT_WRITING ? "w"
                                       : NULL;
}

/* The callback at 1, the object at 2, the occurrence at 3. */
static int callevent(lua_State *L) {
  const occurrence *o = lua_touserdata(L, 3);
  const char *letter = direction(o);
  lua_settop(L, 2);
  int code = pushwhat(L, o);
  lua_pushstring(L, letter);
  if (code != 0) {
    lev_failure(L,
                o->connecting      ? "connect"
                : letter == NULL   ? "bufferevent"
                : letter[0] == 'r' ? "read"
                                   : "write",
                code);
    lua_remove(L, -3);
    if (o->what & BEV_EVENT_TIMEOUT && !(o->what & BEV_EVENT_ERROR)) {
      lua_pushliteral(L, "timed out");
      lua_replace(L, -3);
    }
  }
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

/* libevent 2.1 forgets what is ready where a timeout comes in the same turn.
 * Then it goes on, and the next turn tells. */
static bool isfalsealarm(lev_bufferevent *self, short what) {
  bool reads = what & BEV_EVENT_READING;
  struct pollfd ready = { self->fd, reads ? POLLIN : POLLOUT, 0 };
  if (!(what & BEV_EVENT_TIMEOUT) || self->fd < 0 || poll(&ready, 1, 0) <= 0 ||
      ready.revents & POLLNVAL)
    return false;
  return bufferevent_enable(self->ptr, reads ? EV_READ : EV_WRITE) == 0;
}

/* Notes what has become of the connection. */
static void note(lev_bufferevent *self, short what) {
  if (what & BEV_EVENT_CONNECTED) {
    self->connecting = false;
    lev_bufferevent_sync(self);
    return;
  }
  if (what & BEV_EVENT_READING)
    self->reading = false;
  if (what & BEV_EVENT_EOF && what & BEV_EVENT_READING)
    self->ended = true;
  else if (!(what & BEV_EVENT_TIMEOUT) || self->connecting)
    self->broken = true;
  self->connecting = false;
}

static void on_event(struct bufferevent *ptr, short what, void *arg) {
  lev_bufferevent *self = arg;
  lev_frame f;
  occurrence o = { what, errno, self->connecting };
  (void)ptr;
  if (isfalsealarm(self, what))
    return;
  if (what & BEV_EVENT_TIMEOUT && !(what & BEV_EVENT_ERROR))
    o.code = ETIMEDOUT;
  else if (self->error != 0)
    o.code = self->error;
  note(self, what);
  if (self->head.lingering) {
    lev_lingering_event(self, what);
  } else if (self->head.slot != 0 && self->listens &&
             lev_entercall(&f, &self->head, LEV_UV_EVENT, callevent)) {
    lua_pushlightuserdata(f.L, &o);
    lev_leave(&f, &self->head, 2);
  } else {
    letgo(self);
  }
}

void lev_bufferevent_open(lev_bufferevent *self, struct bufferevent *ptr,
                          int fd) {
  self->ptr = ptr;
  self->fd = fd;
  bufferevent_setcb(ptr, on_read, on_write, on_event, self);
  lev_open(&self->head);
}

void lev_bufferevent_trigger(lev_bufferevent *self, short what) {
  self->deferred |= what;
  bufferevent_trigger(self->ptr, what,
                      BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}
