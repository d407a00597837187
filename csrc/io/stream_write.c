/* Writing to a stream. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "io/stream.h"
#include "kernel/bytes.h"
#include "kernel/convert.h"
#include "kernel/result.h"
#include "types/evbuffer.h"
#include "types/socket.h"

struct evbuffer *lev_stream_output(lev_stream *self) {
  if (self->output != NULL)
    return self->output->buffer;
  lev_outgoing *output = calloc(1, sizeof *output);
  struct evbuffer *buffer = output != NULL ? evbuffer_new() : NULL;
  if (buffer == NULL) {
    free(output);
    errno = ENOMEM;
    return NULL;
  }
  output->buffer = buffer;
  event_assign(&output->event, self->head.base->ptr, self->fd,
               EV_WRITE | EV_PERSIST, lev_stream_on_write, self);
  self->output = output;
  return buffer;
}

ssize_t lev_stream_noted(lev_stream *self, ssize_t sent) {
  if (sent >= 0) {
    self->head.base->counts.written += (size_t)sent;
    if (self->source == NULL) /* else the end of the relay counts */
      self->used = lev_lately();
    if (self->timeout[1] > 0)
      self->active[1] = lev_now();
    return sent;
  }
  if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
    lev_stream_break(self, errno);
  else if (self->transport->wants != NULL &&
           self->transport->wants(self->session) == EV_READ)
    self->crossed[1] = true;
  return -1;
}

ssize_t lev_stream_transmit(lev_stream *self, const struct iovec *v, int n) {
  return lev_stream_noted(
      self, self->transport->write(self->session, self->fd, v, n));
}

/* Whether bytes may go to the socket past the output. */
static bool direct(const lev_stream *self) {
  return !self->greeting && !self->crossed[1] && !lev_stream_hasoutput(self);
}

void lev_stream_shutif(lev_stream *self) {
  if (self->shut && !self->broken && !lev_stream_hasoutput(self))
    self->transport->shutdown(self->session, self->fd);
}

/* Takes off what there is beyond so many bytes. */
static void trim(struct evbuffer_iovec *v, int n, size_t most) {
  for (int i = 0; i < n; i++) {
    v[i].iov_len = v[i].iov_len < most ? v[i].iov_len : most;
    most -= v[i].iov_len;
  }
}

/* Sends the first bytes of the queue; returns how many. */
static size_t sendqueue(lev_stream *self, size_t most) {
  struct evbuffer_iovec v[LEV_PARTS];
  size_t total = 0;
  while (total < most && total < LEV_AREA) {
    struct evbuffer *buffer = self->output->buffer;
    size_t rest = most - total;
    int n = evbuffer_peek(buffer, (ssize_t)rest, NULL, v, LEV_PARTS);
    n = n < LEV_PARTS ? n : LEV_PARTS;
    trim(v, n, rest);
    ssize_t sent = lev_stream_transmit(self, v, n);
    if (sent <= 0)
      break;
    evbuffer_drain(buffer, (size_t)sent);
    total += (size_t)sent;
  }
  return total;
}

void lev_stream_send(lev_stream *self) {
  if (!lev_stream_hasoutput(self) || self->greeting || self->crossed[1])
    return;
  lev_sendfile *file = self->file;
  if (file == NULL)
    sendqueue(self, lev_stream_unsent(self));
  else if (file->before > 0)
    file->before -= sendqueue(self, file->before);
  if (self->file != NULL && file->before == 0)
    lev_sendfile_piece(self);
  lev_stream_shutif(self);
  if (self->source != NULL && self->source != self)
    lev_stream_watch(self->source);
}

void lev_stream_flush(lev_stream *self) {
  lev_stream_send(self);
  if (self->writer != NULL && lev_stream_isroom(self->writer))
    lev_task_wake(self->writer, LEV_HAPPENED);
}

bool lev_stream_pass(lev_stream *self, const char *bytes, size_t n) {
  struct iovec v = { (void *)(uintptr_t)bytes, n };
  if (self->broken)
    return false;
  ssize_t sent = direct(self) && n > 0 ? lev_stream_transmit(self, &v, 1) : 0;
  size_t rest = n - (sent > 0 ? (size_t)sent : 0);
  if (self->broken || rest == 0)
    return !self->broken;
  if (self->timeout[1] > 0 && !self->sending)
    self->active[1] = lev_now();
  struct evbuffer *buffer = lev_stream_output(self);
  if (buffer == NULL || evbuffer_add(buffer, bytes + n - rest, rest) != 0)
    lev_stream_break(self, ENOMEM);
  return !self->broken;
}

