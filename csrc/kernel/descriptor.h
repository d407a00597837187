/*
 * Descriptors that an object owns. A set of their numbers stands in the Lua
 * state, so that no two objects come to own the same one: the second close
 * would hit whatever has got the number since.
 */
#ifndef LEV_DESCRIPTOR_H
#define LEV_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <lua.h>

#include "kernel/state.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SIGPIPE is ignored anyway: see process.h */
#endif

/* Makes a socket that is non-blocking and close-on-exec; -1 with errno.
 * [-0, +0, -] */
int lev_fd_socket(int family, int type);

/* Closes one that no object owns; keeps errno, and returns -1. [-0, +0, -] */
int lev_fd_drop(int fd);

/* Notes that an object now owns one that the system has just made, and returns
 * it; -1 with errno if there is no memory, and it is closed. Takes -1 for
 * granted. [-0, +0, -] */
int lev_fd_adopt(lua_State *L, int fd);

/* The same for one that somebody else has opened, and that stays open; false
 * with errno: EBUSY where an object owns it already, ENOMEM. [-0, +0, -] */
bool lev_fd_own(lua_State *L, int fd);

/* Notes that no object owns it any more. [-0, +0, -] */
void lev_fd_disown(lev_state *state, int fd);

/* Disowns and closes it; keeps errno. [-0, +0, -] */
void lev_fd_close(lev_state *state, int fd);

/* As writev, but without SIGPIPE. [-0, +0, -] */
ssize_t lev_fd_send(int fd, const struct iovec *v, int n);

/* How many bytes the system has that nobody has read; and those that were sent
 * and that the peer does not have yet: they are lost if more comes from it
 * after a close. [-0, +0, -] */
size_t lev_fd_unread(int fd);
size_t lev_fd_unacked(int fd);

/* Which of some events of poll(2) are there now, and POLLERR, POLLHUP,
 * POLLNVAL; no signal hides them. [-0, +0, -] */
short lev_fd_ready(int fd, short wanted);

/* Makes it non-blocking and close-on-exec; false with errno. [-0, +0, -] */
bool lev_fd_prepare(int fd);

#endif
