#ifndef LEV_TYPES_SOCKET_H
#define LEV_TYPES_SOCKET_H

#include "kernel/object.h"

typedef struct lev_socket {
  lev_object head;
  int fd;
} lev_socket;

extern const lev_type lev_socket_type;

/* Gives a new socket a descriptor that the system has just made; false, and
 * the descriptor is closed, if there is no memory. [-0, +0, -] */
bool lev_socket_open(lua_State *L, lev_socket *self, int fd);

/* Raises if a finalizer has closed the socket at 'arg' since it was checked;
 * NULL where there is none. [-0, +0, v] */
void lev_socket_recheck(lua_State *L, int arg, const lev_socket *socket);

/* Takes the descriptor out of an open socket, which is closed then. The
 * descriptor stays owned: by the caller. [-0, +0, -] */
int lev_socket_take(lua_State *L, lev_socket *self);

/* Shuts down sides of a connection given as letters. [-0, +0, v] */
int lev_checkhow(lua_State *L, int arg);

/* Pushes who is at the other side of a unix socket, or the failure. Returns how
 * many. [-0, +3, m] */
int lev_pushpeercred(lua_State *L, int fd);

/* A function and methods of the other files. */
int l_socket_connect(lua_State *L);
int l_socket_connected(lua_State *L);
int l_socket_peercred(lua_State *L);

#endif
