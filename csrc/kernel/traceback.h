/*
 * Tells where the Lua code of a process that hangs is, when a signal comes;
 * then the signal does what it does by default.
 *
 * The handler only reads Lua's stacks, and sets a count hook on the Lua thread
 * that runs, which writes a traceback with the next instruction. If the signal
 * comes again before that, the thread is where no hook is called, such as in a
 * C function: then the handler writes the lines itself, and allocates nothing.
 *
 * - A hook that was there is kept and comes back, by the hook that took its
 *   place: threads that may have gone are only compared, never touched.
 * - A coroutine that runs is found by what has resumed it: coroutine.resume has
 *   it as argument 1, a function of coroutine.wrap as its upvalue.
 * - The state of a process that has it is told by its own thread: a signal that
 *   comes to another thread is passed on.
 */
#ifndef LEV_TRACEBACK_H
#define LEV_TRACEBACK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "kernel/object.h"
#include "kernel/state.h"

/* Lets a signal tell of a Lua state; its name is for the text. Replaces the one
 * that does. false with errno: EBUSY where another state has one, or a base
 * watches the signal. [-0, +0, -] */
bool lev_traceback_on(lev_state *state, int number, const char *name);

/* Undoes that, if it is done for that state. [-0, +0, -] */
void lev_traceback_off(const lev_state *state);

/* Undoes it in a forked child. [-0, +0, -] */
void lev_traceback_forget(void);

/* Whether that signal does it. [-0, +0, -] */
bool lev_traceback_has(int number);

/* Whether a signal has come, and nothing was told yet. */
LEV_HIDDEN extern atomic_bool lev_traceback_due;

/* Lets a thread tell. [-0, +0, -] */
void lev_traceback_hook(const lev_state *state, lua_State *L);

/* To be called before a thread is resumed. [-0, +0, -] */
static inline void lev_traceback_resume(const lev_state *state, lua_State *co) {
  if (atomic_load_explicit(&lev_traceback_due, memory_order_relaxed))
    lev_traceback_hook(state, co);
}

#endif