/* Makes the arguments from 2 on strings, at most LEV_PARTS of them; false where
 * one is a buffer. */
static bool checkstrings(lua_State *L, const lev_stream *self) {
  const struct evbuffer *output =
      self->output != NULL ? self->output->buffer : NULL;
  lev_checkbytes(L, 2, output);
  int last = lua_gettop(L);
  for (int arg = 2; arg <= last; arg++) {
    if (lua_type(L, arg) != LUA_TSTRING)
      return false;
  }
  if (last - 1 > LEV_PARTS)
    lua_concat(L, last - 1);
  return true;
}

/* Sends strings at once as far as that goes, and queues the rest. */
static void hand(lua_State *L, lev_stream *self) {
  struct iovec parts[LEV_PARTS];
  int last = lua_gettop(L);
  int n = lev_bytes_parts(L, 2, last, parts);
  size_t total = 0;
  for (int i = 0; i < n; i++)
    total += parts[i].iov_len;
  ssize_t sent =
      total > 0 && direct(self) ? lev_stream_transmit(self, parts, n) : 0;
  size_t done = sent > 0 ? (size_t)sent : 0;
  if (self->broken || done == total)
    return;
  struct evbuffer *buffer = lev_stream_output(self);
  if (buffer != NULL && lev_bytes_queue(L, buffer, 2, last, done))
    return;
  lev_stream_break(self, ENOMEM); /* bytes are missing */
}

/* Buffers among the arguments: all goes into the output, and from there. */
static void handbuffers(lua_State *L, lev_stream *self) {
  struct evbuffer *buffer = lev_stream_output(self);
  if (buffer == NULL)
    lev_nomemory(L);
  lev_addbytes(L, &self->head, buffer, 2);
  lev_evbuffer_argschanged(L, 2);
  if (self->head.open)
    lev_stream_flush(self);
}

static int writek(lua_State *L, int status, lua_KContext state);

static const lev_waitkind writing = { .what = "write", .k = writek };
static const lev_waitkind flushing = { .what = "flush", .k = writek };

bool lev_stream_isroom(const lev_task *writer) {
  const lev_stream *self = (const lev_stream *)writer->object;
  if (writer->kind == &flushing)
    return lev_stream_unsent(self) == 0;
  if (writer->kind == &writing)
    return lev_stream_unsent(self) <= LEV_LOW;
  return self->file == NULL; /* all of it is sent */
}

static int failed(lua_State *L, const lev_stream *self) {
  return lev_failure(L, "write", self->error != 0 ? self->error : EPIPE);
}

static int writek(lua_State *L, int status, lua_KContext state) {
  (void)status;
  lev_outcome outcome = lev_task_woken(L, state);
  const lev_stream *self = lev_task_object(state);
  if (outcome == LEV_TIMEDOUT)
    return lev_timedout(L);
  if (outcome == LEV_CLOSED || !self->head.open)
    return lev_closed(L);
  if (self->broken)
    return failed(L, self);
  lua_pushinteger(L, (lua_Integer)lev_stream_unsent(self));
  return 1;
}

static int await(lua_State *L, lev_stream *self, const lev_waitkind *kind,
                 double timeout) {
  lev_task *task = lev_task_checkat(L, &self->head);
  if (timeout < 0 && self->timeout[1] > 0)
    timeout = (double)self->timeout[1];
  lua_settop(L, 1);
  return lev_task_wait(L, task, kind, &self->writer, &self->head, timeout);
}

void lev_stream_settle(lua_State *L, lev_stream *self) {
  if (!self->head.open)
    return;
  if (!lev_stream_hasoutput(self)) {
    if (!self->written || self->broken)
      return;
    self->drained = true;
    lev_stream_later(self);
  } else if (self->timeout[1] > 0 && !self->sending) {
    self->active[1] = lev_now();
  }
  if (!lev_stream_update(L, self))
    lev_stream_break(self, errno);
  else if (self->head.slot != 0 && self->timeout[1] > 0)
    lev_stream_expect(L, self, 1);
}

