#ifndef LEV_IO_PROCESS_H
#define LEV_IO_PROCESS_H

#include <event2/event_struct.h>

#include "kernel/spawn.h"
#include "kernel/task.h"

typedef struct lev_process {
  lev_object head;
  struct event event; /* of the descriptor that stands for the process */
  lev_waiters waiters;
  int fd; /* that one; or -1 where the system has none, or it is over */
  pid_t pid;
  int status; /* as waitpid tells it, when it is over */
  bool running;
  uint32_t generation; /* of the process that has started it */
} lev_process;

extern const lev_type lev_process_type;

/* Reads how to start a program: the arguments at 2, the options at 3. What the
 * result points to stands on the stack. [-0, +n, v] */
void lev_spawn_read(lua_State *L, lev_spawn *how);

#endif
