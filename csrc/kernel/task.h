/*
 * Tasks: coroutines that wait for what libevent tells, and the way from there
 * back into them.
 *
 * An event resumes the task that waits for it at once, from the C function that
 * libevent has called; what Lua code wakes is resumed soon, so that resumptions
 * never nest (see soon.h).
 *
 *   lev_task *task = lev_task_check(L, base);      may this coroutine wait?
 *   ...
 *   return lev_task_wait(L, task, &kind, ...);       it waits
 *
 *   static int k(lua_State *L, int status, lua_KContext state) {
 *     switch (lev_task_woken(L, state)) ...          it was woken: why?
 *     lev_stream *self = lev_task_object(state);     what it has waited for
 *
 * - A task is pinned from its start to its end. It stands among the waiters of
 *   what it waits for, and is taken out before it is resumed.
 * - Whoever wakes a task tells an outcome and pushes nothing: results are made
 *   by the continuation, inside the coroutine, where lack of memory is an error
 *   like any other.
 * - A continuation that finds no outcome was entered by a foreign
 *   coroutine.resume; the task is lost then, and ends with an error. That may
 *   come so late that the memory of all objects went back: so a continuation
 *   knows the state alone until it has asked how the wait ended.
 */
#ifndef LEV_TASK_H
#define LEV_TASK_H

#include <string.h>

#include "kernel/base.h"
#include "kernel/callback.h"

typedef struct lev_scope lev_scope;

/* User values of a task. */
enum {
  LEV_UV_THREAD = 2,
  LEV_UV_SCOPE = 3,   /* the innermost one that it is in */
  LEV_UV_FAILURE = 4, /* the error that ends it, or may be about to; or its
                         result, or the table of several */
  LEV_UV_TRACE = 5,   /* the traceback of that */
  LEV_TASK_UVS = 5
};

/* How a wait ended. */
typedef enum lev_outcome {
  LEV_NOTHING, /* it has not */
  LEV_HAPPENED,
  LEV_TIMEDOUT,
  LEV_CLOSED, /* what the task waited for was closed */
  LEV_CANCELED
} lev_outcome;

typedef enum lev_taskstate {
  LEV_NEW,
  LEV_RUNNING,
  LEV_WAITING,
  LEV_READY, /* woken, to be resumed soon */
  LEV_DONE
} lev_taskstate;

/* How a task ended. */
typedef enum lev_ending {
  LEV_RETURNED,
  LEV_FAILED,
  LEV_WASCANCELED,
  LEV_WASTIMEDOUT
} lev_ending;

/* A kind of wait. */
typedef struct lev_waitkind {
  const char *what; /* for listings */
  lua_KFunction k;
  bool shielded; /* neither a cancel nor a deadline raises in it: it is told */
  bool parked;   /* only another task or callback can end it, no event */
  bool listed;   /* many may wait: the place is that of lev_waiters */
  bool over;     /* it is over at once, after what is ready already */
  /* Asked at a timeout: whether it has happened after all. May be NULL. */
  bool (*late)(lev_task *task);
  /* Told when a timeout or a cancel has ended it. May be NULL. */
  void (*left)(lev_task *task);
  /* Told when one that was served has ended before it ran; it stands among
   * those still. NULL where nobody is served. */
  void (*lost)(lev_task *task);
} lev_waitkind;

/* Those who wait for one thing, first come first. */
typedef struct lev_waiters {
  lev_task *first, **end;
} lev_waiters;

/* What a task holds until it lets go of it. When it ends before that, however
 * that comes, 'left' is told, which must not raise. */
typedef struct lev_hold {
  lev_task *task; /* or NULL */
  struct lev_hold *next, **at;
  void (*left)(struct lev_hold *self);
} lev_hold;

/* What a wait and its end touch comes first, and stands together. */
struct lev_task {
  lev_object head;
  lua_State *co;            /* kept by a user value */
  const lev_waitkind *kind; /* of the wait it is in; or NULL */
  lev_object *object;       /* what it waits for, or has waited for; or NULL */
  struct {
    lev_task *next, **at; /* where it waits, or stands among those that were */
    lev_waiters *list;    /* served; NULL where nowhere, or in no list */
  } wait;
  double due;      /* when the wait ends; 0 for never */
  double deadline; /* after which waits raise; 0 for never */
  uint32_t doomed; /* reasons why waits raise: a cancel, canceled scopes */
  uint8_t state, outcome;
  uint8_t ending : 2;
  bool raises : 1;     /* 'due' is not of the wait's own timeout */
  bool limited : 1;    /* a wait has to look for what may end it; if not,
                          'due', 'deadline' and 'doomed' are 0, 'raises' is
                          false, and no deadline is set: see deadline.h */
  bool expired : 1;    /* the deadline was raised */
  bool parked : 1;     /* counted as such */
  bool canceled : 1;   /* by task:cancel */
  bool unwinding : 1;  /* an error is on its way out: <close> handlers run */
  bool observed : 1;   /* somebody was told how it ended */
  bool rethrown : 1;   /* an error that has a traceback is raised again */
  bool lost : 1;       /* its coroutine was resumed by another */
  bool breaks : 1;     /* the loop, unless it returns */
  lev_soon soon;       /* unless it waits */
  lev_waiters waiters; /* for its end */
  lev_hold *holds;     /* what it holds */
  lev_scope *home;     /* the scope it was spawned in; or NULL */
  lev_scope *scope;    /* the innermost one; kept by a user value */
  lev_task *sibling, **sibling_at; /* among the children of that */
  double grace; /* until when they may still wait in <close> handlers */
  int results;  /* how many it has returned: see LEV_UV_FAILURE */
  int left;     /* how many values lua_resume has left on its stack */
};

