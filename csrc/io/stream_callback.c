/* The callback style of the stream. */

#include <errno.h>
#include <math.h>

#include "io/stream.h"
#include "kernel/convert.h"
#include "kernel/result.h"

/* The callback at 1, the stream at 2. */
static int callread(lua_State *L) {
  lev_stream *self = lev_toobject(L, 2);
  lev_found found = { .code = 0 };
  do {
    found.n = found.drain = lev_stream_unread(self);
    if (!self->head.open || found.n == 0)
      return 0; /* a finalizer was here */
  } while (!lev_stream_take(L, self, &found, false));
  lua_call(L, 2, 0);
  return 0;
}

/* The callback at 1, the stream at 2, 'r' or 'w' at 3, a code or -1 at 4. */
static int callevent(lua_State *L) {
  lev_stream *self = lev_toobject(L, 2);
  int code = (int)lua_tointeger(L, 4);
  bool reading = lua_tointeger(L, 3) == 'r';
  lua_settop(L, 2);
  lua_pushstring(L, code < 0 ? "timeout" : code == 0 ? "eof" : "error");
  lua_pushstring(L, reading ? "r" : "w");
  if (code < 0) {
    lua_pushliteral(L, "timed out");
    lua_pushinteger(L, ETIMEDOUT);
  } else if (code > 0) {
    lev_pushreason(L, code);
    lua_pushinteger(L, code);
  }
  if (!self->head.open)
    return 0;
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

static void tellread(lev_stream *self) {
  lev_frame f;
  if (lev_entercall(&f, &self->head, LEV_UV_READCB, callread))
    lev_leave(&f, &self->head, 1);
}

static void tellevent(lev_stream *self, char direction, int code) {
  lev_frame f;
  if (lev_entercall(&f, &self->head, LEV_UV_EVENTCB, callevent)) {
    lua_pushinteger(f.L, direction);
    lua_pushinteger(f.L, code);
    lev_leave(&f, &self->head, 3);
  }
}

static void tellwritten(lev_stream *self) {
  lev_frame f;
  if (self->head.slot != 0 && lev_enter(&f, &self->head, LEV_UV_WRITECB))
    lev_leave(&f, &self->head, 0);
}

bool lev_stream_callnext(lev_stream *self) {
  if (self->head.slot == 0 || !self->head.open || self->reader != NULL)
    return false;
  if (self->called && self->enabled && lev_stream_unread(self) > 0) {
    if (self->ended || self->broken)
      lev_stream_later(self);
    tellread(self);
  } else if (self->drained && self->written) {
    self->drained = false;
    lev_stream_later(self);
    tellwritten(self);
  } else if (self->ended && !self->told_end && self->listens) {
    self->told_end = true;
    self->told_break = self->told_break || self->end_code != 0;
    if (self->broken && !self->told_break)
      lev_stream_later(self);
    tellevent(self, 'r', self->end_code);
  } else if (self->broken && !self->told_break && self->listens) {
    self->told_break = true;
    tellevent(self, 'w', self->error);
  } else if (self->cut && self->listens) {
    self->cut = false;
    tellevent(self, 'w', self->moved_code);
  } else {
    return false;
  }
  return true;
}

void lev_stream_soon(lev_object *object) {
  lev_stream *self = (lev_stream *)object;
  if (object->open && !lev_stream_callnext(self))
    lev_stream_refresh(self);
}

/* Timeouts of the callback style. They are looked at when one may have ended:
 * nothing is set anew for what is read or sent. */

/* Whether the direction waits for something. */
static bool waits(const lev_stream *self, int direction) {
  return self->timeout[direction] > 0 &&
         (direction == 0
              ? lev_stream_calls(self) && !self->ended && self->reader == NULL
              : lev_stream_unsent(self) > 0);
}

/* When to look next; 0 for never. What is relayed to the stream sets nothing:
 * that is looked for again and again. */
static double expiry(const lev_stream *self) {
  bool relayed = self->source != NULL && self->listens && !waits(self, 1);
  double first = relayed && self->timeout[1] > 0
                     ? lev_now() + (double)self->timeout[1]
                     : 0;
  for (int i = 0; i < 2; i++) {
    double end = self->active[i] + (double)self->timeout[i];
    if (waits(self, i) && (first == 0 || end < first))
      first = end;
  }
  return first;
}

static bool isover(const lev_stream *self, int direction, double now) {
  return waits(self, direction) &&
         self->active[direction] + (double)self->timeout[direction] <= now;
}

/* What came in the same turn counts. */
static bool revive(lev_stream *self, int direction, double now) {
  if (direction == 1)
    lev_stream_flush(self);
  else if (!self->greeting)
    lev_stream_fill(self);
  if (!isover(self, direction, now))
    return true;
  self->active[direction] = now;
  return false;
}

void lev_stream_expect(lua_State *L, lev_stream *self, int index) {
  double end = self->head.slot != 0 ? expiry(self) : 0;
  double set = lev_deadline_moment(&self->head);
  if (end > 0 && (set == 0 || set > end))
    lev_deadline_add(L, &self->head, index, fmax(end - lev_now(), 0));
}

void lev_stream_due(const lev_frame *f, lev_object *object) {
  lev_stream *self = (lev_stream *)object;
  int index = lua_gettop(f->L);
  double now = lev_now();
  if (object->lingering) {
    lev_lingering_due(f, self, index);
  } else if (object->open) {
    if (!self->watched) /* nothing is wanted: the peer cannot be late */
      self->active[0] = now;
    for (int i = 0; i < 2; i++)
      self->expired[i] = isover(self, i, now) && !revive(self, i, now);
    double next = expiry(self);
    if (next > 0) /* its own entry has just been taken out: there is room */
      lev_deadline_add(f->L, object, index, fmax(next - now, 0));
    for (int i = 0; i < 2; i++) {
      if (object->open && self->expired[i] && self->listens)
        tellevent(self, "rw"[i], -1);
    }
    if (object->open && !lev_stream_callnext(self))
      lev_stream_refresh(self);
  }
  lua_settop(f->L, f->top);
}

/* Ends a method, that of a name, which has changed what callbacks want of the
 * stream at 1. */
static int wanted(lua_State *L, lev_stream *self, const char *what) {
  bool owed = (self->called && lev_stream_unread(self) > 0) ||
              (self->listens && ((self->ended && !self->told_end) ||
                                 (self->broken && !self->told_break)));
  if (owed && self->enabled)
    lev_stream_later(self);
  self->active[0] = self->timeout[0] > 0 ? lev_now() : 0;
  bool ok = lev_stream_update(L, self);
  int code = errno;
  lev_stream_expect(L, self, 1);
  errno = code;
  return lev_result(L, ok, what);
}

/***
Sets how long the calls of tasks wait, unless they say it themselves; and where
there are callbacks, after which time without input, or without progress of the
output, the event callback is told.
@function stream:timeouts
@param read? number Seconds; none by default.
@param write? number Seconds; none by default.
*/
int l_stream_timeouts(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  double seconds[2];
  for (int i = 0; i < 2; i++) {
    seconds[i] = lev_opttimeout(L, 2 + i);
    luaL_argcheck(L, seconds[i] != 0, 2 + i, "seconds above 0 expected");
  }
  for (int i = 0; i < 2; i++) {
    self->timeout[i] = seconds[i] > 0 ? (float)seconds[i] : 0;
    self->active[i] = lev_now();
  }
  lev_stream_expect(L, self, 1);
  return 0;
}

/***
Sets the callbacks; those that are absent come no more.
@function stream:setcb
@param callbacks? table Any of:
- `read`: fun(stream, data), with all that has come;
- `write`: fun(stream), when all that was queued is sent;
- `event`: fun(stream, what, direction, message, code): `what` is `"eof"`,
  `"error"` or `"timeout"`, `direction` `"r"` or `"w"`; an error or timeout has
  a message and an errno value.
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_stream_setcb(lua_State *L) {
  static const char *const names[] = { "read", "write", "event", NULL };
  lev_stream *self = lev_stream_self(L);
  lev_checkoptions(L, 2, names);
  lua_settop(L, 2);
  for (int i = 0; names[i] != NULL; i++)
    lev_optfunction(L, 2, names[i]);
  if (self->reader != NULL && !lua_isnil(L, 3) && lev_task_waits(self->reader))
    lev_task_busy(L, self->reader, "input");
  lev_stillopen(L, &self->head);
  self->called = !lua_isnil(L, 3);
  self->written = !lua_isnil(L, 4);
  self->listens = !lua_isnil(L, 5);
  lua_setiuservalue(L, 1, LEV_UV_EVENTCB);
  lua_setiuservalue(L, 1, LEV_UV_WRITECB);
  if (self->reader == NULL)
    lua_setiuservalue(L, 1, LEV_UV_READCB); /* else it holds a delimiter */
  return wanted(L, self, "setcb");
}

/***
Returns the callbacks.
@function stream:getcb
@return function? read
@return function? write
@return function? event
*/
int l_stream_getcb(lua_State *L) {
  const lev_stream *self = lev_stream_self(L);
  bool has[] = { self->called, self->written, self->listens };
  for (int i = 0; i < 3; i++) {
    if (has[i]) /* else it may hold a delimiter */
      lua_getiuservalue(L, 1, LEV_UV_READCB + i);
    else
      lua_pushnil(L);
  }
  return 3;
}

/***
Lets data come to the callbacks again.
@function stream:enable
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_stream_enable(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  self->enabled = true;
  return wanted(L, self, "enable");
}

/***
Lets no data come to the callbacks, and reads none; the peer has to wait.
@function stream:disable
@return boolean? ok
@return string? message
@return integer? code An errno value.
*/
int l_stream_disable(lua_State *L) {
  lev_stream *self = lev_stream_self(L);
  self->enabled = false;
  return wanted(L, self, "disable");
}
