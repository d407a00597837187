/* What libevent tells a stream, and what that tells tasks and callbacks. */

#include <errno.h>

#include "io/stream.h"

/* Watching and pinning. */

/* Whether a write waits for reading where nobody wants what is read. */
static bool readspast(const lev_stream *self) {
  return self->deaf && self->crossed[1];
}

static bool wantsinput(const lev_stream *self) {
  if (self->ended || self->greeting)
    return (self->greeting || readspast(self)) && !self->broken;
  if (self->head.lingering || self->reader != NULL || self->crossed[1])
    return true;
  if (self->sink != NULL)
    return lev_stream_unsent(self->sink) <=
           (self->watched ? LEV_HIGH : LEV_LOW);
  return self->enabled && (self->watched || lev_stream_calls(self)) &&
         lev_stream_unread(self) < LEV_AREA;
}

static bool wantsoutput(const lev_stream *self) {
  return (lev_stream_hasoutput(self) && !self->broken && !self->greeting &&
          !self->crossed[1]) ||
         self->crossed[0];
}

bool lev_stream_watch(lev_stream *self) {
  bool input = wantsinput(self), output = wantsoutput(self);
  errno = ENOMEM;
  if (input != self->watched) {
    if ((input ? event_add(&self->event, NULL) : event_del(&self->event)) != 0)
      return false;
    self->watched = input;
    if (input && self->timeout[0] > 0)
      self->active[0] = lev_now();
    self->head.base->watching += input ? 1 : -1u;
  }
  if (output != self->sending) {
    if (lev_stream_output(self) == NULL)
      return false;
    struct event *event = &self->output->event;
    if ((output ? event_add(event, NULL) : event_del(event)) != 0)
      return false;
    self->sending = output;
  }
  return true;
}

/* Whether a callback may come. */
static bool owes(const lev_stream *self) {
  if (!self->enabled)
    return false;
  return (self->called && (!self->ended || lev_stream_unread(self) > 0)) ||
         (self->listens && (!self->told_end || self->cut ||
                            (self->broken && !self->told_break)));
}

static bool pending(const lev_stream *self) {
  return (lev_stream_unsent(self) > 0 && !self->broken) ||
         lev_soon_pending(&self->soon) || owes(self) || self->sink != NULL ||
         self->source != NULL;
}

bool lev_stream_pending(const lev_object *object) {
  return object->lingering || pending((const lev_stream *)object);
}

bool lev_stream_update(lua_State *L, lev_stream *self) {
  if (!self->head.open)
    return true;
  if (pending(self))
    lev_pin(L, &self->head, 1);
  bool ok = lev_stream_watch(self);
  int code = errno;
  lev_unpinidle(L, &self->head);
  errno = code;
  return ok;
}

void lev_stream_refresh(lev_stream *self) {
  lua_State *L = self->head.base->state->main;
  if (!lev_stream_watch(self))
    lev_stream_end(self, errno);
  if (self->head.slot != 0 && lua_checkstack(L, LUA_MINSTACK))
    lev_unpinidle(L, &self->head);
}

void lev_stream_later(lev_stream *self) {
  lev_soon_add(&self->soon, &self->head);
}

/* What becomes of a connection. */

static void callsoon(lev_stream *self) {
  if (self->head.slot != 0 && (self->called || self->listens))
    lev_stream_later(self);
}

static void endinput(lev_stream *self, int code) {
  self->ended = true;
  self->end_code = (short)code;
  if (self->error == 0)
    self->error = (short)code;
  lev_stream_watch(self);
  if (code != 0 && code != ENOMEM)
    lev_stream_break(self, code);
}

void lev_stream_end(lev_stream *self, int code) {
  endinput(self, code);
  if (self->reader != NULL)
    lev_task_wake(self->reader, LEV_HAPPENED);
  if (self->sink != NULL)
    lev_relay_end(self, code);
  callsoon(self);
}

void lev_stream_break(lev_stream *self, int code) {
  if (self->broken)
    return;
  self->broken = true;
  if (self->error == 0)
    self->error = (short)code;
  if (self->output != NULL)
    evbuffer_drain(self->output->buffer, lev_stream_unsent(self));
  lev_sendfile_end(self, self->error);
  lev_stream_watch(self);
  if (self->writer != NULL)
    lev_task_wake(self->writer, LEV_HAPPENED);
  if (self->source != NULL)
    lev_relay_end(self->source, code);
  callsoon(self);
}

/* Input. */

/* Whether the transport has not read since it must write first. That is noted
 * where there is memory for the output, whose event is to tell of room. */
static bool crosses(lev_stream *self) {
  bool crossed = self->transport->wants != NULL &&
                 self->transport->wants(self->session) == EV_WRITE;
  if (crossed && lev_stream_output(self) != NULL)
    self->crossed[0] = true;
  return crossed;
}

