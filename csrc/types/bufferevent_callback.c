/* From libevent into Lua: the three callbacks of a bufferevent, and what comes
 * soon. */

#include <errno.h>
#include <poll.h>

#include "kernel/callback.h"
#include "kernel/descriptor.h"
#include "kernel/result.h"
#include "types/bufferevent.h"

/* Pushes the name of what happened. */
static void pushwhat(lua_State *L, short what) {
  lua_pushstring(L, what & BEV_EVENT_ERROR     ? "error"
                    : what & BEV_EVENT_EOF     ? "eof"
                    : what & BEV_EVENT_TIMEOUT ? "timeout"
                                               : "connected");
}

static const char *direction(short what) {
  return what & BEV_EVENT_READING ? "r" : what & BEV_EVENT_WRITING ? "w" : NULL;
}

/* Pushes why: message and code; nothing for what is no failure. */
static void pushwhy(lua_State *L, const lev_occurrence *o, const char *letter) {
  if (o->what & BEV_EVENT_ERROR) {
    lev_failure(L,
                o->connecting      ? "connect"
                : letter == NULL   ? "bufferevent"
                : letter[0] == 'r' ? "read"
                                   : "write",
                o->code);
    lua_remove(L, -3);
  } else if (o->what & BEV_EVENT_TIMEOUT) {
    lua_pushliteral(L, "timed out");
    lua_pushinteger(L, ETIMEDOUT);
  }
}

/* The callback at 1, the object at 2, the occurrence at 3. */
static int callevent(lua_State *L) {
  const lev_occurrence *o = lua_touserdata(L, 3);
  const char *letter = direction(o->what);
  lua_settop(L, 2);
  pushwhat(L, o->what);
  lua_pushstring(L, letter);
  pushwhy(L, o, letter);
  const lev_object *self = lev_toobject(L, 2);
  if (!self->open) /* by a finalizer: nothing calls back any more */
    return 0;
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

/* Calls the read or write callback; false if the script has none. */
static bool tell(lev_bufferevent *self, short which) {
  lev_frame f;
  int uservalue = which == EV_READ ? LEV_UV_READ : LEV_UV_WRITE;
  if (self->head.slot == 0 || !(self->called & which) ||
      !lev_enter(&f, &self->head, uservalue))
    return false;
  lev_leave(&f, &self->head, 0);
  return true;
}

static void tellevent(lev_bufferevent *self, lev_occurrence *o) {
  lev_frame f;
  if (self->head.slot != 0 && self->listens &&
      lev_entercall(&f, &self->head, LEV_UV_EVENT, callevent)) {
    lua_pushlightuserdata(f.L, o);
    lev_leave(&f, &self->head, 2);
  }
}

void lev_bufferevent_on_read(struct bufferevent *ptr, void *arg) {
  lev_bufferevent *self = arg;
  (void)ptr;
  self->alarmed = false;
  self->used = lev_lately();
  if (self->input != NULL) /* it may be taken by way of that */
    lev_count_read(self);
  if (self->head.lingering)
    lev_lingering_read(self);
  else if ((!tell(self, EV_READ) || self->high > 0) && self->head.open)
    lev_bufferevent_refresh(self);
}

void lev_bufferevent_on_write(struct bufferevent *ptr, void *arg) {
  lev_bufferevent *self = arg;
  (void)ptr;
  self->alarmed = false;
  self->used = lev_lately();
  self->queued = lev_unsent(self);
  if (self->head.lingering) {
    lev_lingering_written(self);
    return;
  }
  if (self->shut && lev_unsent(self) == 0)
    lev_bufferevent_shut(self);
  if (!tell(self, EV_WRITE) && self->head.open)
    lev_bufferevent_refresh(self);
}

/* libevent 2.1 forgets what is ready where a timeout comes in the same turn.
 * Then it goes on, and the next turn tells: unless that was so already. */
static bool isfalsealarm(lev_bufferevent *self, short what) {
  bool reads = what & BEV_EVENT_READING;
  if (!(what & BEV_EVENT_TIMEOUT) || self->alarmed || self->connecting ||
      self->fd < 0)
    return false;
  short ready = lev_fd_ready(self->fd, reads ? POLLIN : POLLOUT);
  if (ready == 0 || ready & POLLNVAL)
    return false;
  self->alarmed = true;
  return bufferevent_enable(self->ptr, reads ? EV_READ : EV_WRITE) == 0;
}

/* Notes what has become of the connection. */
static void note(lev_bufferevent *self, short what) {
  bool connecting = self->connecting;
  bool over = what & BEV_EVENT_ERROR ||
              (what & BEV_EVENT_EOF && what & BEV_EVENT_WRITING) ||
              (what & BEV_EVENT_TIMEOUT && connecting);
  self->connecting = false;
  self->broken = self->broken || over;
  if (what & BEV_EVENT_READING || (over && connecting))
    self->reading = false;
  if (what & BEV_EVENT_WRITING && what & BEV_EVENT_TIMEOUT)
    self->writing = false;
  if (what & BEV_EVENT_EOF && what & BEV_EVENT_READING)
    self->ended = true;
  if (!self->reading || self->ended)
    self->expires[0] = 0;
  if (lev_ispair(self) && self->expires[0] <= 0 && self->expires[1] <= 0)
    lev_deadline_del(&self->head);
  if (what & BEV_EVENT_TIMEOUT && connecting)
    lev_bufferevent_dropfd(self); /* libevent would try on and on */
}

void lev_bufferevent_on_event(struct bufferevent *ptr, short what, void *arg) {
  lev_bufferevent *self = arg;
  lev_occurrence o = { what, errno, self->connecting };
  (void)ptr;
  if (isfalsealarm(self, what))
    return;
  if (self->error != 0)
    o.code = self->error;
  else if (o.code == 0) /* it does not tell that memory ran out */
    o.code = ENOMEM;
  self->error = 0;
  note(self, what);
  if (self->head.lingering) {
    lev_bufferevent_refresh(self);
    lev_lingering_event(self);
    return;
  }
  tellevent(self, &o);
  if (self->head.open)
    lev_bufferevent_refresh(self);
}

/* Each thing is crossed off just before it is told: until the last of them the
 * object stays pinned. */
void lev_bufferevent_soon(lev_object *object) {
  lev_bufferevent *self = (lev_bufferevent *)object;
  if (object->open && self->input != NULL)
    lev_evbuffer_tell(self->input);
  if (object->open && self->output != NULL)
    lev_evbuffer_tell(self->output);
  if (object->open && self->due & EV_READ) {
    self->due &= ~EV_READ;
    tell(self, EV_READ);
  }
  if (object->open && self->due & EV_WRITE) {
    self->due &= ~EV_WRITE;
    tell(self, EV_WRITE);
  }
  for (int i = 0; i < 2; i++) {
    lev_occurrence o = self->later[i];
    if (object->open && o.what != 0) {
      self->later[i].what = 0;
      note(self, o.what);
      tellevent(self, &o);
    }
  }
  if (object->open)
    lev_bufferevent_refresh(self);
}
