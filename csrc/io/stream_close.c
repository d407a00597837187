/* Closing a stream: at once where nothing is left to do, else it lingers. What
 * was written is sent, the sending side shut down, and input discarded until
 * the peer ends its side too: input that is unread at the close, or comes after
 * it, would reset the connection, and the peer would lose what it has not got
 * yet. The deadline is put off as long as output goes out. */

#include <errno.h>
#include <stdlib.h>

#include "io/stream.h"
#include "kernel/bytes.h"
#include "kernel/descriptor.h"

/* Who waits is told that it was closed. */
static void wakeall(lev_stream *self) {
  if (self->reader != NULL)
    lev_task_wake(self->reader, LEV_CLOSED);
  lev_sendfile_end(self, ECANCELED);
  if (self->writer != NULL)
    lev_task_wake(self->writer, LEV_CLOSED);
  if (self->sink != NULL)
    lev_relay_end(self, ECANCELED);
  if (self->source != NULL)
    lev_relay_end(self->source, ECANCELED);
}

void lev_stream_free(lua_State *L, lev_object *object) {
  lev_stream *self = (lev_stream *)object;
  lev_base *base = object->base;
  (void)L;
  lev_soon_del(&self->soon);
  wakeall(self);
  lev_soon_del(&self->soon);
  event_del(&self->event);
  event_debug_unassign(&self->event);
  if (self->watched)
    base->watching--;
  self->watched = false;
  lev_stream_dropinput(self);
  if (self->output != NULL) {
    event_del(&self->output->event);
    event_debug_unassign(&self->output->event);
    lev_bytes_drop(self->output->buffer);
    evbuffer_free(self->output->buffer);
    free(self->output);
  }
  self->output = NULL;
  if (self->transport->free != NULL)
    self->transport->free(self->session);
  self->session = NULL;
  if (self->fd >= 0)
    lev_fd_close(base->state, self->fd);
  self->fd = -1;
}

/* What the peer does not have yet. */
static size_t ungot(const lev_stream *self) {
  return lev_stream_unsent(self) + lev_fd_unacked(self->fd);
}

/* Whether the object may be closed at once. */
static bool isidle(lev_stream *self) {
  if (self->fd < 0 || self->broken || self->linger <= 0 ||
      self->generation != lev_generation()) /* the connection of a parent */
    return true;
  self->left = self->ended ? lev_stream_unsent(self) : ungot(self);
  return self->left == 0 && (self->ended || (lev_stream_unread(self) == 0 &&
                                             lev_fd_unread(self->fd) == 0));
}

/* Pins the object at 1 and sets its deadline. */
static int hold(lua_State *L) {
  lev_stream *self = lev_toobject(L, 1);
  lev_stillopen(L, &self->head);
  lev_deadline_add(L, &self->head, 1, (double)self->linger);
  return 0;
}

/* Gives up what the script had set. */
static void detachscript(lua_State *L, lev_stream *self) {
  for (int uv = LEV_UV_READCB; uv <= LEV_UV_EVENTCB; uv++) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, uv);
  }
  self->called = self->listens = self->written = false;
  wakeall(self);
  lev_soon_del(&self->soon);
  lev_stream_dropinput(self);
}

bool lev_stream_linger(lua_State *L, lev_object *object, bool now) {
  lev_stream *self = (lev_stream *)object;
  self->ended = self->ended && !self->deaf; /* what still comes is discarded */
  if (now || isidle(self) || !lev_trycall(L, hold) || !object->open)
    return false;
  object->lingering = true;
  detachscript(L, self);
  lev_stream_flush(self);
  if (!self->shut && lev_stream_unsent(self) == 0 && !self->broken) {
    self->shut = true;
    self->transport->shutdown(self->session, self->fd);
  }
  self->shut = true; /* after the last byte */
  lev_stream_watch(self);
  return true;
}

static void end(lev_stream *self) {
  lev_frame f;
  if (lev_frame_open(&f, self->head.base)) { /* else the deadline will */
    lev_end(f.L, &self->head);
    lev_frame_close(&f);
  }
}

void lev_lingering_sent(lev_stream *self) {
  if (self->broken || (self->ended && lev_stream_unsent(self) == 0))
    end(self);
  else
    lev_stream_watch(self);
}

void lev_lingering_ended(lev_stream *self) {
  if (self->broken || lev_stream_unsent(self) == 0)
    end(self);
}

void lev_lingering_due(const lev_frame *f, lev_stream *self, int index) {
  size_t left = ungot(self);
  if (left < self->left) {
    self->left = left;
    /* Its own entry has just been taken out, so there is room. */
    lev_deadline_add(f->L, &self->head, index, (double)self->linger);
  } else {
    lev_end(f->L, &self->head);
  }
}
