/***
A program that was started, until it has ended. Made by @{event_base:process}.

It is watched until it ends, and reaped then. Closing it while it runs kills it.
@classmod libevent.process
*/

#include "io/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/convert.h"
#include "kernel/descriptor.h"
#include "kernel/pin.h"
#include "kernel/result.h"
#include "types/signal.h"

/* Milliseconds in which a process that was killed surely ends. */
enum { LEV_LOOKS = 1000 };

/* Seconds between two looks where the system has no descriptor for a
 * process. */
static const double look_every = 0.02;

/* A descriptor that is readable when the process has ended; -1 if there is none
 * that can be watched. libevent's debug mode aborts on one that blocks. */
static int openprocess(const lev_base *base, pid_t pid) {
  int fd = -1;
#ifdef SYS_pidfd_open
  fd = (int)syscall(SYS_pidfd_open, pid, 0);
#else
  (void)pid;
#endif
  if (fd < 0 || (lev_canwatch(base, fd) && lev_fd_prepare(fd)))
    return fd;
  return lev_fd_drop(fd);
}

static void unwatch(lev_process *self) {
  if (self->fd < 0)
    return;
  event_del(&self->event);
  event_debug_unassign(&self->event);
  close(self->fd);
  self->fd = -1;
}

/* Whether it has ended; it is reaped then. */
static bool reap(lev_process *self) {
  int status = 0;
  if (!self->running)
    return true;
  pid_t pid;
  do {
    pid = waitpid(self->pid, &status, WNOHANG);
  } while (pid < 0 && errno == EINTR);
  if (pid == 0)
    return false;
  self->running = false;
  self->status =
      pid == self->pid ? status : 0; /* somebody else has reaped it */
  unwatch(self);
  return true;
}

/* It has ended: who waits is woken, and it is let go. */
static void finish(lua_State *L, lev_process *self) {
  lev_task_wakeall(&self->waiters, LEV_HAPPENED);
  if (self->head.lingering)
    lev_end(L, &self->head);
  else
    lev_unpin(L, &self->head);
}

static void on_end(evutil_socket_t fd, short what, void *arg) {
  lev_process *self = arg;
  lev_frame f;
  (void)fd, (void)what;
  if (lev_frame_open(&f, self->head.base)) {
    if (reap(self))
      finish(f.L, self);
    lev_frame_close(&f);
  }
}

/* Waits for the event of its end; else its deadline looks again and again. */
static void watch(lev_process *self) {
  self->fd = openprocess(self->head.base, self->pid);
  if (self->fd < 0)
    return;
  event_assign(&self->event, self->head.base->ptr, self->fd,
               EV_READ | EV_PERSIST, on_end, self);
  if (event_add(&self->event, NULL) == 0)
    lev_deadline_del(&self->head);
  else
    unwatch(self);
}

static void due_process(const lev_frame *f, lev_object *object) {
  lev_process *self = (lev_process *)object;
  if (reap(self))
    finish(f->L, self);
  else /* its own entry has just been taken out, so there is room */
    lev_deadline_add(f->L, object, lua_gettop(f->L), look_every);
  lua_settop(f->L, f->top);
}

/***
Starts a program. Descriptors that are not named are not passed on, and signals
do in it what they do by default.
@function event_base:process
@param arguments string[] The program, by its path or looked for in `PATH`, and
its arguments.
@param options? table Any of:
- `env`: table of strings, all its environment; that of this process by default;
- `setenv`: table, what is different in it: strings, and false for what is not
  passed on;
- `directory`: string, where it begins;
- `fds`: table, its descriptors by number: numbers, files, or objects that have
  one; 0, 1 and 2 are those of this process by default, and `false` gives none;
- `limits`: table of integers, in the units of setrlimit(2), by name: `as`,
  `core`, `cpu`, `data`, `fsize`, `nofile`, `nproc`, `stack`;
- `session`, `group`: booleans, whether it begins one of its own;
- `parent_ends`: name of a signal that it gets when this process ends;
- `listen_pid`: boolean, sets `LISTEN_PID` to its number, for sockets it
  inherits.
@return libevent.process? process
@return string? message What has failed, such as `"exec: Permission denied"`.
@return integer? code An errno value.
*/
static int l_process_new(lua_State *L) {
  lev_spawn how;
  const char *what = "";
  lev_base *base = lev_selfcheck(L, &lev_event_base);
  lua_settop(L, 3);
  lev_spawn_read(L, &how);
  lev_process *self = lev_new(L, 1, &lev_process_type);
  int index = lua_gettop(L);
  lev_stillopen(L, &base->head);
  self->fd = -1;
  self->waiters.end = &self->waiters.first;
  self->generation = lev_generation();
  lev_open(&self->head);
  lev_deadline_add(L, &self->head, index, look_every); /* may lack memory */
  self->pid = lev_spawn_start(&how, &what);
  if (self->pid < 0) {
    int code = errno;
    lev_close(L, &self->head);
    return lev_failure(L, what, code);
  }
  self->running = true;
  watch(self);
  return 1;
}

