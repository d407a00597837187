/* How to start a program, as Lua says it. What is read is copied to where no
 * script can change it, and stands on the stack until the program is
 * started. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/process.h"
#include "kernel/convert.h"
#include "types/signal.h"

extern char **environ;

enum {
  LEV_ARGUMENTS = 2,
  LEV_OPTIONS = 3,
  LEV_MOST = 65536, /* arguments */
  LEV_LAST = 255    /* the highest number of a descriptor */
};

static const char listen_pid[] = "LISTEN_PID=";

/* Makes an array of the strings of the list on top of the stack, which no
 * script can reach, and leaves a block instead of it. [-1, +1, m] */
static char **pack(lua_State *L) {
  size_t n = lua_rawlen(L, -1), bytes = 0;
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    bytes += lua_rawlen(L, -1) + 1;
    lua_pop(L, 1);
  }
  char **list = lua_newuserdatauv(L, (n + 1) * sizeof *list + bytes, 0);
  char *at = (char *)(list + n + 1);
  lua_insert(L, -2);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    size_t size = lua_rawlen(L, -1) + 1;
    list[i] = memcpy(at, lua_tostring(L, -1), size);
    at += size;
    lua_pop(L, 1);
  }
  list[n] = NULL;
  lua_pop(L, 1);
  return list;
}

/* The value on top of the stack, a string without zeros. */
static const char *checktext(lua_State *L, int arg, const char *what) {
  if (lua_type(L, -1) != LUA_TSTRING ||
      strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
    luaL_argerror(
        L, arg, lua_pushfstring(L, "%s: string without zeros expected", what));
  return lua_tostring(L, -1);
}

static char **readarguments(lua_State *L) {
  luaL_checktype(L, LEV_ARGUMENTS, LUA_TTABLE);
  lua_Integer n = luaL_len(L, LEV_ARGUMENTS);
  luaL_argcheck(L, n >= 1 && n <= LEV_MOST, LEV_ARGUMENTS,
                "a program and its arguments expected");
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, LEV_ARGUMENTS, i);
    checktext(L, LEV_ARGUMENTS, "argument");
    lua_rawseti(L, -2, i);
  }
  return pack(L);
}

/* Appends "name=value" to the list at an index. */
static void append(lua_State *L, int list, const char *name,
                   const char *value) {
  lua_pushfstring(L, "%s=%s", name, value);
  lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* Whether this is to be replaced by a LISTEN_PID of the child's own. */
static bool replaced(bool own, const char *text) {
  return own && strncmp(text, listen_pid, sizeof listen_pid - 1) == 0;
}

/* Adds the strings of the table that an option names; a false removes, where
 * that is possible, and is noted as such in the table 'changed' of names. */
static void addtable(lua_State *L, int list, const char *option, int changed) {
  int env = lua_gettop(L);
  const char *what = lua_pushfstring(L, "option '%s'", option);
  if (!lua_istable(L, env))
    lev_optionerror(L, LEV_OPTIONS, option, "table expected");
  lua_pushnil(L);
  while (lua_next(L, env)) {
    bool removes =
        changed != 0 && lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    const char *value = removes ? NULL : checktext(L, LEV_OPTIONS, what);
    lua_pushvalue(L, -2);
    const char *name = checktext(L, LEV_OPTIONS, what);
    if (name[0] == '\0' || strchr(name, '=') != NULL)
      lev_optionerror(L, LEV_OPTIONS, option, "a name without = expected");
    if (value != NULL)
      append(L, list, name, value);
    if (changed != 0) {
      lua_pushboolean(L, 1);
      lua_rawset(L, changed);
    } else {
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
}

/* Whether a table of names has that of "name=value". */
static bool haschanged(lua_State *L, int names, const char *text) {
  const char *end = strchr(text, '=');
  lua_pushlstring(L, text, end != NULL ? (size_t)(end - text) : strlen(text));
  bool has = lua_rawget(L, names) != LUA_TNIL;
  lua_pop(L, 1);
  return has;
}

/* Moves what is to be passed on from one list to another. */
static void passon(lua_State *L, int from, int to, int changed, bool own) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, from);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, from, i);
    const char *text = lua_tostring(L, -1);
    if (replaced(own, text) || (changed != 0 && haschanged(L, changed, text)))
      lua_pop(L, 1);
    else
      lua_rawseti(L, to, (lua_Integer)lua_rawlen(L, to) + 1);
  }
}

