/*
 * What the files of the bufferevent share. A script's callbacks are entered
 * from three functions here that libevent always has; what only they learn,
 * such as the end of the input, is noted in the struct.
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

typedef struct lev_bufferevent lev_bufferevent;

struct lev_bufferevent {
  lev_object head;
  struct bufferevent *ptr;
  lev_evbuffer *input, *output; /* views, kept by the user values; or NULL */
  lev_bufferevent *partner;     /* kept by the user value; or NULL */
  double linger;  /* seconds without progress that a close waits for */
  size_t high;    /* input at which reading pauses; 0 for never */
  size_t unsent;  /* while lingering: what was left when last looked at */
  int fd;         /* owned; or -1 */
  int error;      /* errno of a send that failed before libevent's would */
  short called;   /* EV_READ, EV_WRITE: callbacks that were set */
  short deferred; /* those that a trigger will call */
  bool listens;   /* there is an event callback */
  bool pair;
  bool reading; /* the script wants input: see lev_bufferevent_sync */
  bool connecting;
  bool full;   /* the input has reached 'high' */
  bool ended;  /* the peer has ended what it sends */
  bool broken; /* nothing can be sent any more */
  bool shut;   /* the script has ended what it sends */
  bool timed;  /* it has timeouts */
};

extern const lev_type lev_bufferevent_type;

/* Argument 1 of a method. [-0, +0, v] */
lev_bufferevent *lev_bufferevent_self(lua_State *L);

static inline size_t lev_unsent(const lev_bufferevent *self) {
  return evbuffer_get_length(bufferevent_get_output(self->ptr));
}

/* Makes a new object of a bufferevent of libevent's. [-0, +0, -] */
void lev_bufferevent_open(lev_bufferevent *self, struct bufferevent *ptr,
                          int fd);

/* Lets libevent read exactly while it should: the script wants it, there is a
 * connection and the input is not full. false with errno. [-0, +0, -] */
bool lev_bufferevent_sync(lev_bufferevent *self);

/* Looks whether the input has become full, or no longer is. [-0, +0, -] */
void lev_bufferevent_watermark(lev_bufferevent *self);

/* Pins or lets go of the object at 1 after a method. [-0, +0, m] */
void lev_bufferevent_settle(lua_State *L, lev_bufferevent *self);

/* Ends a method that has taken from the input of the object at 1.
 * [-0, +0, v] */
void lev_bufferevent_taken(lua_State *L, lev_bufferevent *self);

/* Calls back later in this turn, or in the next. [-0, +0, -] */
void lev_bufferevent_trigger(lev_bufferevent *self, short what);

/* Keeps both ends of a pair, this one at an index, until libevent has called
 * what it has deferred for them. [-0, +0, m] */
void lev_pair_hold(lua_State *L, lev_bufferevent *self, int index);

/* Whether the other end of a pair is closed. [-0, +0, -] */
static inline bool lev_pair_isalone(const lev_bufferevent *self) {
  return self->pair && !self->partner->head.open;
}

/* Closing: see bufferevent_close.c. */
bool lev_bufferevent_linger(lua_State *L, lev_object *self);
void lev_bufferevent_due(const lev_frame *f, lev_object *self);
void lev_bufferevent_free(lua_State *L, lev_object *self);
void lev_lingering_read(lev_bufferevent *self);
void lev_lingering_written(lev_bufferevent *self);
void lev_lingering_event(lev_bufferevent *self, short what);

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
int l_bufferevent_pair_new(lua_State *L);
int l_bufferevent_pair_get_partner(lua_State *L);
int l_bufferevent_write(lua_State *L);
int l_bufferevent_read(lua_State *L);
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
