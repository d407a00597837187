#ifndef LEV_IO_TASK_H
#define LEV_IO_TASK_H

#include "kernel/task.h"

extern const lev_type lev_task_type;
extern const lev_type lev_scope_type;
extern const lev_type lev_condition_type;

/* Makes a task, leaves it at 3 and returns 1. The base stands at 1, the scope
 * or nil at 2, the function and its arguments from 3 on. [-0, +1, v] */
int lev_task_spawn(lua_State *L);

/* Methods and functions of the other files. */
int l_running(lua_State *L);
int l_in_loop(lua_State *L);
int l_sleep(lua_State *L);
int l_timeout(lua_State *L);
int l_pcall(lua_State *L);

#endif
