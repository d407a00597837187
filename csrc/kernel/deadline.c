#include "kernel/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include "kernel/base.h"
#include "kernel/callback.h"
#include "kernel/pin.h"
#include "kernel/ready.h"

enum {
  LEV_SEQUENCE_BITS = 23,
  /* Children of i stand at 4i-8 to 4i-5. The array begins 16 bytes after a
   * cache line where malloc maps it, so families of four share a line. */
  LEV_ROOT = 3,
  LEV_SHIFT = 3,
  NS_PER_MS = 1000000
};

#ifndef CLOCK_MONOTONIC_COARSE
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
#endif

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double lev_now(void) {
  return (double)now_ns() / 1e9;
}

double lev_lately(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t ms_of(uint64_t key) {
  return key >> LEV_SEQUENCE_BITS;
}

/* The heap. */

static void put(lev_base *base, uint32_t i, lev_deadline entry) {
  base->deadlines.heap[i] = entry;
  base->slots.cells[entry.slot] = i;
}

static void up(lev_base *base, uint32_t i, lev_deadline entry) {
  const lev_deadline *heap = base->deadlines.heap;
  while (i > LEV_ROOT && heap[i / 4 + 2].key > entry.key) {
    put(base, i, heap[i / 4 + 2]);
    i = i / 4 + 2;
  }
  put(base, i, entry);
}

static void down(lev_base *base, uint32_t i, lev_deadline entry) {
  const lev_deadline *heap = base->deadlines.heap;
  uint32_t end = base->deadlines.end;
  for (uint32_t first; (first = 4 * i - 8) < end;) {
    uint32_t least = first, last = first + 4 < end ? first + 4 : end;
    for (uint32_t line = 0; line < 4; line++) /* their children */
      __builtin_prefetch(&heap[4 * (size_t)(first + line) - 8]);
    for (uint32_t child = first + 1; child < last; child++) {
      if (heap[child].key < heap[least].key)
        least = child;
    }
    if (heap[least].key >= entry.key)
      break;
    put(base, i, heap[least]);
    i = least;
  }
  put(base, i, entry);
}

/* Puts an entry where it belongs, given a place that is free. */
static void place(lev_base *base, uint32_t i, lev_deadline entry) {
  if (i > LEV_ROOT && base->deadlines.heap[i / 4 + 2].key > entry.key)
    up(base, i, entry);
  else
    down(base, i, entry);
}

static void take(lev_base *base, uint32_t i) {
  lev_deadlines *d = &base->deadlines;
  base->slots.cells[d->heap[i].slot] = 0;
  lev_deadline last = d->heap[--d->end];
  if (i < d->end)
    place(base, i, last);
}

/* Makes room for one more entry. [-0, +0, m] */
static void grow(lua_State *L, lev_deadlines *d) {
  uint32_t capacity = d->capacity ? d->capacity * 2 : 32;
  lev_deadline *start = d->heap ? d->heap - LEV_SHIFT : NULL;
  size_t old = d->capacity ? d->capacity + LEV_SHIFT : 0;
  start = lev_realloc(L, start, old * sizeof *start,
                      (capacity + LEV_SHIFT) * sizeof *start);
  d->heap = start + LEV_SHIFT;
  d->capacity = capacity;
}

/* Setting and asking. */

/* Where the deadline of an object stands; 0 for none. */
static uint32_t place_of(const lev_object *self) {
  return self->slot != 0 ? self->base->slots.cells[self->slot] : 0;
}

static uint64_t due_ms(const lev_deadlines *d, const lev_object *self,
                       double seconds) {
  uint64_t delay = (uint64_t)(seconds * 1e9 + 0.5);
  uint64_t now = now_ns();
  if (d->running == self && now < (d->reached + 1) * NS_PER_MS)
    return d->reached + (delay + NS_PER_MS - 1) / NS_PER_MS;
  if (delay == 0)
    return now / NS_PER_MS;
  return (now + delay + NS_PER_MS - 1) / NS_PER_MS;
}

double lev_deadline_add(lua_State *L, lev_object *self, int index,
                        double seconds) {
  lev_base *base = self->base;
  lev_deadlines *d = &base->deadlines;
  if (d->end >= d->capacity)
    grow(L, d);
  lev_pin(L, self, index);
  uint64_t key = due_ms(d, self, seconds) << LEV_SEQUENCE_BITS |
                 (d->sequence++ & ((1u << LEV_SEQUENCE_BITS) - 1));
  lev_deadline entry = { key, self->slot };
  uint32_t i = place_of(self);
  place(base, i != 0 ? i : d->end++, entry);
  lev_unsettle(base);
  return (double)ms_of(key) / 1e3;
}

double lev_deadline_moment(const lev_object *self) {
  uint32_t i = place_of(self);
  return i != 0 ? (double)ms_of(self->base->deadlines.heap[i].key) / 1e3 : 0;
}

void lev_deadline_del(const lev_object *self) {
  uint32_t i = place_of(self);
  if (i != 0) {
    take(self->base, i);
    lev_unsettle(self->base);
  }
}

bool lev_deadline_pending(const lev_object *self, double *left) {
  uint32_t i = place_of(self);
  if (i != 0 && left != NULL) {
    uint64_t due = ms_of(self->base->deadlines.heap[i].key) * NS_PER_MS;
    uint64_t now = now_ns();
    *left = due > now ? (double)(due - now) / 1e9 : 0;
  }
  return i != 0;
}

uint32_t lev_deadlines_count(const lev_base *base) {
  return base->deadlines.end - LEV_ROOT;
}

/* Waking up. */

static bool arm_timeout(lev_base *base, uint64_t first, uint64_t now) {
  uint64_t us = first * 1000 > now / 1000 ? first * 1000 - now / 1000 : 0;
  struct timeval tv = { (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
  return base->kick.ev_evcallback.evcb_flags & EVLIST_ACTIVE || /* arms again */
         event_add(&base->kick, &tv) == 0;
}

#ifdef __linux__
static bool arm_timerfd(lev_base *base, uint64_t first, bool exact) {
  lev_deadlines *d = &base->deadlines;
  if (d->armed == 0 || first < d->armed || (exact && first != d->armed)) {
    struct itimerspec when = {
      .it_value = { .tv_sec = (time_t)(first / 1000),
                    .tv_nsec = (long)(first % 1000) * NS_PER_MS },
    };
    if (timerfd_settime(d->fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
      return false;
    d->armed = first;
  }
  if (!d->added && event_add(&d->event, NULL) != 0)
    return false;
  d->added = true;
  return true;
}

static void on_timerfd(evutil_socket_t fd, short what, void *arg) {
  lev_base *base = arg;
  base->deadlines.armed = 0; /* setting it again also empties the timerfd */
  lev_onwake(fd, what, base);
}

bool lev_deadlines_open(lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  d->end = LEV_ROOT;
  d->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (d->fd < 0)
    return false;
  if (event_assign(&d->event, base->ptr, d->fd, EV_READ | EV_PERSIST,
                   on_timerfd, base) == 0)
    return true;
  close(d->fd);
  d->fd = -1;
  errno = EINVAL;
  return false;
}
#else
static bool arm_timerfd(lev_base *base, uint64_t first, bool exact) {
  (void)base, (void)first, (void)exact;
  return false;
}

bool lev_deadlines_open(lev_base *base) {
  base->deadlines.end = LEV_ROOT;
  base->deadlines.fd = -1;
  return true;
}
#endif

bool lev_deadlines_arm(lev_base *base, bool exact) {
  lev_deadlines *d = &base->deadlines;
  if (d->end == LEV_ROOT) {
    if (d->added)
      event_del(&d->event);
    d->added = false;
    if (d->fd < 0)
      event_del(&base->kick);
    return true;
  }
  uint64_t first = ms_of(d->heap[LEV_ROOT].key);
  uint64_t now = now_ns();
  if (first * NS_PER_MS <= now)
    return lev_kick(base);
  if (d->fd >= 0 && arm_timerfd(base, first, exact))
    return true;
  /* What the system has refused is not asked for again: libevent logs each
   * time, and lines in the log wake the loop. */
  if (d->fd >= 0)
    lev_deadlines_drop(base);
  return arm_timeout(base, first, now);
}

uint64_t lev_deadlines_due(const lev_base *base) {
  const lev_deadlines *d = &base->deadlines;
  if (d->end == LEV_ROOT)
    return 0;
  uint64_t limit = now_ns() / NS_PER_MS << LEV_SEQUENCE_BITS |
                   (d->sequence & ((1u << LEV_SEQUENCE_BITS) - 1));
  return d->heap[LEV_ROOT].key < limit ? limit : 0;
}

void lev_deadlines_run(const lev_frame *f, lev_base *base, uint64_t limit) {
  lev_deadlines *d = &base->deadlines;
  while (d->end > LEV_ROOT && d->heap[LEV_ROOT].key < limit) {
    lev_deadline entry = d->heap[LEV_ROOT];
    take(base, LEV_ROOT);
    lua_rawgeti(f->L, f->handler + 1, entry.slot);
    lev_object *self = lev_toobject(f->L, -1);
    d->running = self;
    d->reached = ms_of(entry.key);
    self->type->due(f, self);
    d->running = NULL;
    if (lev_mustend(base))
      break;
  }
}

bool lev_deadlines_reinit(lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->fd < 0)
    return true;
#ifdef __linux__
  /* The timer behind the descriptor is the parent's, its number is known to
   * libevent: replace the one and keep the other. */
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  bool replaced = fd >= 0 && dup3(fd, d->fd, O_CLOEXEC) >= 0;
  if (fd >= 0)
    close(fd);
  d->armed = 0;
  base->unsettled = true;
  return replaced;
#else
  return true;
#endif
}

void lev_deadlines_drop(lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  event_del(&d->event);
  event_debug_unassign(&d->event);
  close(d->fd);
  d->added = false;
  d->fd = -1;
}

void lev_deadlines_close(lua_State *L, lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->fd >= 0)
    lev_deadlines_drop(base);
  d->end = LEV_ROOT;
  if (d->heap != NULL)
    lev_realloc(L, d->heap - LEV_SHIFT,
                (d->capacity + LEV_SHIFT) * sizeof *d->heap, 0);
  d->heap = NULL;
  d->capacity = 0;
}
