/*
 * Descriptors that an object owns. A set of their numbers stands in the Lua
 * state, so that no two objects come to own the same one: the second close
 * would hit whatever has got the number since.
 */
#ifndef LEV_DESCRIPTOR_H
#define LEV_DESCRIPTOR_H

#include <stdbool.h>

#include <lua.h>

#include "kernel/state.h"

/* Notes that an object now owns a descriptor; 'fresh' is one that the system
 * has just made. false with errno: EBUSY where another owns it already, ENOMEM.
 * [-0, +0, -] */
bool lev_fd_own(lua_State *L, int fd, bool fresh);

/* Notes that no object owns it any more. [-0, +0, -] */
void lev_fd_disown(lev_state *state, int fd);

/* Disowns and closes it; keeps errno. [-0, +0, -] */
void lev_fd_close(lev_state *state, int fd);

/* Makes it non-blocking and close-on-exec; false with errno. [-0, +0, -] */
bool lev_fd_prepare(int fd);

#endif
