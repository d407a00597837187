/*
 * What the files of the event share.
 *
 * An event has a callback, or tasks wait for it; while one waits the callback
 * is not called.
 */
#ifndef LEV_TYPES_EVENT_H
#define LEV_TYPES_EVENT_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "kernel/task.h"

typedef struct lev_eventobject {
  lev_object head;
  struct event event;
  lev_task *waiter; /* in event:wait; or NULL */
  short happened;   /* for that */
  bool calls;       /* there is a callback */
  bool borrowed;    /* it is pending only for who waits */
} lev_eventobject;

extern const lev_type lev_event;

/* event_pending as flags: asked after each callback, a call is dear. */
enum {
  LEV_PENDING =
      EVLIST_INSERTED | EVLIST_TIMEOUT | EVLIST_ACTIVE | EVLIST_ACTIVE_LATER
};

/* Whether libevent may call back. [-0, +0, -] */
static inline bool lev_event_pending(const lev_object *object) {
  const lev_eventobject *e = (const lev_eventobject *)object;
  return (e->event.ev_evcallback.evcb_flags & LEV_PENDING) != 0;
}

/* Lets go of an event that is idle, and pushes what a call of libevent has led
 * to. [-0, +1..3, m] */
int lev_event_done(lua_State *L, lev_eventobject *self, int status,
                   const char *what);

/* Makes the event idle, and lets it go. [-0, +0, -] */
void lev_event_idle(lev_eventobject *self);

int l_event_wait(lua_State *L);

#endif
