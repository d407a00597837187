/*
 * What the files of the bufferevent share.
 *
 * What a script wants and what has become of the connection stands in flags.
 * lev_bufferevent_update derives from them what libevent does and whether the
 * object is pinned; whatever changes a flag calls it. libevent watches only
 * where there is a descriptor, so an end of a pair, which has none, is a
 * bufferevent whose bytes we move.
 */
#ifndef LEV_TYPES_BUFFEREVENT_H
#define LEV_TYPES_BUFFEREVENT_H

#include <event2/bufferevent.h>

#include "kernel/base.h"
#include "types/evbuffer.h"

/* User values of a bufferevent. */
enum {
  LEV_UV_READ = 2,
  LEV_UV_WRITE = 3,
  LEV_UV_EVENT = 4,
  LEV_UV_INPUT = 5, /* the views, once a script has asked for them */
  LEV_UV_OUTPUT = 6,
  LEV_UV_PARTNER = 7, /* the other end of a pair */
  LEV_BUFFEREVENT_UVS = 7
};

/* What the event callback is told of. */
typedef struct lev_occurrence {
  short what; /* BEV_EVENT_… */
  int code;   /* errno of an error */
  bool connecting;
} lev_occurrence;

typedef struct lev_bufferevent lev_bufferevent;

struct lev_bufferevent {
  lev_object head;
  struct bufferevent *ptr;
  lev_evbuffer *input, *output; /* views, kept by the user values; or NULL */
  lev_bufferevent *partner;     /* of a pair, kept by the user value; NULL once
                                   that is closed */
  lev_soon soon;
  lev_occurrence later[2]; /* what 'soon' tells the event callback of reading,
                              and of writing; or nothing */
  double timeout[2];   /* of a pair: seconds for reading and writing, or 0 */
  double expires[2];   /* when they end */
  double linger;       /* seconds without progress that a close waits for */
  double used;         /* when something was last read or sent, about */
  size_t high;         /* input at which reading pauses; 0 for never */
  size_t seen;         /* input that is counted; */
  size_t queued;       /* and output: see lev_count_read */
  size_t unsent;       /* while lingering: what was left when last looked at */
  uint32_t generation; /* of the process that got the descriptor */
  int fd;              /* owned; or -1 */
  int error;           /* errno of a send that failed before libevent's will */
  short called;        /* EV_READ, EV_WRITE: callbacks that are set */
  short due;           /* EV_READ, EV_WRITE: callbacks that 'soon' calls */
  bool paired;         /* it is an end of a pair */
  bool listens;        /* there is an event callback */
  bool reading;        /* the script wants input */
  bool writing;        /* the script wants output to be sent */
  bool connecting;
  bool full;    /* the input has reached 'high' */
  bool ended;   /* the peer has ended what it sends */
  bool broken;  /* nothing can be sent any more */
  bool shut;    /* the script has ended what it sends */
  bool alarmed; /* a timeout came though there was something to do */
};

extern const lev_type lev_bufferevent_type;

/* Argument 1 of a method. [-0, +0, v] */
lev_bufferevent *lev_bufferevent_self(lua_State *L);

static inline bool lev_ispair(const lev_bufferevent *self) {
  return self->paired;
}

/* Whether the other end of a pair is closed. [-0, +0, -] */
static inline bool lev_isalone(const lev_bufferevent *self) {
  return lev_ispair(self) &&
         (self->partner == NULL || !self->partner->head.open);
}

static inline size_t lev_unread(const lev_bufferevent *self) {
  return evbuffer_get_length(bufferevent_get_input(self->ptr));
}

static inline size_t lev_unsent(const lev_bufferevent *self) {
  return evbuffer_get_length(bufferevent_get_output(self->ptr));
}

/* Count what has come into the input, or was put into the output, since it was
 * looked at last: whenever either gets less or, where a script has a view of
 * it, more. [-0, +0, -] */
static inline void lev_count_read(lev_bufferevent *self) {
  size_t n = lev_unread(self);
  if (n > self->seen && !lev_ispair(self))
    self->head.base->counts.read += n - self->seen;
  self->seen = n;
}

static inline void lev_count_written(lev_bufferevent *self, size_t unsent) {
  if (unsent > self->queued && !lev_ispair(self))
    self->head.base->counts.written += unsent - self->queued;
  self->queued = unsent;
}

/* Seconds since something was last read or sent; negative while something is
 * left to do. [-0, +0, -] */
double lev_bufferevent_idle(const lev_bufferevent *self);

/* Makes a new object of a bufferevent of libevent's. [-0, +0, -] */
void lev_bufferevent_open(lev_bufferevent *self, struct bufferevent *ptr,
                          int fd);

