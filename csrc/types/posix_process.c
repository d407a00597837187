/* What a process knows of itself, and what it does as the parent of others. */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "kernel/convert.h"
#include "kernel/process.h"
#include "kernel/result.h"
#include "types/posix.h"
#include "types/signal.h"

/***
Returns the user that the process acts for. Wraps `geteuid`.
@function posix.geteuid
@return integer uid
*/
static int l_geteuid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)geteuid());
  return 1;
}

/***
Returns the number of the process. Wraps `getpid`.
@function posix.getpid
@return integer pid
*/
static int l_getpid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

/***
Returns the number of the parent: another one, once that has ended. Wraps
`getppid`.
@function posix.getppid
@return integer pid
*/
static int l_getppid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getppid());
  return 1;
}

/***
Returns how many processors this process may run on. Does the work of
`sched_getaffinity` where the system has it.
@function posix.processors
@return integer n At least 1.
*/
static int l_processors(lua_State *L) {
  long n = 0;
#ifdef CPU_COUNT
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    n = CPU_COUNT(&set);
#endif
  if (n < 1)
    n = sysconf(_SC_NPROCESSORS_ONLN);
  lua_pushinteger(L, n > 1 ? n : 1);
  return 1;
}

/***
Sets what `ps` shows as the command of the process. Wraps `prctl` with
`PR_SET_NAME`, and is to be called in the first thread.
@function posix.setname
@param name string Its first 15 bytes count.
@return boolean? ok
@return string? message
@return integer? code An errno value, `ENOSYS` where the system has none.
*/
static int l_setname(lua_State *L) {
  const char *name = lev_checktext(L, 1);
#ifdef PR_SET_NAME
  return lev_result(L, prctl(PR_SET_NAME, name) == 0, "setname");
#else
  return lev_failure(L, "setname", ENOSYS);
#endif
}

/***
Lets a signal do nothing, until it is watched, and again after that. Programs
that @{event_base:process} starts are not told to ignore it; those of
`os.execute` and `io.popen` are. Where `CHLD` is ignored, how children end is
lost. Wraps `sigaction` with `SIG_IGN`.
@function posix.ignore
@param signal string|integer As for @{event_base:signal}.
@return boolean? ok
@return string? message
@return integer? code An errno value: `EINVAL` for a signal that cannot be
ignored, `EBUSY` while it is watched.
*/
static int l_ignore(lua_State *L) {
  int number = lev_signal_check(L, 1);
  return lev_result(L, lev_signals_ignore(number), "ignore");
}

/* Whether a monitor has started this process, and would start another. */
static bool isworker(void) {
  const char *pid = getenv("LISTEN_PID");
  return pid != NULL && getenv("EVRUN_CHANNEL") != NULL &&
         strtol(pid, NULL, 10) == (long)getpid();
}

/***
Lets `ALRM` come once after so much time; 0 for never. It ends the process where
nobody watches it, so that only the worker of a monitor may ask for that. Each
call takes the place of the one before. It comes whatever the process does, and
when it goes on, where it was stopped by then. Forked children and programs that
are started have no alarm; one that takes the place of this program keeps it.
Does the work of `alarm`, and wraps `setitimer` with `ITIMER_REAL`.
@function posix.alarm
@param seconds number Exact to a microsecond.
@return number? left Seconds that were left of the one before; 0 if there was
none.
@return string? message
@return integer? code `EPERM` where nobody watches `ALRM`, and no monitor this
process.
*/
static int l_alarm(lua_State *L) {
  double seconds = lev_checkseconds(L, 1);
  if (seconds > 0 && !isworker() && !lev_signals_watched(SIGALRM))
    return lev_failure(L, "alarm", EPERM);
  struct itimerval before, timer = { .it_value = lev_timeval(seconds) };
  if (seconds > 0 && timer.it_value.tv_sec == 0)
    timer.it_value.tv_usec += timer.it_value.tv_usec == 0; /* never is 0 */
  if (setitimer(ITIMER_REAL, &timer, &before) != 0)
    return luaL_argerror(L, 1, "more than the system can wait for");
  lua_pushnumber(L, lev_seconds(&before.it_value));
  return 1;
}

/* The number of a child that has ended, which is left as it is; 0 if there is
 * none. */
static pid_t ended(void) {
  siginfo_t info;
  info.si_pid = 0;
  while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    if (errno != EINTR)
      return 0;
  }
  return info.si_pid;
}

/***
Reaps children that have ended and that nobody else waits for, such as those
that a process gets whose number is 1. Does the work of `waitid` and `waitpid`.
@function posix.reap
@param known table Its keys are the numbers of the children that are left alone:
those of @{event_base:process}, and of `io.popen`.
@return integer n How many were reaped.
@return boolean blocked Whether one that is known has ended and is in the way:
others may be behind it, and can be reaped once it was.
*/
static int l_reap(lua_State *L) {
  lua_Integer n = 0;
  bool blocked = false;
  luaL_checktype(L, 1, LUA_TTABLE);
  for (pid_t pid; !blocked && (pid = ended()) > 0;) {
    blocked = lua_rawgeti(L, 1, pid) != LUA_TNIL;
    lua_pop(L, 1);
    if (!blocked && waitpid(pid, NULL, WNOHANG) == pid)
      n++;
  }
  lua_pushinteger(L, n);
  lua_pushboolean(L, blocked);
  return 2;
}

const luaL_Reg lev_posix_process[] = {
  { "geteuid", l_geteuid }, { "getpid", l_getpid },
  { "getppid", l_getppid }, { "processors", l_processors },
  { "setname", l_setname }, { "ignore", l_ignore },
  { "alarm", l_alarm },     { "reap", l_reap },
  { NULL, NULL },
};
