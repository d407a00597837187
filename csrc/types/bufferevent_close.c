/* Closing a bufferevent: at once where nothing is left to do, else it lingers.
 *
 * First the output is sent. Then the sending side is shut down and input is
 * discarded until the peer ends its side too: closing with input unread would
 * reset the connection, and the peer could lose what it has not read yet. The
 * deadline is put off as long as output goes out, and once more when it is
 * gone. */

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/bytes.h"
#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "types/bufferevent.h"

bool lev_bufferevent_shut(const lev_bufferevent *self) {
  return shutdown(self->fd, SHUT_WR) == 0;
}

static void closeviews(lua_State *L, lev_bufferevent *self) {
  if (self->input != NULL)
    lev_close(L, &self->input->head);
  if (self->output != NULL)
    lev_close(L, &self->output->head);
  self->input = self->output = NULL;
}

void lev_bufferevent_free(lua_State *L, lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  closeviews(L, self);
  bufferevent_setcb(self->ptr, NULL, NULL, NULL, NULL);
  bufferevent_disable(self->ptr, EV_READ | EV_WRITE);
  lev_bytes_drop(bufferevent_get_input(self->ptr));
  lev_bytes_drop(bufferevent_get_output(self->ptr));
  if (self->fd >= 0) { /* libevent itself would close it a turn later */
    bufferevent_setfd(self->ptr, -1);
    lev_fd_close(L, self->fd);
  }
  self->fd = -1;
  bufferevent_free(self->ptr);
  self->ptr = NULL;
}

/* Pins the object at 1 and sets its deadline. */
static int hold(lua_State *L) {
  lev_bufferevent *self = lua_touserdata(L, 1);
  lev_deadline_add(L, &self->head, 1, self->linger);
  return 0;
}

/* Calls a function that may raise with the object at 1. */
static bool try(lua_State *L, lua_CFunction function) {
  lua_pushcfunction(L, function);
  lua_pushvalue(L, 1);
  bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok)
    lua_pop(L, 1);
  return ok;
}

static int holdpair(lua_State *L) {
  lev_pair_hold(L, lua_touserdata(L, 1), 1);
  return 0;
}

/* The partner gets what is left and the end. */
static void closepair(lua_State *L, lev_bufferevent *self) {
  if (self->partner != NULL && self->partner->head.open)
    bufferevent_flush(self->ptr, EV_WRITE, BEV_FINISHED);
  try(L, holdpair);
}

/* Whether the peer has sent what the system has and nobody has read. */
static bool hasunread(const lev_bufferevent *self) {
  int n = 0;
  return !self->ended && ioctl(self->fd, FIONREAD, &n) == 0 && n > 0;
}

/* Gives up what the script had set. */
static void detachscript(lua_State *L, lev_bufferevent *self) {
  for (int uv = LEV_UV_READ; uv <= LEV_UV_EVENT; uv++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, uv);
  }
  self->called = self->deferred = 0;
  self->listens = false;
  closeviews(L, self);
  bufferevent_setwatermark(self->ptr, EV_READ | EV_WRITE, 0, 0);
  bufferevent_set_timeouts(self->ptr, NULL, NULL);
  self->high = 0;
}

bool lev_bufferevent_linger(lua_State *L, lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  if (self->pair)
    closepair(L, self);
  if (self->fd < 0 || self->broken || self->linger <= 0)
    return false;
  self->unsent = lev_unsent(self);
  if (self->unsent == 0 && (self->connecting || !hasunread(self)))
    return false;
  if (!try(L, hold))
    return false;
  detachscript(L, self);
  lev_bytes_drop(bufferevent_get_input(self->ptr));
  self->full = false;
  self->reading = !self->ended;
  lev_bufferevent_sync(self);
  if (self->unsent == 0)
    lev_bufferevent_shut(self);
  else if (!(bufferevent_get_enabled(self->ptr) & EV_WRITE))
    bufferevent_enable(self->ptr, EV_WRITE);
  return true;
}

static void end(lev_bufferevent *self) {
  lev_frame f;
  if (lev_frame_open(&f, self->head.base)) { /* else the deadline will */
    lev_end(f.L, &self->head);
    lev_frame_close(&f);
  }
}

void lev_lingering_read(lev_bufferevent *self) {
  lev_bytes_drop(bufferevent_get_input(self->ptr));
}

void lev_lingering_written(lev_bufferevent *self) {
  if (lev_unsent(self) > 0)
    return;
  if (!lev_bufferevent_shut(self) || self->ended)
    end(self);
}

void lev_lingering_event(lev_bufferevent *self, short what) {
  bool over = self->broken || (self->ended && lev_unsent(self) == 0);
  if (over && !(what & BEV_EVENT_CONNECTED))
    end(self);
}

/* The deadline of one that lingers, or the end of lev_pair_hold. */
void lev_bufferevent_due(const lev_frame *f, lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  if (object->lingering) {
    size_t left = lev_unsent(self);
    if (left < self->unsent) {
      self->unsent = left;
      /* Its own entry has just been taken out, so there is room. */
      lev_deadline_add(f->L, object, lua_gettop(f->L), self->linger);
    } else {
      lev_end(f->L, object);
    }
  } else if (object->open && !object->type->pending(object)) {
    lev_unpinat(f->L, object, f->handler + 1);
  }
  lua_settop(f->L, f->top);
}