/* See above. The object is at a positive index; false with errno if libevent
 * cannot watch the socket: what it refuses is not enabled then. [-0, +0, m] */
bool lev_bufferevent_update(lua_State *L, lev_bufferevent *self, int index);

/* The same where nothing can be returned: an error becomes an event.
 * [-0, +0, m] */
void lev_bufferevent_adjust(lua_State *L, lev_bufferevent *self, int index);

/* The same from libevent, where the object is pinned if it must be.
 * [-0, +0, -] */
void lev_bufferevent_refresh(lev_bufferevent *self);

/* Makes sure that libevent sends what has just come into an empty output: it
 * does not tell if it could not watch the socket. false with errno.
 * [-0, +0, -] */
bool lev_bufferevent_arm(const lev_bufferevent *self);

/* Lets callbacks come soon; update must follow. [-0, +0, -] */
void lev_bufferevent_later(lev_bufferevent *self, short due);
void lev_bufferevent_laterevent(lev_bufferevent *self, short what, int code);

static inline bool lev_bufferevent_owes(const lev_bufferevent *self) {
  return self->due != 0 || self->later[0].what != 0 || self->later[1].what != 0;
}

/* Ends a method that has taken from the input of the object at 1.
 * [-0, +0, v] */
void lev_bufferevent_taken(lua_State *L, lev_bufferevent *self);

/* From libevent, and soon: see bufferevent_callback.c. */
void lev_bufferevent_on_read(struct bufferevent *ptr, void *self);
void lev_bufferevent_on_write(struct bufferevent *ptr, void *self);
void lev_bufferevent_on_event(struct bufferevent *ptr, short what, void *self);
void lev_bufferevent_soon(lev_object *self);

/* Moves what the end of a pair at an index has to give, and what it may take;
 * 'all' has the directions, EV_READ and EV_WRITE, in which neither watermarks
 * nor disabled ends count. [-0, +0, m] */
void lev_pair_move(lua_State *L, lev_bufferevent *self, int index, short all);

/* Moves what the end at 1 has, and tells the other that this one sends no more.
 * [-0, +0, m] */
void lev_pair_end(lua_State *L, lev_bufferevent *self, short all);

/* Begins to wait for input or room where it does not yet; the deadline.
 * [-0, +0, m] */
void lev_pair_await(lua_State *L, lev_bufferevent *self, int index);
void lev_pair_due(lua_State *L, lev_bufferevent *self, int index);

/* Closing: see bufferevent_close.c. */
bool lev_bufferevent_linger(lua_State *L, lev_object *self, bool now);
void lev_bufferevent_due(const lev_frame *f, lev_object *self);
void lev_bufferevent_free(lua_State *L, lev_object *self);
void lev_bufferevent_dropfd(lev_bufferevent *self);
void lev_lingering_read(lev_bufferevent *self);
void lev_lingering_written(lev_bufferevent *self);
void lev_lingering_event(lev_bufferevent *self);

/* Shuts the sending side of the connection down. [-0, +0, -] */
bool lev_bufferevent_shut(const lev_bufferevent *self);

/* Methods and constructors of the other files. */
int l_bufferevent_socket_new(lua_State *L);
int l_bufferevent_socket_connect(lua_State *L);
int l_bufferevent_setfd(lua_State *L);
int l_bufferevent_getfd(lua_State *L);
int l_bufferevent_detach(lua_State *L);
int l_bufferevent_getsockname(lua_State *L);
int l_bufferevent_getpeername(lua_State *L);
int l_bufferevent_setsockopt(lua_State *L);
int l_bufferevent_getsockopt(lua_State *L);
int l_bufferevent_peercred(lua_State *L);
int l_bufferevent_pair_new(lua_State *L);
int l_bufferevent_pair_get_partner(lua_State *L);
int l_bufferevent_write(lua_State *L);
int l_bufferevent_read(lua_State *L);
int l_bufferevent_read_buffer(lua_State *L);
int l_bufferevent_get_input(lua_State *L);
int l_bufferevent_get_output(lua_State *L);
int l_bufferevent_flush(lua_State *L);
int l_bufferevent_shutdown(lua_State *L);
int l_bufferevent_trigger(lua_State *L);
int l_bufferevent_setwatermark(lua_State *L);
int l_bufferevent_getwatermark(lua_State *L);
int l_bufferevent_set_timeouts(lua_State *L);
int l_bufferevent_priority_set(lua_State *L);
int l_bufferevent_get_priority(lua_State *L);
int l_bufferevent_set_max_single_read(lua_State *L);
int l_bufferevent_get_max_single_read(lua_State *L);
int l_bufferevent_set_max_single_write(lua_State *L);
int l_bufferevent_get_max_single_write(lua_State *L);

#endif