/* Makes a coroutine of the new task on top of the stack: a function and its
 * arguments, which stand from 'first' to below it. It starts soon.
 * [-0, +0, m] */
void lev_task_start(lua_State *L, lev_task *task, int first);

/* Whether the coroutine is that of the running task. [-0, +0, -] */
static inline bool lev_istask(lua_State *L, const lev_state *state) {
  return state->running != NULL && state->running->co == L;
}

/* Returns the running task; raises unless L is its coroutine and can wait.
 * [-0, +0, v] */
LEV_COLD lev_task *lev_task_refuse(lua_State *L, const lev_state *state);
LEV_COLD lev_task *lev_task_refuseat(lua_State *L, const lev_object *object);

static inline lev_task *lev_task_check(lua_State *L, const lev_state *state) {
  lev_task *task = state->running;
  return lev_istask(L, state) && task->head.open && lua_isyieldable(L)
             ? task
             : lev_task_refuse(L, state);
}

/* The same for a wait at an object that events of its base wake: those resume
 * the task at once, so its own base must be the same. [-0, +0, v] */
static inline lev_task *lev_task_checkat(lua_State *L,
                                         const lev_object *object) {
  lev_task *task = object->base->state->running;
  return task != NULL && task->co == L && task->head.base == object->base &&
                 task->head.open && lua_isyieldable(L)
             ? task
             : lev_task_refuseat(L, object);
}

/* Whether a task that waits still does: its coroutine may have been closed, and
 * it is woken then. [-0, +0, -] */
bool lev_task_waits(lev_task *task);

/* Raises: another task waits already, for what 'what' names. [-0, +0, v] */
int lev_task_busy(lua_State *L, const lev_task *other, const char *what);

/* Gets ready to wait; a negative timeout is none. Raises if the task was
 * canceled or its deadline is over, so what the wait needs comes after it.
 * [-0, +0, v] */
void lev_task_schedule(lua_State *L, lev_task *task, const lev_waitkind *kind,
                       double timeout);

static inline void lev_task_prepare(lua_State *L, lev_task *task,
                                    const lev_waitkind *kind, double timeout) {
  if (timeout >= 0 || task->limited)
    lev_task_schedule(L, task, kind, timeout);
}

/* Sets the deadline, or 0 for none. [-0, +0, -] */
static inline void lev_task_limit(lev_task *task, double deadline) {
  task->deadline = deadline;
  task->limited = true;
}

/* Puts a task at the end of a list, or takes it out of the place where it
 * stands. [-0, +0, -] */
void lev_waiters_add(lev_waiters *list, lev_task *task);

static inline void lev_waiters_del(lev_task *task) {
  lev_task *next = task->wait.next;
  if (task->wait.at != NULL)
    *task->wait.at = next;
  if (next != NULL)
    next->wait.at = task->wait.at;
  else if (task->wait.list != NULL)
    task->wait.list->end = task->wait.at;
  memset(&task->wait, 0, sizeof task->wait);
}

/* From anywhere: resumes a waiting task soon. [-0, +0, -] */
void lev_task_wake(lev_task *task, lev_outcome outcome);

/* Lets no loop go on for a task that only Lua code can wake. [-0, +0, -] */
void lev_task_park(lev_task *task);

/* Begins to wait for an object: `return lev_task_yield(...)`. The task stands
 * in the place of the only one that may wait, or in the list that begins there.
 * The object must stand on its stack. [-0, +0, -] */
static inline int lev_task_yield(lua_State *L, lev_task *task,
                                 const lev_waitkind *kind, lev_task **place,
                                 lev_object *object) {
  task->kind = kind;
  task->object = object;
  task->outcome = LEV_NOTHING;
  task->rethrown = false;
  task->state = LEV_WAITING;
  if (object != NULL)
    object->awaited = true;
  if (kind->listed) {
    lev_waiters_add((lev_waiters *)place, task);
  } else if (place != NULL) {
    task->wait.at = place;
    *place = task;
  }
  if (kind->parked && task->due == 0)
    lev_task_park(task);
  if (kind->over)
    lev_task_wake(task, LEV_HAPPENED);
  return lua_yieldk(L, 0, (lua_KContext)task->head.base->state, kind->k);
}

