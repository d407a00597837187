/*
 * Deadlines: one moment at most for each pinned object, on CLOCK_MONOTONIC.
 *
 * libevent's own clock ticks every few milliseconds and its heap holds
 * pointers. Here a 4-ary heap holds the deadlines themselves, in whole
 * milliseconds so that neighbours share a wake-up, behind one timerfd that is
 * set only when an earlier deadline comes first (where there is no timerfd,
 * one libevent timeout).
 *
 * - An entry names its object by the slot in which it is pinned; the cell of
 *   the slot tells where in the heap the entry stands, so that moving it
 *   touches no object.
 * - Equal deadlines keep the order in which they were set: the low bits of a
 *   key are a running number.
 * - One run calls what was due when it began. What its callbacks set waits for
 *   the next turn even if it is due at once, so input and output go on.
 */
#ifndef LEV_DEADLINE_H
#define LEV_DEADLINE_H

#include <event2/event_struct.h>

#include "kernel/object.h"

typedef struct lev_deadline {
  uint64_t key;  /* milliseconds, then LEV_SEQUENCE_BITS of a number */
  uint32_t slot; /* of the object */
} lev_deadline;

typedef struct lev_deadlines {
  lev_deadline *heap; /* the root is heap[LEV_ROOT] */
  uint32_t end;       /* one past the last entry */
  uint32_t capacity;
  uint32_t sequence;
  uint64_t armed;            /* ms the timerfd is set to; 0 for none */
  const lev_object *running; /* the one whose deadline is being called */
  uint64_t reached;          /* its deadline, in ms */
  bool added;                /* 'event' is pending */
  int fd;                    /* the timerfd, or -1 */
  struct event event;        /* on the timerfd */
} lev_deadlines;

/* Seconds on the clock of the deadlines, which never goes back. [-0, +0, -] */
double lev_now(void);

/* The same as of the last tick of the system, some milliseconds ago at most:
 * this costs a fifth. [-0, +0, -] */
double lev_lately(void);

/* Opens the timerfd of a base; false with errno. [-0, +0, -] */
bool lev_deadlines_open(lev_base *base);

/* Gives everything back. [-0, +0, -] */
void lev_deadlines_close(lua_State *L, lev_base *base);

/* Gives a forked child a timerfd of its own, before its event_reinit; false
 * if it cannot, and then lev_deadlines_drop must follow that. [-0, +0, -] */
bool lev_deadlines_reinit(lev_base *base);

/* Goes on without a timerfd. [-0, +0, -] */
void lev_deadlines_drop(lev_base *base);

/* Sets or replaces the deadline of an object, which stands at a positive index,
 * counted from now, and pins the object; returns the moment. Set within a
 * millisecond of its being reached, in its own callback, it counts from the one
 * reached: a timer that adds itself again keeps its rate. [-0, +0, m] */
double lev_deadline_add(lua_State *L, lev_object *self, int index,
                        double seconds);

/* The moment it is set to, or 0. [-0, +0, -] */
double lev_deadline_moment(const lev_object *self);

/* Removes the deadline, if there is one; does not unpin. [-0, +0, -] */
void lev_deadline_del(const lev_object *self);

/* Whether there is a deadline, and the seconds left, at least 0. [-0, +0, -] */
bool lev_deadline_pending(const lev_object *self, double *left);

/* How many deadlines are pending. [-0, +0, -] */
uint32_t lev_deadlines_count(const lev_base *base);

/* Makes sure that the loop wakes for the first deadline; 'exact' also moves
 * the wake-up later. false if libevent could not. [-0, +0, -] */
bool lev_deadlines_arm(lev_base *base, bool exact);

/* What tells the deadlines that are due now from the others; 0 where none is.
 * [-0, +0, -] */
uint64_t lev_deadlines_due(const lev_base *base);

/* Calls those that were due then, each in the same frame. [-0, +0, -] */
void lev_deadlines_run(const lev_frame *f, lev_base *base, uint64_t due);

#endif