/* The environment; where the child writes its number into it. */
static char **readenvironment(lua_State *L, char **pid) {
  bool own = lev_optboolean(L, LEV_OPTIONS, "listen_pid", false);
  lua_newtable(L); /* what it is */
  lua_newtable(L); /* what is inherited */
  lua_newtable(L); /* the names that are changed */
  lua_newtable(L); /* what they are changed to */
  int list = lua_gettop(L) - 3;
  if (lua_getfield(L, LEV_OPTIONS, "env") != LUA_TNIL) {
    addtable(L, list + 1, "env", 0);
  } else {
    for (char **each = environ; *each != NULL; each++) {
      lua_pushstring(L, *each);
      lua_rawseti(L, list + 1, (lua_Integer)lua_rawlen(L, list + 1) + 1);
    }
  }
  if (lua_getfield(L, LEV_OPTIONS, "setenv") != LUA_TNIL)
    addtable(L, list + 3, "setenv", list + 2);
  passon(L, list + 1, list, list + 2, own);
  passon(L, list + 3, list, 0, own);
  if (own)
    append(L, list, "LISTEN_PID", "0000000000");
  lua_settop(L, list);
  char **packed = pack(L);
  size_t n = 0;
  while (packed[n] != NULL)
    n++;
  *pid = own ? packed[n - 1] + sizeof listen_pid - 1 : NULL;
  return packed;
}

/* Where the program may be: its path, or the folders of PATH. */
static const char *const *findprogram(lua_State *L, const char *name) {
  const char *path = getenv("PATH");
  lua_newtable(L);
  int list = lua_gettop(L);
  if (strchr(name, '/') != NULL) {
    lua_pushstring(L, name);
    lua_rawseti(L, list, 1);
    return (const char *const *)pack(L);
  }
  for (const char *from = path != NULL ? path : "/usr/bin:/bin";
       from != NULL;) {
    const char *end = strchrnul(from, ':');
    lua_pushlstring(L, from, (size_t)(end - from));
    lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), end > from ? "/" : "",
                    name);
    lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
    lua_pop(L, 1);
    from = *end != '\0' ? end + 1 : NULL;
  }
  return (const char *const *)pack(L);
}

/* Reads the value on top of the stack as if it were the options, so that an
 * error names that argument. [-0, +0, v] */
static int checkvalue(lua_State *L, int (*check)(lua_State *, int)) {
  lua_pushvalue(L, -1);
  lua_insert(L, LEV_OPTIONS);
  int value = check(L, LEV_OPTIONS);
  lua_remove(L, LEV_OPTIONS);
  return value;
}

/* One descriptor of the child: the value on top of the stack. */
static void addfd(lua_State *L, lev_spawn *how, int to) {
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
    return;
  how->fds[how->nfds].from = checkvalue(L, lev_checkfd);
  how->fds[how->nfds++].to = to;
}

static void readfds(lua_State *L, lev_spawn *how) {
  lua_Integer most = 3, key;
  int type = lua_getfield(L, LEV_OPTIONS, "fds"), fds = lua_gettop(L), isint;
  if (type != LUA_TNIL && type != LUA_TTABLE)
    lev_optionerror(L, LEV_OPTIONS, "fds", "table expected");
  lua_pushnil(L);
  while (type == LUA_TTABLE && lua_next(L, fds)) {
    key = lua_tointegerx(L, -2, &isint);
    if (lua_type(L, -2) != LUA_TNUMBER || !isint || key < 0 || key > LEV_LAST)
      lev_optionerror(L, LEV_OPTIONS, "fds", "numbers from 0 to 255 expected");
    most++;
    lua_pop(L, 1);
  }
  lua_settop(L, fds);
  how->fds = lua_newuserdatauv(L, (size_t)most * sizeof *how->fds, 0);
  for (int fd = 0; fd <= LEV_LAST && how->nfds < most; fd++) {
    if (lua_istable(L, fds))
      lua_geti(L, fds, fd);
    else
      lua_pushnil(L);
    if (lua_isnil(L, -1) && fd <= STDERR_FILENO) {
      lua_pushinteger(L, fd);
      lua_replace(L, -2);
    }
    if (!lua_isnil(L, -1))
      addfd(L, how, fd);
    lua_pop(L, 1);
  }
}

