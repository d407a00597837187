/* What the specs need of POSIX: descriptors, processes, limits. Numbers in,
 * numbers out; a failed call raises. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

static int checked(lua_State *L, int result, const char *what) {
  if (result < 0)
    luaL_error(L, "%s: %s", what, strerror(errno));
  return result;
}

static int arg(lua_State *L, int n) {
  return (int)luaL_checkinteger(L, n);
}

static int l_pipe(lua_State *L) {
  int fds[2];
  checked(L, pipe2(fds, O_NONBLOCK | O_CLOEXEC), "pipe2");
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* Two sockets; of datagrams where that is wanted. */
static int l_socketpair(lua_State *L) {
  int fds[2];
  int type = lua_toboolean(L, 1) ? SOCK_DGRAM : SOCK_STREAM;
  checked(L, socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
          "socketpair");
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* A connection to a port of 127.0.0.1. */
static int l_connect(lua_State *L) {
  struct sockaddr_in to = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t)arg(L, 1)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  int fd = checked(L, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
    close(fd);
    return luaL_error(L, "connect: %s", strerror(errno));
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  lua_pushinteger(L, fd);
  return 1;
}

/* A UDP socket that nothing was done with, of IPv6 where that is wanted. */
static int l_datagram(lua_State *L) {
  int family = lua_toboolean(L, 1) ? AF_INET6 : AF_INET;
  lua_pushinteger(
      L, checked(L, socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  return 1;
}

/* A socket whose addresses are none of a network. */
static int l_netlink(lua_State *L) {
  lua_pushinteger(
      L, checked(L, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0), "socket"));
  return 1;
}

/* A unix socket of datagrams, bound to a path, or to what comes after "@". */
static int l_receiver(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  luaL_argcheck(L, length <= sizeof at.sun_path, 1, "too long");
  memcpy(at.sun_path, name, length);
  if (name[0] == '@')
    at.sun_path[0] = '\0';
  int fd =
      checked(L, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
              "socket");
  if (bind(fd, (const struct sockaddr *)&at,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0) {
    close(fd);
    return luaL_error(L, "bind: %s", strerror(errno));
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* Closes a connection so that the peer gets a reset. */
static int l_reset(lua_State *L) {
  struct linger at_once = { 1, 0 };
  setsockopt(arg(L, 1), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  checked(L, close(arg(L, 1)), "close");
  return 0;
}

static int l_shutdown(lua_State *L) {
  checked(L, shutdown(arg(L, 1), SHUT_WR), "shutdown");
  return 0;
}

/* Sends a byte of urgent data. */
static int l_urgent(lua_State *L) {
  checked(L, (int)send(arg(L, 1), "!", 1, MSG_OOB), "send");
  return 0;
}

static int l_open(lua_State *L) {
  int flags = O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC;
  lua_pushinteger(
      L, checked(L, open(luaL_checkstring(L, 1), flags, 0600), "open"));
  return 1;
}

static int l_close(lua_State *L) {
  checked(L, close(arg(L, 1)), "close");
  return 0;
}

static int l_dup(lua_State *L) {
  int fd = fcntl(arg(L, 1), F_DUPFD_CLOEXEC, 0);
  if (fd < 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, fd);
  return 1;
}

static int l_write(lua_State *L) {
  size_t length;
  const char *data = luaL_checklstring(L, 2, &length);
  ssize_t n = write(arg(L, 1), data, length);
  lua_pushinteger(L, checked(L, (int)n, "write"));
  return 1;
}

static int l_read(lua_State *L) {
  char data[4096];
  ssize_t n = read(arg(L, 1), data, sizeof data);
  if (n < 0) {
    lua_pushnil(L);
    lua_pushinteger(L, errno);
    return 2;
  }
  lua_pushlstring(L, data, (size_t)n);
  return 1;
}

/* The descriptors that are open, as a set. */
static int l_descriptors(lua_State *L) {
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL)
    return luaL_error(L, "/proc/self/fd: %s", strerror(errno));
  lua_newtable(L);
  for (struct dirent *e; (e = readdir(directory)) != NULL;) {
    int fd = atoi(e->d_name);
    if (e->d_name[0] != '.' && fd != dirfd(directory)) {
      lua_pushboolean(L, 1);
      lua_rawseti(L, -2, fd);
    }
  }
  closedir(directory);
  return 1;
}

/* Sets the soft limit of descriptors; returns what it was. */
static int l_nofile(lua_State *L) {
  struct rlimit limit;
  checked(L, getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
  limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  checked(L, setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  return 1;
}

static int l_getpid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* For the programs that are started from now on. */
static int l_setenv(lua_State *L) {
  return checked(L, setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 1),
                 "setenv");
}

static int l_kill(lua_State *L) {
  checked(L, kill((pid_t)arg(L, 1), arg(L, 2)), "kill");
  return 0;
}

/* Sends a signal to this thread: it is delivered before the call returns. */
static int l_raise(lua_State *L) {
  checked(L, raise(arg(L, 1)), "raise");
  return 0;
}

static void *raiser(void *number) {
  raise(*(int *)number);
  return NULL;
}

/* Sends a signal to a thread that there is for it alone. */
static int l_raise_elsewhere(lua_State *L) {
  int number = arg(L, 1);
  pthread_t thread;
  errno = pthread_create(&thread, NULL, raiser, &number);
  checked(L, errno == 0 ? 0 : -1, "pthread_create");
  pthread_join(thread, NULL);
  return 0;
}

/* Lets a signal do what it does by default, one of glibc's own, too: those,
 * which sigaction refuses, are ignored in what make and posix_spawn start. */
static int l_inborn(lua_State *L) {
  unsigned long action[8] = { 0 };
  checked(L, (int)syscall(SYS_rt_sigaction, arg(L, 1), action, NULL, NSIG / 8),
          "rt_sigaction");
  return 0;
}

static int l_fork(lua_State *L) {
  lua_pushinteger(L, checked(L, fork(), "fork"));
  return 1;
}

/* Waits for a child; returns "exit" or "signal" and the number. */
static int l_wait(lua_State *L) {
  int status;
  checked(L, waitpid((pid_t)arg(L, 1), &status, 0), "waitpid");
  lua_pushstring(L, WIFEXITED(status) ? "exit" : "signal");
  lua_pushinteger(L,
                  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return 2;
}

/* Makes this process the parent of orphans among its descendants. */
static int l_subreaper(lua_State *L) {
  checked(L, prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
  return 0;
}

/* Ends a forked child without any finalizer or handler, but those that note
 * what it has covered. */
static int l_exit(lua_State *L) {
  fflush(NULL);
#ifdef LEV_COVERAGE
  close_range(STDERR_FILENO + 1, ~0U, 0); /* there may be none left for that */
  exit(arg(L, 1));
#else
  _exit(arg(L, 1));
#endif
}

/* Works for so many seconds without giving the processor away. */
static int l_spin(lua_State *L) {
  struct timespec now;
  double until = -1, t = 0;
  for (; until < 0 || t < until;) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    t = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    if (until < 0)
      until = t + luaL_checknumber(L, 1);
  }
  return 0;
}

/* Lets SIGALRM end the process after so many seconds; 0 calls that off. */
static int l_alarm(lua_State *L) {
  alarm((unsigned)arg(L, 1));
  return 0;
}

/* Resident memory of this process in KiB. */
static int l_rss(lua_State *L) {
  long total = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &total, &resident) != 2)
    return luaL_error(L, "/proc/self/statm");
  fclose(file);
  lua_pushinteger(L, resident * sysconf(_SC_PAGESIZE) / 1024);
  return 1;
}

static lua_Integer refused;

/* Notes warnings of finalizers that could not be called, and drops all. */
static void on_warning(void *data, const char *text, int continues) {
  (void)data, (void)continues;
  if (strstr(text, "stack overflow") != NULL)
    refused++;
}

/* How many finalizers, since it was asked last, Lua could not call as a stack
 * was at its end; from the first time on no warning is printed. */
static int l_refused(lua_State *L) {
  lua_setwarnf(L, on_warning, NULL);
  lua_pushinteger(L, refused);
  refused = 0;
  return 1;
}

static int close_file(lua_State *L) {
  luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

/* A terminal that changes no byte: the descriptor of its master, and a file of
 * io that is the terminal. */
static int l_terminal(lua_State *L) {
  struct termios raw;
  int master = checked(
      L, posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), "openpt");
  checked(L, grantpt(master), "grantpt");
  checked(L, unlockpt(master), "unlockpt");
  lua_pushinteger(L, master);
  luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
  file->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd =
      checked(L, open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), "open");
  checked(L, tcgetattr(fd, &raw), "tcgetattr");
  cfmakeraw(&raw);
  checked(L, tcsetattr(fd, TCSANOW, &raw), "tcsetattr");
  file->f = fdopen(fd, "w");
  file->closef = close_file;
  return 2;
}

static const luaL_Reg functions[] = {
  { "pipe", l_pipe },         { "socketpair", l_socketpair },
  { "open", l_open },         { "close", l_close },
  { "dup", l_dup },           { "write", l_write },
  { "read", l_read },         { "descriptors", l_descriptors },
  { "nofile", l_nofile },     { "getpid", l_getpid },
  { "setenv", l_setenv },     { "kill", l_kill },
  { "raise", l_raise },       { "raise_elsewhere", l_raise_elsewhere },
  { "inborn", l_inborn },     { "fork", l_fork },
  { "wait", l_wait },         { "exit", l_exit },
  { "spin", l_spin },         { "connect", l_connect },
  { "datagram", l_datagram }, { "reset", l_reset },
  { "shutdown", l_shutdown }, { "urgent", l_urgent },
  { "rss", l_rss },           { "alarm", l_alarm },
  { "terminal", l_terminal }, { "subreaper", l_subreaper },
  { "receiver", l_receiver }, { "netlink", l_netlink },
  { "refused", l_refused },   { NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_spec_posix(lua_State *L);

int luaopen_spec_posix(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
