/*
 * Objects that are to call back soon, though nothing that libevent watches has
 * happened: in this turn of the loop, once the callback that runs now has
 * returned. What they bring about in turn waits for the next one, so that an
 * object that calls itself back starves nobody; there it goes before what is
 * due.
 */
#ifndef LEV_SOON_H
#define LEV_SOON_H

#include <stdbool.h>

#include <event2/util.h>

#include "kernel/object.h"

/* Where an object stands among those; part of its struct. */
typedef struct lev_soon {
  struct lev_soon *next, **at; /* 'at' is NULL while it does not stand there */
  lev_object *object;
} lev_soon;

/* Lets the type's 'soon' be called; the object must be pinned until then.
 * [-0, +0, -] */
void lev_soon_add(lev_soon *self, lev_object *object);

/* Calls that off. [-0, +0, -] */
void lev_soon_del(lev_soon *self);

static inline bool lev_soon_pending(const lev_soon *self) {
  return self->at != NULL;
}

/* Calls those that stand there now; not while it does so. */
void lev_soon_run(lev_base *base);

/* The event handler of a base's own event for this. */
void lev_onsoon(evutil_socket_t fd, short what, void *base);

#endif
