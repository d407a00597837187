/* Closing a bufferevent: at once where nothing is left to do, else it lingers.
 *
 * First the output is sent. Then the sending side is shut down and input is
 * discarded until the peer ends its side too: input that is unread at the
 * close, or comes after it, would reset the connection, and the peer would lose
 * what it has not got yet. The deadline is put off as long as output goes out,
 * and once more when it is gone. */

#include <sys/socket.h>

#include "kernel/bytes.h"
#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "types/bufferevent.h"

bool lev_bufferevent_shut(const lev_bufferevent *self) {
  return shutdown(self->fd, SHUT_WR) == 0;
}

static void dropinput(lev_bufferevent *self) {
  lev_count_read(self);
  lev_bytes_drop(bufferevent_get_input(self->ptr));
  self->seen = 0;
}

static void closeviews(lua_State *L, lev_bufferevent *self) {
  if (self->input != NULL)
    lev_close(L, &self->input->head);
  if (self->output != NULL)
    lev_close(L, &self->output->head);
}

void lev_bufferevent_dropfd(lev_bufferevent *self) {
  if (self->fd >= 0) { /* libevent itself would close it a turn later */
    bufferevent_setfd(self->ptr, -1);
    lev_fd_close(self->head.base->state, self->fd);
  }
  self->fd = -1;
}

void lev_bufferevent_free(lua_State *L, lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  lev_soon_del(&self->soon);
  closeviews(L, self);
  if (self->partner != NULL) /* the collector may never come to that */
    self->partner->partner = NULL;
  self->partner = NULL;
  lev_count_read(self);
  bufferevent_setcb(self->ptr, NULL, NULL, NULL, NULL);
  bufferevent_disable(self->ptr, EV_READ | EV_WRITE);
  lev_bytes_drop(bufferevent_get_input(self->ptr));
  lev_bytes_drop(bufferevent_get_output(self->ptr));
  lev_bufferevent_dropfd(self);
  bufferevent_free(self->ptr);
  self->ptr = NULL;
}

/* Pins the object at 1 and sets its deadline. */
static int hold(lua_State *L) {
  lev_bufferevent *self = lev_toobject(L, 1);
  lev_stillopen(L, &self->head);
  lev_deadline_add(L, &self->head, 1, self->linger);
  return 0;
}

/* The other end of the pair gets what is left and the end; or the end alone. */
static int endpair(lua_State *L) {
  lev_pair_end(L, lev_toobject(L, 1), EV_WRITE);
  return 0;
}

static int endpairnow(lua_State *L) {
  lev_pair_end(L, lev_toobject(L, 1), 0);
  return 0;
}

/* What the peer does not have yet: here, and in the system. */
static size_t ungot(const lev_bufferevent *self) {
  return lev_unsent(self) + lev_fd_unacked(self->fd);
}

/* Gives up what the script had set. */
static void detachscript(lua_State *L, lev_bufferevent *self) {
  for (int uv = LEV_UV_READ; uv <= LEV_UV_EVENT; uv++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, uv);
  }
  lev_soon_del(&self->soon);
  self->called = self->due = 0;
  self->later[0].what = self->later[1].what = 0;
  self->listens = false;
  closeviews(L, self);
  bufferevent_setwatermark(self->ptr, EV_READ | EV_WRITE, 0, 0);
  bufferevent_set_timeouts(self->ptr, NULL, NULL);
  self->high = 0;
}

/* Whether the object may be closed at once. */
static bool isidle(lev_bufferevent *self) {
  if (self->fd < 0 || self->broken || self->linger <= 0 ||
      self->later[0].what & BEV_EVENT_ERROR ||
      self->generation != lev_generation()) /* the connection of a parent */
    return true;
  if (self->connecting)
    self->unsent = lev_unsent(self);
  else
    self->unsent = self->ended ? lev_unsent(self) : ungot(self);
  return self->unsent == 0 &&
         (self->connecting || self->ended || lev_fd_unread(self->fd) == 0);
}

bool lev_bufferevent_linger(lua_State *L, lev_object *object, bool now) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  if (lev_ispair(self))
    lev_trycall(L, now ? endpairnow : endpair);
  if (now || isidle(self) || !lev_trycall(L, hold) || !object->open)
    return false;
  detachscript(L, self);
  dropinput(self);
  self->reading = !self->ended;
  self->writing = true;
  object->lingering = true;
  lev_bufferevent_refresh(self);
  if (self->connecting)
    return true;
  if (lev_unsent(self) == 0)
    lev_bufferevent_shut(self);
  else
    lev_bufferevent_arm(self); /* if it cannot, the deadline ends it */
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
  dropinput(self);
}

void lev_lingering_written(lev_bufferevent *self) {
  if (lev_unsent(self) > 0)
    return;
  if (!lev_bufferevent_shut(self) || self->ended)
    end(self);
}

void lev_lingering_event(lev_bufferevent *self) {
  if (self->broken || self->fd < 0 || (self->ended && lev_unsent(self) == 0))
    end(self);
}

/* The deadline of one that lingers, or of the timeouts of a pair. */
void lev_bufferevent_due(const lev_frame *f, lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  int index = lua_gettop(f->L);
  if (object->lingering) {
    size_t left = ungot(self);
    if (left < self->unsent) {
      self->unsent = left;
      /* Its own entry has just been taken out, so there is room. */
      lev_deadline_add(f->L, object, index, self->linger);
    } else {
      lev_end(f->L, object);
    }
  } else if (object->open) {
    lev_pair_due(f->L, self, index);
    lev_bufferevent_refresh(self);
  }
  lua_settop(f->L, f->top);
}
