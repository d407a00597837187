/*
 * libevent's log lines on their way to the Lua function that asked for them.
 * They wait in the process (see process.h), since libevent may log anywhere,
 * and are delivered when the outermost callback of a loop has returned.
 */
#ifndef LEV_LOG_H
#define LEV_LOG_H

#include "kernel/base.h"

/* Calls the state's log function with each line that waits. [-0, +0, -] */
void lev_log_deliver(lua_State *L, lev_base *base);

int l_event_set_log_callback(lua_State *L);

#endif
