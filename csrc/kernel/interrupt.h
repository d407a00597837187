/*
 * Stops Lua code that does not come back by itself.
 *
 * A task is armed before it starts: a count hook looks now and then whether it
 * has to stop, since a signal came or its instructions are used up. Coroutines
 * that it makes inherit the hook; tasks that it spawns do not. A task that has
 * to stop is raised an error in, again and again until it has ended, so that no
 * pcall keeps it alive. Code of our own Lua layer is not stopped in its middle,
 * nor is what is told of an error.
 *
 * The signal is one that a base watches too, which then does what is left to
 * do. If it comes a second time and the base has not done so, whatever Lua code
 * runs is stopped, once, armed or not. A C function that does not return is out
 * of reach.
 */
#ifndef LEV_INTERRUPT_H
#define LEV_INTERRUPT_H

#include <stdbool.h>

#include "kernel/state.h"

/* Lets a signal that libevent watches, for an owner, interrupt the code of a
 * Lua state; one signal of the process can. false if another does.
 * [-0, +0, -] */
bool lev_interrupt_watch(lev_state *state, const void *owner, int number);

/* Whether it does for that owner; a forked child begins without.
 * [-0, +0, -] */
bool lev_interrupt_watches(const void *owner);

/* Undoes that, for the owner that it was done for. [-0, +0, -] */
void lev_interrupt_unwatch(const void *owner);

/* Undoes it for a Lua state that closes. [-0, +0, -] */
void lev_interrupt_off(const lev_state *state);

/* Notes that no signal interrupts any more. [-0, +0, -] */
void lev_interrupt_forget(void);

/* Whether the signal has come, which is forgotten then. [-0, +0, -] */
bool lev_interrupt_take(void);

/* Arms a task that has not ended; it may run so many instructions, or any
 * number if 'limit' is 0. [-0, +0, m] */
void lev_interrupt_arm(lua_State *L, const lev_task *task, lua_Integer limit);

/* Lets what an armed task calls next not be stopped for its limit, and then
 * what follows be stopped as before: returns, and gets, how often it is looked
 * at. [-0, +0, -] */
int lev_interrupt_pause(lua_State *L);
void lev_interrupt_resume(lua_State *L, int period);

/* Takes the hook off that a new coroutine has inherited. [-0, +0, -] */
void lev_interrupt_spare(lua_State *co);

#endif
