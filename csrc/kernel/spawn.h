/*
 * Starting programs. All that the child needs is prepared before the fork,
 * since only calls that are safe in a signal handler may be made between that
 * and the exec; what fails there is told to the parent.
 */
#ifndef LEV_SPAWN_H
#define LEV_SPAWN_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

typedef struct lev_spawn {
  const char *const *paths; /* tried one after the other; NULL ends them */
  char *const *argv, *const *envp;
  const char *directory; /* or NULL */
  struct {
    int from, to;
  } * fds; /* all that the child gets */
  int nfds;
  struct {
    unsigned resource;
    struct rlimit limit;
  } * limits;
  int nlimits;
  char *pid;      /* where the child writes its own, ten digits; or NULL */
  bool session;   /* it begins a session of its own */
  bool group;     /* it begins a process group of its own */
  int parentdies; /* the signal that it gets when its parent ends; or 0 */
} lev_spawn;

/* Starts a program: its process, or -1 with errno, which may come from the
 * child. 'what' is set to what has failed. [-0, +0, -] */
pid_t lev_spawn_start(const lev_spawn *how, const char **what);

#endif