/***
Returns the number of the process.
@function process:pid
@return integer pid
*/
static int l_pid(lua_State *L) {
  const lev_process *self = lev_selfcheck(L, &lev_process_type);
  lua_pushinteger(L, self->pid);
  return 1;
}

/***
Sends a signal.
@function process:kill
@param signal? string|integer As for @{event_base:signal}; `"TERM"` by default.
@return boolean? ok
@return string? message
@return integer? code An errno value, `ESRCH` if it has ended.
*/
static int l_kill(lua_State *L) {
  lev_process *self = lev_selfcheck(L, &lev_process_type);
  int number = lua_isnoneornil(L, 2) ? SIGTERM : lev_signal_check(L, 2);
  if (self->running && reap(self)) { /* no event tells of its end any more */
    lev_deadline_del(&self->head);
    finish(L, self);
  }
  errno = ESRCH;
  return lev_result(L, self->running && kill(self->pid, number) == 0, "kill");
}

static int pushstatus(lua_State *L, int status) {
  if (WIFSIGNALED(status)) {
    lua_pushliteral(L, "signal");
    lev_signal_push(L, WTERMSIG(status));
#ifdef WCOREDUMP
    lua_pushboolean(L, WCOREDUMP(status));
#else
    lua_pushboolean(L, 0);
#endif
    return 3;
  }
  lua_pushliteral(L, "exit");
  lua_pushinteger(L, WEXITSTATUS(status));
  return 2;
}

/***
Tells how the process has ended.
@function process:status
@return string? how `"exit"` or `"signal"`; nil while it runs.
@return integer|string|nil what The exit status, or the name of the signal.
@return boolean? core Whether a signal made it leave a core file.
*/
static int l_status(lua_State *L) {
  const lev_process *self = lev_selfcheck(L, &lev_process_type);
  if (!self->running)
    return pushstatus(L, self->status);
  lua_pushnil(L);
  return 1;
}

static int waitk(lua_State *L, int status, lua_KContext state) {
  (void)status;
  switch (lev_task_woken(L, state)) {
  case LEV_TIMEDOUT:
    return lev_timedout(L);
  case LEV_CLOSED:
    return lev_closed(L);
  default:
    return pushstatus(L, ((const lev_process *)lev_task_object(state))->status);
  }
}

static const lev_waitkind waiting = {
  .what = "the end of",
  .k = waitk,
  .listed = true,
};

/***
Waits until the process has ended. Only a task can.
@function process:wait
@param timeout? number Seconds.
@return string? how As for @{process:status}; nil if the time is over, or it was
closed.
@return integer|string|nil what The message where the first is nil.
@return boolean|integer|nil core
*/
static int l_wait(lua_State *L) {
  lev_process *self = lev_selfcheck(L, &lev_process_type);
  double timeout = lev_opttimeout(L, 2);
  if (!self->running)
    return pushstatus(L, self->status);
  lev_task *task = lev_task_checkat(L, &self->head);
  lua_settop(L, 1);
  return lev_task_wait(L, task, &waiting, &self->waiters.first, &self->head,
                       timeout);
}

/* Whether this process may touch it: not in a forked child. */
static bool isours(const lev_process *self) {
  return self->running && self->generation == lev_generation();
}

/* Closing kills; the object stays until it is reaped. */
static bool linger_process(lua_State *L, lev_object *object, bool now) {
  lev_process *self = (lev_process *)object;
  (void)L;
  if (now || !isours(self) || reap(self))
    return false;
  kill(self->pid, SIGKILL);
  object->lingering = true;
  lev_task_wakeall(&self->waiters, LEV_CLOSED);
  return true;
}

static void free_process(lua_State *L, lev_object *object) {
  lev_process *self = (lev_process *)object;
  (void)L;
  lev_task_wakeall(&self->waiters, LEV_CLOSED);
  if (isours(self) && !reap(self)) {
    kill(self->pid, SIGKILL);
    for (int i = 0; i < LEV_LOOKS && !reap(self); i++)
      poll(NULL, 0, 1);
  }
  self->running = false;
  unwatch(self);
}

static bool pending_process(const lev_object *object) {
  return object->lingering || ((const lev_process *)object)->running;
}

static void describe_process(lua_State *L, const lev_object *object) {
  const lev_process *self = (const lev_process *)object;
  lua_pushfstring(L, "%d ", (int)self->pid);
  if (self->running) {
    lua_pushliteral(L, "running");
  } else {
    int n = pushstatus(L, self->status);
    lua_settop(L, lua_gettop(L) - (n - 2));
    lua_pushliteral(L, " ");
    lua_insert(L, -2);
  }
}

static const luaL_Reg methods[] = {
  { "pid", l_pid },   { "kill", l_kill }, { "status", l_status },
  { "wait", l_wait }, { NULL, NULL },
};

static const luaL_Reg constructors[] = {
  { "process", l_process_new },
  { NULL, NULL },
};

const lev_type lev_process_type = {
  .name = "libevent.process",
  .size = sizeof(lev_process),
  .uservalues = 1,
  .retiring = true,
  .methods = methods,
  .constructors = constructors,
  .free = free_process,
  .linger = linger_process,
  .pending = pending_process,
  .due = due_process,
  .describe = describe_process,
};
