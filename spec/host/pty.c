/* Programs on a terminal of their own, as specs type to them. A failed call
 * raises. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

enum { MOST = 31 };

static int checked(lua_State *L, int result, const char *what) {
  if (result < 0)
    luaL_error(L, "%s: %s", what, strerror(errno));
  return result;
}

/* In the child: the terminal is its controlling one, and its standard files. */
static void become(int master, char **arguments) {
  const char *name = ptsname(master);
  setsid();
  int fd = name != NULL ? open(name, O_RDWR) : -1;
  if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0)
    _exit(126);
  for (int i = 0; i <= 2; i++)
    dup2(fd, i);
  if (fd > 2)
    close(fd);
  close(master);
  execvp(arguments[0], arguments);
  _exit(127);
}

/* Starts a program, a list of words; returns the descriptor of the terminal's
 * other end, and the process, which leads a session of its own. */
static int l_spawn(lua_State *L) {
  struct winsize size = { .ws_row = 24, .ws_col = 80 };
  char *arguments[MOST + 1] = { NULL };
  luaL_checktype(L, 1, LUA_TTABLE);
  for (int i = 0; i < MOST; i++) {
    lua_rawgeti(L, 1, i + 1);
    if (lua_isstring(L, -1))
      arguments[i] = strdup(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  int master =
      checked(L, posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "openpt");
  checked(L, grantpt(master), "grantpt");
  checked(L, unlockpt(master), "unlockpt");
  checked(L, ioctl(master, TIOCSWINSZ, &size), "TIOCSWINSZ");
  pid_t pid = checked(L, fork(), "fork");
  if (pid == 0)
    become(master, arguments);
  for (int i = 0; i < MOST; i++)
    free(arguments[i]);
  lua_pushinteger(L, master);
  lua_pushinteger(L, pid);
  return 2;
}

/* Reads what the program has written; waits for it so many milliseconds, and
 * returns nil if there is nothing then, false if the program has gone. */
static int l_read(lua_State *L) {
  char data[4096];
  struct pollfd input = { .fd = (int)luaL_checkinteger(L, 1),
                          .events = POLLIN };
  int ready = poll(&input, 1, (int)luaL_checkinteger(L, 2));
  ssize_t n = ready > 0 ? read(input.fd, data, sizeof data) : 0;
  if (n > 0)
    lua_pushlstring(L, data, (size_t)n);
  else if (ready > 0)
    lua_pushboolean(L, 0);
  else
    lua_pushnil(L);
  return 1;
}

/* Gives the terminal a size. */
static int l_resize(lua_State *L) {
  struct winsize size = { .ws_row = (unsigned short)luaL_checkinteger(L, 2),
                          .ws_col = (unsigned short)luaL_checkinteger(L, 3) };
  int fd = (int)luaL_checkinteger(L, 1);
  checked(L, ioctl(fd, TIOCSWINSZ, &size), "TIOCSWINSZ");
  return 0;
}

/* Whether lines are edited by the terminal itself, as usual. */
static int l_usual(lua_State *L) {
  struct termios mode;
  checked(L, tcgetattr((int)luaL_checkinteger(L, 1), &mode), "tcgetattr");
  lua_pushboolean(L, (mode.c_lflag & ICANON) && (mode.c_lflag & ECHO));
  return 1;
}

static const luaL_Reg functions[] = {
  { "spawn", l_spawn }, { "read", l_read }, { "resize", l_resize },
  { "usual", l_usual }, { NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_spec_pty(lua_State *L);

int luaopen_spec_pty(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
