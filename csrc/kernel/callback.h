/*
 * The one door from libevent into Lua.
 *
 * A callback runs as one protected call on the main thread of the Lua state,
 * whichever coroutine runs the loop, so nothing unwinds through libevent. From
 * lev_enter to lev_leave only calls that never raise are allowed; the object
 * stands on the Lua stack below its callback, so it outlives the call even if
 * Lua closes and drops it.
 *
 *   lev_frame f;
 *   if (lev_enter(&f, self, LEV_UV_CALLBACK)) {
 *     ... push n arguments to f.L ...
 *     lev_leave(&f, self, n);
 *   }
 *
 * What each callback needs, the message handler and the slot array, stands on
 * the main stack for as long as the loop runs. A callback that does not come
 * straight from the loop, but from a call that Lua made inside another one,
 * cannot reach that part of the stack and pushes its own.
 */
#ifndef LEV_CALLBACK_H
#define LEV_CALLBACK_H

#include "kernel/base.h"
#include "kernel/process.h"
#include "kernel/ready.h"

/* Where a callback stands on the main stack. */
struct lev_frame {
  lua_State *L;
  int handler; /* index of the message handler; the slot array is next */
  int top;     /* what the callback finds and leaves */
  bool own;    /* pushed for this callback */
};

/* Puts the frame of a loop that begins on the main stack, and takes it away.
 * [-0, +0, m] */
void lev_frame_begin(lua_State *L, lev_base *base);
void lev_frame_end(lev_base *base);

/* Finds or pushes the frame of one callback; false if the Lua stack has no room
 * or the base is being collected. [-0, +0 or +2, -] */
static inline bool lev_frame_open(lev_frame *f, lev_base *base);
static inline void lev_frame_close(const lev_frame *f);

/* Begins a callback of a pinned object: pushes the object, the callback and the
 * object again, as its first argument. false if there is no such callback.
 * [-0, +3, -] */
bool lev_enter(lev_frame *f, lev_object *self, int uservalue);

/* The same, false for an object that is not pinned, too; but a C function is
 * what is called, inside the protected call, so that it may allocate. It gets
 * the callback first, or nil if 'uservalue' is 0, then the object, then what is
 * pushed; lev_leave gets one more than that. [-0, +4, -] */
bool lev_entercall(lev_frame *f, lev_object *self, int uservalue,
                   lua_CFunction call);

/* The same as lev_enter in an open frame, with the object on top of the stack
 * already. [-0, +2, -] */
bool lev_entertop(const lev_frame *f, lev_object *self, int uservalue);

/* Calls the callback with the object and n more arguments, reports its error,
 * unpins the object if it is idle now, and when it was the outermost callback
 * of the base settles what waited for that. [-(3+n), +0, -] */
void lev_leave(const lev_frame *f, lev_object *self, int n);

/* Enters, with the letters r, w, c and t of a set as the one argument, and
 * leaves. [-0, +0, -] */
void lev_callwhat(lev_object *self, int uservalue, int what);

/* lev_leave, but the frame stays open. [-(3+n), +0, -] */
void lev_leavetop(const lev_frame *f, lev_object *self, int n);

/* Counts a callback, or the resumption of a task, as over: settles what waited
 * for the outermost one. [-0, +0, -] */
static inline void lev_depart(lev_base *base) {
  if (--base->depth == 0 &&
      (base->unsettled || lev_log_lines > 0 || lev_isforeign(base)))
    lev_settle(base->state->main, base);
}

/* Tells whether the Lua stack has room for a callback; if not, breaks the loop
 * and lets it raise. [-0, +0, -] */
bool lev_room(lua_State *L, lev_base *base);

/* Hands an error to the base's on_error or, where there is none or it fails
 * too, keeps it for loop to raise and breaks the loop. The error is on top of
 * the stack; 'index' is the object or 0; status is lua_pcall's.
 * [-1, +0, -] */
void lev_report(lua_State *L, lev_base *base, int index, int status);

/* Reports an error string that stands in the state's table. [-0, +0, -] */
void lev_reportat(lua_State *L, lev_base *base, int place);

/* The message handler: keeps the error at index 1 as it is and leaves its
 * traceback in the state's table. Another handler that calls it from Lua gives
 * it any second argument: the traceback begins above both. [-0, +0, -] */
int lev_handler(lua_State *L);

/* Calls the function on top of the stack, with nothing, for the base.
 * [-1, +0, -] */
void lev_callfor(lua_State *L, lev_base *base);

/* Pushes the message handler. [-0, +1, -] */
void lev_pushhandler(lua_State *L);

/* Pushes the base; some other value while it is being collected.
 * [-0, +1, -] */
void lev_pushbase(lua_State *L, const lev_base *base);

/* lev_frame_open where the frame of the loop is out of reach. */
bool lev_frame_push(lev_frame *f, lev_base *base);

/* Whether a callback comes straight from our loop, and its frame then. */
static inline bool lev_isstraight(const lev_base *base) {
  return base->depth == 0 && base->frame != 0;
}

static inline lev_frame lev_frame_straight(const lev_base *base) {
  return (lev_frame){ base->state->main, base->frame, base->frame + 1, false };
}

static inline bool lev_frame_open(lev_frame *f, lev_base *base) {
  if (!lev_isstraight(base))
    return lev_frame_push(f, base);
  *f = lev_frame_straight(base);
  return true;
}

static inline void lev_frame_close(const lev_frame *f) {
  if (f->own)
    lua_settop(f->L, f->handler - 1);
}

#endif
