/*
 * What the kernel keeps for each event_base: the part of
 * types/event_base.c that callbacks, pins, deadlines and the ready queue
 * share.
 */
#ifndef LEV_BASE_H
#define LEV_BASE_H

#include <stdatomic.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "kernel/deadline.h"
#include "kernel/measure.h"
#include "kernel/object.h"
#include "kernel/soon.h"
#include "kernel/state.h"

/* User values of a base. It is its own base, so LEV_UV_BASE is its memory. */
enum {
  LEV_UV_SLOTS = 2,     /* the pins: see pin.h */
  LEV_UV_ON_ERROR = 3,  /* set by base:on_error */
  LEV_UV_ERROR = 4,     /* the value loop re-raises while 'failed' */
  LEV_UV_TRACEBACK = 5, /* of the last error */
  LEV_UV_READY = 6,     /* functions deferred, oldest first */
  LEV_UV_DRAINING = 7,  /* the batch of them that is being called */
  LEV_UV_RUNNING = 8,   /* a task that was closed while it ran */
  LEV_UV_ON_SLOW = 9,   /* set by base:measure */
  LEV_BASE_UVS = 9
};

typedef struct lev_slots {
  uint32_t *cells;   /* by slot: see pin.h */
  uint32_t capacity; /* how many cells there are */
  uint32_t free;     /* head of the list of free slots; 0 if none */
  uint32_t last;     /* the highest slot ever used */
  uint32_t used;     /* how many objects are pinned */
} lev_slots;

struct lev_base {
  lev_object head;
  struct event_base *ptr;
  lev_state *state;
  uint32_t id;          /* where the state's table has the slots */
  uint32_t generation;  /* of the process that made or reinited it */
  lev_object *children; /* open ones, newest first */
  uint32_t signals;     /* how many are pending */
  uint32_t givenup;     /* how many objects are closed, but not freed: see
                           lev_freegivenup */
  uint32_t parked;      /* pinned objects that a loop does not go on for: tasks
                           that only Lua code can wake, and the background */
  uint32_t watching;    /* what libevent knows besides: streams whose input is
                           watched, and the background */
  int depth;            /* callbacks entered and not yet left */
  int frame;            /* on the main stack while the loop runs; or 0 */
  bool lent;            /* by a host, which runs its loop and frees it */
  bool turn;            /* the loop runs for one turn only */
  bool turned;          /* 'stop' has ended it */
  bool forever;         /* the loop goes on when nothing is pending */
  bool emptied;         /* it was ended since nothing is */
  bool running;         /* event_base_loop is on the C stack */
  bool failed;          /* LEV_UV_ERROR waits for loop to raise it */
  bool exhausted;       /* the Lua stack had no room for a callback */
  bool unsettled;       /* something waits for the outermost leave */
  bool measuring;       /* see measure.h */
  lev_counts counts;
  struct {
    uint32_t waiting;    /* in LEV_UV_READY */
    uint32_t next, last; /* what is left of LEV_UV_DRAINING */
  } ready;
  struct {
    lev_soon *first; /* those that are to call back soon, oldest first */
    lev_soon **end;  /* where the next one goes */
    bool running;    /* they are being called */
    struct event event;
  } soon;
  char *datagrams;     /* where they are received to; NULL before the first */
  lev_object *calling; /* many times in one event; NULL once it is closed */
  struct {
    char *bytes;       /* where streams read to; NULL before the first */
    lev_object *owner; /* the stream whose bytes stand there; or NULL */
    size_t from, to;   /* those that nobody has taken */
  } area;
  struct event stop; /* ends a turn: see types/event_base.c */
  struct event kick; /* a zero timeout: wakes the next turn */
  lev_slots slots;
  lev_deadlines deadlines;
  lev_measure measure;
};

extern const lev_type lev_event_base;

/* Pushes the base of an event_base that a host owns and runs. Lua can do all
 * with it but run its loop; an error in a callback goes to on_error or is a
 * warning. It stays alive until the host takes it back, which it must do
 * before it frees the event_base, or closes the Lua state. false, and nothing
 * pushed, with errno if there are no descriptors. [-0, +1 or +0, m] */