static const struct {
  const char *name;
  unsigned resource;
} resources[] = {
  { "as", RLIMIT_AS },       { "core", RLIMIT_CORE },
  { "cpu", RLIMIT_CPU },     { "data", RLIMIT_DATA },
  { "fsize", RLIMIT_FSIZE }, { "nofile", RLIMIT_NOFILE },
  { "nproc", RLIMIT_NPROC }, { "stack", RLIMIT_STACK },
};

enum { LEV_RESOURCES = sizeof resources / sizeof resources[0] };

static unsigned findresource(lua_State *L, int index) {
  const char *name =
      lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  for (int i = 0; i < LEV_RESOURCES; i++) {
    if (strcmp(resources[i].name, name) == 0)
      return resources[i].resource;
  }
  lev_optionerror(L, LEV_OPTIONS, "limits", "unknown limit");
  return RLIMIT_AS;
}

static void readlimits(lua_State *L, lev_spawn *how) {
  int isint, type = lua_getfield(L, LEV_OPTIONS, "limits");
  int limits = lua_gettop(L);
  if (type == LUA_TNIL)
    return;
  if (type != LUA_TTABLE)
    lev_optionerror(L, LEV_OPTIONS, "limits", "table expected");
  how->limits = lua_newuserdatauv(L, LEV_RESOURCES * sizeof *how->limits, 0);
  lua_pushnil(L);
  while (lua_next(L, limits)) {
    unsigned resource = findresource(L, -2);
    lua_Integer value = lua_tointegerx(L, -1, &isint);
    if (lua_type(L, -1) != LUA_TNUMBER || !isint || value < 0)
      lev_optionerror(L, LEV_OPTIONS, "limits", "integers from 0 on expected");
    struct rlimit now;
    getrlimit(resource, &now);
    now.rlim_cur = (rlim_t)value;
    if (now.rlim_max != RLIM_INFINITY && now.rlim_cur > now.rlim_max)
      now.rlim_max = now.rlim_cur; /* for the system to refuse */
    if (how->nlimits < LEV_RESOURCES) {
      how->limits[how->nlimits].resource = resource;
      how->limits[how->nlimits++].limit = now;
    }
    lua_pop(L, 1);
  }
}

void lev_spawn_read(lua_State *L, lev_spawn *how) {
  static const char *const names[] = {
    "env",     "setenv", "directory",   "fds",        "limits",
    "session", "group",  "parent_ends", "listen_pid", NULL,
  };
  memset(how, 0, sizeof *how);
  luaL_checkstack(L, 32, NULL);
  lev_checkoptions(L, LEV_OPTIONS, names);
  char **argv = readarguments(L);
  how->argv = argv;
  how->envp = readenvironment(L, &how->pid);
  how->paths = findprogram(L, argv[0] != NULL ? argv[0] : "");
  how->session = lev_optboolean(L, LEV_OPTIONS, "session", false);
  how->group = lev_optboolean(L, LEV_OPTIONS, "group", false);
  readfds(L, how);
  readlimits(L, how);
  if (lua_getfield(L, LEV_OPTIONS, "directory") != LUA_TNIL)
    how->directory = checktext(L, LEV_OPTIONS, "option 'directory'");
  if (lua_getfield(L, LEV_OPTIONS, "parent_ends") != LUA_TNIL)
    how->parentdies = checkvalue(L, lev_signal_check);
}
