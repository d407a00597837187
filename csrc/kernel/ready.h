/*
 * The ready queue of a base: functions that run when the outermost callback
 * has returned. One drain calls what was there when it began; the rest waits
 * for the next turn, so a function that defers itself starves nobody.
 */
#ifndef LEV_READY_H
#define LEV_READY_H

#include "kernel/base.h"

/* Makes the queue of the base at an index. [-0, +0, m] */
void lev_ready_open(lua_State *L, int base);

/* Appends the function on top of the stack to the queue of the base at an
 * index. [-1, +0, m] */
void lev_ready_put(lua_State *L, int base);

/* How many functions wait. [-0, +0, -] */
uint32_t lev_ready_count(const lev_base *base);

/* Whether the loop ends when the callback that runs now returns: nothing more
 * of the base may be called. [-0, +0, -] */
bool lev_mustend(const lev_base *base);

/* Does what waits for the outermost callback to return: calls what was
 * deferred, arms the deadlines, delivers log lines. [-0, +0, -] */
void lev_settle(lua_State *L, lev_base *base);

/* The event handler of a base's own events: calls what is due and settles. */
void lev_onwake(evutil_socket_t fd, short what, void *base);

#endif
