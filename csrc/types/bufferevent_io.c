/* Writing to a bufferevent and reading from it. */

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kernel/bytes.h"
#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/result.h"
#include "types/bufferevent.h"
#include "types/socket.h"

/* Whether bytes may go to the socket past the output. */
static bool direct(const lev_bufferevent *self) {
  return self->fd >= 0 && !self->connecting && self->writing &&
         lev_unsent(self) == 0 &&
         (self->output == NULL || self->output->entry == NULL);
}

static bool arestrings(lua_State *L, int first, int last) {
  for (int arg = first; arg <= last; arg++) {
    if (lua_type(L, arg) != LUA_TSTRING)
      return false;
  }
  return true;
}

/* An error of sending is kept for the event callback: libevent will meet it, or
 * another that follows from it, when it tries to send the rest. */
static void keeperror(lev_bufferevent *self) {
  if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
    self->error = errno;
}

static void sent(lev_bufferevent *self, size_t n) {
  self->head.base->counts.written += n;
  self->used = lev_lately();
}

/* Gives strings to the socket; returns how many bytes it took. */
static size_t sendstrings(lua_State *L, lev_bufferevent *self, int first,
                          int last) {
  struct iovec parts[LEV_PARTS];
  ssize_t n =
      lev_fd_send(self->fd, parts, lev_bytes_parts(L, first, last, parts));
  if (n < 0)
    keeperror(self);
  else
    sent(self, (size_t)n);
  return n > 0 ? (size_t)n : 0;
}

/* Writes strings at once as far as the socket takes them. No Lua code may run
 * between that and queueing the rest, or it could write in between. */
static void writestrings(lua_State *L, lev_bufferevent *self, int first,
                         int last) {
  size_t n = sendstrings(L, self, first, last);
  if (lev_bytes_queue(L, bufferevent_get_output(self->ptr), first, last, n))
    return;
  self->broken = true; /* bytes are missing: nothing more may follow */
  lev_nomemory(L);
}

/* Writes what another buffer holds at once as far as the socket takes it, and
 * queues the rest. */
static void writebuffer(lev_bufferevent *self, lev_evbuffer *source) {
  if (evbuffer_get_length(source->ptr) > 0) {
    int n = evbuffer_write_atmost(source->ptr, self->fd, INT32_MAX);
    if (n < 0)
      keeperror(self);
    else
      sent(self, (size_t)n);
  }
  evbuffer_add_buffer(bufferevent_get_output(self->ptr), source->ptr);
}

/* Hands the arguments from 2 on over, to the socket or to the output. */
static void hand(lua_State *L, lev_bufferevent *self) {
  int last = lua_gettop(L);
  bool strings = arestrings(L, 2, last) && last - 1 <= LEV_PARTS;
  if (last < 2)
    return;
  if (direct(self) && strings)
    writestrings(L, self, 2, last);
  else if (direct(self) && last == 2)
    writebuffer(self, lev_toobject(L, 2));
  else
    lev_addbytes(L, &self->head, bufferevent_get_output(self->ptr), 2);
}

/* Whether what is written now would go nowhere. */
static bool isover(const lev_object *owner) {
  const lev_bufferevent *self = (const lev_bufferevent *)owner;
  return self->broken || self->shut || lev_isalone(self);
}

/* Tells the change callbacks of a view, if it has any. */
static void tell(lua_State *L, lev_evbuffer *view, int uservalue) {
  if (view != NULL && lev_evbuffer_owes(view)) {
    lua_getiuservalue(L, 1, uservalue);
    lev_evbuffer_changed(L, view, lua_gettop(L));
    lua_pop(L, 1);
  }
}

