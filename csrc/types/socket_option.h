/*
 * Options of sockets by name, for every type that has a descriptor: what
 * setsockopt and getsockopt of their methods do, and the same in two steps for
 * constructors that take options.
 */
#ifndef LEV_TYPES_SOCKET_OPTION_H
#define LEV_TYPES_SOCKET_OPTION_H

#include <stdbool.h>
#include <sys/socket.h>

#include <lua.h>

#include "kernel/interface.h"

typedef struct lev_option lev_option;

/* What an option is to be set to. */
typedef union lev_optionvalue {
  int number;
  struct linger linger;
  char interface[LEV_INTERFACE];
} lev_optionvalue;

/* The option of that name; NULL if there is none, such as where the system does
 * not have it. [-0, +0, -] */
const lev_option *lev_option_find(const char *name);

/* Reads a value at an index; NULL, or what was expected there. [-0, +0, -] */
const char *lev_option_read(lua_State *L, int index, const lev_option *option,
                            lev_optionvalue *value);

/* Sets an option; false with errno. [-0, +0, -] */
bool lev_option_set(int fd, const lev_option *option,
                    const lev_optionvalue *value);

/* Methods of an object with that descriptor, which the caller has checked:
 * the name of the option is at 2, its value at 3. [-0, +1 or +3, v] */
int lev_setsockopt(lua_State *L, int fd);
int lev_getsockopt(lua_State *L, int fd);

#endif
