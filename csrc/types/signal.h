#ifndef LEV_TYPES_SIGNAL_H
#define LEV_TYPES_SIGNAL_H

#include "kernel/object.h"

extern const lev_type lev_signal;

/* Pushes the name of a signal without SIG, or its number if it has none.
 * [-0, +1, m] */
void lev_signal_push(lua_State *L, int number);

/* Reads an argument that is the name or the number of a signal. [-0, +0, v] */
int lev_signal_check(lua_State *L, int arg);

int l_traceback_on(lua_State *L);

#endif