/***
Writes: to the socket at once as far as nothing is queued and it takes it, the
rest when it can. Does the work of `bufferevent_write` and
`bufferevent_write_buffer`.
@function bufferevent:write
@param ... string|number|table|libevent.evbuffer Strings, lists of strings, and
buffers, which are emptied.
@return integer? pending Bytes that are queued now; 0 if all is on its way.
@return string? message
@return integer? code `EPIPE` after shutdown or an error, and for a pair whose
other end is closed: nothing is accepted any more.
*/
int l_bufferevent_write(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lev_checkbytes(L, 2, bufferevent_get_output(self->ptr));
  lev_stillopen(L, &self->head); /* a metamethod may have closed it */
  if (isover(&self->head))
    return lev_failure(L, "write", EPIPE);
  self->queued = lev_unsent(self);
  bool empty = self->queued == 0;
  if (self->head.slot == 0) {
    lev_pin(L, &self->head, 1);
    lev_bufferevent_later(self, 0); /* lets go of it even if hand raises */
  }
  hand(L, self);
  lev_count_written(self, lev_unsent(self));
  if (lev_ispair(self))
    lev_pair_move(L, self, 1, 0);
  else if (lev_unsent(self) == 0 && self->called & EV_WRITE)
    lev_bufferevent_later(self, EV_WRITE);
  bool armed = !empty || lev_unsent(self) == 0 || lev_bufferevent_arm(self);
  int code = errno;
  if (!armed) {
    self->broken = true; /* a part may have been sent */
    lev_bytes_drop(bufferevent_get_output(self->ptr));
  }
  lua_Integer left = (lua_Integer)lev_unsent(self);
  lev_bufferevent_adjust(L, self, 1);
  lev_evbuffer_argschanged(L, 2);
  if (self->head.open)
    tell(L, self->output, LEV_UV_OUTPUT);
  if (!armed)
    return lev_failure(L, "write", code);
  lua_pushinteger(L, left);
  return 1;
}

void lev_bufferevent_taken(lua_State *L, lev_bufferevent *self) {
  if (lev_ispair(self))
    lev_pair_move(L, self, 1, 0);
  lev_bufferevent_adjust(L, self, 1);
  tell(L, self->input, LEV_UV_INPUT);
}

/***
Removes bytes from the input and returns them. Does the work of
`bufferevent_read`.
@function bufferevent:read
@param n? integer At most so many; all by default.
@return string? bytes nil if there are none.
*/
int l_bufferevent_read(lua_State *L) {
  size_t n;
  lev_bufferevent *self = lev_bufferevent_self(L);
  lev_count_read(self);
  if (!lev_checkcount(L, 2, self->seen, &n))
    return 1;
  lev_bytes_take(L, &self->head, bufferevent_get_input(self->ptr), n);
  self->seen = self->seen > n ? self->seen - n : 0;
  if (self->high > 0 || lev_ispair(self) || self->input != NULL)
    lev_bufferevent_taken(L, self);
  return 1;
}

/* Changes of the views by their own methods. The owner is at an index. */

static void inputchanged(lua_State *L, lev_object *owner, int index) {
  lev_bufferevent *self = (lev_bufferevent *)owner;
  if (owner->open)
    lev_count_read(self);
  if (owner->open && lev_ispair(self))
    lev_pair_move(L, self, index, 0);
  lev_bufferevent_adjust(L, self, index);
}

static void outputchanged(lua_State *L, lev_object *owner, int index) {
  lev_bufferevent *self = (lev_bufferevent *)owner;
  if (owner->open)
    lev_count_written(self, lev_unsent(self));
  if (owner->open && !lev_ispair(self) && lev_unsent(self) > 0 &&
      !lev_bufferevent_arm(self))
    lev_nomemory(L);
  inputchanged(L, owner, index);
}

static void noticed(lev_object *owner) {
  lev_bufferevent_later((lev_bufferevent *)owner, 0);
}

static const lev_evbufferview input_view = {
  .cannot_add = "the input of a bufferevent can only be taken from",
  .uservalue = LEV_UV_INPUT,
  .changed = inputchanged,
  .noticed = noticed,
};

static const lev_evbufferview output_view = {
  .cannot_take = "the output of a bufferevent can only be added to",
  .isover = isover,
  .uservalue = LEV_UV_OUTPUT,
  .changed = outputchanged,
  .noticed = noticed,
};

/* Pushes the view that is a user value of the object at 1, made when it is
 * asked for first. */
static int pushview(lua_State *L, lev_bufferevent *self, lev_evbuffer **view,
                    struct evbuffer *buffer, const lev_evbufferview *kind) {
  lua_settop(L, 1);
  if (*view != NULL && (*view)->head.open) {
    lua_getiuservalue(L, 1, kind->uservalue);
    return 1;
  }
  lev_evbuffer *made = lev_evbuffer_view(L, 1, buffer, kind);
  bool late = *view != NULL && (*view)->head.open;
  if (!self->head.open || late) /* a finalizer closed it, or asked as well */
    lev_close(L, &made->head);
  lev_stillopen(L, &self->head);
  if (late) {
    lua_getiuservalue(L, 1, kind->uservalue);
    return 1;
  }
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, kind->uservalue);
  *view = made;
  made->at = view;
  return 1;
}

