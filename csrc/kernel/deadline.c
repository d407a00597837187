#define _GNU_SOURCE /* dup3 */
#include "kernel/deadline.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t ms_of(uint64_t key) {
  return key >> LEV_SEQUENCE_BITS;
}

/* The heap. */

static void put(lev_deadlines *d, uint32_t i, lev_deadline entry) {
  d->heap[i] = entry;
  d->place[entry.slot] = i;
}

static void up(lev_deadlines *d, uint32_t i, lev_deadline entry) {
  while (i > LEV_ROOT) {
    uint32_t parent = i / 4 + 2;
    if (d->heap[parent].key <= entry.key)
      break;
    put(d, i, d->heap[parent]);
    i = parent;
  }
  put(d, i, entry);
}

static void down(lev_deadlines *d, uint32_t i, lev_deadline entry) {
  for (;;) {
    uint32_t first = 4 * i - 8, least = first;
    uint32_t last = first + 4 < d->end ? first + 4 : d->end;
    if (first >= d->end)
      break;
    for (uint32_t child = first + 1; child < last; child++) {
      if (d->heap[child].key < d->heap[least].key)
        least = child;
    }
    if (d->heap[least].key >= entry.key)
      break;
    put(d, i, d->heap[least]);
    i = least;
  }
  put(d, i, entry);
}

/* Puts an entry where it belongs, given a place that is free. */
static void settle(lev_deadlines *d, uint32_t i, lev_deadline entry) {
  if (i > LEV_ROOT && d->heap[i / 4 + 2].key > entry.key)
    up(d, i, entry);
  else
    down(d, i, entry);
}

static void take(lev_deadlines *d, uint32_t i) {
  d->place[d->heap[i].slot] = 0;
  lev_deadline last = d->heap[--d->end];
  if (i < d->end)
    settle(d, i, last);
}

/* Makes room for one more entry and for a slot. [-0, +0, m] */
static void grow(lua_State *L, lev_deadlines *d, uint32_t slot) {
  if (slot >= d->places) {
    uint32_t places = slot < 32 ? 64 : slot * 2;
    d->place = lev_realloc(L, d->place, d->places * sizeof *d->place,
                           places * sizeof *d->place);
    memset(d->place + d->places, 0, (places - d->places) * sizeof *d->place);
    d->places = places;
  }
  if (d->end >= d->capacity) {
    uint32_t capacity = d->capacity ? d->capacity * 2 : 32;
    lev_deadline *start = d->heap ? d->heap - LEV_SHIFT : NULL;
    size_t old = d->capacity ? d->capacity + LEV_SHIFT : 0;
    start = lev_realloc(L, start, old * sizeof *start,
                        (capacity + LEV_SHIFT) * sizeof *start);
    d->heap = start + LEV_SHIFT;
    d->capacity = capacity;
  }
}

/* Setting and asking. */

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

void lev_deadline_add(lua_State *L, int index, double seconds) {
  lev_object *self = lua_touserdata(L, index);
  lev_base *base = self->base;
  lev_deadlines *d = &base->deadlines;
  uint32_t slot = self->slot ? self->slot : lev_nextslot(base);
  if (slot >= d->places || d->end >= d->capacity)
    grow(L, d, slot);
  lev_pin(L, index);
  uint64_t key = due_ms(d, self, seconds) << LEV_SEQUENCE_BITS |
                 (d->sequence++ & ((1u << LEV_SEQUENCE_BITS) - 1));
  lev_deadline entry = { key, self->slot };
  uint32_t i = d->place[self->slot];
  settle(d, i != 0 ? i : d->end++, entry);
  base->unsettled = true;
}

void lev_deadline_del(const lev_object *self) {
  lev_deadlines *d = &self->base->deadlines;
  if (self->slot < d->places && d->place[self->slot] != 0) {
    take(d, d->place[self->slot]);
    self->base->unsettled = true;
  }
}

bool lev_deadline_pending(const lev_object *self, double *left) {
  const lev_deadlines *d = &self->base->deadlines;
  if (self->slot == 0 || self->slot >= d->places || d->place[self->slot] == 0)
    return false;
  if (left != NULL) {
    uint64_t due = ms_of(d->heap[d->place[self->slot]].key) * NS_PER_MS;
    uint64_t now = now_ns();
    *left = due > now ? (double)(due - now) / 1e9 : 0;
  }
  return true;
}

uint32_t lev_deadlines_count(const lev_base *base) {
  return base->deadlines.end - LEV_ROOT;
}

/* Waking up. */

static bool arm_timeout(lev_base *base, uint64_t first, uint64_t now) {
  uint64_t us = first * 1000 > now / 1000 ? first * 1000 - now / 1000 : 0;
  struct timeval tv = { (time_t)(us / 1000000), (suseconds_t)(us % 1000000) };
  return event_add(&base->kick, &tv) == 0;
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
  return arm_timeout(base, first, now);
}

void lev_deadlines_run(lua_State *L, lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->end == LEV_ROOT)
    return;
  uint64_t limit =
      now_ns() / NS_PER_MS << LEV_SEQUENCE_BITS |
      (d->sequence & ((1u << LEV_SEQUENCE_BITS) - 1));
  lev_pushslots(L, base);
  int slots = lua_gettop(L);
  while (d->end > LEV_ROOT && d->heap[LEV_ROOT].key < limit) {
    lev_deadline entry = d->heap[LEV_ROOT];
    take(d, LEV_ROOT);
    lua_rawgeti(L, slots, entry.slot);
    lev_object *self = lua_touserdata(L, -1);
    d->running = self;
    d->reached = ms_of(entry.key);
    self->type->due(L, self);
    d->running = NULL;
    lua_settop(L, slots);
    if (!base->head.open || event_base_got_break(base->ptr))
      break;
  }
  base->unsettled = true;
  lua_settop(L, slots - 1);
}

bool lev_deadlines_reinit(lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->fd < 0)
    return true;
#ifdef __linux__
  /* The timer behind the descriptor is the parent's, its number is known to
   * libevent: replace the one and keep the other. */
  close(d->fd);
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd >= 0 && fd != d->fd) {
    dup3(fd, d->fd, O_CLOEXEC);
    close(fd);
  }
  d->armed = 0;
  base->unsettled = true;
  return fd >= 0;
#else
  return true;
#endif
}

void lev_deadlines_drop(lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->added)
    event_del(&d->event);
  d->added = false;
  d->fd = -1;
}

void lev_deadlines_close(lua_State *L, lev_base *base) {
  lev_deadlines *d = &base->deadlines;
  if (d->fd >= 0) {
    event_del(&d->event);
    event_debug_unassign(&d->event);
    close(d->fd);
    d->fd = -1;
  }
  d->added = false;
  d->end = LEV_ROOT;
  d->place = lev_realloc(L, d->place, d->places * sizeof *d->place, 0);
  d->places = 0;
  if (d->heap != NULL)
    lev_realloc(L, d->heap - LEV_SHIFT,
                (d->capacity + LEV_SHIFT) * sizeof *d->heap, 0);
  d->heap = NULL;
  d->capacity = 0;
}