/* Takes a task out of the place where it waits. [-0, +0, -] */
static inline void lev_task_unwait(lev_task *task) {
  if (task->state != LEV_WAITING)
    return;
  lev_waiters_del(task);
  task->state = LEV_READY;
  if (task->parked)
    task->head.base->parked--;
  task->parked = false;
}

/* Both. */
int lev_task_wait(lua_State *L, lev_task *task, const lev_waitkind *kind,
                  lev_task **place, lev_object *object, double timeout);

/* Wakes a task that has got what it waits for: until its continuation takes it
 * out, it stands in the list of those who were served. If it ends before,
 * 'lost' of the wait is told, to serve another. [-0, +0, -] */
void lev_task_serve(lev_task *task, lev_waiters *served);

/* Tells that, if the task was served and has not run. [-0, +0, -] */
void lev_task_lose(lev_task *task);

/* Lets a task that has not ended hold something that nobody holds, or lets go
 * of it; or of all that the task holds, as it has ended. [-0, +0, -] */
void lev_task_hold(lev_task *task, lev_hold *hold);
void lev_task_unhold(lev_hold *hold);
void lev_task_leave(lev_task *task);

/* In a continuation, which gets the state: how the wait ended. Raises where the
 * task was canceled, or another has resumed it. [-0, +0, v] */
lev_outcome lev_task_outcome(lua_State *L, lua_KContext state);

/* The task that runs; or NULL. [-0, +0, -] */
static inline lev_task *lev_task_running(lua_KContext state) {
  return ((const lev_state *)state)->running;
}

/* Whether it has happened. If not, the other functions tell. [-0, +0, -] */
static inline bool lev_task_happened(lua_State *L, lua_KContext state) {
  lev_task *task = lev_task_running(state);
  if (task == NULL || task->co != L || task->outcome != LEV_HAPPENED)
    return false;
  task->outcome = LEV_NOTHING;
  return true;
}

static inline lev_outcome lev_task_woken(lua_State *L, lua_KContext state) {
  return lev_task_happened(L, state) ? LEV_HAPPENED
                                     : lev_task_outcome(L, state);
}

/* After that: what the running task has waited for. [-0, +0, -] */
static inline void *lev_task_object(lua_KContext state) {
  return lev_task_running(state)->object;
}

/* Pushes why it has not: the time is over, or the object was closed. Returns 3.
 * [-0, +3, v] */
int lev_task_unhappened(lua_State *L, lua_KContext state);

/* From a C function that libevent has called: what a task waits for, in a place
 * of its own and not in a list, has happened. Resumes it at once. [-0, +0, -]
 */
void lev_task_resume(lev_task *task);

/* Wakes all. [-0, +0, -] */
void lev_task_wakeall(lev_waiters *list, lev_outcome outcome);

/* Adds a reason why waits raise, or takes one away; or notes that there may be
 * none any more. [-0, +0, -] */
void lev_task_doom(lev_task *task);
void lev_task_spare(lev_task *task);
void lev_task_calm(lev_task *task);

/* Cancels a task; false if it is done. [-0, +0, -] */
bool lev_task_cancel(lev_task *task);

/* Raises what interrupts the task, if anything does. [-0, +0, v] */
void lev_task_interrupt(lua_State *L, lev_task *task);

/* What the error at an index says of the running task: LEV_CANCELED or
 * LEV_TIMEDOUT if it is one of those that interrupt it, else LEV_NOTHING.
 * [-0, +0, -] */
lev_outcome lev_task_interruption(lua_State *L, const lev_state *state,
                                  int index);

/* The message handler for what runs in a task: notes the traceback, and that
 * <close> handlers may run now. [-0, +0, -] */
int lev_task_unwind(lua_State *L);

/* Raises the error on top of the stack, which came from another task; its
 * traceback is below it. [-2, +0, v] */
int lev_task_raise(lua_State *L);

/* Pushes the traceback of a task that has not ended. [-0, +1, m] */
void lev_task_traceback(lua_State *L, const lev_task *task);

/* Tells where a task is: the line that waits, or where its function begins;
 * false, and "?", where it has no place any more. [-0, +0, -] */
bool lev_task_place(const lev_task *task, lua_Debug *ar);

/* Pushes the task itself, which is pinned. [-0, +1, -] */
void lev_task_push(lua_State *L, const lev_task *task);

/* Gives the task at an index the name on top of the stack; pushes the name of
 * what stands at an index, or nil, and returns it, or NULL. Few tasks have one,
 * so a table of the state keeps them. [-1, +0, m] [-0, +1, -] */
void lev_task_setname(lua_State *L, int index);
const char *lev_task_name(lua_State *L, int index);

/* Hooks of the type. */
void lev_task_soon(lev_object *self);
void lev_task_due(const lev_frame *f, lev_object *self);
void lev_task_free(lua_State *L, lev_object *self);
bool lev_task_linger(lua_State *L, lev_object *self, bool now);
bool lev_task_pending(const lev_object *self);

#endif