/***
Returns the input, to look at it and take from it. Wraps
`bufferevent_get_input`.
@function bufferevent:input
@return libevent.evbuffer input
*/
int l_bufferevent_get_input(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lev_count_read(self);
  return pushview(L, self, &self->input, bufferevent_get_input(self->ptr),
                  &input_view);
}

/***
Moves bytes from the input to the end of a buffer. Does the work of
`bufferevent_read_buffer`.
@function bufferevent:read_buffer
@param target libevent.evbuffer
@param n? integer At most so many; all by default.
@return integer n How many it moved.
*/
int l_bufferevent_read_buffer(lua_State *L) {
  lev_bufferevent_self(L);
  lua_settop(L, 3);
  lua_pushcfunction(L, l_bufferevent_get_input);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  lua_replace(L, 1);
  return l_evbuffer_remove_buffer(L);
}

/***
Returns the output, whose length is what is queued. What is added to it is sent
a turn later; @{bufferevent:write} does it at once. Wraps
`bufferevent_get_output`.
@function bufferevent:output
@return libevent.evbuffer output
*/
int l_bufferevent_get_output(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  return pushview(L, self, &self->output, bufferevent_get_output(self->ptr),
                  &output_view);
}

/***
Moves what a pair has to move, though the other end does not read or has its
high watermark; the low one still holds back the read callback. Sockets need
none of it. Does the work of `bufferevent_flush`.
@function bufferevent:flush
@param letters string `"r"`, `"w"` or both.
@param mode? string `"normal"`, `"flush"`, the default, or `"finished"`: the
other end is told of the end, too.
@return boolean? ok
@return string? message
@return integer? code `EPIPE` if the other end is closed, or another errno
value.
*/
int l_bufferevent_flush(lua_State *L) {
  enum { NORMAL, FLUSH, FINISHED };
  static const char *const names[] = { "normal", "flush", "finished", NULL };
  lev_bufferevent *self = lev_bufferevent_self(L);
  short what = lev_checkmask(L, 2, "rw");
  int mode = luaL_checkoption(L, 3, "flush", names);
  if (lev_isalone(self))
    return lev_failure(L, "flush", EPIPE);
  if (lev_ispair(self)) {
    lev_pair_move(L, self, 1, mode != NORMAL ? what : 0);
    if (mode == FINISHED && what & EV_WRITE)
      lev_pair_end(L, self, EV_WRITE);
  }
  return lev_result(L, lev_bufferevent_update(L, self, 1), "flush");
}

/***
Ends what this side sends, once all of it is sent: the peer reads it, and then
the end. Reading goes on. `"r"` ends the reading.
@function bufferevent:shutdown
@param how string `"r"`, `"w"` or `"rw"`.
@return boolean? ok
@return string? message
@return integer? code An errno value, `ENOTCONN` without a connection.
*/
int l_bufferevent_shutdown(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  int how = lev_checkhow(L, 2);
  bool ok = true;
  errno = lev_ispair(self) ? EPIPE : ENOTCONN;
  if (lev_isalone(self) || (!lev_ispair(self) && self->fd < 0) ||
      self->connecting)
    return lev_result(L, 0, "shutdown");
  if (!lev_ispair(self) && how != SHUT_WR)
    ok = shutdown(self->fd, SHUT_RD) == 0;
  if (!lev_ispair(self) && how != SHUT_RD && lev_unsent(self) == 0)
    ok = lev_bufferevent_shut(self) && ok;
  int code = errno;
  self->shut = self->shut || how != SHUT_RD;
  if (lev_ispair(self) && how != SHUT_RD)
    lev_pair_end(L, self, EV_WRITE);
  if (lev_ispair(self) && how != SHUT_WR)
    self->reading = false;
  lev_bufferevent_update(L, self, 1);
  errno = code;
  return lev_result(L, ok, "shutdown");
}

/***
Calls the read or write callback soon, whatever the watermarks say. Does the
work of `bufferevent_trigger`.
@function bufferevent:trigger
@param letters string `"r"`, `"w"` or both.
*/
int l_bufferevent_trigger(lua_State *L) {
  lev_bufferevent *self = lev_bufferevent_self(L);
  lev_bufferevent_later(self, lev_checkmask(L, 2, "rw"));
  lev_bufferevent_adjust(L, self, 1);
  return 0;
}