bool lev_base_lend(lua_State *L, struct event_base *ptr);

/* Closes the base of a host's event_base; no effect if it was never lent.
 * [-0, +0, -] */
void lev_base_takeback(lua_State *L, struct event_base *ptr);

/* The event_base of an open base at an index, else NULL. [-0, +0, -] */
struct event_base *lev_base_ptr(lua_State *L, int index);

/* Grows by one in every forked child: see process.c. */
LEV_HIDDEN extern atomic_uint lev_forks;

static inline uint32_t lev_generation(void) {
  return atomic_load_explicit(&lev_forks, memory_order_relaxed);
}

/* Whether the base is still the parent's: made before a fork, and not yet
 * given a backend of its own. */
static inline bool lev_isforeign(const lev_base *base) {
  return base->generation != lev_generation();
}

/* Whether an object is open, of a base of this process. [-0, +0, -] */
static inline bool lev_isours(const lev_object *self) {
  return self->open && self->base != NULL && self->base->head.open &&
         !lev_isforeign(self->base);
}

/* Returns the value at an index if it is an object of that type, open or
 * closed, else NULL. The userdata begins with the type's address then, which no
 * script can write anywhere; to look at the metatable would cost ten times as
 * much. [-0, +0, -] */
static inline void *lev_totype(lua_State *L, int index, const lev_type *type) {
  void *userdata = lua_touserdata(L, index);
  bool apart = lev_isapart(type);
  if (userdata == NULL ||
      lua_rawlen(L, index) != (apart ? sizeof(lev_box) : type->size) ||
      *(const lev_type *const *)userdata != type)
    return NULL;
  return apart ? ((const lev_box *)userdata)->object : userdata;
}

/* Returns argument 1 of a method, an open object of that type. [-0, +0, v] */
void *lev_selfcheck(lua_State *L, const lev_type *type);

/* The same where it is asked often, for a type that lives apart; the second one
 * is for the others. [-0, +0, v] */
static inline void *lev_self(lua_State *L, const lev_type *type) {
  const lev_box *box = lua_touserdata(L, 1);
  bool good = box != NULL && lua_rawlen(L, 1) == sizeof *box &&
              box->type == type && lev_isours(box->object);
  return good ? box->object : lev_selfcheck(L, type);
}

static inline void *lev_selfwithin(lua_State *L, const lev_type *type) {
  lev_object *self = lua_touserdata(L, 1);
  bool good = self != NULL && lua_rawlen(L, 1) == type->size &&
              self->type == type && lev_isours(self);
  return good ? self : lev_selfcheck(L, type);
}

/* Whether a script, or an error, has ended the loop by a break. [-0, +0, -] */
static inline bool lev_isbroken(const lev_base *base) {
  return event_base_got_break(base->ptr) && !base->turned && !base->emptied;
}

/* Whether no object may call back any more. [-0, +0, -] */
static inline bool lev_isidle(const lev_base *base) {
  return base->slots.used == base->parked && base->ready.waiting == 0 &&
         base->ready.next == base->ready.last;
}

static const struct timeval lev_at_once = { 0, 0 };

/* Wakes the loop for one more turn; false for lack of memory. Where that is due
 * already it stays so: to add the event again would put it off, turn by turn.
 * [-0, +0, -] */
static inline bool lev_kick(lev_base *base) {
  return base->kick.ev_evcallback.evcb_flags & EVLIST_ACTIVE ||
         event_add(&base->kick, &lev_at_once) == 0;
}

/* Notes that something waits for the outermost callback to return; in the loop
 * but in no callback, or for a base that is lent, for the next turn.
 * [-0, +0, -] */
static inline void lev_unsettle(lev_base *base) {
  base->unsettled = true;
  if ((base->lent || base->running) && base->depth == 0)
    lev_kick(base);
}

/* After a fork, gives the base its own backend; false with errno, and nothing
 * changed, if there are no descriptors for it. [-0, +0, -] */
bool lev_reinit(lev_base *base);

/* Whether the method can watch a descriptor of that number, which is to be
 * asked before it must: select would end the process. false with errno.
 * [-0, +0, -] */
bool lev_canwatch(const lev_base *base, int fd);

#endif