static void received(lev_stream *self, size_t n) {
  lev_base *base = self->head.base;
  base->counts.read += n;
  if (self->sink == NULL) /* else its end counts */
    self->used = lev_lately();
  if (self->timeout[0] > 0)
    self->active[0] = lev_now();
  if (self->head.lingering || self->deaf)
    return;
  if (self->sink != NULL)
    lev_relay_take(self, base->area.bytes, n);
  else if (lev_stream_unread(self) == 0) {
    base->area.owner = &self->head;
    base->area.from = 0;
    base->area.to = n;
  } else if (evbuffer_add(self->input, base->area.bytes, n) != 0) {
    endinput(self, ENOMEM);
  }
}

/* Writing goes on where it may have waited for reading. */
static void flushcrossed(lev_stream *self) {
  self->crossed[1] = false;
  lev_stream_flush(self);
  lev_stream_watch(self);
}

bool lev_stream_fill(lev_stream *self) {
  lev_base *base = self->head.base;
  lev_stream_cleararea(base);
  if (self->ended && !readspast(self))
    return true;
  ssize_t n = self->transport->read(self->session, self->fd, base->area.bytes,
                                    LEV_AREA);
  if (n > 0) {
    received(self, (size_t)n);
    if (self->crossed[1])
      flushcrossed(self);
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
    if (crosses(self))
      lev_stream_watch(self);
    return false;
  }
  self->deaf = false; /* it is the peer's own end */
  endinput(self, n == 0 ? 0 : errno);
  if (self->crossed[1])
    flushcrossed(self);
  if (self->sink != NULL)
    lev_relay_end(self, self->end_code);
  return true;
}

/* Tells who waits. The last thing that is done with the object: it may be gone
 * afterwards. */
static void deliver(lev_stream *self) {
  lev_found found;
  if (self->head.lingering) {
    if (self->ended)
      lev_lingering_ended(self);
  } else if (self->reader != NULL) {
    if (self->ended)
      callsoon(self);
    if (lev_task_waits(self->reader) &&
        lev_stream_judge(self, &self->request, &found) != LEV_UNDECIDED)
      lev_task_resume(self->reader);
  } else if (!lev_stream_callnext(self)) {
    lev_stream_refresh(self);
  }
}

bool lev_stream_late(lev_task *reader) {
  lev_found found;
  lev_stream *self = (lev_stream *)reader->object;
  if (!self->ended && !self->greeting)
    lev_stream_fill(self);
  return lev_stream_judge(self, &self->request, &found) != LEV_UNDECIDED;
}

/* Output that was queued has been sent, or some of it. The last thing, too. */
static void sent(lev_stream *self) {
  bool empty = !lev_stream_hasoutput(self);
  if (self->head.lingering) {
    lev_lingering_sent(self);
    return;
  }
  if (self->source == self)
    lev_stream_watch(self);
  if (empty && !self->broken)
    self->drained = self->written;
  if (self->writer != NULL && lev_stream_isroom(self->writer))
    lev_task_resume(self->writer);
  else if (!empty || !lev_stream_callnext(self))
    lev_stream_refresh(self);
}

/* The transport's handshake goes on; false until it is done. */
static bool greet(lev_stream *self) {
  if (!self->greeting)
    return true;
  if (self->transport->handshake(self->session, self->fd) > 0) {
    self->greeting = false;
    lev_stream_shutif(self);
    lev_stream_watch(self);
    return true;
  }
  if (errno != EAGAIN && errno != EINTR) {
    self->greeting = false;
    lev_stream_end(self, errno);
    return true;
  }
  self->crossed[0] = false;
  crosses(self);
  lev_stream_watch(self);
  return false;
}

void lev_stream_on_read(evutil_socket_t fd, short what, void *arg) {
  lev_stream *self = arg;
  (void)fd, (void)what;
  bool greeted = self->greeting;
  if (!greet(self))
    return;
  if (greeted || self->crossed[1])
    flushcrossed(self);
  if (readspast(self))
    lev_stream_fill(self);
  bool wanted = self->ended || wantsinput(self);
  if (wanted && (self->ended || lev_stream_fill(self)))
    deliver(self);
  else
    lev_stream_watch(self);
}

void lev_stream_on_write(evutil_socket_t fd, short what, void *arg) {
  lev_stream *self = arg;
  (void)fd, (void)what;
  if (!greet(self))
    return;
  if (self->crossed[0]) {
    self->crossed[0] = false;
    flushcrossed(self);
    if (lev_stream_fill(self))
      deliver(self);
    else
      lev_stream_watch(self);
    return;
  }
  lev_stream_send(self);
  sent(self);
}