/***
Writes: to the socket at once as far as nothing is queued and it takes it, the
rest when it can. A task waits where more than 256 KiB are queued, until there
are 64 KiB; as long as @{stream:timeouts} says.
@function stream:write
@param ... string|number|table|libevent.evbuffer Strings, lists of strings, and
buffers, which are emptied.
@return integer? pending Bytes that are queued now; 0 if all is on its way.
@return string? message
@return integer? code `ETIMEDOUT`, and what was written stays queued;
`ECANCELED` if the stream was closed; or why nothing can be sent any more,
`EPIPE` after @{stream:shutdown}.
*/
int l_stream_write(lua_State *L) {
  lev_stream *self = lev_self(L, &lev_stream_type);
  bool one = lua_gettop(L) == 2 && lua_type(L, 2) == LUA_TSTRING;
  bool strings = one || checkstrings(L, self);
  lev_stillopen(L, &self->head); /* a metamethod may have closed it */
  bool istask = lev_istask(L, self->head.base->state) &&
                self->head.base->state->running->head.base == self->head.base;
  if (istask && self->writer != NULL && lev_task_waits(self->writer))
    return lev_task_busy(L, self->writer, "output");
  if (self->broken || self->shut)
    return failed(L, self);
  if (strings)
    hand(L, self);
  else
    handbuffers(L, self);
  lev_stream_settle(L, self);
  if (!self->head.open)
    return lev_closed(L);
  if (self->broken)
    return failed(L, self);
  size_t unsent = lev_stream_unsent(self);
  if (unsent > LEV_HIGH && istask && lua_isyieldable(L))
    return await(L, self, &writing, -1);
  lua_pushinteger(L, (lua_Integer)unsent);
  return 1;
}

/***
Waits until all that was written has gone to the system. Only a task can.
@function stream:flush
@param timeout? number Seconds.
@return integer? pending 0
@return string? message
@return integer? code As for @{stream:write}.
*/
int l_stream_flush(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  double timeout = lev_opttimeout(L, 2);
  if (self->writer != NULL && lev_task_waits(self->writer))
    return lev_task_busy(L, self->writer, "output");
  if (self->broken)
    return failed(L, self);
  if (lev_stream_unsent(self) > 0)
    return await(L, self, &flushing, timeout);
  lua_pushinteger(L, 0);
  return 1;
}

static int endoutput(lua_State *L, lev_stream *self) {
  if (self->broken)
    return lev_failure(L, "shutdown", self->error != 0 ? self->error : EPIPE);
  bool again = self->shut;
  self->shut = true;
  if (self->greeting)
    lev_stream_watch(self);
  if (again || lev_stream_hasoutput(self) || self->greeting) {
    lua_pushboolean(L, 1);
    return 1;
  }
  errno = 0;
  return lev_result(L,
                    self->transport->shutdown(self->session, self->fd) == 0 ||
                        errno == EAGAIN,
                    "shutdown");
}

/* What has been read by now can still be taken. */
static void endinput(lua_State *L, lev_stream *self) {
  if (self->head.open && !self->ended) {
    self->deaf = true;
    lev_stream_end(self, 0);
    lev_stream_update(L, self);
  }
}

/***
Ends one direction of the connection, or both.

`"w"` ends what this side sends, once all of it is sent: the peer reads it, and
then the end. Reading goes on.

`"r"` ends the input, as if the peer had ended what it sends: what the stream
has read already can still be taken, then who reads or relays, and the event
callback, are told of the end. Nothing more is read, and the peer is not told;
writing goes on. What comes later is discarded when the stream is closed, so
that the peer gets what was written.
@function stream:shutdown
@param how? string `"r"`, `"w"` or `"rw"`; `"w"` by default.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_stream_shutdown(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  int how = lua_isnoneornil(L, 2) ? SHUT_WR : lev_checkhow(L, 2);
  int n = 1;
  if (how == SHUT_RD)
    lua_pushboolean(L, 1);
  else
    n = endoutput(L, self);
  if (how != SHUT_WR)
    endinput(L, self);
  return n;
}
